#!/usr/bin/env bash
# Guess:   current is either empty or filled: in a run's process it knows the flow and the run, and elsewhere it
#          raises.
# Really:  at module level every attribute is None even inside a task's process. In the function that gives a
#          parameter's default, flow_name is set and run_id None. None of it raises, so a label made there reads
#          None.
# Version: metaflow 2.19.39
# Source:  metaflow/metaflow_current.py, Current; metaflow/cli.py, start (sets the flow's name) and
#          metaflow/task.py (sets the rest).
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
from metaflow import FlowSpec, Parameter, current, step

MODULE = f"{current.flow_name} {current.run_id} {current.is_running_flow}"


def label(context):
    return f"{current.flow_name} {current.run_id} {current.is_running_flow}"


class CurrentFlow(FlowSpec):
    label = Parameter("label", default=label)

    @step
    def start(self):
        print("SEEN module level:", MODULE)
        print("SEEN default function:", self.label)
        print("SEEN step:", current.flow_name, current.run_id is not None, current.is_running_flow)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CurrentFlow()
EOF
cat >expected <<'EOF'
module level: None None False
default function: CurrentFlow None False
step: CurrentFlow True True
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
