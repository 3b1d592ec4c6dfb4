#!/usr/bin/env bash
# Guess:   iterating over the inputs of a join, or taking inputs[0], follows the order in which self.next named
#          the branches.
# Really:  the order depends on the hash seed of the process that runs the flow, because the parents of the join
#          go through a set. It changes from run to run; only inputs.NAME is safe.
# Version: metaflow 2.19.39
# Source:  metaflow/runtime.py, NativeRuntime._queue_task_join (direct_parents is a set of step names).
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


class OrderFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.ant, self.bee, self.cat)

    @step
    def ant(self):
        self.branch = "ant"
        self.next(self.join)

    @step
    def bee(self):
        self.branch = "bee"
        self.next(self.join)

    @step
    def cat(self):
        self.branch = "cat"
        self.next(self.join)

    @step
    def join(self, inputs):
        print("SEEN", *[parent.branch for parent in inputs])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    OrderFlow()
EOF

for seed in 0 1 2 3; do
    PYTHONHASHSEED=$seed venv/bin/python flow.py run >log 2>&1
    sed -n 's/^.*\] SEEN //p' log | tee -a seen
done
orders=$(sort -u seen | wc -l)
echo "different orders: $orders"
test "$orders" -ge 2
