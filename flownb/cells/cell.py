"""One notebook cell and what its mark says it is.

A mark is a ``%%step``, ``%%flow`` or ``%%shared`` line, or tags that mean the same. The line is found as IPython finds
a cell magic: IPython drops blank lines above the first line and the indentation that all lines have, and then takes
``%%name`` as a cell magic only at the very beginning. Anywhere else it would be a line magic, which does not exist, so
such a cell is refused here as well, and the kernel and a notebook file agree on which cells are steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from flownb.cells.body import StepBody, parse_body, unindentable_lines
from flownb.cells.header import FlowHeader, StepHeader, header_from_tags, parse_flow_line, parse_step_line
from flownb.errors import CellError, Message

__all__ = [
    "DEFAULT_FLOW_NAME",
    "WRAPPERS",
    "Cell",
    "CellKind",
    "Mark",
    "MarkKind",
    "common_margin",
    "find_mark",
    "read_any_cell",
    "read_cell",
    "refuse_misplaced",
]

MarkKind = Literal["flow", "shared", "step"]
# Cell magics that execute the text below them as a cell of its own, so that a mark there counts.
WRAPPERS = frozenset({"capture", "memit", "prun", "pyinstrument", "time", "timeit"})
_MARK = re.compile(r"%%(step|flow|shared)(?=\s|$)(.*)")
_ALMOST = re.compile(r"[^\S\n]*(?:>>>\s?|In \[\d*\]:\s?)?[^\S\n]*%%[ \t]*(step|flow|shared|spin)(?=\s|$)")
_WRAPPER = re.compile(r"%%(\w+)")


@dataclass(frozen=True)
class Mark:
    """What a cell is marked as.

    Attributes
    ----------
    kind : {"flow", "shared", "step"} or None
        None if nothing in the text marks the cell; tags may mark it.
    text : str
        What follows the magic on its line.
    body_line : int
        1-based line of the cell on which the body begins.
    margin : str
        The indentation that all lines have; it is not part of the code.
    wrappers : tuple of str
        Cell magics above the mark, or above the body, such as ``"%%time"``.
    is_magic : bool
        Whether the cell begins with another cell magic, whose text below it need not be Python.
    """

    kind: MarkKind | None
    text: str
    body_line: int
    margin: str = ""
    wrappers: tuple[str, ...] = ()
    is_magic: bool = False


def find_mark(source: str) -> Mark:
    r"""Find the mark of a cell.

    Parameters
    ----------
    source : str
        The cell's text; lines end in ``\n``.

    Returns
    -------
    Mark

    Raises
    ------
    CellError
        If there is a mark at a place where IPython does not take it for a cell magic.

    Examples
    --------
    >>> find_mark("%%time\n%%step train -> model\nmodel = 1")
    Mark(kind='step', text='train -> model', body_line=3, margin='', wrappers=('%%time',), is_magic=False)
    """
    lines = source.split("\n")
    wrappers: list[str] = []
    margin, first = "", 0
    while True:
        rest = lines[first:]
        first += next((index for index, line in enumerate(rest) if line.strip()), 0)
        margin += (inner := common_margin(lines[first:]))
        lines[first:] = [line.removeprefix(inner) for line in lines[first:]]
        line = lines[first].lstrip("\v\f")
        if found := _MARK.match(line):
            kind: MarkKind = found[1]  # type: ignore[assignment]  # the pattern has just these three
            return Mark(kind, found[2].strip(), first + 2, margin, tuple(wrappers))
        wrapper = _WRAPPER.match(line)
        if wrapper is None or wrapper[1] not in WRAPPERS:
            break
        wrappers.append(line.strip())
        first += 1
        if first == len(lines):
            lines.append("")
    if wrapper is None:
        _refuse_misplaced(lines, first, ("step", "flow", "shared"))
    return Mark(None, "", first + 1 if wrappers else 1, margin, tuple(wrappers), wrapper is not None)


def refuse_misplaced(source: str) -> None:
    """Raise if a mark, or ``%%spin``, is where IPython takes it for a line magic; `source` is what IPython has cleaned.

    Raises
    ------
    CellError
        What `find_mark` raises for the same cell of a file.
    """
    lines = source.split("\n")
    if not lines[0].startswith("%%") or _ALMOST.match(lines[0]):
        _refuse_misplaced(lines, 0, ("step", "flow", "shared", "spin"))


def common_margin(lines: list[str]) -> str:
    """The indentation that all lines have, apart from blank ones, as `textwrap.dedent` finds it."""
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    first, last = min(indents, default=""), max(indents, default="")
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]


def _refuse_misplaced(lines: list[str], first: int, magics: tuple[str, ...]) -> None:
    """Raise if a line from `first` on is a mark, unless it is inside a string."""
    found = [(number, one) for number, line in enumerate(lines[first:]) if (one := _ALMOST.match(line))]
    found = [(number, one) for number, one in found if one[1] in magics]
    if not found or re.match(rf"%%{found[0][1][1]}\s", lines[first] + " "):
        return
    inside = unindentable_lines("\n".join(lines[first:]))
    for number, one in found:
        if number + 1 in inside:
            continue
        shown, magic = lines[first + number].strip(), one[1]
        above = [line.strip() for line in lines[first : first + number] if line.strip()]
        fix = f"Move `%%{magic}` to the first line of its cell"
        if above and all(line.startswith("#") for line in above):
            raise CellError(
                f"`{shown}` is below a comment.",
                "IPython takes a cell magic only on the first line of a cell.",
                f"{fix}; the comment can be below it.",
            )
        if above:
            raise CellError(
                f"`{shown}` is below other code.",
                "IPython takes a cell magic only on the first line of a cell.",
                f"{fix}, and give the code above it a cell of its own.",
            )
        raise CellError(
            f"`{shown}` does not begin with `%%{magic}`.",
            "IPython takes a cell magic only at the very beginning of a cell.",
            f"Write `%%{magic}` without anything before it, and without a blank after `%%`.",
        )


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
    refusal : Message or None
        Why the mark cannot be read; of such a cell only the kind is known.
    tags : tuple of str
        All tags of the cell, if they and not a magic mark it.
    label : str
        What messages call the cell, if that is not its kind and name.
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
    refusal: Message | None = None
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
    """Read what a code cell is.

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
    """Read what a code cell is, as `read_cell` does; if the mark cannot be read, the cell holds the reason.

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
        return Cell(text, kind, "", None, line + 1, number, cell_id, filename, refusal=error.sentences)


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
