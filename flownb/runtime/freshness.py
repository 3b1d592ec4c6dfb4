"""Whether a recorded task would give the same if it ran now, and the words for it: states, reasons, fingerprints.

`Comparison` is the one rule that badges, status and resumes share; `flownb.session.judge` applies it to all steps. What
counts is content: the code, and the values that the task read. Every view uses the states and words of this module.
"""

from __future__ import annotations

import ast
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

from flownb.cells.cell import Cell
from flownb.cells.digest import same_decorators, sees_others_text
from flownb.flow.module import metaflow_name
from flownb.provenance.dependencies import dependency_changes
from flownb.provenance.imported_text import UNKNOWN, Digests, ImportedText
from flownb.provenance.installed import is_made_up
from flownb.provenance.module_hashes import imported_names, own_module_hashes
from flownb.runtime.decorators import Recorded
from flownb.runtime.flowspec import INDEX, INPUT, MERGED, STACK
from flownb.runtime.foreach import ItemKeys
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec, inherited_refs
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = [
    "NEVER",
    "Comparison",
    "Freshness",
    "Reason",
    "ReasonKind",
    "StepState",
    "cells_of",
    "code_reasons",
    "ended",
    "fingerprint",
    "imports_of",
    "settings_hash",
]


# "untaken": the latest result of a switch before the step led elsewhere, so a run does not reach it.
StepState = Literal["never", "running", "fresh", "stale", "failed", "untaken"]
# An address in memory differs in each process.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Decorators that change how a task is run, never its result.
WITHOUT_EFFECT = ("retry", "resources", "timeout", "card", "kubernetes", "batch")


ReasonKind = Literal[
    "code", "shared", "module", "unsure", "artifact", "item", "fewer", "index", "inputs", "failed", "interrupted",
    "unrecorded", "removed", "gone", "transition", "asked", "absent", "older", "made", "other", "led",
    "python", "distribution", "variable", "variables", "zone",
]  # fmt: skip
# The text of each kind, with the step, artifact or module that it names, and further facts.
SAID: Mapping[ReasonKind, str] = {
    "code": "`{0}` changed",
    "shared": "shared code changed",
    "module": "module `{0}` changed",
    "unsure": "the version of module `{0}` is not known",
    "artifact": "`{0}` differs",
    "item": "new items",
    "fewer": "fewer items",
    "index": "items moved",
    "inputs": "other tasks are joined",
    "failed": "failed before",
    "interrupted": "was interrupted",
    "unrecorded": "had not run",
    "removed": "what it ran on was removed",
    "gone": "`{0}` was removed",
    "transition": "its transition changed",
    "asked": "from `{0}` on",
    "absent": "`{0}` has no result",
    "older": "made from an older result of {0} ({1})",
    "made": "made with {0} = {1}",
    "other": "made with another `{0}`",
    "led": "`{0}` led to {1}",
    "python": "Python {1}",
    "distribution": "`{0}` {1}",
    "variable": "environment variable `{0}` changed",
    "variables": "environment variables changed",
    "zone": "the time zone changed",
}
# What made a result: where it differs, all that was made from the result may differ, too.
CODE = ("code", "shared", "module", "unsure")
MODULES = ("modules", "modules_tree")
MADE_BY = (*CODE, "python", "distribution", "variable", "variables", "zone")
Refs = Mapping[str, ArtifactRef]
# The foreachs around a task, and where their items are.
Looked = tuple[Sequence[ForeachFrame], Refs]
# What a task read beside artifacts.
PLACES = frozenset({INDEX, INPUT, STACK, MERGED})


@dataclass(frozen=True)
class Reason:
    """One reason why running a step would give another result, or a remark about it.

    Attributes
    ----------
    kind : ReasonKind
    name : str
        The step, artifact or module that it is about, if any.
    more : str
        A further fact, such as why a parent's result is an older one, or the versions of a distribution.
    """

    kind: ReasonKind
    name: str = ""
    more: str = ""

    def __str__(self) -> str:
        return SAID[self.kind].format(self.name, self.more)

    @property
    def brief(self) -> str:
        """The reason where there is room for a few words: of an older result, why it is older."""
        return self.more if self.kind == "older" else str(self)

    @property
    def is_code(self) -> bool:
        """Whether it is about the text of cells or of the user's own modules."""
        return self.kind in CODE

    @property
    def is_cause(self) -> bool:
        """Whether it explains why inputs of later steps differ."""
        return self.kind in MADE_BY

    @property
    def is_input(self) -> bool:
        """Whether it is about what the step started from."""
        return self.kind in ("artifact", "item", "index", "inputs")


