"""The same cells are steps in a kernel, which IPython decides, and in the file, which nothing executes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from flownb.cells.cell import Cell, read_any_cell
from flownb.session.checks import not_applied
from flownb.session.export import export_flow
from tests.magics.test_magics import Kernel

# Each with its tags. NAME is another name in each cell.
CELLS: list[tuple[str, tuple[str, ...]]] = [
    ("%%step NAME -> x\nx = 1", ()),
    ("\n \n%%step NAME -> x\nx = 1", ()),
    ("  %%step NAME -> x\n  x = 1\n  \n  y = '''\n  2'''", ()),
    ("\t%%step NAME -> x\n\tif True:\n\t\tx = 1", ()),
    ("  %%step NAME -> x\nx = 1", ()),
    ("%%step\tNAME -> x\nx = 1", ()),
    ("%%step\u00a0NAME -> x\nx = 1", ()),
    ("%% step NAME -> x\nx = 1", ()),
    ("%step NAME -> x\nx = 1", ()),
    ("%%steps NAME -> x\nx = 1", ()),
    (">>> %%step NAME -> x\n... x = 1", ()),
    ("# a comment\n%%step NAME -> x\nx = 1", ()),
    ("#| label: fig-1\n\n%%step NAME -> x\nx = 1", ()),
    ("# %%\n%%step NAME -> x\nx = 1", ()),
    ("x = 1\n%%step NAME -> x\nx = 1", ()),
    ("%%time\n%%step NAME -> x\nx = 1", ()),
    ("%%time\n\n  %%step NAME -> x\n  x = 1", ()),
    ("%%time\n# a comment\n%%step NAME -> x\nx = 1", ()),
    ("%%capture kept\n%%step NAME -> x\nx = 1", ()),
    ("%%capture kept\n%%time\n%%step NAME -> x\nx = 1", ()),
    ("%%timeit -n 1 -r 1\n%%step NAME -> x\nx = 1", ()),
    ("%%prun -q\n%%step NAME -> x\nx = 1", ()),
    ("%%twice\n%%step NAME -> x\nx = 1", ()),
    ("%%writefile notes.txt\n%%step NAME -> x\nx = 1", ()),
    ("text = '''\n%%step NAME -> x\nx = 1'''", ()),
    ("%%step NAME", ()),
    ("%%step NAME -> x\n\n# a comment\nx = '''\n  \n'''", ()),
    ("x = 1", ("step:NAME", "out:x")),
    ("# a comment\n\nx = 1", ("step:NAME", "out:x")),
    ("  x = 1\n  y = 2", ("step:NAME", "out:x")),
    ("%%time\nx = 1", ("step:NAME", "out:x")),
    ("%%capture kept\n\nx = 1", ("step:NAME", "out:x")),
    ("%%writefile notes.txt\nx = 1", ("step:NAME", "out:x")),
    ("%%step NAME -> x\nx = 1", ("step:other", "out:y")),
    ("x = 1", ("step:",)),
    ("%%step NAME --fter b\nx = 1", ()),
    ("%%step NAME\n!ls", ()),
    ("%%step NAME\n%%time\nx = 1", ()),
]
KNOWN = """import json
from flownb.magics import frontend_of
flow = frontend_of(get_ipython()).session.flow
print(json.dumps({step.name: [step.header.line, step.cell.body] for step in flow.steps}))"""
TWICE = """from IPython.core.magic import register_cell_magic
@register_cell_magic
def twice(line, cell):
    get_ipython().run_cell(cell)"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path_factory.mktemp("marks")))
    try:
        made = Kernel(client)
        assert made.run(f"%load_ext flownb\n{TWICE}").error == ""
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def in_kernel(kernel: Kernel) -> dict[str, Any]:
    """Header and body of each step that the kernel has, by name."""
    known: dict[str, Any] = json.loads(kernel.run(KNOWN).text)
    return known


@pytest.mark.parametrize(("text", "tags"), CELLS, ids=lambda value: repr(value)[:40])
def test_kernel_and_file_take_the_same_cells_for_steps(text: str, tags: tuple[str, ...], kernel: Kernel) -> None:
    """A cell is the same step in both, or in neither; what looks like a step and is none says why in both."""
    place = next(place for place, one in enumerate(CELLS) if one == (text, tags))
    name = f"step_{place}"
    text, tags = text.replace("NAME", name), tuple(tag.replace("NAME", name) for tag in tags)
    reply = kernel.run(text, cellId=f"c{place}", tags=list(tags))
    cell = read_any_cell(text, tags=tags)
    file = [cell.header.line, cell.body] if cell.header is not None else None
    assert in_kernel(kernel).get(name) == file
    if cell.refusal is not None:
        assert cell.refusal.what in reply.error


def test_what_an_unknown_magic_runs_is_refused(kernel: Kernel) -> None:
    """Below a magic that is not known to run its cell, a step is refused with that reason."""
    reply = kernel.run("%%twice\n%%step refused -> x\nx = 1", cellId="twice")
    assert "`%%step refused -> x` is below `%%twice`." in reply.error
    assert "Move `%%step` to the first line." in reply.error
    assert "refused" not in in_kernel(kernel)


@pytest.mark.parametrize("magic", ["step", "flow", "shared", "spin"])
def test_a_magic_that_is_not_first_is_refused_alike(kernel: Kernel, magic: str) -> None:
    """Below a comment each of our cell magics says where it belongs, in the kernel before anything runs."""
    reply = kernel.run(f"# first\nprint('ran')\n%%{magic} Name\nx = 1")
    assert (reply.text, f"`%%{magic} Name` is below other code." in reply.error) == ("", True)
    assert "is below a comment" in kernel.run(f"# first\n%%{magic} Name\nx = 1").error


def test_a_step_of_a_known_magic_runs_from_the_file(
    write_notebook: Callable[..., Path], make_session: Callable[..., Any]
) -> None:
    """The body below %%time is part of flow.py, and a note says that the magic is not."""
    timed: Cell = read_any_cell("%%time\n%%step load -> x\nx = 41 + 1", number=1)
    session = make_session("%%time\n%%step load -> x\nx = 41 + 1", "%%capture out\n%%shared\nimport math")
    text = export_flow(session, "flow.py")
    assert timed.wrappers == ("%%time",)
    assert [line.strip() for line in text.splitlines() if line.strip() == "self.x = x"] == ["self.x = x"]
    assert ["time" in text.split("class ")[1], "import math" in text] == [False, True]
    assert sorted(not_applied(session.program(False))) == [
        "`%%capture out` of cell 2 (shared) applies where the cell is executed, and not in runs and flow.py",
        "`%%time` of cell 1 (step load) applies where the cell is executed, and not in runs and flow.py",
    ]
    assert not_applied(session.program(False), "load") == []
