#!/usr/bin/env bash
# Guess:   code above the steps runs once in a run, so a label made there is the same in all steps, and a
#          StepMutator changes the flow once.
# Really:  every task is a process that imports the file again. A random label differs from step to step, and a
#          run of two steps runs the module and the mutator three times: once to start the run and once for each
#          task.
# Version: metaflow 2.19.39
# Source:  metaflow/runtime.py, CLIArgs and Worker (each task is a new process of the flow file);
#          metaflow/decorators.py, _run_step_mutator.
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
import uuid

from metaflow import FlowSpec, StepMutator, step

LABEL = uuid.uuid4().hex
with open("imports", "a") as lines:
    lines.write("module\n")


class count(StepMutator):
    def mutate(self, mutable_step):
        with open("imports", "a") as lines:
            lines.write("mutator\n")


class LabelFlow(FlowSpec):
    @count
    @step
    def start(self):
        self.label = LABEL
        self.next(self.end)

    @step
    def end(self):
        print("SEEN the label of start is that of end:", self.label == LABEL)


if __name__ == "__main__":
    LabelFlow()
EOF
cat >expected <<'EOF'
the label of start is that of end: False
the module ran 3 times
the mutator ran 3 times
EOF

venv/bin/python flow.py run >log 2>&1
for what in module mutator; do
    echo "SEEN the $what ran $(grep -c $what imports) times" >>log
done
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
