"""Three-way merge of a Metaflow file: its last export, the export that the notebook gives now, and the edited file.

Units that only one side changed are taken from that side. In a unit that both changed, edits of different lines are
merged; where both changed the same lines, there is a conflict. Steps, definitions and parameters are known by their
names; a step that was renamed is recognised by its body.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any, Literal, TypeVar

from flownb.flow_file.statements import Statement, join, rewritten, same_code, split
from flownb.flow_file.units import FlowUnits, StepUnit

__all__ = ["Conflict", "Merge", "Side", "merge_lines", "merge_units"]

Side = Literal["notebook", "flow"]
Unit = TypeVar("Unit", Statement, StepUnit)
# How much of a body has to be the same for a step of another name to be the same step.
ALIKE = 0.6


@dataclass(frozen=True)
class Conflict:
    """What both sides changed in different ways.

    Attributes
    ----------
    what : str
        The unit, as in "the body of step train".
    base, notebook, flow : str
        Its text in the last export, in the notebook and in the edited file; empty where it is not there.
    step : str
        The name that its step has in the notebook; empty if it is not one of a step.
    """

    what: str
    base: str
    notebook: str
    flow: str
    step: str = ""


@dataclass(frozen=True)
class Merge:
    """The merged file, and what could not be merged; `renamed` has the new names of steps by their old ones."""

    units: FlowUnits
    conflicts: tuple[Conflict, ...]
    renamed: dict[str, str]


@dataclass
class _Merging:
    """Collects conflicts; `take` is the side that wins them."""

    take: Side | None
    conflicts: list[Conflict] = field(default_factory=list)

    def value(self, what: str, base: Any, ours: Any, theirs: Any, *, step: str = "", show: Callable[[Any], str] = str) -> Any:
        """Merge values that have no parts."""
        if theirs in (base, ours):
            return ours
        if ours == base:
            return theirs
        return self.conflict(what, base, ours, theirs, step=step, show=show)

    def conflict(
        self, what: str, base: Any, ours: Any, theirs: Any, *, step: str = "", show: Callable[[Any], str] = str
    ) -> Any:
        """Note a conflict; the value of the side that wins."""
        self.conflicts.append(Conflict(what, show(base), show(ours), show(theirs), step))
        return theirs if self.take == "flow" else ours

    def text(
        self,
        what: str,
        base: str,
        ours: str,
        theirs: str,
        *,
        step: str = "",
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
            return str(self.conflict(what, base, ours, theirs, step=step))
        return merged


def merge_lines(base: str, ours: str, theirs: str) -> str | None:
    """Merge two edits of a text; None if they change the same lines, or insert lines at the same place."""
    lines = base.splitlines(keepends=True)
    edits = sorted({*_edits(lines, ours), *_edits(lines, theirs)})
    for (first, end, _), (other, other_end, _) in zip(edits, edits[1:], strict=False):
        if other < end or (first, end) == (other, other_end):
            return None
    for first, end, new in reversed(edits):
        lines[first:end] = new
    return "".join(lines)


def _edits(lines: Sequence[str], text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Which lines a text has in place of which lines."""
    other = text.splitlines(keepends=True)
    matcher = SequenceMatcher(None, lines, other, autojunk=False)
    return [
        (first, end, tuple(other[new_first:new_end]))
        for kind, first, end, new_first, new_end in matcher.get_opcodes()
        if kind != "equal"
    ]


