#!/usr/bin/env bash
# Guess:   exit() ends the notebook where it is called, and sys.exit(0) ends it without an error, as in a
#          script.
# Really:  exit() only asks the front end to shut down; nbclient does not, so all later cells run and the
#          notebook counts as done. sys.exit(0) is an error output like any exception, and nbclient raises
#          CellExecutionError on it.
# Version: ipykernel 7.4.0, nbclient 0.11.0
# Source:  ipykernel/zmqshell.py, ZMQInteractiveShell.ask_exit; IPython/core/autocall.py, ZMQExitAutocall;
#          nbclient/client.py, NotebookClient._check_raise_for_error.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check ipykernel==7.4.0 nbclient==0.11.0
venv/bin/pip freeze | grep -E "^(ipykernel|nbclient)=="

cat >cells.py <<'EOF'
import nbformat
from nbclient import NotebookClient


def run(*sources, allow_errors=True):
    """Run the sources as cells of one notebook; give the text and error of each."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, kernel_name="python3", timeout=60, allow_errors=allow_errors)
    client.execute()
    texts = []
    for cell in notebook.cells:
        parts = [output.get("text") or output.get("ename") or output["data"]["text/plain"] for output in cell.outputs]
        texts.append("".join(parts))
    return texts
EOF

cat >notebook.py <<'EOF'
from cells import run
from nbclient.exceptions import CellExecutionError

texts = run("exit()", "print('a later cell')", allow_errors=False)
print("after exit():", texts[1].strip())
assert texts[1].strip() == "a later cell"

try:
    run("import sys\nsys.exit(0)", "print('a later cell')", allow_errors=False)
    raise SystemExit("sys.exit(0) was not an error")
except CellExecutionError as error:
    print("sys.exit(0):", type(error).__name__, "for", error.ename, error.evalue)
    assert (error.ename, error.evalue) == ("SystemExit", "0")
EOF

venv/bin/python notebook.py 2>log
