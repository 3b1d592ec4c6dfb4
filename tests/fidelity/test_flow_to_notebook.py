"""The cut of a flow.py into cells: nothing is lost, nothing is rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fidelity.flow_to_notebook import flow_name, notebook_cells

FLOW = '''"""A flow."""
from metaflow import FlowSpec, step

LIMIT = 2  # kept


@project(name="p")
class TheFlow(Base, FlowSpec):
    """What it does.

      indented
    """

    def helper(self):
        return LIMIT

    # of start
    @retry(times=1)
    @step
    def start(self): self.x = 1; self.next(self.work)

    KIND = "a"

    @step(end=True)
    @card
    def work(
        self,
        models: list[int],
    ) -> None:  # header
        # first
        self.text = """
    kept
        as it is"""
        # last


def after(): ...


if __name__ == "__main__":
    print("gone")
    TheFlow()
'''
CELLS = (
    '%%shared\n"""A flow."""\nfrom metaflow import FlowSpec, step\n',
    "%%shared\nLIMIT = 2  # kept\n",
    '%%flow TheFlow(Base, FlowSpec)\n@project(name="p")\n"""What it does.\n\n      indented\n    """\n\n'
    'def helper(self):\n    return LIMIT\n\n# of start\n\nKIND = "a"\n',
    "%%step start\n@retry(times=1)\nself.x = 1; self.next(self.work)\n",
    "%%step work --join models\n@step(end=True)\n@card\n"
    '# first\nself.text = """\n    kept\n        as it is"""\n# last\n',
    "%%shared\ndef after(): ...\n",
)
FLOWS = Path(__file__).parent / "flows"


def test_cells_are_the_text_of_the_flow() -> None:
    """Module code, class body and bodies of steps are cut out as they are, texts of several lines included."""
    assert notebook_cells(FLOW) == CELLS
    assert flow_name(FLOW) == "TheFlow"


@pytest.mark.parametrize("path", sorted(FLOWS.glob("*/flow.py")), ids=lambda path: path.parent.name)
def test_no_line_of_a_flow_is_lost(path: Path) -> None:
    """Every line is in a cell, except those that make steps and class, and those that start the flow."""
    text = path.read_text("utf-8").partition("\nif __name__")[0]
    cells = "\n".join(notebook_cells(path.read_text("utf-8")))
    kept = [line.strip() for line in cells.splitlines()]
    lost = [line.strip() for line in text.splitlines() if line.strip() and line.strip() not in kept]
    made = ("@step", "@mf.step", "def ", f"class {flow_name(path.read_text('utf-8'))}")
    assert [line for line in lost if not line.startswith(made)] == []
