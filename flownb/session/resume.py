"""A run that takes over what is still valid of an earlier one: ``%flow resume`` and ``flownb resume``.

A `Resume` begins the run, and afterwards says for each step why it ran or was cloned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from flownb.errors import FlownbError, NotFound, StoreError, nearest
from flownb.pathspec import parse_origin
from flownb.runtime.clones import Clones, StepClones
from flownb.runtime.decorators import Recorded
from flownb.runtime.scheduler import Readiness, Ready
from flownb.runtime.task import TaskSpec
from flownb.session.options import ResumeOptions
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord, TaskRecord

__all__ = ["Resume", "find_origin", "offered_tasks", "rehearse"]


class Resume:
    """What a run can take over of an earlier one.

    Parameters
    ----------
    session : Session
    options : ResumeOptions
    kernel_names : iterable of str
        For the checks' messages.

    Attributes
    ----------
    origin : RunRecord
        The run that is resumed.
    clones : Clones
        What it offers, and what became of that.

    Raises
    ------
    CheckFailed
        If the flow has errors.
    NotFound
        If there is no run or no such step to resume from.
    MissingResults
        If a step before the one that was named has no result to clone.
    StoreError
        If the run has not ended.
    """

    def __init__(self, session: Session, options: ResumeOptions, *, kernel_names: Iterable[str] = ()) -> None:
        session.checks.require(None, kernel_names, again=True)
        self._session = session
        self._options = options
        self._program = session.program(True)
        if options.step is not None and options.step not in self._program.graph:
            names = list(self._program.graph.nodes)
            raise NotFound(
                f"There is no step `{options.step}` to resume from.{nearest(options.step, names)}",
                f"The steps are {', '.join(names)}.",
                "Name one of these, or none to run again only what changed.",
            )
        own = session.results().own_runs()
        self.origin = find_origin(session.datastore, self._program.flow.name, options.origin, own=own)
        tasks = offered_tasks(session.datastore, self.origin)
        self.clones = Clones(self._program, session.datastore, tasks, step=options.step)
        if options.step is not None:  # what cannot be cloned is found before a run begins
            rehearse(session, Clones(self._program, session.datastore, tasks, step=options.step), self.origin)

    def begin(self, kernel_names: Iterable[str] = ()) -> FlowRun:
        """Record that a run begins which resumes the origin; see `flownb.session.run.begin_run`."""
        return begin_run(
            self._session,
            self._options.run,
            kernel_names=kernel_names,
            origin=self.origin,
            find_clones=self._offer,
        )

    def _offer(self, decorators: Mapping[str, tuple[Recorded, ...]]) -> Callable[[TaskSpec], TaskRecord | None]:
        """What finds the clones, once it is known what decorators say."""
        self.clones.compare_settings(decorators)
        return self.clones.find

    @property
    def steps(self) -> list[StepClones]:
        """What became of the user's steps so far, in the order of the flow."""
        graph = self._program.graph
        return [self.clones.steps[n] for n in graph.order if n in self.clones.steps and graph[n].step is not None]

    @property
    def lines(self) -> list[str]:
        """Why each step ran or did not, as text that names no ids."""
        return [one.line for one in self.steps]