@dataclass(frozen=True)
class Freshness:
    """The state of a step, by its latest result.

    Attributes
    ----------
    state : StepState
    reasons : tuple of str
        Why it is stale, failed or not taken; empty otherwise.
    tasks : int
    brief : str
        The first reason in a few words; empty where that is what `reasons` says.
    notes : tuple of str
        Remarks about a result, such as ``"made with k = 15 (default: 5)"``.
    """

    state: StepState
    reasons: tuple[str, ...] = ()
    tasks: int = 0
    brief: str = ""
    notes: tuple[str, ...] = ()


NEVER = Freshness("never")


def fingerprint(
    program: Program, step: str, *, loaded: Mapping[str, ImportedText] | None = None, since: float = math.inf
) -> dict[str, str]:
    """Hashes of the code that decides a step's result: its method, the shared code, its decorators, its modules.

    There are two of each text: of itself, and of what it says (``…_tree``); either may be equal. The first is all that
    older versions recorded, and all that counts where code can see its lines or those of other code.

    Parameters
    ----------
    program : Program
    step : str
    loaded : mapping of str to ImportedText, optional
        For a task that ran in this process: the user's own modules that it imported, also those that its code does not
        name (a class may have come with an artifact). They count as they were when they were imported.
    since : float, optional
        When it began: other modules that its code names, and that were edited later, equal no others.
    """
    own = program.flow.redefined
    decorators = [
        one.text
        for one in program.decorators(step)
        if one.name in own or metaflow_name(program.flow, one.name) not in WITHOUT_EFFECT
    ]
    found = {
        "method": program.methods[step].code_hash,
        "shared": program.shared_hash,
        "decorators": "\n".join(decorators),
    }
    names = imports_of(program, step)
    modules = own_module_hashes(names, loaded=loaded, since=since) if names or loaded else {}
    if loaded is not None:
        modules.update((name, UNKNOWN) for name in names if is_made_up(name))
    if modules:
        found["modules"] = " ".join(f"{name}={one.text}" for name, one in modules.items())
    if any(sees_others_text(cell.source) for cell in cells_of(program, step)) or not all(
        one.tree for one in modules.values()
    ):
        return found
    found |= {"method_tree": program.methods[step].tree_hash, "shared_tree": program.code.shared_tree_hash}
    if modules:
        found["modules_tree"] = " ".join(f"{name}={one.tree}" for name, one in modules.items())
    return found


