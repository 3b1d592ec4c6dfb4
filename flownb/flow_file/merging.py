"""Three-way merge of a Metaflow file: its last export, the export that the notebook gives now, and the edited file.

Steps, definitions and parameters are known by their names; a step that was renamed is recognised by its body.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from flownb.flow_file.statements import Statement, decorated, join, rewritten, same_code, split
from flownb.flow_file.three_way import Conflict, Merging, Side, called, merge_sequences
from flownb.flow_file.units import FlowUnits, StepUnit

__all__ = ["Merge", "merge_units"]

# How much of a body has to be the same for a step of another name to be the same step.
ALIKE = 0.6


@dataclass(frozen=True)
class Merge:
    """The merged file, and what could not be merged; `renamed` has the new names of steps by their old ones."""

    units: FlowUnits
    conflicts: tuple[Conflict, ...]
    renamed: dict[str, str]


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
    merging = Merging(take)
    renamed = _renamed(base, theirs, ours)
    names = {new: old for old, new in renamed.items()}
    known = replace(theirs, steps=tuple(replace(one, name=names.get(one.name, one.name)) for one in theirs.steps))
    steps = [
        replace(one, name=renamed.get(one.name, one.name))
        for one in merge_sequences(merging, "", base.steps, ours.steps, known.steps, _merged_step)
    ]
    value = merging.value
    units = FlowUnits(
        merging.text("the module's docstring", base.docstring, ours.docstring, theirs.docstring, same=_same_text),
        _merge_imports(merging, base, ours, theirs),
        tuple(merge_sequences(merging, "", base.code, ours.code, theirs.code, _merged_statement)),
        value("the name of the flow", base.name, ours.name, theirs.name),
        value("the base classes of the flow", base.bases, ours.bases, theirs.bases, show=", ".join),
        value("the keywords of the flow's class", base.keywords, ours.keywords, theirs.keywords, show=", ".join),
        merging.text("the comments above the flow", base.comments, ours.comments, theirs.comments, same=_same_text),
        merging.text(
            "the decorators of the flow", base.decorators, ours.decorators, theirs.decorators, same=_same_decorators
        ),
        merging.text(
            "the docstring of the flow",
            base.class_docstring,
            ours.class_docstring,
            theirs.class_docstring,
            same=_same_text,
        ),
        tuple(merge_sequences(merging, " of the flow's class", base.body, ours.body, theirs.body, _merged_statement)),
        tuple(steps),
        merging.text("the code below the flow", base.rest, ours.rest, theirs.rest),
    )
    return Merge(units, tuple(merging.conflicts), renamed)


def _same_text(one: str, other: str) -> bool:
    """Whether texts are equal, blanks around them apart."""
    return one.strip() == other.strip()


def _same_decorators(one: str, other: str) -> bool:
    """Whether lines of decorators say the same."""
    return same_code(decorated(one), decorated(other))


def _renamed(base: FlowUnits, theirs: FlowUnits, ours: FlowUnits) -> dict[str, str]:
    """Steps that the edited file has under another name, by their old names."""
    gone = [one for one in base.steps if theirs.step(one.name) is None and ours.step(one.name) is not None]
    # Where the export only passed on, as its own `start` does, there may be a step now.
    new = [
        one
        for one in theirs.steps
        if not any(
            _without_transition(other.body) for side in (base, ours) if (other := side.step(one.name)) is not None
        )
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
    return float(SequenceMatcher(None, lines[0], lines[1], autojunk=False).ratio())


def _without_transition(body: str) -> list[str]:
    """The lines of a body that do something."""
    return [
        line for line in body.splitlines() if line.strip() not in ("", "pass") and not line.startswith("self.next(")
    ]


def _merge_imports(merging: Merging, base: FlowUnits, ours: FlowUnits, theirs: FlowUnits) -> frozenset[Any]:
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


def _merged_statement(merging: Merging, place: str, base: Statement, ours: Statement, theirs: Statement) -> Statement:
    """Merge a statement of a module or class."""
    texts = (base.whole, ours.whole, theirs.whole)
    text = merging.text(
        called(ours, place), *texts, name=ours.name, is_valid=lambda text: _is_statement(text, ours.name)
    )
    (found, *more) = split(text)
    return found if not more else ours


def _is_statement(text: str, name: str) -> bool:
    """Whether a text is one statement that defines a name."""
    try:
        return [one.name for one in split(text)] == [name]
    except (SyntaxError, ValueError):
        return False


def _merged_step(merging: Merging, place: str, base: StepUnit, ours: StepUnit, theirs: StepUnit) -> StepUnit:
    """Merge the parts of a step."""
    step = ours.name

    def text(what: str, attribute: str, **options: Any) -> str:
        values = (getattr(one, attribute) for one in (base, ours, theirs))
        return merging.text(f"{what} of step {step}", *values, name=step, **options)

    own = theirs
    if not same_code(theirs.body, base.body):
        # What a formatter changed beside the edits is no edit.
        own = replace(theirs, body=_laid_out(base.body, theirs.body))
    body = merging.text(f"the body of step {step}", base.body, ours.body, own.body, name=step, is_valid=_is_code)
    return StepUnit(
        step,
        text("the comments", "comments", same=_same_text),
        text("the decorators", "decorators", same=_same_decorators),
        merging.value(f"the signature of step {step}", base.signature, ours.signature, theirs.signature, name=step),
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