def find_origin(datastore: Datastore, flow: str, named: str | None, *, own: Sequence[str] | None = None) -> RunRecord:
    """The run to resume: the one that is named, else the newest run of the whole flow, whatever became of it.

    Parameters
    ----------
    datastore : Datastore
    flow : str
    named : str or None
    own : sequence of str, optional
        Runs that count unless one is named: those of the notebook, newest first. None means all.

    Raises
    ------
    NotFound
        If there is no such run.
    StoreError
        If it is still going on.
    """
    if named is None:
        rows = [row.run for row in datastore.index.runs(flow, kind="run")] if own is None else own
        # One that ended before its first task has nothing to take over.
        newest = next((run for run in rows if datastore.tasks.steps(flow, run)), next(iter(rows), None))
        if newest is None:
            raise _nothing_to_resume(datastore, flow)
        run = newest
    else:
        origin = parse_origin(named, flow)
        if origin.step is not None:
            raise NotFound(
                f"`--origin-run-id {named}` names a step.",
                "A resume starts from a run.",
                f"Write resume {origin.step} --origin-run-id {origin.run}.",
            )
        run = origin.run
    record = datastore.runs.run(flow, run)
    if record.kind != "run":
        kind = "the working run of a notebook" if record.kind == "work" else "a spin"
        raise NotFound(
            f"Run {flow}/{run} cannot be resumed.",
            f"It is {kind}, no run of the whole flow.",
            "Name a run that `%flow run` made.",
        )
    if datastore.runs.run_status(flow, run) == "running":
        raise StoreError(
            f"Run {flow}/{run} is still going on.",
            "What it leaves is not known before it ends.",
            "Wait for it, stop it with `%flow stop`, or name another run with --origin-run-id.",
        )
    return record


def _nothing_to_resume(datastore: Datastore, flow: str) -> NotFound:
    """That a notebook has no run yet, and which run of the flow another one has."""
    other = datastore.index.latest(flow) if flow in datastore.runs.flows() else None
    if other is None:
        return NotFound(
            f"There is no run of {flow} to resume.",
            "A resume starts from an earlier run of the whole flow.",
            "Run the flow first: `%flow run`, or `flownb run`.",
        )
    notebook = other.notebook or "another notebook"
    return NotFound(
        f"There is no run of {flow} by this notebook to resume.",
        f"The newest run of that flow, {flow}/{other.run}, is of {notebook} by {other.user}.",
        f"Run the flow first: `%flow run`, or `flownb run`. To resume that one, add --origin-run-id {other.run}.",
    )


def rehearse(session: Session, clones: Clones, origin: RunRecord) -> dict[str, StepClones]:
    """What a resume of a run would make of each step, up to those that would run; nothing is recorded.

    Returns
    -------
    dict of str to StepClones
        By step; tasks that come after one that would run are not counted.
    """
    graph = clones.program.graph
    given = dict(session.start_values.of(session.program(False)))
    given |= {name: ref for name, ref in origin.parameters.items() if name in clones.program.flow.parameters}
    way = Readiness(graph, max_num_splits=None)
    ahead: deque[Ready] = deque([way.first])
    while ahead:
        ready = ahead.popleft()
        clone = clones.find(TaskSpec(ready.step, "", "", ready.parents, ready.frames, given))
        if clone is not None:
            ahead.extend(way.follow(clone))
    return clones.steps


def offered_tasks(datastore: Datastore, origin: RunRecord) -> list[TaskRecord]:
    """The tasks of a run, and, if it did not end well, those of the run that it resumed, and so on."""
    found: list[TaskRecord] = []
    run: RunRecord | None = origin
    seen: set[str] = set()
    while run is not None and run.run not in seen:  # records can be damaged so that they name each other
        seen.add(run.run)
        tasks = last_attempts(datastore, run)
        found += sorted(tasks, key=lambda task: int(task.task) if task.task.isdecimal() else 0)
        end = datastore.runs.run_end(run.flow, run.run)
        if not run.origin or (end is not None and end.status == "done"):
            return found
        try:
            run = datastore.runs.run(run.flow, run.origin)
        except FlownbError:  # it was removed
            run = None
    return found


def last_attempts(datastore: Datastore, run: RunRecord) -> list[TaskRecord]:
    """The last attempt of each task of a run; tasks whose records are damaged are left out."""
    found: dict[tuple[str, str], TaskRecord] = {}
    for _, attempt in datastore.tasks.attempts(run.flow, run.run):
        if attempt is not None:
            known = found.get((attempt.step, attempt.task))
            if known is None or attempt.attempt > known.attempt:
                found[attempt.step, attempt.task] = attempt
    return list(found.values())
