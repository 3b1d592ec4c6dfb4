"""Whether a recorded task would give the same if it ran now: the one rule that badges, status and resumes share.

Takes a `Program`, a task's record with the tasks it started from, and the `TaskSpec` that it would have now; gives
reasons. Content decides: the code, and the values that the task read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flownb.runtime.decorators import Recorded
from flownb.runtime.flowspec import INDEX, INPUT, MERGED, STACK
from flownb.runtime.freshness import Reason, code_reasons, fingerprint, settings_hash
from flownb.runtime.items import ItemKeys
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec, inherited_refs
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord

__all__ = ["Comparison", "ended"]

Refs = Mapping[str, ArtifactRef]
# The foreachs around a task, and where their items are.
Looked = tuple[Sequence[ForeachFrame], Refs]
# What a task looked at beside artifacts.
PLACES = frozenset({INDEX, INPUT, STACK, MERGED})


class Comparison:
    """Compares recorded tasks of one program with what they would be now.

    Parameters
    ----------
    program : Program
    items : ItemKeys
        Tells the items of foreachs apart.
    """

    def __init__(self, program: Program, items: ItemKeys) -> None:
        self.program = program
        self._items = items
        self._decorators: Mapping[str, Sequence[Recorded]] | None = None
        self._fingerprints: dict[str, dict[str, str]] = {}
        # The tasks of a foreach have few fingerprints, and to compare one takes longer than all else.
        self._code: dict[tuple[str, frozenset[tuple[str, str]]], list[Reason]] = {}
        # What tasks with the same parents inherit: the items of a foreach follow each other.
        self._inherited: tuple[TaskSpec, dict[str, ArtifactRef]] | None = None

    def compare_settings(self, decorators: Mapping[str, Sequence[Recorded]]) -> None:
        """Compare also what the steps' decorators are given now, by step; their lines are compared in any case."""
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
        return [] if task.fingerprint == now else code_reasons(now, task.fingerprint, task.step)

    def inherited(self, spec: TaskSpec) -> dict[str, ArtifactRef]:
        """What a task that would run now inherits."""
        known = self._inherited
        if known is None or known[0].step != spec.step or not _same(known[0].parents, spec.parents):
            known = self._inherited = (spec, inherited_refs(self.program, spec))
        return known[1]

    def differences(self, task: TaskRecord, before: Sequence[TaskRecord] | None, spec: TaskSpec) -> list[Reason]:
        """Why running a task now may give something else than it gave; none if it would not.

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
        """Why a join may give something else: its inputs are compared place by place."""
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
        """Whether what a task looked at of its foreachs is the same, given (frames, artifacts) of both."""
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
    """What a task that is no join had inherited."""
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
