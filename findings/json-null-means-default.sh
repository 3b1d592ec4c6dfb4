#!/usr/bin/env bash
# Guess:   null is a JSON value, so a JSONType parameter given null on the command line is None.
# Really:  the parsed None counts as not given, and the parameter takes its default. There is no way to say null
#          on the command line; the other JSON values pass.
# Version: metaflow 2.19.39
# Source:  metaflow/parameters.py, JSONTypeClass.convert; the vendored click then fills in the default for None.
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
from metaflow import FlowSpec, JSONType, Parameter, step


class NullFlow(FlowSpec):
    settings = Parameter("settings", type=JSONType, default={"depth": 3})

    @step
    def start(self):
        print("SEEN", repr(self.settings))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NullFlow()
EOF
cat >expected <<'EOF'
{'depth': 3}
0
False
[None]
EOF

for value in null 0 false '[null]'; do
    venv/bin/python flow.py run --settings "$value" >log 2>&1
    sed -n 's/^.*\] SEEN //p' log | tee -a seen
done
diff expected seen
