"""Write `datastore.zip`: the datastore of one run of the flow in `cases.py`, by the build that is checked out.

Run it (``python -m tests.store.stored.make``) when the store's format gains something that old builds cannot have
written, and keep the old file beside the new one: what was written once has to be readable for good.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat

from tests.store.stored.cases import CELLS, WORDS

__all__: list[str] = []

TARGET = Path(__file__).with_name("datastore.zip")
# Client objects hold where their datastore is.
PLACE = Path(tempfile.gettempdir(), "flownb-stored")


def main() -> None:
    """Run the flow in a folder of its own and pack what it leaves, without the derived index."""
    PLACE.mkdir()
    (PLACE / "words.txt").write_text(WORDS)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    nbformat.write(notebook, PLACE / "stored.ipynb")
    # Without Metaflow, its names are ours and nothing in the file needs it.
    hidden = PLACE / "hidden"
    hidden.mkdir()
    (hidden / "metaflow.py").write_text("raise ModuleNotFoundError(\"No module named 'metaflow'\", name='metaflow')\n")
    (hidden / "sitecustomize.py").write_text(
        "import platform, socket\nplatform.release = lambda: 'release'\nsocket.gethostname = lambda: 'host'\n"
    )
    path = os.pathsep.join([str(hidden), str(Path(__file__).parents[3])])
    environment = {**os.environ, "METAFLOW_USER": "tester", "PYTHONPATH": path}
    subprocess.run([sys.executable, "-m", "flownb", "run", "stored.ipynb"], cwd=PLACE, env=environment, check=True)
    store = PLACE / ".flownb"
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for file in sorted(store.rglob("*")):
            if file.is_file() and file.relative_to(store).parts[0] != "index":
                entry = zipfile.ZipInfo(str(file.relative_to(store)), (2026, 1, 1, 0, 0, 0))
                packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
