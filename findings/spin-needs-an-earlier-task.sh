#!/usr/bin/env bash
# Guess:   after train was spun with --persist, spin can run the next step on its result.
# Really:  spin takes the inputs of an earlier task of the very same step. A step that no run has reached is
#          refused, and what spin stored is never an input of another spin.
# Version: metaflow 2.19.39
# Source:  metaflow/util.py, get_latest_task_pathspec (called for a bare step name); metaflow/runtime.py,
#          SpinRuntime.
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
import os

from metaflow import FlowSpec, step


class SpinFlow(FlowSpec):
    @step
    def start(self):
        self.rows = 1
        self.next(self.train)

    @step
    def train(self):
        self.model = self.rows + 1
        if os.environ.get("STOP"):
            raise RuntimeError("stop here")
        self.next(self.report)

    @step
    def report(self):
        print("SEEN report", self.model)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SpinFlow()
EOF

STOP=1 venv/bin/python flow.py run >log 2>&1 || true

venv/bin/python flow.py spin train --persist >log 2>&1
tail -n 1 log
grep -q "Task finished successfully" log
if venv/bin/python flow.py spin report >log 2>&1; then echo "report was spun"; exit 1; fi
grep -v '^ *$' log | tail -n 2
grep -q "No task found for step report in run" log
