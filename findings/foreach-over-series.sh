#!/usr/bin/env bash
# Guess:   a foreach over a pandas Series runs its values in their order; child 0 gets the first.
# Really:  child number i gets series[i], which pandas takes as a label. A sorted or shuffled Series, whose
#          integer index moved with its values, is handed out in the order of its labels.
# Version: metaflow 2.19.39, pandas 3.1.1
# Source:  metaflow/flowspec.py, FlowSpec._find_input; pandas.Series.__getitem__.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export METAFLOW_HOME="$work/home" METAFLOW_USER=tester
export METAFLOW_DEFAULT_DATASTORE=local METAFLOW_DEFAULT_METADATA=local
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check metaflow==2.19.39 pandas==3.1.1
venv/bin/pip freeze | grep -E "^(metaflow|pandas)=="

cat >flow.py <<'EOF'
import pandas as pd
from metaflow import FlowSpec, step


class SeriesFlow(FlowSpec):
    @step
    def start(self):
        self.scores = pd.Series([30, 10, 20]).sort_values(ascending=False)
        print("SEEN in the series:", self.scores.tolist())
        self.next(self.each, foreach="scores")

    @step
    def each(self):
        self.got = int(self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        print("SEEN in the children:", [child.got for child in inputs])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SeriesFlow()
EOF
cat >expected <<'EOF'
in the series: [30, 20, 10]
in the children: [30, 10, 20]
EOF

venv/bin/python flow.py run >log 2>&1 || echo "SEEN the run failed" >>log
sed -n 's/^.*\] SEEN //p; s/^SEEN //p' log | tee seen
diff expected seen
