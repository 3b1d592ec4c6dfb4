"""What a kernel says of cells that were executed in another one, before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from tests.magics.test_magics import Kernel

CELLS = (
    "%load_ext flownb",
    "%%shared\ndef share(x):\n    return 1 / x",
    "%%step load -> x\nx = 0",
    "%%step train -> m\nm = 1\nm = share(x)",
)


@pytest.fixture
def restarted(tmp_path: Path, write_notebook: Callable[..., Path]) -> Iterator[Kernel]:
    """A kernel that knows the saved notebook and has executed nothing of it."""
    environment = {**os.environ, "JPY_SESSION_NAME": str(write_notebook(*CELLS))}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path), env=environment)
    try:
        made = Kernel(client)
        assert made.run(CELLS[0], cellId="c0").error == ""
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_tracebacks_name_cells_as_the_notebook_does(restarted: Kernel) -> None:
    """A cell that was not executed has its step's name, one that was is `Cell In[…]`; in the kernel and in a run."""
    assert restarted.run(CELLS[2], cellId="c2").error == ""
    for command in ("%flow run", "%spin train"):
        error = restarted.run(command).error
        assert "Cell %%step train, line 3\n" in error
        assert "----> 3 m = share(x)" in error
        assert "Cell %%shared (code cell 2), line 3, in share(x)" in error
        assert "<cell" not in error
    number = restarted.run(CELLS[3], cellId="c3").error.partition("Cell In[")[2].partition("]")[0]
    assert number.isdecimal()
    for command in ("%flow run", "%spin train"):
        error = restarted.run(command).error
        assert f"Cell In[{number}], line 3" in error
        assert "Cell %%shared (code cell 2), line 3, in share(x)" in error


def test_what_was_not_executed_is_said_once(restarted: Kernel) -> None:
    """The note names steps once; one that is new to it is named the next time."""
    said = "note: not executed in this kernel, so the text of their cells is used: load, train\n"
    assert restarted.run("%flow check").text.startswith(said)
    assert "not executed" not in restarted.run("%flow check").text
    assert "not executed" not in restarted.run("%flow status").text
