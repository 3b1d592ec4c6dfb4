#!/usr/bin/env bash
# Guess:   a decorator that only notes something after the step, and returns nothing, leaves the step's
#          exception alone. The generator form of the same decorator does.
# Really:  post_step receives the exception and its return value replaces it: None means that the step
#          succeeded. The run continues without what the step would have stored.
# Version: metaflow 2.19.39
# Source:  metaflow/task.py, MetaflowTask._exec_step_function; metaflow/user_decorators/user_step_decorator.py,
#          UserStepDecorator.post_step.
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
from metaflow import FlowSpec, UserStepDecorator, step


class note(UserStepDecorator):
    def post_step(self, step_name, flow, exception=None):
        flow.noted = True


class NoteFlow(FlowSpec):
    @note
    @step
    def start(self):
        self.rows = open("missing.csv").read()
        self.next(self.end)

    @step
    def end(self):
        print("SEEN end runs; rows there:", hasattr(self, "rows"), "- noted:", self.noted)


if __name__ == "__main__":
    NoteFlow()
EOF
cat >client.py <<'EOF'
from metaflow import Flow

run = Flow("NoteFlow").latest_run
print("SEEN run successful", run.successful, "- start successful", run["start"].task.successful)
EOF
cat >generator.py <<'EOF'
from metaflow import FlowSpec, step, user_step_decorator


@user_step_decorator
def note(step_name, flow, inputs):
    yield
    flow.noted = True


EOF
sed -n '/^class NoteFlow/,$p' flow.py >>generator.py
cat >expected <<'EOF'
end runs; rows there: False - noted: True
run successful True - start successful True
EOF

venv/bin/python flow.py run >log 2>&1
venv/bin/python client.py >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
if venv/bin/python generator.py run >log 2>&1; then echo "the generator form swallowed it too"; exit 1; fi
echo "the same as a generator: the run fails"
