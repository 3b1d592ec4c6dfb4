"""A task's state for the notebook's scratch cells: ``%flow load RUN/STEP[/TASK]``.

That is the values of its artifacts, as far as they were set, and the item of its foreach. The caller puts them into the
namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.client import Task
from flownb.errors import ArtifactNotFound, NotFound, ParameterError, nearest
from flownb.pathspec import safe_name
from flownb.runtime.flowspec import FlowSpec, Inputs, TaskState
from flownb.runtime.foreach import item_at
from flownb.session.commands import read
from flownb.session.session import Session
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

__all__ = ["LoadOptions", "Loaded", "load_task", "parse_load"]

# Bytes: what is larger is loaded only if it is named.
LARGE = 1 << 30
# Names of the foreach's item and its position, and of the tasks that a join brings together.
INPUT, INDEX, INPUTS = "input", "index", "inputs"


@dataclass(frozen=True)
class LoadOptions:
    """What ``load`` was asked for.

    Attributes
    ----------
    place : str
        ``RUN/STEP``, ``RUN/STEP/TASK`` or ``RUN/STEP/TASK/ARTIFACT``, the same with the flow's name in front, or
        ``STEP`` for its latest result.
    names : tuple of str
        Artifacts to load; empty means all.
    index : int or None
        Which item of the innermost foreach.
    overwrite : bool
        Whether variables of the notebook may be replaced.
    """

    place: str
    names: tuple[str, ...] = ()
    index: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Loaded:
    """A task's state.

    Attributes
    ----------
    pathspec : str
    values : dict of str to object
    notes : list of str
        What was left out and why, and what else should be known.
    """

    pathspec: str
    values: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def parse_load(given: Sequence[str]) -> LoadOptions:
    """Read ``7/train/3 model xs --overwrite``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no place is named.

    Examples
    --------
    >>> parse_load(["7/train", "model", "--index", "2"])
    LoadOptions(place='7/train', names=('model',), index=2, overwrite=False)
    """
    values = read("load", given)
    return LoadOptions(values["place"], tuple(values["names"]), values["index"], values["overwrite"])


def load_task(session: Session, options: LoadOptions, taken: Collection[str] = ()) -> Loaded:
    """Load a task's artifacts, also of one that failed: it has what it inherited and what it set on ``self``.

    Parameters
    ----------
    session : Session
    options : LoadOptions
    taken : collection of str
        Names of the notebook's variables that are not to be replaced.

    Raises
    ------
    NotFound, ArtifactNotFound
        If there is no such task, or it lacks a named artifact.
    ParameterError
        If a name is taken; then nothing is loaded.
    """
    tasks, artifact = _tasks_at(session, options.place)
    record, notes = _one(tasks, options)
    names = (*options.names, *([artifact] if artifact else ()))
    task = Task(record.pathspec, datastore=session.datastore)
    found = {one.id: one for one in task}
    more = [*((INPUT, INDEX) if record.foreach else ()), *((INPUTS,) if _is_join(session, record) else ())]
    more = [name for name in more if name not in found]
    _refuse_unknown(record.pathspec, names, [*found, *more])
    wanted = [*found, *more]
    wanted = [name for name in wanted if name in names] if names else wanted
    clash = sorted(set(wanted) & set(taken))
    if clash and not options.overwrite:
        listed = ", ".join(f"`{name}`" for name in clash)
        raise ParameterError(
            f"{record.pathspec} has {listed}, and so has the notebook.",
            "These variables were not set by flownb, and would be lost.",
            "Add --overwrite to replace them, or name the artifacts to load after the task.",
        )
    is_here = record.flow == session.flow.name
    values: dict[str, Any] = {}
    for name in wanted:
        if name not in found:
            continue
        if found[name].size > LARGE and not names:
            size = found[name].size / (1 << 30)
            place = record.place if is_here else record.pathspec
            notes.append(f"`{name}` has {size:.1f} GiB and was left out; `%flow load {place} {name}` loads it")
            continue
        try:
            values[name] = found[name].data
        except Exception as error:  # the others are still worth having
            notes.append(_not_loaded(name, error))
    for name in more:
        if name in wanted:
            try:
                values |= {INDEX: _index, INPUT: _item, INPUTS: _inputs}[name](session.datastore, record, notes)
            except Exception as error:  # as above
                notes.append(_not_loaded(name, error))
    if record.exception is not None and record.status != "done":
        again = f"; `%spin {record.step} --from {record.place} --pdb` shows its local variables, too"
        can_spin = is_here and record.step in session.program(False).graph
        notes.append(f"it failed ({record.exception.get('type', 'error')}){again if can_spin else ''}")
    return Loaded(record.pathspec, values, notes)


def _not_loaded(name: str, error: Exception) -> str:
    """That a value cannot be loaded, and why."""
    first = str(error).strip().split("\n")[0]
    return f"`{name}` cannot be loaded: {type(error).__name__}: {first}"


def _is_join(session: Session, record: TaskRecord) -> bool:
    """Whether a task's step is a join, as far as that is known of a step that is gone or of another flow."""
    program = session.program(False)
    if record.flow == program.flow.name and record.step in program.graph:
        return program.graph[record.step].is_join
    return len(record.parents) > 1


