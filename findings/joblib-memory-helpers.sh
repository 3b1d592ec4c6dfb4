#!/usr/bin/env bash
# Guess:   a function cached by joblib.Memory runs again when the code it depends on has changed, since editing
#          it does that.
# Really:  only the source of the function itself is compared. After a cell redefines the helper that it calls,
#          the result computed with the old helper is returned.
# Version: joblib 1.6.0, ipykernel 7.4.0, nbclient 0.11.0
# Source:  joblib/memory.py, MemorizedFunc._check_previous_func_code.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check joblib==1.6.0 ipykernel==7.4.0 nbclient==0.11.0
venv/bin/pip freeze | grep -E "^(joblib|ipykernel|nbclient)=="

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

CACHED = "@memory.cache\ndef total(x):\n    return helper(x){}\n"
texts = run(
    "from joblib import Memory\nmemory = Memory('cache', verbose=0)\ndef helper(x):\n    return x + 1",
    CACHED.format(""),
    "total(1)",
    "def helper(x):\n    return x + 100",
    CACHED.format(""),
    "total(1)",
    CACHED.format(" * 1"),
    "total(1)",
)
print("SEEN first:", texts[2])
print("SEEN after the helper changed:", texts[5])
print("SEEN after the function itself changed:", texts[7])
EOF
cat >expected <<'EOF'
first: 2
after the helper changed: 2
after the function itself changed: 101
EOF

venv/bin/python notebook.py 2>log | sed -n 's/^SEEN //p' | tee seen
diff expected seen
