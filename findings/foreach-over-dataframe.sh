#!/usr/bin/env bash
# Guess:   a foreach over a polars DataFrame of three rows and two columns runs either three children, one for
#          each row, or two, one for each column.
# Really:  it runs two children, because iterating gives columns, and they get rows 0 and 1, because indexing
#          gives rows. The third row is never seen, and the run succeeds.
# Version: metaflow 2.19.39, polars 2.1.0
# Source:  metaflow/flowspec.py, FlowSpec.next (counts by iterating) and FlowSpec._find_input (indexes);
#          polars.DataFrame.__iter__ and __getitem__.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export METAFLOW_HOME="$work/home" METAFLOW_USER=tester
export METAFLOW_DEFAULT_DATASTORE=local METAFLOW_DEFAULT_METADATA=local
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check metaflow==2.19.39 polars==2.1.0
venv/bin/pip freeze | grep -E "^(metaflow|polars)=="

cat >flow.py <<'EOF'
import polars as pl
from metaflow import FlowSpec, step


class FrameFlow(FlowSpec):
    @step
    def start(self):
        self.frame = pl.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
        self.next(self.each, foreach="frame")

    @step
    def each(self):
        self.got = self.input
        self.next(self.join)

    @step
    def join(self, inputs):
        for child in inputs:
            print("SEEN", child.index, child.got.to_dicts())
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FrameFlow()
EOF
cat >expected <<'EOF'
0 [{'a': 1, 'b': 4}]
1 [{'a': 2, 'b': 5}]
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
