"""Clearing up: removing runs, results that newer ones replaced, and blobs that nothing refers to.

It is safe while other processes write. In a folder, its lock is held from reading the records to the last removal. A
bucket has no locks, so age decides: a blob there is removed only if nothing refers to it and it is older than
`Blobs.shortest_life`; writers write a blob again that is older than half of that, so a blob that is about to be
referred to is never old.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flownb.errors import StoreError
from flownb.store.datastore import Datastore
from flownb.store.records import Claim, TaskRecord
from flownb.store.storage import Entry
from flownb.store.usage import RUNNING_SECONDS, RecordedRun, recorded_runs, references, removals

__all__ = ["Removed", "collect", "remove_run", "remove_runs", "remove_spins"]


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be.

    Attributes
    ----------
    runs : tuple of str
        ``Flow/run`` of whole runs, ``spin/Flow/run`` of spins.
    tasks : int
        Tasks of working runs that newer executions replaced.
    blobs : int
        Blobs that nothing refers to now.
    bytes : int
        Their size, that of the logs of what was removed, and of what killed processes left behind.
    waiting : int
        Bytes in a bucket that nothing refers to and that are too young to be removed yet.
    damaged : tuple of str
        Manifests of other runs that cannot be read, for which no blob was removed.
    """

    runs: tuple[str, ...] = ()
    tasks: int = 0
    blobs: int = 0
    bytes: int = 0
    waiting: int = 0
    damaged: tuple[str, ...] = ()


@dataclass
class _Plan:
    """What to remove, and which blobs the rest needs."""

    runs: list[RecordedRun] = field(default_factory=list)
    tasks: list[tuple[RecordedRun, TaskRecord]] = field(default_factory=list)
    executions: list[tuple[RecordedRun, str]] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)


def collect(
    datastore: Datastore,
    *,
    keep_last: int | None = None,
    older_than: float | None = None,
    dry_run: bool = False,
    also: Iterable[str] = (),
) -> Removed:
    """Remove what no kept or running run needs.

    Parameters
    ----------
    datastore : Datastore
    keep_last : int, optional
        Keep this many of each flow's newest runs, and of each step's newest executions in a working run. The newest
        run that succeeded is kept in any case. None keeps all runs, unless `older_than` is given.
    older_than : float, optional
        Remove only what ended more than this many seconds ago.
    dry_run : bool, default False
        Remove nothing, only report what would be removed.
    also : iterable of str
        ``Flow/run`` to remove whatever the rule says.

    Returns
    -------
    Removed

    Raises
    ------
    StoreError
        If something cannot be removed; what was not stays whole.

    Notes
    -----
    A run is kept while one that is kept, running or about to run started from one of its tasks.
    """
    datastore.require_outermost("cleared up")
    stores = (datastore, datastore.spins())
    with datastore.storage.lock(exclusive=True):
        now = time.time()
        runs, spins = (list(recorded_runs(store)) for store in stores)
        damaged = _damaged([run for run in (*runs, *spins) if run.pathspec not in also])
        if damaged and not also:
            raise StoreError(
                f"Nothing was removed: the manifest `{damaged[0]}` cannot be read.",
                "What it refers to is not known, so it might be removed as well.",
                f"Restore the file, or remove its run first: flownb rm {'/'.join(damaged[0].split('/')[1:3])} --force.",
            )
        plans = [_plan(runs, keep_last, older_than, now, frozenset(also)), _plan(spins, keep_last, older_than, now)]
        logs = [entry for plan in plans for entry in _logs(plan)]
        if not dry_run:
            for mark in list(removals(datastore)):  # of a removal that was killed
                datastore.runs.clear_run(mark)
                datastore.tasks.forget_run(mark.flow, mark.run)
                datastore.runs.note_changes(mark.flow, [mark.run])
            for plan in plans:
                _remove(plan, now)
        blobs, waiting = ([], 0) if damaged else _unneeded(datastore, plans[0].needed | plans[1].needed, now)
        left = 0
        if not dry_run:
            datastore.blobs.delete(entry.name for entry in blobs)
            left = datastore.storage.clear_temporary()
    return Removed(
        (*(run.pathspec for run in plans[0].runs), *(f"spin/{run.pathspec}" for run in plans[1].runs)),
        sum(len(plan.tasks) for plan in plans),
        len(blobs),
        sum(entry.size for entry in (*blobs, *logs)) + left,
        waiting,
        damaged,
    )


