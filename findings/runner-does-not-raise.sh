#!/usr/bin/env bash
# Guess:   Runner('flow.py').run() raises when the flow fails, as subprocess.run(check=True) or a call of the
#          function would.
# Really:  it returns normally. The status is 'failed' and the run exists, so a script that goes on to read
#          results must ask for run.successful itself.
# Version: metaflow 2.19.39
# Source:  metaflow/runner/metaflow_runner.py, Runner.run and ExecutingRun.status.
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


class FailFlow(FlowSpec):
    @step
    def start(self):
        raise ValueError("bad rows")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FailFlow()
EOF
cat >script.py <<'EOF'
from metaflow import Runner

with Runner("flow.py", show_output=False).run() as running:
    print("SEEN returned; status:", running.status, "- successful:", running.run.successful)
    print("SEEN task's exception:", running.run["start"].task.exception.exception)
EOF
cat >expected <<'EOF'
returned; status: failed - successful: False
task's exception: bad rows
EOF

venv/bin/python script.py >log 2>&1
sed -n 's/^SEEN //p' log | tee seen
diff expected seen
