#!/usr/bin/env bash
# Guess:   a task that @catch saved counts as successful, as its run does; or, if it counts as failed, resume
#          runs it again.
# Really:  Task.successful is False and Run.successful is True. The client shows no exception for the task. A
#          resume copies the caught task with its error instead of running the step again.
# Version: metaflow 2.19.39
# Source:  metaflow/plugins/catch_decorator.py, CatchDecorator.task_exception; metaflow/client/core.py,
#          Task.successful and Task.exception; metaflow/runtime.py, Task._find_origin_task.
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

from metaflow import FlowSpec, catch, step


class CaughtFlow(FlowSpec):
    @catch(var="err", print_exception=False)
    @step
    def start(self):
        print("SEEN start runs")
        raise ValueError("bad luck")
        self.next(self.middle)

    @step
    def middle(self):
        if os.environ.get("STOP"):
            raise RuntimeError("stop here")
        self.next(self.end)

    @step
    def end(self):
        print("SEEN end has the error:", self.err is not None)


if __name__ == "__main__":
    CaughtFlow()
EOF
cat >client.py <<'EOF'
from metaflow import Flow

run = Flow("CaughtFlow").latest_run
task = run["start"].task
print("SEEN run successful", run.successful)
print("SEEN task successful", task.successful, "finished", task.finished, "exception", task.exception)
EOF
cat >expected <<'EOF'
start runs
end has the error: True
run successful True
task successful False finished True exception None
EOF

STOP=1 venv/bin/python flow.py run >log 2>&1 || true
venv/bin/python flow.py resume >>log 2>&1
venv/bin/python client.py >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