def remove_run(datastore: Datastore, flow: str, run: str, *, force: bool = False) -> Removed:
    """Remove a run and what it alone needed; its id is not used again.

    Parameters
    ----------
    datastore : Datastore
    flow, run : str
    force : bool, default False
        Also if it may be running, or if another run started from one of its tasks (whose artifacts stay readable).

    Raises
    ------
    NotFound
        If there is no such run.
    StoreError
        If it is running or needed.
    """
    return remove_runs(datastore, [(flow, run)], force=force)


def remove_runs(datastore: Datastore, places: Sequence[tuple[str, str]], *, force: bool = False) -> Removed:
    """Remove several runs at once, given as flow and run; see `remove_run`."""
    for flow, run in places:
        if not (force and datastore.runs.has_run(flow, run)):
            datastore.runs.run(flow, run)  # says so if there is no such run, or it cannot be read
    if not force:
        _refuse_needed(datastore, places)
    return collect(datastore, also=[f"{flow}/{run}" for flow, run in places])


def _refuse_needed(datastore: Datastore, places: Sequence[tuple[str, str]]) -> None:
    """Raise if one of some runs is running, another run started from it, or a notebook takes results from it."""
    now = time.time()
    going = {f"{flow}/{run}" for flow, run in places}
    continued: set[str] = set()
    for other in recorded_runs(datastore, flows=sorted({flow for flow, _ in places})):
        if other.pathspec in going:
            if other.is_running(now):
                raise StoreError(
                    f"Run {other.pathspec} may still be running.",
                    "It has not ended, or a step of it has not, and no failure was recorded.",
                    "Stop it first, or add --force.",
                )
            continue
        needed = {f"{other.record.flow}/{parent.split('/')[0]}" for parent in _parents(other)} & going
        if needed:
            raise StoreError(
                f"Run {min(needed)} is needed.",
                f"A task of {other.pathspec} started from one of its tasks.",
                f"Remove {other.pathspec} first, or add --force: its artifacts stay readable, but whether it is still "
                "fresh will not be known.",
            )
        record = other.record
        uses = [record.uses] if record.uses and other.pathspec not in continued else []  # newer runs come first
        continued.update(f"{record.flow}/{run}" for run in record.continues)
        taken = {f"{record.flow}/{run}" for run in (*record.continues, *uses)} & going
        if taken:
            raise StoreError(
                f"Run {min(taken)} is needed.",
                f"{record.notebook or 'A notebook'} takes results of steps from it, by its working run "
                f"{other.pathspec}.",
                f"Remove {other.pathspec} first, or add --force.",
            )


def remove_spins(datastore: Datastore) -> Removed:
    """Remove all that ``spin --persist`` kept."""
    datastore.require_outermost("cleared up")
    spins = datastore.spins()
    runs = tuple(f"spin/{flow}/{run}" for flow in spins.runs.flows() for run in spins.runs.run_ids(flow))
    with datastore.storage.lock(exclusive=True):
        logs = [
            entry
            for flow in spins.runs.flows()
            for run in spins.runs.run_ids(flow)
            for entry in spins.logs.files(flow, run)
        ]
        spins.storage.delete([entry.name for entry in spins.storage.entries("")])
    removed = collect(datastore)
    size = removed.bytes + sum(entry.size for entry in logs)
    return Removed(runs, removed.tasks, removed.blobs, size, removed.waiting)


def _damaged(runs: list[RecordedRun]) -> tuple[str, ...]:
    """Manifests that cannot be read: what they refer to is not known, so it might be taken for unneeded."""
    return tuple(name for run in runs for name in run.damaged)


