#!/usr/bin/env bash
# Guess:   MyFlow() at the end of a cell makes an object, or prints the usage of the flow, as it does in a file.
# Really:  it reads sys.argv, which is that of the kernel: the flow complains about the kernel's option -f and
#          raises SystemExit. MyFlow(use_cli=False) makes an object.
# Version: metaflow 2.19.39, ipykernel 7.4.0, nbclient 0.11.0
# Source:  metaflow/flowspec.py, FlowSpec.__init__; metaflow/cli.py, main; ipykernel_launcher's arguments.
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export METAFLOW_HOME="$work/home" METAFLOW_USER=tester
export METAFLOW_DEFAULT_DATASTORE=local METAFLOW_DEFAULT_METADATA=local
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check metaflow==2.19.39 ipykernel==7.4.0 nbclient==0.11.0
venv/bin/pip freeze | grep -E "^(metaflow|ipykernel|nbclient)=="

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

FLOW = """
from metaflow import FlowSpec, step

class KernelFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""
texts = run(FLOW, "KernelFlow()", "type(KernelFlow(use_cli=False)).__name__", "import sys\nsys.argv[1]")
print(texts[1])
assert "no such option: -f" in texts[1]
assert "SystemExit" in texts[1]
print("use_cli=False:", texts[2], "- sys.argv[1] of the kernel:", texts[3])
assert texts[2:] == ["'KernelFlow'", "'-f'"]
EOF

venv/bin/python notebook.py 2>log