def merge_units(base: FlowUnits, ours: FlowUnits, theirs: FlowUnits, take: Side | None = None) -> Merge:
    """Merge the edits of a file into what the notebook exports.

    Parameters
    ----------
    base : FlowUnits
        The last export.
    ours, theirs : FlowUnits
        What the notebook exports now, and the edited file.
    take : {"notebook", "flow"}, optional
        The side whose version is taken where there is a conflict; it is listed all the same.
    """
    merging = _Merging(take)
    renamed = _renamed(base, theirs, ours)
    names = {new: old for old, new in renamed.items()}
    known = replace(theirs, steps=tuple(replace(one, name=names.get(one.name, one.name)) for one in theirs.steps))
    steps = [
        replace(one, name=renamed.get(one.name, one.name))
        for one in _merge_units(merging, "", base.steps, ours.steps, known.steps, _merged_step)
    ]
    value = merging.value
    units = FlowUnits(
        merging.text(
            "the module's docstring", base.docstring, ours.docstring, theirs.docstring, same=_same_text
        ),
        _merge_imports(merging, base, ours, theirs),
        tuple(_merge_units(merging, "", base.code, ours.code, theirs.code, _merged_statement)),
        value("the name of the flow", base.name, ours.name, theirs.name),
        value("the base classes of the flow", base.bases, ours.bases, theirs.bases, show=", ".join),
        value("the keywords of the flow's class", base.keywords, ours.keywords, theirs.keywords, show=", ".join),
        merging.text("the comments above the flow", base.comments, ours.comments, theirs.comments, same=_same_text),
        merging.text("the decorators of the flow", base.decorators, ours.decorators, theirs.decorators, same=_same_decorators),
        merging.text(
            "the docstring of the flow", base.class_docstring, ours.class_docstring, theirs.class_docstring, same=_same_text
        ),
        tuple(_merge_units(merging, " of the flow's class", base.body, ours.body, theirs.body, _merged_statement)),
        tuple(steps),
        merging.text("the code below the flow", base.rest, ours.rest, theirs.rest),
    )
    return Merge(units, tuple(merging.conflicts), renamed)


def _same_text(one: str, other: str) -> bool:
    """Whether texts are equal, blanks around them apart."""
    return one.strip() == other.strip()


def _same_decorators(one: str, other: str) -> bool:
    """Whether lines of decorators say the same."""
    return same_code(f"{one}def f(): pass", f"{other}def f(): pass")


def _renamed(base: FlowUnits, theirs: FlowUnits, ours: FlowUnits) -> dict[str, str]:
    """Steps that the edited file has under another name, by their old names."""
    gone = [one for one in base.steps if theirs.step(one.name) is None and ours.step(one.name) is not None]
    # Where the export only passed on, as its own `start` does, there may be a step now.
    new = [
        one
        for one in theirs.steps
        if not any(_without_transition(other.body) for side in (base, ours) if (other := side.step(one.name)) is not None)
    ]
    found: dict[str, str] = {}
    for old in gone:
        alike = [(_likeness(old, one), one) for one in new if one.name not in found.values()]
        best, step = max(alike, key=lambda pair: pair[0], default=(0.0, old))
        if best >= ALIKE:
            found[old.name] = step.name
    return found


def _likeness(one: StepUnit, other: StepUnit) -> float:
    """How much of two steps' bodies is the same, from 0 to 1; a transition alone says nothing."""
    lines = [_without_transition(step.body) for step in (one, other)]
    if not all(lines):
        return 0.0
    return SequenceMatcher(None, *lines, autojunk=False).ratio()


def _without_transition(body: str) -> list[str]:
    """The lines of a body that do something."""
    return [line for line in body.splitlines() if line.strip() not in ("", "pass") and not line.startswith("self.next(")]


def _merge_imports(merging: _Merging, base: FlowUnits, ours: FlowUnits, theirs: FlowUnits) -> frozenset[Any]:
    """The imports: those of the notebook, with what the file has more or less than the last export."""
    added, removed = theirs.imports - base.imports, base.imports - theirs.imports
    here = {one.bound: one for one in ours.imports - base.imports}
    for one in sorted(added):
        other = here.get(one.bound)
        if other is not None and other != one:
            before = "".join(f"{old}" for old in base.imports if old.bound == one.bound)
            if merging.conflict(f"the import of `{one.bound}`", before, other, one) == other:
                added -= {one}
            else:
                removed |= {other}
    return frozenset((ours.imports | added) - removed)


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


def _merge_units(
    merging: _Merging,
    place: str,
    base: Sequence[Unit],
    ours: Sequence[Unit],
    theirs: Sequence[Unit],
    merged: Callable[[_Merging, str, Unit, Unit, Unit], Unit],
) -> list[Unit]:
    """Merge sequences of units: each unit by itself, and their order."""
    before, here, there = _ids(base), _ids(ours), _ids(theirs)
    found: dict[str, Unit] = {}
    for name in dict.fromkeys([*here, *there]):
        one, old, new = here.get(name), before.get(name), there.get(name)
        if one is not None and new is not None:
            if old is not None:
                found[name] = merged(merging, place, old, one, new)
            else:
                found[name] = one if _same(one, new) else merging.conflict(_called(one, place), "", one, new, show=_shown, step=_step(one))
        elif one is not None:
            if old is None or (not _same(one, old) and _kept(merging, one, old, None, place) is not None):
                found[name] = one
        elif new is not None and (old is None or (not _same(new, old) and _kept(merging, None, old, new, place) is not None)):
            found[name] = new
    return [found[name] for name in _merged_order(merging, list(before), list(here), list(there), found)]


