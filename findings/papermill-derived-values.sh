#!/usr/bin/env bash
# Guess:   papermill -p rows 100 gives rows its value where the parameters cell does, so half = rows / 2 in that
#          cell is 50.
# Really:  a new cell is added behind the parameters cell. rows is 100 from there on, and half was computed from
#          the default.
# Version: papermill 2.7.0, ipykernel 7.4.0
# Source:  papermill/parameterize.py, parameterize_notebook.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check papermill==2.7.0 ipykernel==7.4.0
venv/bin/pip freeze | grep -E "^(papermill|ipykernel)=="

cat >make.py <<'EOF'
import sys

import nbformat

v4 = nbformat.v4
parameters = v4.new_code_cell("rows = 10\nhalf = rows / 2\nname = 'all'")
if "tagged" in sys.argv:
    parameters.metadata.tags = ["parameters"]
output = v4.new_code_cell("print('SEEN', repr(rows), repr(half), repr(name))")
notebook = v4.new_notebook(cells=[v4.new_code_cell("import math"), parameters, output])
notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
nbformat.write(notebook, "in.ipynb")
EOF
cat >seen.py <<'EOF'
import nbformat

for cell in nbformat.read("out.ipynb", as_version=4).cells:
    for output in cell.get("outputs", []):
        print(output.text.removeprefix("SEEN ").strip())
EOF
run() {
    venv/bin/papermill in.ipynb out.ipynb --no-progress-bar --log-level ERROR "$@" 2>log
    venv/bin/python seen.py | tee -a seen
}

venv/bin/python make.py tagged
run
run -p rows 100
diff - seen <<'EOF'
10 5.0 'all'
100 5.0 'all'
EOF
