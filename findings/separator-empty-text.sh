#!/usr/bin/env bash
# Guess:   a parameter with a separator is always a list: an empty text gives [] or [''].
# Really:  an empty text is not split and stays ''. One word gives a list of one word.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec._set_constants (splits only a text that is not empty).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export METAFLOW_HOME="$work/home" METAFLOW_USER=tester
export METAFLOW_DEFAULT_DATASTORE=local METAFLOW_DEFAULT_METADATA=local
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check metaflow==2.19.39
venv/bin/pip freeze | grep -E "^(metaflow)=="

cat >flow.py <<'EOF'
from metaflow import FlowSpec, Parameter, step


class SeparatorFlow(FlowSpec):
    names = Parameter("names", default="ant,bee", separator=",")

    @step
    def start(self):
        print("SEEN", repr(self.names))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SeparatorFlow()
EOF
cat >expected <<'EOF'
['ant', 'bee']
['ant']
''
EOF

venv/bin/python flow.py run >log 2>&1
venv/bin/python flow.py run --names ant >>log 2>&1
venv/bin/python flow.py run --names '' >>log 2>&1
sed -n 's/^.*\] SEEN //p' log | tee seen
diff expected seen