def _kept(merging: _Merging, one: Unit | None, old: Unit, new: Unit | None, place: str) -> Unit | None:
    """What is left of a unit that one side changed and the other one removed: a conflict."""
    found: Unit | None = merging.conflict(_called(old, place), old, one, new, show=_shown, step=_step(old))
    return found


def _merged_order(
    merging: _Merging, base: list[str], ours: list[str], theirs: list[str], kept: dict[str, Any]
) -> list[str]:
    """The order of units: that of the side which changed it, with what the other side added behind what it follows."""

    def is_moved(other: list[str]) -> bool:
        common = [name for name in base if name in other]
        return common != [name for name in other if name in base]

    first, second = (ours, theirs) if not is_moved(theirs) or (is_moved(ours) and merging.take != "flow") else (theirs, ours)
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


def _called(unit: Statement | StepUnit, place: str) -> str:
    """What a message calls a unit."""
    if isinstance(unit, StepUnit):
        return f"step {unit.name}"
    return f"`{unit.name}`{place}" if unit.name else f"the code `{unit.text.strip().split(chr(10))[0]}`{place}"


def _step(unit: Statement | StepUnit) -> str:
    return unit.name if isinstance(unit, StepUnit) else ""


def _shown(unit: Any) -> str:
    """The text of a unit, empty if it is not there."""
    if isinstance(unit, StepUnit):
        docstring = f'"""{unit.docstring}"""\n' if unit.docstring else ""
        lines = f"{docstring}{unit.body}".splitlines(keepends=True)
        return f"{unit.comments}{unit.decorators}def {unit.name}{unit.signature}:\n" + "".join(f"    {one}" for one in lines)
    return unit.whole.strip("\n") + "\n" if isinstance(unit, Statement) else ""


def _merged_statement(merging: _Merging, place: str, base: Statement, ours: Statement, theirs: Statement) -> Statement:
    """Merge a statement of a module or class."""
    text = merging.text(
        _called(ours, place), base.whole, ours.whole, theirs.whole, is_valid=lambda text: _is_statement(text, ours.name)
    )
    (found, *more) = split(text)
    return found if not more else ours


def _is_statement(text: str, name: str) -> bool:
    """Whether a text is one statement that defines a name."""
    try:
        return [one.name for one in split(text)] == [name]
    except (SyntaxError, ValueError):
        return False


def _merged_step(merging: _Merging, place: str, base: StepUnit, ours: StepUnit, theirs: StepUnit) -> StepUnit:
    """Merge the parts of a step."""
    step = ours.name

    def text(what: str, attribute: str, **options: Any) -> str:
        values = (getattr(one, attribute) for one in (base, ours, theirs))
        return merging.text(f"{what} of step {step}", *values, step=step, **options)

    own = theirs
    if not same_code(theirs.body, base.body):
        # What a formatter changed beside the edits is no edit.
        own = replace(theirs, body=_laid_out(base.body, theirs.body))
    body = merging.text(f"the body of step {step}", base.body, ours.body, own.body, step=step, is_valid=_is_code)
    return StepUnit(
        step,
        text("the comments", "comments", same=_same_text),
        text("the decorators", "decorators", same=_same_decorators),
        merging.value(f"the signature of step {step}", base.signature, ours.signature, theirs.signature, step=step),
        text("the docstring", "docstring", same=_same_text),
        body,
    )


def _laid_out(base: str, theirs: str) -> str:
    """A body with the text of another one for each statement that is the same."""
    try:
        places = rewritten(split(base), split(theirs))
    except (SyntaxError, ValueError):
        return theirs
    return join(one for place in places for one in place) + "\n"


def _is_code(text: str) -> bool:
    """Whether a text is valid as the body of a function."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True
