#!/usr/bin/env bash
# Guess:   a function assigned to self is stored like every artifact, or refused because it cannot be pickled.
# Really:  a plain function or lambda is skipped without a word when the step ends, and the next step has no
#          such attribute. Classes, builtins, partials and a list that holds a function are stored.
# Version: metaflow 2.19.39
# Source:  metaflow/datastore/task_datastore.py, TaskDataStore.persist (skips methods and functions).
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
from functools import partial

from metaflow import FlowSpec, step


def double(number):
    return 2 * number


class FunctionFlow(FlowSpec):
    @step
    def start(self):
        self.function = double
        self.lam = lambda number: number
        self.in_list = [double]
        self.bound = partial(double, 3)
        self.builtin = len
        self.cls = dict
        self.next(self.end)

    @step
    def end(self):
        for name in ["function", "lam", "in_list", "bound", "builtin", "cls"]:
            print("SEEN", name, "arrived" if hasattr(self, name) else "is missing")


if __name__ == "__main__":
    FunctionFlow()
EOF
cat >expected <<'EOF'
function is missing
lam is missing
in_list arrived
bound arrived
builtin arrived
cls arrived
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