def _plan(
    runs: list[RecordedRun],
    keep_last: int | None,
    older_than: float | None,
    now: float,
    also: frozenset[str] = frozenset(),
) -> _Plan:
    """Decide what goes; what stays keeps whatever it started from."""
    by_rule = keep_last is not None or older_than is not None
    before = now - (older_than or 0.0)
    gone: dict[str, RecordedRun] = {}
    for flow in sorted({run.record.flow for run in runs}):
        of_flow = [run for run in runs if run.record.flow == flow]
        ended = [run for run in of_flow if run.record.kind != "work"]
        ended.sort(key=lambda run: int(run.record.run), reverse=True)
        best = _best(of_flow, ended)
        for rank, run in enumerate(ended):
            old = by_rule and rank >= (keep_last or 0) and run.touched <= before and run.pathspec not in best
            if old and not run.is_running(now):
                gone[run.pathspec] = run
        if by_rule:
            gone.update({run.pathspec: run for run in _left_by_kernels(of_flow, now, before)})
        for place in _used(of_flow):
            gone.pop(place, None)
    gone = {**gone, **{run.pathspec: run for run in runs if run.pathspec in also}}
    plan = _Plan()
    replaced: dict[str, tuple[RecordedRun, TaskRecord]] = {}
    for run in runs:
        if by_rule and run.record.kind == "work" and run.pathspec not in gone:
            dropped = list(_replaced(run, max(keep_last or 1, 1), before))
            plan.executions += [(run, name) for name, _ in dropped]
            tasks = {task for _, execution_tasks in dropped for task in execution_tasks}
            replaced.update({one.pathspec: (run, one) for one in run.attempts if one.task in tasks})
    # What a spin started from is not among the spins.
    _keep_origins([run for run in runs if run.record.kind != "spin"], gone, replaced, also)
    plan.runs = list(gone.values())
    plan.tasks = list({id(one): (run, one) for run, one in replaced.values()}.values())
    for run in runs:
        if run.pathspec not in gone:
            kept = [one for one in run.attempts if one.pathspec not in replaced]
            refs = (ref for _, ref in (*run.record.refs(), *(pair for one in kept for pair in references(one))))
            plan.needed.update(ref.blob[0] for ref in refs if ref.blob is not None)
            plan.needed.update(key for claim in _live_claims(run, now) for key in claim.needs)
    return plan


def _best(runs: list[RecordedRun], ended: list[RecordedRun]) -> set[str]:
    """The newest run that succeeded, and that of each notebook whose steps were executed one by one as well.

    `ended` has the runs of the flow except working runs, newest first. A notebook reads no other notebook's runs.
    """
    notebooks = {(run.record.notebook_id, run.record.user) for run in runs if run.record.kind == "work"}
    found: dict[tuple[str, str] | None, str] = {}
    for run in ended:
        if run.end is not None and run.end.status == "done":
            found.setdefault(None, run.pathspec)
            whose = (run.record.notebook_id, run.record.user)
            if run.record.path and whose in notebooks:
                found.setdefault(whose, run.pathspec)
    return set(found.values())


def _left_by_kernels(runs: list[RecordedRun], now: float, before: float) -> Iterator[RecordedRun]:
    """Working runs of kernels whose notebook is not known: no other kernel will read them.

    A kernel may wait for its user, so runs of the last day are kept.
    """
    continued = {run for one in runs for run in one.record.continues}
    for run in runs:
        record = run.record
        is_of_kernel = record.kind == "work" and record.notebook_id and not record.path
        is_old = run.touched <= min(before, now - RUNNING_SECONDS) and not run.is_running(now)
        if is_of_kernel and is_old and record.run not in continued:
            yield run


def _used(runs: list[RecordedRun]) -> Iterator[str]:
    """Runs whose results a notebook uses besides its own, and the runs that they continue."""
    records = {run.record.run: run.record for run in runs}
    continued = {run for record in records.values() for run in record.continues}
    waiting = [one.uses for one in records.values() if one.uses and one.run not in continued]
    seen: set[str] = set()
    while waiting:
        run = waiting.pop()
        if run in records and run not in seen:
            seen.add(run)
            waiting += records[run].continues
            yield f"{records[run].flow}/{run}"


def _keep_origins(
    runs: list[RecordedRun],
    gone: dict[str, RecordedRun],
    replaced: dict[str, tuple[RecordedRun, TaskRecord]],
    also: frozenset[str],
) -> None:
    """Keep what a kept task started from too, however many tasks are between."""
    waiting = [run for run in runs if run.pathspec not in gone]
    seen: set[str] = set()
    while waiting:
        run = waiting.pop()
        for parent in _parents(run, without=replaced):
            place = f"{run.record.flow}/{parent}"
            if place in seen:
                continue
            seen.add(place)
            origin = place.rsplit("/", 2)[0]
            if origin in gone and origin not in also:
                waiting.append(gone.pop(origin))
            if place in replaced:
                waiting.append(replaced.pop(place)[0])


