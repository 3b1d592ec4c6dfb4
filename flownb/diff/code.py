"""What differs in the code of two flows: step by step, and shared code by definition.

The text is compared without headers and decorators, whose changes are said in words. Where only comments or the layout
differ, that is said.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from flownb.cells.body import Decorator
from flownb.cells.digest import code_digest, same_decorators
from flownb.diff.definitions import Definitions, class_definitions, shared_definitions
from flownb.flow.definition import FlowDefinition, Step

__all__ = ["CodeChange", "StepPairs", "code_changes", "pair_steps"]

ChangeKind = Literal["added", "removed", "changed", "layout"]


@dataclass(frozen=True)
class CodeChange:
    """What differs in one piece of code.

    Attributes
    ----------
    kind : str
        ``"step"``, ``"flow"``, or what shared code defines: ``"function"``, ``"class"``, ``"name"``, ``"import"``,
        ``"statement"``; of the flow's class ``"method"``.
    name : str
    change : {"added", "removed", "changed", "layout"}
        ``"layout"`` if it says the same: only comments, blank lines and the like differ.
    notes : tuple of str
        What differs beside the text, such as decorators.
    diff : tuple of str
        The text as a unified diff, without the two lines that name files.
    """

    kind: str
    name: str
    change: ChangeKind
    notes: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepPairs:
    """Which steps of two flows are the same.

    Attributes
    ----------
    same : dict of str to str
        The name after, by the name before; both differ where a step was renamed.
    added, removed : tuple of str
    """

    same: Mapping[str, str]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def renamed(self) -> dict[str, str]:
        """The steps whose names differ."""
        return {before: after for before, after in self.same.items() if before != after}

    @property
    def names_before(self) -> dict[str, str]:
        """The name before, by the name after."""
        return {after: before for before, after in self.same.items()}


def pair_steps(before: FlowDefinition, after: FlowDefinition) -> StepPairs:
    """Pair the steps of two flows: by name, then those of other names by their code.

    Parameters
    ----------
    before, after : FlowDefinition
    """
    old = {step.name: step for step in reversed(before.all_steps)}
    new = {step.name: step for step in reversed(after.all_steps)}
    gone = [step.name for step in before.all_steps if step.name not in new]
    come = [step.name for step in after.all_steps if step.name not in old]
    renamed: dict[str, str] = {}
    by_code: dict[str, list[str]] = {}
    for name in come:
        tree = new[name].body.tree
        if tree is not None and tree.body:  # bodies without code are all the same
            by_code.setdefault(_digest(new[name]), []).append(name)
    for name in gone:
        if found := by_code.get(_digest(old[name])):
            renamed[name] = found.pop(0)
    same = {step.name: renamed.get(step.name, step.name) for step in before.all_steps}
    paired = set(renamed.values())
    return StepPairs(
        {name: other for name, other in same.items() if other in new},
        tuple(name for name in come if name not in paired),
        tuple(name for name in gone if name not in renamed),
    )


def code_changes(before: FlowDefinition, after: FlowDefinition, pairs: StepPairs) -> list[CodeChange]:
    """What differs in the code of two flows.

    Parameters
    ----------
    before, after : FlowDefinition
    pairs : StepPairs

    Returns
    -------
    list of CodeChange
        The flow's class, shared code, then steps in the order of the second flow; steps that are gone come last.
    """
    found = _flow_changes(before, after)
    found += _definition_changes(shared_definitions(before.shared), shared_definitions(after.shared))
    old = {step.name: step for step in reversed(before.all_steps)}
    names = pairs.names_before
    for step in after.all_steps:
        if step.name in pairs.added:
            found.append(CodeChange("step", step.name, "added", _written(step), _diff("", _text(step))))
        elif step.name in names and (change := _step_change(old[names[step.name]], step)):
            found.append(change)
    for name in pairs.removed:
        found.append(CodeChange("step", name, "removed", (), _diff(_text(old[name]), "")))
    return found


def _flow_changes(before: FlowDefinition, after: FlowDefinition) -> list[CodeChange]:
    """What differs in the header of a flow and in its class body, apart from parameters and constants."""
    notes = []
    headers = before.header, after.header
    if any(headers) and before.name != after.name:
        notes.append(f"renamed from {before.name}")
    bases = [header.bases if header is not None else () for header in headers]
    if bases[0] != bases[1]:
        notes.append(f"base classes: {_listed(bases[0])} → {_listed(bases[1])}")
    notes += _decorator_notes(*(header.parsed.decorators if header is not None else () for header in headers))
    found = [CodeChange("flow", after.name, "changed", tuple(notes))] if notes else []
    inside = _definition_changes(class_definitions(headers[0]), class_definitions(headers[1]))
    kinds = {"function": "method"}
    return found + [CodeChange(kinds.get(one.kind, one.kind), one.name, one.change, (), one.diff) for one in inside]


def _definition_changes(before: Definitions, after: Definitions) -> list[CodeChange]:
    """What differs between definitions, in the order of the second ones."""
    found = []
    for key in dict.fromkeys([*after, *before]):
        kind, name = key
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if kind == "import":
            found.append(CodeChange(kind, name, "added" if old is None else "removed"))
        else:
            change: ChangeKind = "added" if old is None else "removed" if new is None else _how(old, new)
            found.append(CodeChange(kind, name, change, (), _diff(old or "", new or "")))
    order = [key for key in before if key in after and key[0] != "import"]
    if not found and order != [key for key in after if key in before and key[0] != "import"]:
        found.append(CodeChange("statement", "", "changed", ("the same definitions are in another order",)))
    return found


def _step_change(before: Step, after: Step) -> CodeChange | None:
    """What differs between two versions of a step; None if nothing does."""
    notes = []
    if before.name != after.name:
        notes.append(f"renamed from {before.name}")
    gone = [name for name in before.captures if name not in after.captures]
    come = [name for name in after.captures if name not in before.captures]
    if come:
        notes.append(f"captures {_listed(come)} too")
    if gone:
        notes.append(f"no longer captures {_listed(gone)}")
    notes += _decorator_notes(before.body.decorators, after.body.decorators)
    if before.header.inputs != after.header.inputs:
        notes.append(f"calls its inputs `{after.header.inputs}` instead of `{before.header.inputs}`")
    old, new = _text(before), _text(after)
    if old == new:
        return CodeChange("step", after.name, "changed", tuple(notes)) if notes else None
    change: ChangeKind = "changed" if notes else _how(old, new)
    if notes and _how(old, new) == "layout":
        notes.append("of the body only comments or the layout differ")
    return CodeChange("step", after.name, change, tuple(notes), _diff(old, new))


def _decorator_notes(before: Sequence[Decorator], after: Sequence[Decorator]) -> list[str]:
    """What differs between the decorator lines of a step or a flow."""
    old, new = ([" ".join(one.text.split()) for one in some] for some in (before, after))
    gone, come = [one for one in old if one not in new], [one for one in new if one not in old]
    notes = []
    for one in list(gone):
        same = [other for other in come if other.partition("(")[0] == one.partition("(")[0]]
        if same:
            gone.remove(one)
            come.remove(same[0])
            if not same_decorators(one, same[0]):
                notes.append(f"`{one}` → `{same[0]}`")
    notes += [f"- `{one}`" for one in gone] + [f"+ `{one}`" for one in come]
    if not notes and old != new and sorted(old) == sorted(new):
        notes.append("its decorators are in another order")
    return notes


def _written(step: Step) -> tuple[str, ...]:
    """What a new step says beside its body."""
    captures = (f"captures {_listed(step.captures)}",) if step.captures else ()
    return (*captures, *(f"+ `{' '.join(one.text.split())}`" for one in step.body.decorators))


def _text(step: Step) -> str:
    """A step's body without its decorators."""
    return "\n".join(line.rstrip("\r") for line in step.body.code.split("\n")).strip("\n").rstrip()


def _digest(step: Step) -> str:
    return code_digest(_text(step))


def _how(before: str, after: str) -> ChangeKind:
    """Whether two texts say the same."""
    return "layout" if code_digest(before) == code_digest(after) else "changed"


def _diff(before: str, after: str) -> tuple[str, ...]:
    """A unified diff of two texts."""
    lines = before.split("\n") if before else [], after.split("\n") if after else []
    return tuple(difflib.unified_diff(*lines, lineterm=""))[2:]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