def settings_hash(decorators: Iterable[Recorded]) -> str:
    """Hash of those settings of a step's decorators that decide the result: their lines may be expressions."""
    found = [(name, sorted(settings.items())) for name, settings in decorators if name not in WITHOUT_EFFECT]
    text = ADDRESS.sub("", repr(_ordered(found)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if found else ""


def _ordered(value: Any) -> Any:
    """A value whose text is the same in each process: sets, at any depth of containers, in the order of their texts."""
    if isinstance(value, set | frozenset):
        return ["a set", *sorted(map(repr, map(_ordered, value)))]
    if isinstance(value, dict):
        return {key: _ordered(one) for key, one in value.items()}
    return type(value)(map(_ordered, value)) if type(value) in (list, tuple) else value


def imports_of(program: Program, step: str) -> tuple[str, ...]:
    """Names of the modules that a step's code may import: its own, and that of all steps."""
    known = program.cache.imports
    if step not in known:
        names = (name for cell in cells_of(program, step) for name in _imports(cell.parsed.tree))
        known[step] = tuple(dict.fromkeys(names))
    return known[step]


def cells_of(program: Program, step: str) -> tuple[Cell, ...]:
    """The cells with a step's code: that of all steps, and its own."""
    own = program.graph[step].step
    cells = [*program.flow.shared, program.flow.header, own.cell if own else None]
    return tuple(cell for cell in cells if cell is not None)


@lru_cache(maxsize=1024)
def _imports(tree: ast.Module | None) -> tuple[str, ...]:
    """Names of the modules that a cell imports; kept by its tree, for a cell's own hash is that of all its text."""
    return imported_names(tree)


def code_reasons(
    now: Mapping[str, str],
    before: Mapping[str, str],
    step: str,
    *,
    changes: Callable[[Mapping[str, str], bool], list[Reason]] | None = None,
) -> list[Reason]:
    """What changed in a step's code between two fingerprints, the second one of a task.

    `changes` replaces `_dependency_reasons`, for callers that compare many tasks at one moment.
    """
    reasons = []
    # Settings are known where the decorator lines were executed.
    other = "settings" in before and "settings" in now and before["settings"] != now["settings"]
    same = _same_code("method", now, before) and same_decorators(before.get("decorators", ""), now["decorators"])
    if other or not same:
        reasons.append(Reason("code", step))
    if not _same_code("shared", now, before):
        reasons.append(Reason("shared"))
    had, has = _modules(before), _modules(now)
    if had.keys() - has.keys():  # what a task imported that its code does not name is looked up by name
        has = {**own_module_hashes(had.keys() - has.keys()), **has}
    for name in sorted(had.keys() | has.keys()):
        then, there = had.get(name), has.get(name)
        if then is None or there is None or not then.says_same(there):
            unsure = then is not None and then.text == UNKNOWN.text
            reasons.append(Reason("unsure" if unsure else "module", unquote(name)))
    same_command = "settings" in now and now["settings"] == before.get("settings")
    return reasons + (changes or _dependency_reasons)(before, same_command)


def _dependency_reasons(before: Mapping[str, str], same_command: bool) -> list[Reason]:
    """What changed of Python, the installed packages and the environment since a task ran."""
    return [Reason(*one) for one in dependency_changes(before, same_command=same_command)]


def _modules(mark: Mapping[str, str]) -> dict[str, Digests]:
    """The user's own modules of a fingerprint; without their trees where only the text counts."""
    if not mark.get("modules"):
        return {}  # as of most steps
    texts, trees = (dict(entry.split("=") for entry in mark.get(part, "").split()) for part in MODULES)
    return {name: Digests(text, trees.get(name, "")) for name, text in texts.items()}


def _same_code(part: str, now: Mapping[str, str], before: Mapping[str, str]) -> bool:
    """Whether a part of the cells has the same text, or the same code."""
    tree = now.get(f"{part}_tree")
    return before.get(part) == now[part] or (tree is not None and before.get(f"{part}_tree") == tree)


class Comparison:
    """Compares recorded tasks of one program with what they would be now.

    Parameters
    ----------
    program : Program
    items : ItemKeys
        Distinguishes the items of foreachs.
    """

    def __init__(self, program: Program, items: ItemKeys) -> None:
        self.program = program
        self._items = items
        self._decorators: Mapping[str, Sequence[Recorded]] | None = None
        self._fingerprints: dict[str, dict[str, str]] = {}
        # The tasks of a foreach have few fingerprints, and comparing one takes longer than everything else.
        self._code: dict[tuple[str, frozenset[tuple[str, str]]], list[Reason]] = {}
        # Most steps depend on the same packages and variables.
        self._changes: dict[tuple[str | bool | None, ...], list[Reason]] = {}
        # What tasks with the same parents inherit: the items of a foreach follow each other.
        self._inherited: tuple[TaskSpec, dict[str, ArtifactRef]] | None = None

    def compare_settings(self, decorators: Mapping[str, Sequence[Recorded]]) -> None:
        """Compare the settings of the steps' decorators too, by step; their lines are compared in any case."""
        self._decorators = decorators
        self._fingerprints.clear()
        self._code.clear()

    def code(self, task: TaskRecord) -> list[Reason]:
        """What changed in the code of a task's step since it ran."""
        key = (task.step, frozenset(task.fingerprint.items()))
        if key not in self._code:
            self._code[key] = self._code_reasons(task)
        return self._code[key]

    def _code_reasons(self, task: TaskRecord) -> list[Reason]:
        """The same, compared."""
        now = self._fingerprints.get(task.step)
        if now is None:
            now = self._fingerprints[task.step] = fingerprint(self.program, task.step)
            if self._decorators is not None:
                now["settings"] = settings_hash(self._decorators.get(task.step, ()))
        if task.fingerprint == now:
            return []
        return code_reasons(now, task.fingerprint, task.step, changes=self._dependency_reasons)

    def _dependency_reasons(self, before: Mapping[str, str], same_command: bool) -> list[Reason]:
        """What changed beside code since a task ran, found out once for each record of that."""
        key = (*map(before.get, ("python", "distributions", "environment")), same_command)
        if key not in self._changes:
            self._changes[key] = _dependency_reasons(before, same_command)
        return self._changes[key]

    def inherited(self, spec: TaskSpec) -> dict[str, ArtifactRef]:
        """What a task that would run now inherits."""
        known = self._inherited
        if known is None or known[0].step != spec.step or not _same(known[0].parents, spec.parents):
            known = self._inherited = (spec, inherited_refs(self.program, spec))
        return known[1]

    def differences(self, task: TaskRecord, before: Sequence[TaskRecord] | None, spec: TaskSpec) -> list[Reason]:
        """Why running a task now may give another result; empty if it would not.

        Parameters
        ----------
        task : TaskRecord
        before : sequence of TaskRecord or None
            The tasks it started from; None if one of them was removed.
        spec : TaskSpec
            What it would start from now.
        """
        reasons = self.code(task)
        if reasons:
            return reasons
        if task.status != "done":  # what `@catch` took ended well, as on Metaflow
            return [ended(task)]
        if before is None:
            return [Reason("removed")]
        return self.inputs(task, before, spec)

    def inputs(self, task: TaskRecord, before: Sequence[TaskRecord], spec: TaskSpec) -> list[Reason]:
        """Which values that a task read are not what it would read now."""
        if self.program.graph[spec.step].is_join:
            return self._joined(task, before, spec)
        new, old = self.inherited(spec), _before_task(task, before)
        names = [*old, *new] if task.read is None else [name for name in task.read if name not in PLACES]
        reasons = _unlike(names, old, new) + _unlike(self._constants(spec), task.artifacts, spec.given)
        return reasons or self._places(task.read, (task.foreach, old), (spec.frames, new))

    def _joined(self, task: TaskRecord, before: Sequence[TaskRecord], spec: TaskSpec) -> list[Reason]:
        """Why a join may give another result: its inputs are compared position by position."""
        if [parent.step for parent in before] != [parent.step for parent in spec.parents]:
            return [Reason("inputs")]
        reasons = _unlike(self._constants(spec), task.artifacts, spec.given)
        read = task.read
        if read is not None:
            own = [name for name in read if name in self.program.parameter_names]
            reasons += _unlike(own, task.artifacts, self.inherited(spec))
        for old, new in zip(before, spec.parents, strict=True):
            everything = read is None or MERGED in read
            names = [*old.artifacts, *new.artifacts] if everything else [n for n in read or () if n not in PLACES]
            reasons += _unlike(names, old.artifacts, new.artifacts)
            reasons += self._places(read, (old.foreach, old.artifacts), (new.foreach, new.artifacts))
            if reasons:
                return reasons
        if not before:
            return []
        # The item of a foreach around the join: it inherits no list of its own, its inputs have it.
        return self._places(read, (task.foreach, before[0].artifacts), (spec.frames, spec.parents[0].artifacts))

    def _places(self, read: tuple[str, ...] | None, old: Looked, new: Looked) -> list[Reason]:
        """Whether what a task read of its foreachs is the same, given (frames, artifacts) of both."""
        (before, old_refs), (now, new_refs) = old, new
        if len(before) != len(now):
            return [Reason("inputs")]
        if not now:
            return []
        if read is None or STACK in read:
            if [(one.index, one.num_splits) for one in before] != [(one.index, one.num_splits) for one in now]:
                return [Reason("index")]
            levels = list(zip(before, now, strict=True))
        else:
            if INDEX in read and before[-1].index != now[-1].index:
                return [Reason("index")]
            levels = [(before[-1], now[-1])] if INPUT in read else []
        same = all(self._items.equal(one, old_refs, other, new_refs) for one, other in levels)
        return [] if same else [Reason("item")]

    def _constants(self, spec: TaskSpec) -> list[str]:
        """Names of class-level values: a class body may have read anything, so all of them count."""
        return [name for name in spec.given if name not in self.program.parameter_names]


def ended(task: TaskRecord) -> Reason:
    """That a task did not end well."""
    return Reason("interrupted" if task.status == "interrupted" else "failed")


def _before_task(task: TaskRecord, parents: Sequence[TaskRecord]) -> dict[str, ArtifactRef]:
    """What a task that is not a join had inherited."""
    old = dict(task.artifacts)
    for name in task.captured:
        old.pop(name, None)
    for parent in parents:
        old.update((name, parent.artifacts[name]) for name in task.captured if name in parent.artifacts)
    return old


def _same(one: Sequence[TaskRecord], other: Sequence[TaskRecord]) -> bool:
    """Whether two tasks have the very same parents."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _unlike(names: Iterable[str], old: Refs, new: Refs) -> list[Reason]:
    """Which of some artifacts have other content, or are only on one side."""
    found = []
    for name in dict.fromkeys(names):
        before, now = old.get(name), new.get(name)
        if (before.key if before else None) != (now.key if now else None):
            found.append(Reason("artifact", name))
    return sorted(found, key=lambda reason: reason.name)
