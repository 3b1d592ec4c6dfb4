#!/usr/bin/env bash
# Guess:   a decorator that yields USER_SKIP_STEP skips any step, which then goes where its own self.next leads.
# Really:  for a linear step it does. For a step that chooses by a condition, Metaflow calls self.next with all
#          targets, drops the condition, and stops after the task because a switch must lead to exactly one
#          step, although the artifact it chooses by is set.
# Version: metaflow 2.19.39
# Source:  metaflow/task.py, MetaflowTask._exec_step_function (the faked call of self.next).
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
from metaflow import USER_SKIP_STEP, FlowSpec, step, user_step_decorator


@user_step_decorator
def skipped(step_name, flow, inputs):
    flow.color = "red"
    yield USER_SKIP_STEP


class SkipFlow(FlowSpec):
    @skipped
    @step
    def start(self):
        print("SEEN start runs")
        self.next(self.choose)

    @skipped
    @step
    def choose(self):
        print("SEEN choose runs")
        self.next({"red": self.red, "blue": self.blue}, condition="color")

    @step
    def red(self):
        print("SEEN red runs")
        self.next(self.end)

    @step
    def blue(self):
        print("SEEN blue runs")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SkipFlow()
EOF

if venv/bin/python flow.py run >log 2>&1; then echo "the run succeeded"; exit 1; fi
grep -o "[a-z]*/[0-9]* (pid [0-9]*)\] Task finished successfully" log | sed 's/ (.*\]/:/'
test "$(grep -c 'Task finished successfully' log)" = 2
if grep -q SEEN log; then echo "a step body ran"; exit 1; fi
grep -o "Switch step choose should transition.*" log
