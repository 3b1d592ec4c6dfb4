#!/usr/bin/env bash
# Guess:   two branches that executed a notebook and changed different cells merge, for nbdime's default removes outputs
#          and execution counts where that resolves a conflict (`--no-ignore-transients: disallow deletion of transient
#          data such as outputs and execution counts in order to resolve conflicts`).
# Really:  only the counts. Every output that both executions changed is a conflict, also below cells whose code nobody
#          touched, and the markers are written as outputs. With --output-strategy remove the same notebooks merge.
# Version: nbdime 4.0.4
# Source:  nbdime/merging/notebooks.py, notebook_merge_strategies: in the list of transients "/cells/*/outputs" is
#          commented out.
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
from nbformat.v4 import new_code_cell, new_notebook, new_output


def write(name, sources, count):
    cells = [
        new_code_cell(
            source,
            id=f"cell-{number}",
            execution_count=count + number,
            outputs=[new_output("stream", text=f"took {count} ms\n")],
        )
        for number, source in enumerate(sources)
    ]
    nbformat.write(new_notebook(cells=cells), f"{name}.ipynb")


def merge(*options):
    command = ["venv/bin/nbmerge", *options, "--out", "merged.ipynb", "base.ipynb", "local.ipynb", "remote.ipynb"]
    status = subprocess.run(command, capture_output=True).returncode
    with open("merged.ipynb") as file:
        return status, json.load(file)["cells"]


write("base", ["x = 1", "y = 2", "z = 3"], 0)
write("local", ["x = 10", "y = 2", "z = 3"], 10)
write("remote", ["x = 1", "y = 2", "z = 30"], 20)

status, cells = merge()
print("default: status", status)
for cell in cells:
    print("  ", "".join(cell["source"]), cell["execution_count"], [one["text"] for one in cell["outputs"]])
assert status == 1
assert [cell["execution_count"] for cell in cells] == [None] * 3
assert all("<<<<<<< local" in str(cell["outputs"]) for cell in cells)

status, cells = merge("--output-strategy", "remove")
print("--output-strategy remove: status", status, ["".join(cell["source"]) for cell in cells])
assert (status, [cell["outputs"] for cell in cells]) == (0, [[], [], []])
assert ["".join(cell["source"]) for cell in cells] == ["x = 10", "y = 2", "z = 30"]
EOP

venv/bin/python check.py
