"""What differs in the results of two runs: tasks, and artifacts by their keys.

Artifacts with equal keys are equal and not loaded. Of those that differ, a few values of each name are loaded and
compared, unless they are large. Loading a value can run code of the user's own datastore, as reading it with the client
does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flownb.cards.default import size_text
from flownb.client.artifacts import load_artifact
from flownb.diff.values import ValueChange, compare_values
from flownb.runtime.foreach import ItemKeys
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

__all__ = ["LARGEST", "ArtifactChange", "Results", "TaskChange", "compare_results"]

# Bytes, as stored, above which a value is not loaded.
LARGEST = 256 << 20
# Tasks of a step of which an artifact that differs is loaded.
MOST_LOADED = 3
# A task's place among those of its step: the items of its foreachs, and which of several it is.
Place = tuple[tuple[str | int, ...], int]


@dataclass(frozen=True)
class Results:
    """The tasks of a run.

    Attributes
    ----------
    datastore : Datastore
    tasks : dict of str to tuple of TaskRecord
        By step: the last attempt of each task.
    """

    datastore: Datastore
    tasks: Mapping[str, tuple[TaskRecord, ...]]


@dataclass(frozen=True)
class TaskChange:
    """A task that only one run has, or that ended in another way.

    Attributes
    ----------
    step, task : str
        The task by its place in the foreachs, such as ``"train[2]"``.
    before, after : str
        How it ended; empty if the run does not have it.
    """

    step: str
    task: str
    before: str
    after: str


@dataclass(frozen=True)
class ArtifactChange:
    """An artifact that differs.

    Attributes
    ----------
    step, name : str
    before, after : str
        Its types; empty where it does not exist.
    tasks, differing : int
        How many tasks of the step were compared, and in how many it differs.
    examples : tuple of (str, tuple of ValueChange, str)
        Of a few of these tasks: the task, what differs, and what is to be said beside that.
    """

    step: str
    name: str
    before: str
    after: str
    tasks: int
    differing: int
    examples: tuple[tuple[str, tuple[ValueChange, ...], str], ...]


@dataclass(frozen=True)
class _Pair:
    """The same task of both runs."""

    label: str
    before: TaskRecord
    after: TaskRecord


def compare_results(
    before: Results, after: Results, steps: Iterable[tuple[str | None, str | None]]
) -> tuple[list[TaskChange], list[ArtifactChange]]:
    """What differs in the results of two runs.

    Parameters
    ----------
    before, after : Results
    steps : iterable of (str or None, str or None)
        The name of each step in both; None where a run does not have it.

    Returns
    -------
    (list of TaskChange, list of ArtifactChange)
    """
    tasks: list[TaskChange] = []
    artifacts: list[ArtifactChange] = []
    keys = ItemKeys(before.datastore), ItemKeys(after.datastore)
    for old, new in steps:
        step = new or old or ""
        sides = (before.tasks.get(old or "", ()), after.tasks.get(new or "", ()))
        pairs, alone = _paired(step, *sides, keys)
        tasks += alone
        tasks += [TaskChange(step, one.label, _ended(one.before), _ended(one.after)) for one in pairs if _differ(one)]
        artifacts += _artifact_changes(step, pairs, before.datastore, after.datastore)
    return tasks, artifacts


def _differ(pair: _Pair) -> bool:
    return _ended(pair.before) != _ended(pair.after)


def _ended(task: TaskRecord) -> str:
    """How a task ended, with the type of its error."""
    error = f" ({task.exception['type']})" if task.exception and "type" in task.exception else ""
    return f"{task.status}{error}"


def _paired(
    step: str, before: Sequence[TaskRecord], after: Sequence[TaskRecord], keys: tuple[ItemKeys, ItemKeys]
) -> tuple[list[_Pair], list[TaskChange]]:
    """The tasks that both runs have, and those of one alone."""
    old, new = _places(before, after, keys[0]), _places(after, before, keys[1])
    left = {one.task: place for place, one in old.items() if place not in new}
    others = {one.task: place for place, one in new.items() if place not in old}
    if left and others:  # items that changed are paired by their position
        at = _places([old[one] for one in left.values()], (), keys[0])
        for place, one in _places([new[one] for one in others.values()], (), keys[1]).items():
            if place in at:
                new[left[at[place].task]] = new.pop(others[one.task])
    pairs = [_Pair(_label(step, one, old[one], new[one]), old[one], new[one]) for one in new if one in old]
    alone = [
        TaskChange(step, _label(step, place, one), _ended(one), "") for place, one in old.items() if place not in new
    ]
    alone += [
        TaskChange(step, _label(step, place, one), "", _ended(one)) for place, one in new.items() if place not in old
    ]
    return pairs, alone


def _places(tasks: Sequence[TaskRecord], others: Sequence[TaskRecord], keys: ItemKeys) -> dict[Place, TaskRecord]:
    """Tasks by their places; an item is known by its content if the other run's list differs, else by its position."""
    lists = {(depth, key) for one in others for depth, key in enumerate(_lists(one))}
    found: dict[Place, TaskRecord] = {}
    for task in tasks:
        place: list[str | int] = []
        for depth, (frame, key) in enumerate(zip(task.foreach, _lists(task), strict=True)):
            item = None
            if others and key is not None and (depth, key) not in lists:
                item = keys.key(task.artifacts[frame.var], frame.index)
            place.append(frame.index if item is None else item)
        count = 0
        while (tuple(place), count) in found:  # a loop of a switch, or equal items
            count += 1
        found[tuple(place), count] = task
    return found


