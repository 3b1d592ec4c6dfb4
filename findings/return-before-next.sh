#!/usr/bin/env bash
# Guess:   a step that returns before self.next fails, or is refused before the run, since the graph is checked
#          first.
# Really:  the check looks at the text of the step, where self.next is the last line. At run time the task is
#          stored and reported as successful, and the run then stops with an internal error about the missing
#          transition. A step that calls sys.exit(0) ends the same way, except that the Client gives None as
#          finished of its task.
# Version: metaflow 2.19.39
# Source:  metaflow/lint.py (static check); metaflow/runtime.py, NativeRuntime._queue_tasks (compares the
#          transition after the task).
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
import sys

from metaflow import FlowSpec, Parameter, step


class ReturnFlow(FlowSpec):
    how = Parameter("how", default="return")

    @step
    def start(self):
        if self.how == "return":
            return
        if self.how == "exit":
            sys.exit(0)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ReturnFlow()
EOF
cat >client.py <<'EOF'
from metaflow import Flow

run = Flow("ReturnFlow").latest_run
print("SEEN task finished", run["start"].task.finished, "- run successful", run.successful)
EOF
cat >expected <<'EOF'
task finished True - run successful False
task finished None - run successful False
EOF

for how in return exit; do
    if venv/bin/python flow.py run --how $how >log 2>&1; then echo "the run succeeded"; exit 1; fi
    grep -E -o "Task finished successfully|The graph looks good|Internal error|self.next\(\) was called with" log
    grep -q "Task finished successfully" log
    grep -q "was expected to transition to step(s) end" log
    venv/bin/python client.py | sed -n 's/^SEEN //p' | tee -a seen
done
diff expected seen
