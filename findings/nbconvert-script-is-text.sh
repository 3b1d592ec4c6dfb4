#!/usr/bin/env bash
# Guess:   a notebook whose kernelspec says Python becomes a .py file whose magics are calls, run or not.
# Really:  the exporter looks only at language_info, which a kernel fills in on the first run. Without it the
#          result is a .txt file with the % lines as they are. After a run the same notebook gives a .py file
#          with get_ipython() calls.
# Version: nbconvert 7.17.2, ipykernel 7.4.0
# Source:  nbconvert/exporters/script.py, ScriptExporter.from_notebook_node.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check nbconvert==7.17.2 ipykernel==7.4.0
venv/bin/pip freeze | grep -E "^(nbconvert|ipykernel)=="

cat >make.py <<'EOF'
import nbformat

v4 = nbformat.v4
notebook = v4.new_notebook(cells=[v4.new_code_cell("%%time\nx = 1")])
notebook.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python 3"}
nbformat.write(notebook, "fresh.ipynb")
EOF

venv/bin/python make.py
venv/bin/jupyter-nbconvert --to notebook --execute fresh.ipynb --output ran.ipynb 2>log
venv/bin/jupyter-nbconvert --to script fresh.ipynb ran.ipynb 2>log
head -n 20 fresh.txt ran.py
grep -qx "%%time" fresh.txt
grep -q "^get_ipython().run_cell_magic('time'" ran.py
test ! -e fresh.py
