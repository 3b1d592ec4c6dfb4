"""Files beside the notebook that are named like modules of Python's library."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.library import NOT_REPLACED

CELLS = (
    "%%step load -> xs\nimport random\n\nimport prices\n\nxs = random.sample(prices.ALL, 2)",
    "%%step train --foreach xs -> m\nimport secrets\n\nm = len(secrets.token_hex(2))",
    "%%step pick --join -> best\nbest = max(task.m for task in inputs)",
)
CALLS = (
    ("check", "nb.ipynb"),
    ("run", "nb.ipynb"),
    ("run", "nb.ipynb", "--executor", "inline"),
    ("status", "nb.ipynb"),
    ("spin", "nb.ipynb", "pick"),
    ("export", "nb.ipynb", "-o", "flow.py"),
)


@pytest.mark.parametrize("place", ["notebook's folder", "working folder"])
def test_no_file_replaces_what_flownb_imports(place: str, write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """No command executes files named like what it imports, wherever it is called; steps get the library's modules."""
    notebook = write_notebook(*CELLS)
    (tmp_path / "prices.py").write_text("ALL = [1, 2, 3]")
    folder = tmp_path if place == "notebook's folder" else tmp_path / "elsewhere"
    folder.mkdir(exist_ok=True)
    for name in NOT_REPLACED:
        (folder / f"{name}.py").write_text("raise RuntimeError(f'{__file__} was executed')")
    code = "import sys; from flownb.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code]  # as the installed script, which does not import from here
    for call in CALLS:
        words = [str(notebook) if word == "nb.ipynb" else word for word in call]
        done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True)
        assert (call, done.returncode, done.stderr) == (call, 0, "")
    done = subprocess.run([*command, "spin", str(notebook), "pck"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, "There is no step `pck`." in done.stderr) == (1, True), done.stderr
