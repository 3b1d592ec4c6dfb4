#!/usr/bin/env bash
# Guess:   a list in the class body is either a constant, so that changing it fails, or is handed on like every
#          artifact.
# Really:  assigning to it fails, since the class body's values are read-only. Changing it in place works, and
#          the change is lost without a word at the end of the step. The Client shows the first value.
# Version: metaflow 2.19.39
# Source:  metaflow/task.py, MetaflowTask._init_parameters (makes properties of the class's values);
#          metaflow/flowspec.py, FlowSpec._set_constants.
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
from metaflow import FlowSpec, step


class ConstantFlow(FlowSpec):
    columns = ["a"]

    @step
    def start(self):
        try:
            self.columns = ["b"]
        except AttributeError as error:
            print("SEEN assigned:", error)
        self.columns.append("b")
        print("SEEN start:", self.columns)
        self.next(self.end)

    @step
    def end(self):
        print("SEEN end:", self.columns)


if __name__ == "__main__":
    ConstantFlow()
EOF
cat >expected <<'EOF'
assigned: Flow level attributes and Parameters are not modifiable
start: ['a', 'b']
end: ['a']
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
