#!/usr/bin/env bash
# Guess:   the Client reads an artifact of a class that flow.py defines, or at least after `import flow`.
# Really:  the flow runs as __main__, and so the pickle names __main__.Point. Another script fails, even when it
#          imports flow. If it happens to have a Point of its own, the artifact silently becomes one of those.
# Version: metaflow 2.19.39
# Source:  metaflow/datastore/task_datastore.py and plugins/datastores/serializers/pickle_serializer.py (plain
#          pickle, by reference).
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


class Point:
    def __init__(self, x):
        self.x = x


class PointFlow(FlowSpec):
    @step
    def start(self):
        self.point = Point(3)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PointFlow()
EOF
cat >imports.py <<'EOF'
import flow
from metaflow import Flow

try:
    print("SEEN read:", Flow("PointFlow").latest_run.data.point)
except AttributeError as error:
    print("SEEN with flow imported:", str(error).partition(" on ")[0])
EOF
cat >other.py <<'EOF'
import flow
from metaflow import Flow


class Point:
    """A point in time, not in space."""


found = Flow("PointFlow").latest_run.data.point
print("SEEN with another Point:", type(found).__doc__, vars(found), "- flow's:", isinstance(found, flow.Point))
EOF
cat >expected <<'EOF'
with flow imported: Can't get attribute 'Point'
with another Point: A point in time, not in space. {'x': 3} - flow's: False
EOF

venv/bin/python flow.py run >log 2>&1
venv/bin/python imports.py >log 2>&1
venv/bin/python other.py >>log 2>&1
sed -n 's/^SEEN //p' log | tee seen
diff expected seen