def _inputs(datastore: Datastore, record: TaskRecord, notes: list[str]) -> dict[str, Any]:
    """What the body of a join calls ``inputs``; each artifact is loaded when it is read."""
    joined = []
    for place in record.parents:
        parent = datastore.tasks.last_attempt(record.flow, *place.split("/"))
        if parent is None:
            notes.append(f"`{INPUTS}` is left out: {record.flow}/{place} was removed")
            return {}
        state = TaskState(parent.step, parent.pathspec, datastore, dict(parent.artifacts), parent.foreach)
        joined.append(FlowSpec(state))
    return {INPUTS: Inputs(joined)}


def _index(datastore: Datastore, record: TaskRecord, notes: list[str]) -> dict[str, Any]:
    """The position in the innermost foreach, by the name it has on ``self``."""
    return {INDEX: record.foreach[-1].index}


def _item(datastore: Datastore, record: TaskRecord, notes: list[str]) -> dict[str, Any]:
    """The item of the innermost foreach, by the name it has on ``self``."""
    frame = record.foreach[-1]
    ref = record.artifacts.get(frame.var)
    if ref is None:
        notes.append(f"the item of `{frame.var}` is not known: the task does not inherit that artifact")
        return {}
    return {INPUT: item_at(datastore.artifacts.load(ref, name=frame.var, where=record.pathspec), frame.index)}


def _tasks_at(session: Session, place: str) -> tuple[list[TaskRecord], str]:
    """The tasks that a place names, and the artifact after a task's id."""
    parts = [safe_name(part) for part in place.strip("/").split("/")]
    flow, datastore = session.flow.name, session.datastore
    if len(parts) == 1 and not parts[0].isdecimal():
        step = session.step(parts[0]).name
        found = list(session.results().attempted(step))
        if not found:
            raise NotFound(
                f"Step {step} has no result to load.", "It never ran.", f"Run its cell, or name a run: RUN/{step}."
            )
        return found, ""
    if not parts[0].isdecimal():
        flow, *parts = parts
    if not 2 <= len(parts) <= 4 or not parts[0].isdecimal():
        raise NotFound(
            f"`{place}` does not name a task.",
            "A task is RUN/STEP/TASK, and RUN/STEP the only or first one of a step, both perhaps after the flow's name "
            "and a slash; STEP alone is the latest result of a step.",
            "Write for example %flow load 7/train/3.",
        )
    run, step, *rest = parts
    datastore.runs.run(flow, run)  # says so if there is no such run
    steps = datastore.tasks.steps(flow, run)
    if step not in steps:
        raise NotFound(
            f"Run {flow}/{run} has no step `{step}`.{nearest(step, steps)}",
            f"Its steps are {', '.join(steps) or 'none'}.",
            "Correct the name.",
        )
    if not rest:
        return list(datastore.tasks.last_attempts(flow, run, step)), ""
    record = Task(f"{flow}/{run}/{step}/{rest[0]}", datastore=datastore)._record
    return [record], rest[1] if len(rest) > 1 else ""


def _one(tasks: Sequence[TaskRecord], options: LoadOptions) -> tuple[TaskRecord, list[str]]:
    """The task that is meant among those of a step, and which others there are."""
    if options.index is not None:
        tasks = [task for task in tasks if task.foreach and task.foreach[-1].index == options.index]
    if not tasks:
        what = f"item {options.index} of " if options.index is not None else ""
        raise NotFound(
            f"There is no finished task for {what}`{options.place}`.",
            "Tasks are recorded when they end.",
            "Leave --index out, or name another place.",
        )
    record = next((task for task in tasks if task.status != "done"), tasks[0])
    if len(tasks) == 1:
        return record, []
    which = "the first that failed" if record.status != "done" else "the first"
    return record, [f"this is {which} of {len(tasks)} tasks; --index picks another"]


def _refuse_unknown(pathspec: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise if a name is none of the task's artifacts."""
    for name in names:
        if name not in known:
            raise ArtifactNotFound(
                f"Task {pathspec} has no artifact `{name}`.{nearest(name, known)}",
                f"It has {', '.join(f'`{one}`' for one in sorted(known)) or 'none'}.",
                "Correct the name, or leave it out to load all.",
            )
