#!/usr/bin/env bash
# Guess:   JPY_SESSION_NAME, which a Jupyter server sets for a kernel, is the path of the notebook that this
#          kernel runs; a notebook that nbconvert executes has none.
# Really:  a notebook that nbconvert executes from within a notebook inherits the variable: its kernel finds the
#          path of the outer notebook, and whatever asks for the notebook's name gets that one.
# Version: jupyter_server 2.21.1, nbconvert 7.17.2, ipykernel 7.4.0
# Source:  jupyter_server/services/sessions/sessionmanager.py, SessionManager.get_kernel_env;
#          jupyter_client/provisioning/local_provisioner.py (the child's environment is a copy of its parent's).
set -euo pipefail
sed -n 's/^# //p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JUPYTER_DATA_DIR="$work/jupyter" JUPYTER_RUNTIME_DIR="$work/jupyter/runtime" IPYTHONDIR="$work/ipython"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check jupyter_server==2.21.1 nbconvert==7.17.2 ipykernel==7.4.0
venv/bin/pip freeze | grep -E "^(jupyter_server|nbconvert|ipykernel)=="

cat >server.py <<'EOF'
"""Open outer.ipynb as a Jupyter server does, and let it execute inner.ipynb."""

import asyncio
import os
import sys
from pathlib import Path

import nbformat
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyter_server.services.sessions.sessionmanager import SessionManager

SHOW = "import os\nprint(os.environ.get('JPY_SESSION_NAME'))"
CONVERT = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--inplace", "inner.ipynb"]


async def execute(client, code):
    texts = []
    await client.execute_interactive(code, output_hook=lambda message: texts.append(message["content"].get("text", "")))
    return "".join(texts).strip()


async def main():
    for name, source in {"outer": SHOW, "inner": SHOW}.items():
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), f"{name}.ipynb")
    root = os.getcwd()
    kernels = AsyncMappingKernelManager(root_dir=root)
    sessions = SessionManager(kernel_manager=kernels, contents_manager=AsyncFileContentsManager(root_dir=root))
    session = await sessions.create_session("outer.ipynb", "outer.ipynb", "notebook", "python3")
    client = kernels.get_kernel(session["kernel"]["id"]).client()
    client.start_channels()
    await client.wait_for_ready()
    outer = await execute(client, SHOW)
    await execute(client, f"import subprocess\nsubprocess.run({CONVERT}, check=True, capture_output=True)")
    inner = nbformat.read("inner.ipynb", 4).cells[0].outputs[0].text.strip()
    client.stop_channels()
    await kernels.shutdown_all()
    print("outer.ipynb:", Path(outer).name)
    print("inner.ipynb:", Path(inner).name)
    assert (Path(outer).name, Path(inner).name) == ("outer.ipynb", "outer.ipynb")


asyncio.run(main())
EOF

venv/bin/python server.py 2>log
