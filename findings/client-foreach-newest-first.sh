#!/usr/bin/env bash
# Guess:   iterating over run['each'] gives the tasks of a foreach in the order of its items, and over a run its
#          steps from start to end.
# Really:  children of every object come newest first. The values of a foreach that are read back in a loop are
#          reversed against its list, and run['each'].task is the last child.
# Version: metaflow 2.19.39
# Source:  metaflow/client/core.py, MetaflowObject.__iter__ (sorted by created_at, reversed).
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


class BackFlow(FlowSpec):
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
        self.items = [child.item for child in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    BackFlow()
EOF
cat >client.py <<'EOF'
from metaflow import Flow

run = Flow("BackFlow").latest_run
print("SEEN steps:", [found.id for found in run])
print("SEEN in the join:", run["join"].task.data.items)
print("SEEN through the client:", [task.data.item for task in run["each"]])
print("SEEN .task:", run["each"].task.data.item)
EOF
cat >expected <<'EOF'
steps: ['end', 'join', 'each', 'start']
in the join: [10, 20, 30]
through the client: [30, 20, 10]
.task: 30
EOF

venv/bin/python flow.py run --max-workers 1 >log 2>&1
venv/bin/python client.py | sed -n 's/^SEEN //p' | tee seen
diff expected seen
