"""One notebook cell and what its mark says it is.

Takes a code cell's source text and tags; gives a `Cell` whose body knows its place in the cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from flownb.cells.body import StepBody, parse_body
from flownb.cells.header import FlowHeader, StepHeader, header_from_tags, parse_flow_line, parse_step_line
from flownb.cells.mark import MarkKind, find_mark
from flownb.errors import CellError

__all__ = ["DEFAULT_FLOW_NAME", "Cell", "CellKind", "read_any_cell", "read_cell"]

CellKind = Literal["flow", "shared", "step", "scratch"]
DEFAULT_FLOW_NAME = "NotebookFlow"
SHARED_TAGS = {"shared", "imports", "functions"}
MEANT = re.compile(r"^[^#]*%%[ \t]*(step|flow|shared)(?=\s|$)")


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
    margin : str
        The indentation that all lines of the cell have; it is not part of the body.
    wrappers : tuple of str
        Cell magics above the mark, such as ``"%%time"``: they apply where the cell is executed, and nowhere else.
    refusal : tuple of (str, str, str) or None
        What happened, why and what to do where the mark cannot be read; then the cell is known by its kind alone.
    tags : tuple of str
        All tags of the cell, if they and not a magic mark it.
    label : str
        What messages call the cell, where that is not its kind and name.
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
    margin: str = ""
    wrappers: tuple[str, ...] = ()
    refusal: tuple[str, str, str] | None = None
    label: str = ""
    tags: tuple[str, ...] = ()

    @property
    def body(self) -> str:
        """The text below the header line, without the indentation that all lines of the cell have."""
        text = _lines_from(self.source, self.body_line)
        return "\n".join(line.removeprefix(self.margin) for line in text.split("\n")) if self.margin else text

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
        if self.label:
            return self.label
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
    source = _with_newlines(source)
    mark = find_mark(source)
    kind: CellKind = mark.kind or "scratch"
    name, header, body_line, wrappers = "", None, mark.body_line, mark.wrappers
    flow_header: FlowHeader | None = None
    if mark.kind == "step":
        header = parse_step_line(mark.text)
    elif mark.kind == "flow":
        flow_header = parse_flow_line(mark.text)
    elif mark.kind == "shared":
        if mark.text:
            raise CellError(f"`%%shared {mark.text}` has arguments.", "It takes none.", "Write %%shared alone.")
    elif not mark.is_magic and "skip" not in tags:
        header = header_from_tags(tags)
        flow_tag = _flow_tag(tags)
        if header is not None:
            kind = "step"
        elif flow_tag is not None:
            kind, flow_header = "flow", parse_flow_line(flow_tag.partition(":")[2])
        elif SHARED_TAGS & set(tags):
            kind = "shared"
    if kind == "scratch":
        body_line, wrappers = 1, ()
    if header is not None:
        name = header.name
    bases: tuple[str, ...] = ()
    if flow_header is not None:
        name, bases = flow_header.name, flow_header.bases
    if filename is None:
        filename = f"<cell {number}: {kind} {name}>" if name else f"<cell {number}: {kind}>"
    marking = tuple(tags) if mark.kind is None and kind != "scratch" else ()
    place = (number, cell_id, filename)
    return Cell(source, kind, name, header, body_line, *place, bases, mark.margin, wrappers, tags=marking)


def read_any_cell(
    source: str,
    *,
    tags: Sequence[str] = (),
    number: int = 0,
    cell_id: str | None = None,
    filename: str | None = None,
) -> Cell:
    """Tell what a code cell is, as `read_cell` does; where its mark cannot be read, the cell says so itself.

    Parameters
    ----------
    source, tags, number, cell_id, filename
        See `read_cell`.

    Returns
    -------
    Cell
        With a `refusal` instead of an error.
    """
    try:
        return read_cell(source, tags=tags, number=number, cell_id=cell_id, filename=filename)
    except CellError as error:
        text = _with_newlines(source)
        kind, line = _meant(text, tags)
        filename = filename or f"<cell {number}: {kind}>"
        refusal = (error.what, error.why, error.fix)
        return Cell(text, kind, "", None, line + 1, number, cell_id, filename, refusal=refusal)


def _with_newlines(source: str) -> str:
    """The text with one kind of line end."""
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _flow_tag(tags: Sequence[str]) -> str | None:
    """The tag that names the flow."""
    return next((tag for tag in tags if tag.startswith("flow:")), None)


def _meant(source: str, tags: Sequence[str]) -> tuple[MarkKind, int]:
    """What a cell whose mark cannot be read was meant to be, and the 1-based line of the mark; 0 for tags."""
    for number, line in enumerate(source.split("\n"), 1):
        found = MEANT.search(line)
        if found:
            kind: MarkKind = found[1]  # type: ignore[assignment]  # the pattern has just these three
            return kind, number
    return ("flow" if _flow_tag(tags) is not None and not any(tag.startswith("step:") for tag in tags) else "step"), 0
