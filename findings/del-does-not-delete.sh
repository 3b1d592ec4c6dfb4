#!/usr/bin/env bash
# Guess:   del self.x in a step removes the artifact from there on.
# Really:  an artifact of an earlier step is no attribute yet, so del raises AttributeError. Once the step has
#          read it, del succeeds, but the next read finds the stored one again, and so does the next step.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec.__getattr__ (reads from the datastore and caches);
#          metaflow/datastore/task_datastore.py (artifacts are passed down by name).
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


class DeleteFlow(FlowSpec):
    @step
    def start(self):
        self.unread = self.was_read = [1]
        self.next(self.middle)

    @step
    def middle(self):
        try:
            del self.unread
        except AttributeError as error:
            print("SEEN unread:", error)
        self.was_read
        del self.was_read
        print("SEEN deleted after a read, and still there:", self.was_read)
        self.next(self.end)

    @step
    def end(self):
        print("SEEN end:", self.unread, self.was_read)


if __name__ == "__main__":
    DeleteFlow()
EOF
cat >expected <<'EOF'
unread: 'DeleteFlow' object has no attribute 'unread'
deleted after a read, and still there: [1]
end: [1] [1]
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
