#!/usr/bin/env bash
# Guess:   branches that set an artifact to equal values merge without a conflict.
# Really:  the values are compared by the hash of their pickles. 1 and True conflict, so do equal dicts that
#          were filled in another order, and two equal sets of strings, which each process writes in its own
#          order.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec.merge_artifacts (compares the datastore's keys, not the values).
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


class MergeFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.ant, self.bee)

    @step
    def ant(self):
        self.text = "same"
        self.flag = 1
        self.table = {"a": 1, "b": 2}
        self.tags = {f"tag-{number}" for number in range(16)}
        self.next(self.join)

    @step
    def bee(self):
        self.text = "same"
        self.flag = True
        self.table = {"b": 2, "a": 1}
        self.tags = {f"tag-{number}" for number in range(16)}
        self.next(self.join)

    @step
    def join(self, inputs):
        for name in ["text", "flag", "table", "tags"]:
            equal = getattr(inputs.ant, name) == getattr(inputs.bee, name)
            try:
                self.merge_artifacts(inputs, include=[name])
                print("SEEN", name, "equal:", equal, "- merged")
            except Exception as error:
                print("SEEN", name, "equal:", equal, "- conflict in", error.artifact_names)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MergeFlow()
EOF
cat >expected <<'EOF'
text equal: True - merged
flag equal: True - conflict in ['flag']
table equal: True - conflict in ['table']
tags equal: True - conflict in ['tags']
EOF

unset PYTHONHASHSEED
venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
