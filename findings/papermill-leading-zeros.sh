#!/usr/bin/env bash
# Guess:   what a shell passes for a parameter whose default is a text stays a text.
# Really:  every value that looks like a number, a truth value or None becomes one, whatever the default in the
#          notebook is: 007 is 7, 1e5 is 100000.0. The option -r keeps the text.
# Version: papermill 2.7.0, ipykernel 7.4.0
# Source:  papermill/cli.py, _resolve_type.
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
run -p name 007 -p rows 1e5 -p half None
run -r name 007
diff - seen <<'EOF'
100000.0 None 7
10 5.0 '007'
EOF
