"""Compares what the cells of a step printed with what the step printed, line by line."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

__all__ = ["lines_of", "printed_difference", "unstable_lines", "without_times"]

# Characters of a line that a table shows.
SHOWN = 50
TIMES = re.compile(r"^(?:CPU times|Wall time|Compiler|Parser) ?:[^\n]*\n?", re.MULTILINE)


def lines_of(text: str) -> list[str]:
    r"""The lines that remain visible: of a line that was written over with ``\r``, as progress bars do, the last text.

    Examples
    --------
    >>> lines_of("50 %\r100 %\ndone\n")
    ['100 %', 'done']
    """
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")] if text else []


def without_times(text: str) -> str:
    r"""What a timed cell printed itself, without the lines that IPython's ``%time`` and ``%%time`` add.

    Examples
    --------
    >>> without_times("done\nCPU times: user 3 ms, sys: 0 ns, total: 3 ms\nWall time: 3.1 ms\n")
    'done\n'
    """
    return TIMES.sub("", text)


def unstable_lines(first: Sequence[str], others: Sequence[Sequence[str]]) -> set[int] | None:
    """Which lines differ between runs of the same notebook.

    Returns
    -------
    set of int or None
        Positions from 0; None if the runs printed different numbers of lines, so that no line can be compared.
    """
    if any(len(other) != len(first) for other in others):
        return None
    return {place for place, line in enumerate(first) if any(other[place] != line for other in others)}


def printed_difference(
    plain: Sequence[str], flow: Sequence[str], *, unstable: Set[int] | None = frozenset(), partly: bool = False
) -> str:
    """How the lines of a step differ; empty if they do not.

    Parameters
    ----------
    plain, flow : sequence of str
    unstable : set of int, or None
        As `unstable_lines` returns it: lines that are not compared; None compares nothing.
    partly : bool, default False
        Whether only some statements of the cells are in the step: lines of the notebook may then be missing.
    """
    if unstable is None:
        return ""
    if partly:
        waiting = iter(enumerate(plain))
        for number, line in enumerate(flow, 1):
            if not any(place in unstable or one == line for place, one in waiting):
                return f"line {number} is `{_short(line)}` in the flow, and not in the notebook"
        return ""
    for place, (one, other) in enumerate(zip(plain, flow, strict=False)):
        if one != other and place not in unstable:
            return f"line {place + 1} is `{_short(one)}` in the notebook, `{_short(other)}` in the flow"
    if len(plain) != len(flow):
        return f"{_counted(plain)} in the notebook, {_counted(flow)} in the flow"
    return ""


def _short(line: str) -> str:
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _counted(lines: Sequence[str]) -> str:
    return f"{len(lines)} line{'s' * (len(lines) != 1)}"
