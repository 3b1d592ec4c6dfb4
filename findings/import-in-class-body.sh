#!/usr/bin/env bash
# Guess:   an import inside the class body of a flow is a matter of scope and has no effect on the run.
# Really:  what a class body binds is a constant of the flow, and every constant that is not callable is pickled
#          before the first step. A module cannot be pickled, so no step runs. A number imported in the same
#          place becomes an artifact of the run.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec._set_constants; metaflow/task.py, MetaflowTask._init_parameters.
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


class ImportFlow(FlowSpec):
    import math

    @step
    def start(self):
        print("SEEN start", self.math.floor(1.5))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ImportFlow()
EOF
sed -e 's/import math/from math import pi/' -e 's/self.math.floor(1.5)/self.pi/' flow.py >number.py

if venv/bin/python flow.py run >log 2>&1; then echo "the module was accepted"; exit 1; fi
tail -n 3 log
grep -q 'Cannot pickle dump artifact named "math"' log
if grep -q "Task is starting" log; then echo "a step ran"; exit 1; fi
venv/bin/python number.py run >log 2>&1
venv/bin/python -c '
from metaflow import Flow
names = [artifact.id for artifact in Flow("ImportFlow").latest_run["end"].task]
print("artifacts of the other flow:", names)
assert "pi" in names'