def _replaced(run: RecordedRun, keep_last: int, before: float) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Executions of a working run that newer ones of the same step have replaced: their files and tasks."""
    finished = {one.task: one.finished for one in run.attempts}
    newer: dict[str, int] = {}
    succeeded: set[str] = set()
    for name, execution in reversed(run.executions):
        rank = newer.get(execution.step, 0)
        newer[execution.step] = rank + 1
        is_result = execution.status == "done" and execution.step not in succeeded
        if execution.status == "done":
            succeeded.add(execution.step)
        ended = max((finished.get(task, 0.0) for task in execution.tasks), default=0.0)
        if rank >= keep_last and not is_result and ended <= before:
            yield name, execution.tasks


def _parents(run: RecordedRun, *, without: Iterable[str] = ()) -> Iterator[str]:
    """``run/step/task`` of all that a run's tasks started from, or are about to."""
    left_out = set(without)
    for attempt in run.attempts:
        if attempt.pathspec not in left_out:
            yield from attempt.parents
    for claim in _live_claims(run, time.time()):
        yield from claim.parents


def _live_claims(run: RecordedRun, now: float) -> Iterator[Claim]:
    """Claims of tasks that may still be running."""
    return (claim for claim in run.claims.values() if now - claim.started < 7 * RUNNING_SECONDS)


def _remove(plan: _Plan, now: float) -> None:
    """Carry out a plan; where there are no locks, keep a run that a task has begun to use meanwhile."""
    marks = [(run, run.datastore.runs.remove_run(run.record, now)) for run in plan.runs]
    for flow in {run.record.flow for run in plan.runs}:
        ids = [run.record.run for run in plan.runs if run.record.flow == flow]
        plan.runs[0].datastore.runs.note_changes(flow, ids)
    for run, mark in marks:
        if not run.datastore.storage.has_locks and _is_used(run):
            run.datastore.runs.restore_run(run.record)
            run.datastore.runs.note_changes(run.record.flow, [run.record.run])
            plan.runs.remove(run)
            plan.needed.update(ref.blob[0] for _, _, ref in run.refs() if ref.blob is not None)
            continue
        run.datastore.runs.clear_run(mark)
        run.datastore.tasks.forget_run(mark.flow, mark.run)
    for run, name in plan.executions:
        run.datastore.storage.delete([name])
    for run, task in plan.tasks:
        run.datastore.tasks.remove_task(task)
        names = [entry.name for entry in run.datastore.logs.files(task.flow, task.run, task.step, task.task)]
        run.datastore.storage.delete(names)


def _logs(plan: _Plan) -> Iterator[Entry]:
    """The files of the logs of what a plan removes."""
    for run in plan.runs:
        yield from run.datastore.logs.files(run.record.flow, run.record.run)
    tasks = {task.pathspec: (run, task) for run, task in plan.tasks}
    for run, task in tasks.values():
        yield from run.datastore.logs.files(task.flow, task.run, task.step, task.task)


def _is_used(removed: RecordedRun) -> bool:
    """Whether a working run has claimed a task that starts from a run since the records were looked at.

    A process that claims a task looks for the run afterwards (`TaskStore.new_task`), and here the claims are read after
    the run was marked: one of the two sees the other.
    """
    others = recorded_runs(removed.datastore, flows=[removed.record.flow])
    return any(
        parent.split("/")[0] == removed.record.run
        for other in others
        if other.record.kind == "work"
        for claim in _live_claims(other, time.time())
        for parent in claim.parents
    )


def _unneeded(datastore: Datastore, needed: set[str], now: float) -> tuple[list[Entry], int]:
    """Blobs that nothing refers to: those to remove, and the bytes of those that are too young."""
    found = [entry for entry in datastore.blobs.entries() if entry.name not in needed]
    old = [entry for entry in found if now - entry.modified >= datastore.blobs.shortest_life]
    return old, sum(entry.size for entry in found) - sum(entry.size for entry in old)
