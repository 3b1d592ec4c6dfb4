#!/usr/bin/env bash
# Guess:   all times that the Client gives are in one zone, or carry their zone.
# Really:  Task.created_at and finished_at are local times without a zone; Task.loglines gives UTC times without
#          a zone. Nine hours east of Greenwich a line seems to be printed nine hours before its task was
#          created.
# Version: metaflow 2.19.39
# Source:  metaflow/client/core.py, MetaflowObject.__init__ (datetime.fromtimestamp) and Task.loglines;
#          metaflow/mflog/mflog.py, which stamps lines in UTC.
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


class TimeFlow(FlowSpec):
    @step
    def start(self):
        print("hello")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TimeFlow()
EOF

export TZ=JST-9
venv/bin/python flow.py run >log 2>&1
venv/bin/python - <<'EOF'
from metaflow import Flow

task = Flow("TimeFlow").latest_run["start"].task
printed, line = next(iter(task.loglines("stdout")))
hours = (task.created_at - printed).total_seconds() / 3600
print("created", task.created_at, "- finished", task.finished_at)
print("printed", printed, repr(line))
assert task.created_at.tzinfo is task.finished_at.tzinfo is printed.tzinfo is None
assert round(hours) == 9, hours
EOF
