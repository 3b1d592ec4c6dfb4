#!/usr/bin/env bash
# Guess:   reading a notebook with as_version=4 and adding a cell made by nbformat.v4 gives a valid notebook.
# Really:  as_version=4 keeps the file's own minor version. New cells carry an id, which 4.4 does not allow, so
#          the notebook no longer validates. write logs the error and writes the file.
# Version: nbformat 5.11.1
# Source:  nbformat/v4/nbbase.py, new_code_cell; nbformat/__init__.py, write (validation errors are only
#          logged).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check nbformat==5.11.1
venv/bin/pip freeze | grep -E "^(nbformat)=="

cat >check.py <<'EOF'
import json

import nbformat

with open("old.ipynb", "w") as file:
    json.dump({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": []}, file)
notebook = nbformat.read("old.ipynb", as_version=4)
print("minor version:", notebook.nbformat_minor)
assert notebook.nbformat_minor == 4
notebook.cells.append(nbformat.v4.new_code_cell("x = 1"))
try:
    nbformat.validate(notebook)
    raise SystemExit("the notebook is valid")
except nbformat.ValidationError as error:
    print("invalid:", str(error).splitlines()[0])
nbformat.write(notebook, "new.ipynb")
with open("new.ipynb") as file:
    written = json.load(file)
print("written all the same:", written["nbformat_minor"], sorted(written["cells"][0]))
assert written["nbformat_minor"] == 4
assert "id" in written["cells"][0]
EOF

venv/bin/python check.py 2>log
