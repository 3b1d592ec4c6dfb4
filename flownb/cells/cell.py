"""One notebook cell and what its mark says it is.

Takes a code cell's source text and tags; gives a `Cell` whose body knows its place in the cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from flownb.cells.body import StepBody, parse_body
from flownb.cells.header import FlowHeader, StepHeader, header_from_tags, parse_flow_line, parse_step_line
from flownb.errors import CellError

__all__ = ["DEFAULT_FLOW_NAME", "Cell", "CellKind", "read_cell"]

CellKind = Literal["flow", "shared", "step", "scratch"]
DEFAULT_FLOW_NAME = "NotebookFlow"
SHARED_TAGS = {"shared", "imports", "functions"}


@dataclass(frozen=True)
class Cell:
    r"""A code cell of a notebook.

    Attributes
    ----------
    source : str
        The whole text, header line included; lines end in ``\n``.
    kind : {"flow", "shared", "step", "scratch"}
    name : str
        The flow's or step's name; empty for other kinds.
    header : StepHeader or None
        Only for steps.
    body_line : int
        1-based line of `source` on which the body begins.
    number : int
        1-based position among the notebook's code cells, 0 when it is not known.
    cell_id : str or None
        nbformat's cell id.
    filename : str
        The name that code of this cell is compiled under, shown in tracebacks.
    bases : tuple of str
        Base classes of a flow, as its header names them.
    """

    source: str
    kind: CellKind
    name: str = ""
    header: StepHeader | None = None
    body_line: int = 1
    number: int = 0
    cell_id: str | None = None
    filename: str = "<cell>"
    bases: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """The text below the header line."""
        return _lines_from(self.source, self.body_line)

    @cached_property
    def parsed(self) -> StepBody:
        """The body, parsed once: decorators, statements, transition, names."""
        return parse_body(self.body, self.kind)

    @property
    def full_name(self) -> str:
        """The name as the header writes it, with a flow's base classes."""
        return f"{self.name}({', '.join(self.bases)})" if self.bases else self.name

    @property
    def title(self) -> str:
        """How messages name the cell: ``cell 3 (step train)``."""
        place = f"cell {self.number}" if self.number else "cell"
        return f"{place} ({self.kind} {self.name})" if self.name else f"{place} ({self.kind})"


def _lines_from(source: str, line: int) -> str:
    r"""The text from the 1-based `line` on; only ``\n`` ends a line, as in Python's own count."""
    return "\n".join(source.split("\n")[line - 1 :])


def read_cell(
    source: str,
    *,
    tags: Sequence[str] = (),
    number: int = 0,
    cell_id: str | None = None,
    filename: str | None = None,
) -> Cell:
    """Tell what a code cell is.

    Parameters
    ----------
    source : str
        The cell's text.
    tags : sequence of str
        The cell's tags; a magic on the first line outranks them.
    number, cell_id, filename
        See `Cell`. Without a filename one is made from the number and name.

    Returns
    -------
    Cell

    Raises
    ------
    CellError
        If the header cannot be read.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    lines = source.split("\n")
    first = next((index for index, line in enumerate(lines) if line.strip()), 0)
    magic, rest = (*lines[first].split(maxsplit=1), "", "")[:2]
    kind: CellKind = "scratch"
    name, header, body_line = "", None, 1
    flow_header: FlowHeader | None = None
    if magic in ("%%step", "%%flow", "%%shared"):
        kind = magic[2:]  # type: ignore[assignment]  # one of the three literals just tested
        body_line = first + 2
        if kind == "step":
            header = parse_step_line(rest)
            name = header.name
        elif kind == "flow":
            flow_header = parse_flow_line(rest)
        elif rest.strip():
            raise CellError(f"`%%shared {rest.strip()}` has arguments.", "It takes none.", "Write %%shared alone.")
    elif not magic.startswith("%%") and "skip" not in tags:
        header = header_from_tags(tags)
        flow_tag = next((tag for tag in tags if tag.startswith("flow:")), None)
        if header is not None:
            kind, name = "step", header.name
        elif flow_tag is not None:
            kind, flow_header = "flow", parse_flow_line(flow_tag.partition(":")[2])
        elif SHARED_TAGS & set(tags):
            kind = "shared"
    bases: tuple[str, ...] = ()
    if flow_header is not None:
        name, bases = flow_header.name, flow_header.bases
    if filename is None:
        filename = f"<cell {number}: {kind} {name}>" if name else f"<cell {number}: {kind}>"
    return Cell(source, kind, name, header, body_line, number, cell_id, filename, bases)
