"""Where a cell's mark is: the ``%%step``, ``%%flow`` or ``%%shared`` line, found as IPython finds a cell magic.

Takes the text of a code cell; gives its `Mark`. IPython drops blank lines above the first one and the indentation that
all lines have, and then takes ``%%name`` as a cell magic only at the very beginning. Anywhere else it is a line magic
that does not exist, so such a cell is refused here as well: kernel and file take the same cells for steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flownb.cells.body import unindentable_lines
from flownb.errors import CellError

__all__ = ["WRAPPERS", "Mark", "MarkKind", "common_margin", "find_mark", "refuse_misplaced"]

MarkKind = Literal["flow", "shared", "step"]
# Cell magics that run what is below them as IPython would run it in a cell of its own, so that a mark there counts.
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
        None where nothing in the text marks the cell; tags may.
    text : str
        What follows the magic on its line.
    body_line : int
        1-based line of the cell on which the body begins.
    margin : str
        The indentation that all lines have, and which is not part of the code.
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
        If there is a mark where IPython does not take it for one.

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
    """Raise for a mark, or ``%%spin``, where IPython takes it for a line magic; `source` as IPython has cleaned it.

    Raises
    ------
    CellError
        What `find_mark` raises for the same cell of a file.
    """
    lines = source.split("\n")
    if not lines[0].startswith("%%") or _ALMOST.match(lines[0]):
        _refuse_misplaced(lines, 0, ("step", "flow", "shared", "spin"))


def common_margin(lines: list[str]) -> str:
    """The indentation that all lines have, blank ones aside, as `textwrap.dedent` finds it."""
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    first, last = min(indents, default=""), max(indents, default="")
    length = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:length]


def _refuse_misplaced(lines: list[str], first: int, magics: tuple[str, ...]) -> None:
    """Raise if a line from `first` on is a mark, other than in a string."""
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
                f"{fix}; the comment can come below it.",
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
