#!/usr/bin/env bash
# Guess:   a foreach over a set runs each of its items once, in some order.
# Really:  each child loads the set, iterates over it again and takes the item at its own index. A set of
#          strings has another order in each process, so items repeat and others are lost; nothing is reported.
#          With one fixed PYTHONHASHSEED for all processes every item runs once.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec._find_input (falls back to an iterator when the value cannot be
#          indexed).
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


class SetFlow(FlowSpec):
    @step
    def start(self):
        self.items = {f"item-{number}" for number in range(16)}
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.item = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        print("SEEN", len({child.item for child in inputs}), "different items in", len(list(inputs)), "children")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SetFlow()
EOF

unset PYTHONHASHSEED
venv/bin/python flow.py run >log 2>&1
sed -n 's/^.*\] SEEN //p' log | tee seen
! grep -q "^16 different items in 16 children" seen || exit 1
grep -q "in 16 children" seen
echo "with one hash seed for all processes:"
PYTHONHASHSEED=0 venv/bin/python flow.py run >log 2>&1
sed -n 's/^.*\] SEEN //p' log | tee seen
grep -q "^16 different items in 16 children" seen
