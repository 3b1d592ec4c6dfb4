#!/usr/bin/env bash
# Guess:   marimo convert gives a notebook that does what the Jupyter notebook did.
# Really:  in marimo a name with a leading underscore belongs to its cell alone. The conversion renames a
#          variable that two cells assign (total becomes total_1) but leaves _scale as it is, so that the cell
#          that reads it fails with NameError.
# Version: marimo 0.25.2, nbformat 5.11.1
# Source:  marimo documentation, Best practices and Coming from Jupyter (local variables);
#          marimo/_convert/ipynb/to_ir.py.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check marimo==0.25.2 nbformat==5.11.1
venv/bin/pip freeze | grep -E "^(marimo|nbformat)=="

cat >make.py <<'EOF'
import nbformat

v4 = nbformat.v4
sources = ["_scale = 5", "total = 1", "total = total + 1", "print(total)", "print(_scale)"]
nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources]), "in.ipynb")
EOF

venv/bin/python make.py
venv/bin/marimo convert in.ipynb -o out.py >log 2>&1
grep -E "^    (_scale|total|print)" out.py
grep -q "total_1 = total + 1" out.py
if venv/bin/python out.py >log 2>&1; then echo "the converted notebook ran"; exit 1; fi
tail -n 1 log
grep -q "NameError: name '_scale' is not defined" log