def _lists(task: TaskRecord) -> list[str | None]:
    """The keys of the lists that a task's foreachs run over; None where the task has another artifact of that name."""
    return [
        None if frame.var in task.captured or frame.var not in task.artifacts else task.artifacts[frame.var].key
        for frame in task.foreach
    ]


def _label(step: str, place: Place, one: TaskRecord, other: TaskRecord | None = None) -> str:
    """A task by its positions in the foreachs, in both runs if they differ; `#2` if it is the second one there."""
    texts = ["".join(f"[{frame.index}]" for frame in task.foreach) for task in (one, other) if task is not None]
    return f"{step}{' → '.join(dict.fromkeys(texts))}{f' #{place[1] + 1}' if place[1] else ''}"


def _artifact_changes(step: str, pairs: Sequence[_Pair], old: Datastore, new: Datastore) -> list[ArtifactChange]:
    """The artifacts of a step that differ; those that a step has only inherited are those of an earlier one."""
    names = dict.fromkeys(name for pair in pairs for one in (pair.before, pair.after) for name in one.captured)
    found = []
    for name in names:
        if name.startswith("_"):
            continue
        there = [one for one in pairs if name in one.before.artifacts or name in one.after.artifacts]
        differing = [one for one in there if _key(one.before, name) != _key(one.after, name)]
        examples: list[tuple[str, tuple[ValueChange, ...], str]] = []
        equal = 0
        for pair in differing:
            if len(examples) == MOST_LOADED:
                break
            changes, said = _value_changes(pair, name, old, new)
            if changes or said:
                examples.append((pair.label, changes, said))
            else:
                equal += 1
        if len(differing) > equal:
            first = next(one for one in differing if one.label == examples[0][0])
            old_type, new_type = (_type(one, name) for one in (first.before, first.after))
            counts = len(there), len(differing) - equal
            found.append(ArtifactChange(step, name, old_type, new_type, *counts, tuple(examples)))
    return found


def _type(task: TaskRecord, name: str) -> str:
    return task.artifacts[name].type if name in task.artifacts else ""


def _key(task: TaskRecord, name: str) -> str:
    ref = task.artifacts.get(name)
    return "" if ref is None else ref.key


def _value_changes(pair: _Pair, name: str, old: Datastore, new: Datastore) -> tuple[tuple[ValueChange, ...], str]:
    """What differs in an artifact of a task, and what is to be said of it; nothing if the values are equal."""
    refs = pair.before.artifacts.get(name), pair.after.artifacts.get(name)
    if refs[0] is None or refs[1] is None:
        return (), "only in the second run" if refs[0] is None else "only in the first run"
    sizes = f"{size_text(refs[0].size)} → {size_text(refs[1].size)}"
    if max(refs[0].size, refs[1].size) > LARGEST:
        return (), f"{refs[0].type} → {refs[1].type}, {sizes}: too large to be loaded and compared"
    values: list[Any] = []
    for datastore, task, ref in zip((old, new), (pair.before, pair.after), refs, strict=True):
        assert ref is not None
        try:
            values.append(load_artifact(datastore, task, ref, name))
        except Exception as error:  # whatever a class of the user's raises
            first = str(error).strip().split("\n")[0]
            return (), f"the value of {task.pathspec} cannot be loaded ({first})"
    try:
        found = compare_values(*values)
    except Exception as error:  # as above
        return (), f"the values cannot be compared ({type(error).__name__}: {error})"
    if found.changes:
        more = f"… and {found.more} more differences" if found.more else ""
        return tuple(found.changes), more
    return (), "" if found.is_complete else f"{refs[1].type}: its stored bytes differ, no part that was compared does"
