#!/usr/bin/env bash
# Guess:   decorators apply from the step outwards: with @catch next to the step, a decorator above it never
#          sees the exception.
# Really:  Metaflow's own decorators always wrap the user's. In both orders the user's decorator sees the
#          exception, and @catch catches what it lets through.
# Version: metaflow 2.19.39
# Source:  metaflow/task.py, MetaflowTask.run_step (decorators' task_exception around _exec_step_function).
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
from metaflow import FlowSpec, catch, step, user_step_decorator


@user_step_decorator
def watch(step_name, flow, inputs):
    try:
        yield
    except ValueError:
        print("SEEN watch in", step_name)
        raise


class OrderFlow(FlowSpec):
    @watch
    @catch(var="first", print_exception=False)
    @step
    def start(self):
        raise ValueError("start")
        self.next(self.middle)

    @catch(var="second", print_exception=False)
    @watch
    @step
    def middle(self):
        raise ValueError("middle")
        self.next(self.end)

    @step
    def end(self):
        print("SEEN caught both:", self.first is not None, self.second is not None)


if __name__ == "__main__":
    OrderFlow()
EOF
cat >expected <<'EOF'
watch in start
watch in middle
caught both: True True
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
