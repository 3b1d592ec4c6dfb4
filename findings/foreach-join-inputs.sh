#!/usr/bin/env bash
# Guess:   inputs is a sequence, so len(inputs) counts the children; inputs.each is an error, or all children,
#          when each ran as a foreach.
# Really:  inputs can be indexed and iterated over but has no length. It sets one attribute for each parent
#          under the name of its step, so that inputs.each is the last child.
# Version: metaflow 2.19.39
# Source:  metaflow/datastore/inputs.py, Inputs.
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


class InputsFlow(FlowSpec):
    @step
    def start(self):
        self.items = [10, 20, 30]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.item = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        print("SEEN items:", [child.item for child in inputs], "first:", inputs[0].item)
        print("SEEN inputs.each.item:", inputs.each.item)
        try:
            print("SEEN length:", len(inputs))
        except TypeError as error:
            print("SEEN length:", error)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    InputsFlow()
EOF
cat >expected <<'EOF'
items: [10, 20, 30] first: 10
inputs.each.item: 30
length: object of type 'Inputs' has no len()
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
