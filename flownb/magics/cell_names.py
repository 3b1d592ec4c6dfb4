"""What tracebacks call the cells of steps and shared code: as the notebook shows them.

A cell that was executed in this kernel is ``Cell In[5]``, as everywhere in IPython; one that was not, for example after
a restart, has the name of its step. Code of a run is executed by other processes, which know neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flownb.cells.cell import Cell

__all__ = ["name_cells", "with_cell_names"]

# The names of cells that were read and not executed, see `flownb.cells.cell.read_cell`.
READ = re.compile(r"<cell ?([^:>]*): (step|shared|flow)(?: ([^>]*))?>")
# A place in a traceback as IPython shows it, perhaps coloured.
PLACE = re.compile(r"File ((?:\x1b\[[\d;]*m)*)(<cell[^>]*>|\S+?):(\d+)(?=\D|$)")


def name_cells(shell: Any) -> None:
    """Let a shell's tracebacks name cells that were not executed; others keep their names."""
    compiler = shell.compile
    known = compiler.format_code_name

    def format_code_name(name: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = known(name)
        return found or _read_name(name)

    compiler.format_code_name = format_code_name


def with_cell_names(shell: Any, lines: Iterable[str], cells: Iterable[Cell]) -> list[str]:
    """Lines of a traceback that another process made, with this notebook's names of cells.

    Parameters
    ----------
    shell : InteractiveShell
        With `name_cells`.
    lines : iterable of str
    cells : iterable of Cell
        The flow's cells, which the other process knows by other names.
    """
    from flownb.runtime.shipping import readable_name

    here: dict[str, list[str]] = {}
    for cell in cells:
        here.setdefault(readable_name(cell), []).append(cell.filename)

    def named(found: re.Match[str]) -> str:
        own = here.get(found[2], [])
        name = shell.compile.format_code_name(own[0] if len(own) == 1 else found[2])
        return found[0] if name is None else f"{name[0]} {found[1]}{name[1]}, line {found[3]}"

    return [PLACE.sub(named, line) for line in lines]


def _read_name(name: str) -> tuple[str, str] | None:
    """What a cell that was read is called."""
    found = READ.fullmatch(name)
    if found is None:
        return None
    cell, kind, step = found.groups()
    which = f" (code cell {cell})" if kind == "shared" and cell.isdecimal() else ""
    return "Cell", f"%%{kind} {step or ''}".rstrip() + which
