#!/usr/bin/env bash
# Guess:   self.rows = self.view = [] stays one list under two names, as in one pickled object.
# Really:  every artifact is pickled on its own. In the next step the names belong to two lists, and what is
#          appended to one is missing in the other. Inside one artifact, as in a dict that holds both, identity
#          is kept.
# Version: metaflow 2.19.39
# Source:  metaflow/datastore/task_datastore.py, TaskDataStore.save_artifacts (serializes name by name).
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


class AliasFlow(FlowSpec):
    @step
    def start(self):
        self.rows = self.view = []
        self.both = {"rows": self.rows, "view": self.view}
        print("SEEN start: one object", self.rows is self.view, "- in a dict", self.both["rows"] is self.both["view"])
        self.next(self.end)

    @step
    def end(self):
        self.rows.append(1)
        print("SEEN end: one object", self.rows is self.view, "- in a dict", self.both["rows"] is self.both["view"])
        print("SEEN rows", self.rows, "view", self.view)


if __name__ == "__main__":
    AliasFlow()
EOF
cat >expected <<'EOF'
start: one object True - in a dict True
end: one object False - in a dict True
rows [1] view []
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
