#!/usr/bin/env bash
# Guess:   a cell id is for good: reading a file twice gives the same ids, those in the file where it has some.
# Really:  nbformat.read makes up an id, another one at each read, for a cell of format 4.5 without one and for the
#          second of two cells with the same id (a cell that was copied by a merge or by hand), although the file
#          says another. It only warns. Who keys results by id loses them at each read until the file is written.
# Version: nbformat 5.11.1
# Source:  nbformat/validator.py, _normalize.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check nbformat==5.11.1
venv/bin/pip freeze | grep -E "^nbformat=="

cat >ids.py <<'EOF'
import json
import warnings

import nbformat

warnings.simplefilter("ignore")


def read(*ids):
    """Write a file with one cell an id, and read it."""
    cell = {"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**cell, "id": one} if one else cell for one in ids]
    with open("notebook.ipynb", "w") as file:
        json.dump({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}, file)
    return [cell.id for cell in nbformat.read("notebook.ipynb", as_version=4).cells]


for title, ids in {"no id": [None], "the same id twice": ["load", "load"], "two ids": ["load", "train"]}.items():
    first, second = read(*ids), read(*ids)
    print(f"{title}: {sum(a == b for a, b in zip(first, second))} of {len(ids)} ids are equal in two reads")
EOF
venv/bin/python ids.py | tee output

diff output - <<'EOF'
no id: 0 of 1 ids are equal in two reads
the same id twice: 1 of 2 ids are equal in two reads
two ids: 2 of 2 ids are equal in two reads
EOF
