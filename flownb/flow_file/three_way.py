"""Three-way merge of texts, values and sequences of named units, with the conflicts that it finds.

A side that did not change something leaves it to the other one. Both may have made the same edit, or edits of
different lines; everything else that both changed is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any, Literal, TypeVar

from flownb.flow_file.statements import Statement, same_code
from flownb.flow_file.units import StepUnit

__all__ = ["Conflict", "Merging", "Side", "called", "merge_lines", "merge_sequences"]

Side = Literal["notebook", "flow"]
Unit = TypeVar("Unit", Statement, StepUnit)


@dataclass(frozen=True)
class Conflict:
    """What both sides changed in different ways.

    Attributes
    ----------
    what : str
        The unit, as in "the body of step train".
    base, notebook, flow : str
        Its text in the last export, in the notebook and in the edited file; empty where it is not there.
    name : str
        The step of the notebook, or the name that is defined; empty if it is neither.
    """

    what: str
    base: str
    notebook: str
    flow: str
    name: str = ""


@dataclass
class Merging:
    """Collects conflicts; `take` is the side that wins them."""

    take: Side | None
    conflicts: list[Conflict] = field(default_factory=list)

    def value(
        self, what: str, base: Any, ours: Any, theirs: Any, *, name: str = "", show: Callable[[Any], str] = str
    ) -> Any:
        """Merge values that have no parts."""
        if theirs in (base, ours):
            return ours
        if ours == base:
            return theirs
        return self.conflict(what, base, ours, theirs, name=name, show=show)

    def conflict(
        self, what: str, base: Any, ours: Any, theirs: Any, *, name: str = "", show: Callable[[Any], str] = str
    ) -> Any:
        """Note a conflict; the value of the side that wins."""
        self.conflicts.append(Conflict(what, show(base), show(ours), show(theirs), name))
        return theirs if self.take == "flow" else ours

    def text(
        self,
        what: str,
        base: str,
        ours: str,
        theirs: str,
        *,
        name: str = "",
        same: Callable[[str, str], bool] = same_code,
        is_valid: Callable[[str], bool] = lambda text: True,
    ) -> str:
        """Merge texts line by line."""
        if same(theirs, base) or same(ours, theirs):
            return ours
        if same(ours, base):
            return theirs
        merged = merge_lines(base, ours, theirs)
        if merged is None or not is_valid(merged):
            return str(self.conflict(what, base, ours, theirs, name=name))
        return merged


def merge_lines(base: str, ours: str, theirs: str) -> str | None:
    """Merge two edits of a text; None if they change the same lines, or insert lines at the same place."""
    lines = _lines(base)
    edits = sorted({*_edits(lines, ours), *_edits(lines, theirs)})
    for (first, end, _), (other, other_end, _) in pairwise(edits):
        if other < end or (first, end) == (other, other_end):
            return None
    for first, end, new in reversed(edits):
        lines[first:end] = new
    return "".join(lines)


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends, as Python counts them."""
    return [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []


def _edits(lines: Sequence[str], text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Which lines a text has in place of which lines."""
    other = _lines(text)
    matcher = SequenceMatcher(None, lines, other, autojunk=False)
    return [
        (first, end, tuple(other[new_first:new_end]))
        for kind, first, end, new_first, new_end in matcher.get_opcodes()
        if kind != "equal"
    ]


def _ids(units: Sequence[Unit]) -> dict[str, Unit]:
    """Units by what identifies them: a name, else their text; the second of two gets a number."""
    found: dict[str, Unit] = {}
    for one in units:
        known = one.name if one.name else f"={one.key}" if isinstance(one, Statement) else one.name
        number, name = 1, known
        while name in found:
            number += 1
            name = f"{known}#{number}"
        found[name] = one
    return found


def merge_sequences(
    merging: Merging,
    place: str,
    base: Sequence[Unit],
    ours: Sequence[Unit],
    theirs: Sequence[Unit],
    merged: Callable[[Merging, str, Unit, Unit, Unit], Unit],
) -> list[Unit]:
    """Merge sequences of units: each unit by itself, and their order."""
    before: dict[str, Unit] = _ids(base)
    here: dict[str, Unit] = _ids(ours)
    there: dict[str, Unit] = _ids(theirs)
    found: dict[str, Unit] = {}
    for name in dict.fromkeys([*here, *there]):
        unit = _merged_unit(merging, place, before.get(name), here.get(name), there.get(name), merged)
        if unit is not None:
            found[name] = unit
    for name in before:
        if name not in here and name not in there:
            _replaced_twice(merging, place, name, before, here, there, found)
    return [found[name] for name in _merged_order(merging, list(before), list(here), list(there), found)]


def _replaced_twice(
    merging: Merging,
    place: str,
    name: str,
    base: dict[str, Unit],
    ours: dict[str, Unit],
    theirs: dict[str, Unit],
    found: dict[str, Unit],
) -> None:
    """Note a conflict if both sides wrote something else in the place of a unit; the other side's is left out."""
    above = None
    for one in base:
        if one == name:
            break
        above = one if one in ours and one in theirs else above
    added = [_added_below(side, above, base) for side in (ours, theirs)]
    mine: list[str] = [one for one in added[0] if one not in added[1]]
    other: list[str] = [one for one in added[1] if one not in added[0]]
    if not mine or not other or not {*mine, *other} <= found.keys():
        return
    texts = ("".join(_shown(side[one]) for one in names) for side, names in ((ours, mine), (theirs, other)))
    here, there = texts
    merging.conflict(called(base[name], place), _shown(base[name]), here, there, name=base[name].name)
    for one in mine if merging.take == "flow" else other:
        del found[one]


def _added_below(side: dict[str, Unit], above: str | None, base: dict[str, Unit]) -> list[str]:
    """What a side has right below a unit and the last export does not have."""
    names = list(side)
    first = names.index(above) + 1 if above is not None else 0
    found: list[str] = []
    for name in names[first:]:
        if name in base:
            break
        found.append(name)
    return found


def _merged_unit(
    merging: Merging,
    place: str,
    base: Unit | None,
    ours: Unit | None,
    theirs: Unit | None,
    merged: Callable[[Merging, str, Unit, Unit, Unit], Unit],
) -> Unit | None:
    """Merge one unit; None if it is removed."""
    if base is not None and ours is not None and theirs is not None:
        return merged(merging, place, base, ours, theirs)
    one = ours if ours is not None else theirs
    assert one is not None
    if ours is None or theirs is None:
        if base is None:
            return one  # one side added it
        if _same(one, base):
            return None  # the other one removed it
    elif _same(ours, theirs):
        return ours
    found: Unit | None = merging.conflict(called(one, place), base, ours, theirs, show=_shown, name=one.name)
    return found


def _merged_order(
    merging: Merging, base: list[str], ours: list[str], theirs: list[str], kept: dict[str, Any]
) -> list[str]:
    """The order of units: that of the side which changed it, with what the other side added behind what it follows."""

    def is_moved(other: list[str]) -> bool:
        common = [name for name in base if name in other]
        return common != [name for name in other if name in base]

    first, second = (
        (ours, theirs) if not is_moved(theirs) or (is_moved(ours) and merging.take != "flow") else (theirs, ours)
    )
    common = [name for name in ours if name in theirs]
    if is_moved(ours) and is_moved(theirs) and common != [name for name in theirs if name in ours]:
        merging.conflict("the order of definitions", *("\n".join(one) + "\n" for one in (base, ours, theirs)))
    order = [name for name in first if name in kept]
    for place, name in enumerate(second):
        if name in kept and name not in order:
            above = next((one for one in reversed(second[:place]) if one in order), None)
            order.insert(order.index(above) + 1 if above is not None else 0, name)
    return order


def _same(one: Unit, other: Unit) -> bool:
    if isinstance(one, StepUnit):
        return isinstance(other, StepUnit) and one.same_as(other)
    return isinstance(other, Statement) and one.key == other.key


def called(unit: Statement | StepUnit, place: str) -> str:
    """What a message calls a unit."""
    if isinstance(unit, StepUnit):
        return f"step {unit.name}"
    return f"`{unit.name}`{place}" if unit.name else f"the code `{unit.text.strip().split(chr(10))[0]}`{place}"


def _shown(unit: Any) -> str:
    """The text of a unit, empty if it is not there."""
    if isinstance(unit, StepUnit):
        docstring = f'"""{unit.docstring}"""\n' if unit.docstring else ""
        lines = f"{docstring}{unit.body}".splitlines(keepends=True)
        return f"{unit.comments}{unit.decorators}def {unit.name}{unit.signature}:\n" + "".join(
            f"    {one}" for one in lines
        )
    return unit.whole.strip("\n") + "\n" if isinstance(unit, Statement) else ""
