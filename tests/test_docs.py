"""What the documentation shows works."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import flownb

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(flownb.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
WITH_EXAMPLES = [
    name
    for name, path in MODULES.items()
    if re.search(r"^\s*>>> ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
]


def test_every_module_can_be_imported() -> None:
    """No module needs more than what is installed with flownb and its extras."""
    assert [importlib.import_module(name).__name__ for name in MODULES] == list(MODULES)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings(name: str) -> None:
    """Every example in a docstring gives what it says."""
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_the_readme_s_cells(tmp_path: Path) -> None:
    """The cells of the README's first example run one after the other in a fresh kernel."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    cells = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(cells) == 4
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "✓ average (spin, nothing recorded)" in str(notebook.cells[3].outputs)


@pytest.mark.parametrize(
    "path", sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link and picture in the documentation names a file of the repository."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / path).read_text(encoding="utf-8"))
    assert [target for target in targets if not ((ROOT / path).parent / target).exists()] == []
