#!/usr/bin/env bash
# Guess:   an artifact named like a later step, or like the flow's own attribute `name`, is refused, or reaches
#          the next step like any other.
# Really:  the step that sets it reads it back, and the Client shows the value, but the next step reads the flow
#          class's method, or the class's name. Nothing warns.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec.__getattr__ (asked only when the class has no such attribute) and
#          FlowSpec.__init__ (sets name).
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


class NameFlow(FlowSpec):
    @step
    def start(self):
        self.report = 7
        self.name = "mine"
        print("SEEN start", self.report, self.name)
        self.next(self.middle)

    @step
    def middle(self):
        print("SEEN middle", type(self.report).__name__, self.name)
        self.next(self.report)

    @step
    def report(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NameFlow()
EOF
cat >client.py <<'EOF'
from metaflow import Flow

task = Flow("NameFlow").latest_run["start"].task
print("SEEN client", task["report"].data, task["name"].data)
EOF
cat >expected <<'EOF'
start 7 mine
middle method NameFlow
client 7 mine
EOF

venv/bin/python flow.py run >log 2>&1
venv/bin/python client.py >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
