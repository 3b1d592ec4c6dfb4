"""Execute the notebooks anew and save them with their outputs.

Takes names of notebooks in ``notebooks/`` (none means all); gives the same files with outputs that hold no times, ids
or machine's paths, so that a second execution changes nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
from nbclient import NotebookClient

__all__ = ["clean", "execute", "kernel_environment", "main"]

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def kernel_environment(home: Path) -> dict[str, str]:
    """The environment kernels start in: this Python's own kernel, inline figures, nobody's configuration.

    Parameters
    ----------
    home : Path
        Folder for IPython's and Jupyter's files.

    Returns
    -------
    dict of str to str
    """
    dropped = ("MPLBACKEND", "FLOWNB_DATASTORE", "JPY_SESSION_NAME", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    (home / "ipython").mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        # A kernel of the same name in the user's own folder would be another Python.
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def execute(notebook: Path, environment: dict[str, str], *, timeout_seconds: int = 300) -> Any:
    """Execute a notebook file in its own folder, in a real kernel.

    Parameters
    ----------
    notebook : Path
        Not written to.
    environment : dict of str to str
        Of this process from now on, which its kernels inherit.
    timeout_seconds : int
        For each cell.

    Returns
    -------
    nbformat.NotebookNode
        With outputs.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell failed that is not tagged ``raises-exception``.
    """
    os.environ.clear()
    os.environ.update(environment)
    node = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        node,
        timeout=timeout_seconds,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    # What a kernel says of itself (jupyter_client's notes on its transport) is of no use to who executes a notebook.
    with Path(environment["IPYTHONDIR"], "kernel.log").open("w", encoding="utf-8") as log:
        client.execute(stderr=log)
    return node


def clean(node: Any) -> None:
    """Take out of an executed notebook what differs from execution to execution.

    Parameters
    ----------
    node : nbformat.NotebookNode
        Changed in place: durations and ids leave the outputs' metadata, adjacent pieces of one stream are joined, and
        the kernel is described as any Python 3.
    """
    node.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    for cell in node.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {})
        outputs: list[Any] = []
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output["metadata"] = nbformat.from_dict({})
            last = outputs[-1] if outputs else None
            if last is not None and last["output_type"] == "stream" and last.get("name") == output.get("name"):
                last["text"] += output["text"]
            else:
                outputs.append(output)
        if cell.cell_type == "code":
            cell["outputs"] = outputs


def main(names: list[str]) -> int:
    """Execute and save.

    Returns
    -------
    int
        Exit status: 0 when every cell ran.
    """
    chosen = [NOTEBOOKS / name for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    with tempfile.TemporaryDirectory(prefix="flownb-notebooks-") as folder:
        for notebook in chosen:
            started = perf_counter()
            copy = Path(shutil.copy(notebook, folder))
            node = execute(copy, kernel_environment(Path(folder)))
            clean(node)
            nbformat.validate(node)
            nbformat.write(node, notebook)
            size = notebook.stat().st_size / 1000
            print(f"{notebook.relative_to(ROOT)}: {size:.0f} KB in {perf_counter() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
