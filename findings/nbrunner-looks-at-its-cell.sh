#!/usr/bin/env bash
# Guess:   NBRunner(MyFlow) runs the class that it is given, with the functions that the notebook defines.
# Really:  it takes the text of the cell in which it is called, writes that to a file and runs it. In another
#          cell it says that the cell contains no flow; in the same cell a function of an earlier cell is an
#          undefined name in the step.
# Version: metaflow 2.19.39, ipykernel 7.4.0, nbclient 0.11.0
# Source:  metaflow/runner/nbrun.py, NBRunner.__init__; metaflow/runner/utils.py, get_current_cell and
#          format_flowfile.
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
from metaflow import FlowSpec, NBRunner, step

class CellFlow(FlowSpec):
    @step
    def start(self):
        self.x = double(1)
        self.next(self.end)

    @step
    def end(self):
        pass
"""
RUN = "result = NBRunner(CellFlow, show_output=False).nbrun()\n"
PRINT = "print(result.successful, '' if result.successful else result['start'].task.exception.exception)"
HELPER = "def double(number):\n    return 2 * number\n"

texts = run(HELPER, FLOW, RUN, FLOW + RUN, PRINT, HELPER + FLOW + RUN, PRINT)
print("SEEN class in another cell:", texts[2].strip())
print("SEEN function in another cell:", texts[4].strip())
print("SEEN all in one cell:", texts[6].strip())
EOF
cat >expected <<'EOF'
class in another cell: ModuleNotFoundError
function in another cell: False name 'double' is not defined
all in one cell: True
EOF

venv/bin/python notebook.py 2>log | sed -n 's/^SEEN //p' | tee seen
diff expected seen
