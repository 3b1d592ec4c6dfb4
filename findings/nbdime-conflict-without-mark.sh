#!/usr/bin/env bash
# Guess:   one branch changes a cell, the other adds a cell right above it: nbdime merges both, as it does where the new
#          cell is right below; and what it cannot merge it marks.
# Really:  above, it reports a conflict (status 1, and git stops the merge), although the merged notebook has both changes
#          and no mark anywhere. Below, it merges.
# Version: nbdime 4.0.4
# Source:  nbdime/merging/generic.py, _merge_lists: an insertion before a cell and a change of that cell are one chunk.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check nbdime==4.0.4 nbformat==5.11.1
venv/bin/pip freeze | grep -E "^(nbdime|nbformat)=="

cat >check.py <<'EOP'
import json
import subprocess

import nbformat
from nbformat.v4 import new_code_cell, new_notebook


def write(name, **cells):
    nbformat.write(new_notebook(cells=[new_code_cell(text, id=key) for key, text in cells.items()]), f"{name}.ipynb")


def merge():
    command = ["venv/bin/nbmerge", "--out", "merged.ipynb", "base.ipynb", "local.ipynb", "remote.ipynb"]
    status = subprocess.run(command, capture_output=True).returncode
    with open("merged.ipynb") as file:
        return status, ["".join(cell["source"]) for cell in json.load(file)["cells"]]


write("base", a="x = 1", b="y = f(x)", c="print(y)")
write("local", a="x = 1", b="y = f(x, 2)", c="print(y)")
write("remote", a="x = 1", new="q = 1", b="y = f(x)", c="print(y)")
above = merge()
print("new cell above the changed one:", *above)
write("remote", a="x = 1", b="y = f(x)", new="q = 1", c="print(y)")
below = merge()
print("new cell below the changed one:", *below)
assert above == (1, ["x = 1", "q = 1", "y = f(x, 2)", "print(y)"])
assert below == (0, ["x = 1", "y = f(x, 2)", "q = 1", "print(y)"])
EOP

venv/bin/python check.py
