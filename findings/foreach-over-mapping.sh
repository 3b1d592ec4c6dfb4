#!/usr/bin/env bash
# Guess:   a foreach over a mapping gives its keys, as a Python loop does, or is refused.
# Really:  the children are counted by iterating, but each takes value[index]. A Counter answers 0 for every
#          index that is not a key, a defaultdict its default, and a dict whose keys happen to be 0, 1, ...
#          gives its values. All three runs succeed.
# Version: metaflow 2.19.39
# Source:  metaflow/flowspec.py, FlowSpec.next (counts) and FlowSpec._find_input (indexes).
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
from collections import Counter, defaultdict

from metaflow import FlowSpec, Parameter, step


class MappingFlow(FlowSpec):
    kind = Parameter("kind", default="Counter")

    @step
    def start(self):
        values = {
            "Counter": Counter("aab"),
            "defaultdict": defaultdict(list, {"a": [1], "b": [2]}),
            "dict": {1: "one", 0: "zero"},
        }
        self.table = values[self.kind]
        self.next(self.each, foreach="table")

    @step
    def each(self):
        self.got = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        print("SEEN", self.kind, [child.got for child in inputs])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MappingFlow()
EOF
cat >expected <<'EOF'
Counter [0, 0]
defaultdict [[], []]
dict ['zero', 'one']
EOF

for kind in Counter defaultdict dict; do
    venv/bin/python flow.py run --kind $kind >log 2>&1
    sed -n 's/^.*\] SEEN //p' log | tee -a seen
done
diff expected seen
