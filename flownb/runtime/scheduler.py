"""A whole flow: which task can run next, until none is left.

One thread does it all: it starts what is ready, waits for the executor's notices, and acts on them. A join waits
for all branches of its split, or all tasks of its foreach (`Readiness`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flownb.errors import ForeachError
from flownb.flow.graph import FlowGraph
from flownb.runtime.attempt import lost_attempt, may_be_tried_again
from flownb.runtime.cards import CardUpdate
from flownb.runtime.decorators import Recorded, catch, needs, retries, timeout_seconds
from flownb.runtime.events import Event, task_cloned, task_ended, task_output, task_retried, task_started
from flownb.runtime.executor import Ended, Executor, Lost, Notice
from flownb.runtime.program import Program
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.settings import MAX_NUM_SPLITS
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame, TaskRecord, TaskStatus

__all__ = ["Readiness", "Ready", "RunStopped", "Scheduler"]

# Seconds between two checks for something else to do.
TICK = 0.2
# Seconds from the end of a @timeout until the process is killed.
REACTION = 5.0
# Seconds that running tasks have to end after another one failed (Metaflow's own).
PATIENCE = 5.0
# Seconds that an interrupted task has to end.
AFTER_INTERRUPT = 0.6
# Seconds until a killed process is reported.
AFTER_KILL = 2.0


class Ready(NamedTuple):
    """A task that can run: where it inherits from and the foreachs that are open."""

    step: str
    parents: tuple[TaskRecord, ...]
    frames: tuple[ForeachFrame, ...]


@dataclass
class _Waiting:
    """The tasks that arrived at a join, by branch or index, and how many it waits for."""

    expected: int
    frames: tuple[ForeachFrame, ...]
    arrived: dict[int, TaskRecord] = field(default_factory=dict)


class Readiness:
    """Which tasks of a graph are ready to run.

    Parameters
    ----------
    graph : FlowGraph
        A complete one.
    max_num_splits : int or None
        Largest number of items of a foreach, as a guard against mistakes; None for no limit.
    """

    def __init__(self, graph: FlowGraph, *, max_num_splits: int | None = MAX_NUM_SPLITS) -> None:
        self.graph = graph
        self.max_num_splits = max_num_splits
        self._joins: dict[tuple[str, tuple[int, ...]], _Waiting] = {}

    @property
    def first(self) -> Ready:
        """The task that a run begins with."""
        assert self.graph.entry is not None
        return Ready(self.graph.entry, (), ())

    def follow(self, record: TaskRecord) -> list[Ready]:
        """What a finished task leads to.

        Raises
        ------
        ForeachError
            If it starts a foreach with more items than allowed.
        """
        if record.splits is None:
            found = [self._next(record, target) for target in record.chosen]
            return [ready for ready in found if ready is not None]
        var, count = record.splits
        if self.max_num_splits is not None and count > self.max_num_splits:
            raise ForeachError(
                f"Step {record.step} starts a foreach over `{var}` with {count} items.",
                f"The limit is {self.max_num_splits}, as a guard against mistakes.",
                f"Run with --max-num-splits {count} if that is what you want.",
            )
        (target,) = record.chosen
        frames = [ForeachFrame(record.step, var, count, index) for index in range(count)]
        return [Ready(target, (record,), (*record.foreach, frame)) for frame in frames]

    def _next(self, record: TaskRecord, target: str) -> Ready | None:
        """A task of a next step; None if that is a join which waits for more."""
        if not self.graph[target].is_join:
            return Ready(target, (record,), record.foreach)
        top = self.graph.open_splits[record.step][-1]
        if top.kind == "foreach":
            outer, position, expected = record.foreach[:-1], record.foreach[-1].index, record.foreach[-1].num_splits
        else:
            targets = self.graph[top.split].targets
            outer, position, expected = record.foreach, targets.index(top.branch), len(targets)
        key = (target, tuple(frame.index for frame in outer))
        waiting = self._joins.setdefault(key, _Waiting(expected, outer))
        waiting.arrived[position] = record
        if len(waiting.arrived) < waiting.expected:
            return None
        del self._joins[key]
        return Ready(target, tuple(waiting.arrived[position] for position in sorted(waiting.arrived)), outer)


class RunStopped(KeyboardInterrupt):
    """Somebody asked the run to stop: Ctrl-C, the kernel's interrupt, ``%flow stop``."""

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show the message alone."""
        return [f"Run stopped: {self}"]


class Scheduler:
    """Runs a flow's tasks in dependency order.

    Parameters
    ----------
    program : Program
        With a complete graph.
    executor : Executor
    datastore : Datastore
        Where the run is recorded.
    run : str
        The run's id.
    given : mapping of str to ArtifactRef
        Parameters and constants.
    emit : callable
        Called with all that happens to tasks.
    on_card : callable, optional
        Called when a task refreshes its cards while it runs.
    decorators : mapping of str to tuple
        What the steps' decorator lines say, by step.
    tags : tuple of str
    max_num_splits : int
        Largest number of items of a foreach, as a guard against mistakes.
    clone : callable, optional
        Returns the clone of a task whose result the run takes from its origin run; None if the task has to run.
    origin_run : str
        The run that is resumed, empty if none is.
    source : ArtifactRef, optional
        The texts of the marked cells, persisted for all tasks.
    tick : callable, optional
        Called several times a second.
    on_record : callable, optional
        Called with the record of each task that has ended.
    """

    def __init__(
        self,
        program: Program,
        executor: Executor,
        datastore: Datastore,
        *,
        run: str,
        given: Mapping[str, ArtifactRef],
        emit: Callable[[Event], None],
        on_card: Callable[[TaskSpec, CardUpdate], None] = lambda spec, update: None,
        decorators: Mapping[str, tuple[Recorded, ...]] | None = None,
        tags: tuple[str, ...] = (),
        max_num_splits: int = MAX_NUM_SPLITS,
        clone: Callable[[TaskSpec], TaskRecord | None] | None = None,
        origin_run: str = "",
        source: ArtifactRef | None = None,
        tick: Callable[[], None] = lambda: None,
        on_record: Callable[[TaskRecord], None] = lambda record: None,
    ) -> None:
        self.program = program
        self.executor = executor
        self.datastore = datastore
        self.run_id = run
        self.given = given
        self.emit = emit
        self.on_card = on_card
        self.decorators = decorators or {}
        self.tags = tags
        self.clone = clone
        self.origin_run = origin_run
        self.source = source
        self.tick = tick
        self.on_record = on_record
        self._ready: dict[str, deque[Ready | TaskSpec]] = {}  # by step, so that many items of one are looked at once
        self._readiness = Readiness(program.graph, max_num_splits=max_num_splits)
        self._running: dict[tuple[str, int], TaskSpec] = {}
        self._needs = {name: needs(self.decorators.get(name, ())) for name in program.graph.nodes}
        self._stopping = self._leaving = False
        self._ticked = time.monotonic()

    def stop(self) -> None:
        """Ask the run to stop; may be called on any thread and in a signal handler."""
        self._stopping = True

    def run(self) -> TaskResult | None:
        """Run all tasks.

        Returns
        -------
        TaskResult or None
            The first that failed, after which no more are started; None when all is done.

        Raises
        ------
        RunStopped
            If it was asked to stop; what ran is recorded as interrupted.
        ForeachError, StoreError
            If the run cannot continue; what ran is recorded as interrupted.
        """
        self._make_ready([self._readiness.first])
        try:
            failed = self._run_until_failure()
        except BaseException:
            self._end_all()
            raise
        if failed is not None:
            self._let_running_end()
        return failed

    def _run_until_failure(self) -> TaskResult | None:
        """Start what is ready and follow up what ends, until a task failed or none is left."""
        while True:
            self._start()
            if not (self._running or self._ready):
                return None
            failed: TaskResult | None = None
            for notice in self.executor.wait(TICK):
                result = self._take(notice)
                if result is not None and result.error is not None:
                    failed, self._leaving = failed or result, True
                elif result is not None and failed is None:
                    self._make_ready(self._readiness.follow(result.record))
            if failed is not None:
                return failed
            self._tick()
            if self._stopping:
                raise RunStopped

    def _tick(self) -> None:
        """Do what is to be done several times a second."""
        self._ticked = time.monotonic()
        self.tick()

    # -- starting

    def _start(self) -> None:
        """Start what is ready, as much as fits."""
        while len(self._running) < self.executor.slots and not self._stopping:
            one = self._next()
            if one is None:
                return
            spec = one if isinstance(one, TaskSpec) else self._spec(one)
            if spec is not None:
                self._submit(spec)

    def _next(self) -> Ready | TaskSpec | None:
        """The next task for which there is room."""
        for step, waiting in self._ready.items():
            if self._fits(step):
                one = waiting.popleft()
                if not waiting:
                    del self._ready[step]
                return one
        return None

    def _make_ready(self, tasks: Iterable[Ready | TaskSpec], *, at_once: bool = False) -> None:
        """Let tasks wait for their turn, or be the next of their steps."""
        for one in tasks:
            waiting = self._ready.setdefault(one.step, deque())
            if at_once:
                waiting.appendleft(one)
            else:
                waiting.append(one)

    def _spec(self, one: Ready) -> TaskSpec | None:
        """What the next task is to run; None if it was cloned; its clone is then followed up."""
        task = self.datastore.tasks.new_task(self.program.flow.name, self.run_id, one.step)
        spec = TaskSpec(
            one.step,
            self.run_id,
            task,
            one.parents,
            one.frames,
            self.given,
            tags=self.tags,
            origin_run=self.origin_run,
            source=self.source,
        )
        if self.clone is None:
            return spec
        with self.datastore.recording():  # what the clone refers to is not cleared up before it is written
            clone = self.clone(spec)
            if clone is None:
                return spec
            self.datastore.tasks.write_task(clone, made=())
        self.emit(task_cloned(clone))
        if time.monotonic() - self._ticked > TICK:
            self._tick()
        self._make_ready(self._readiness.follow(clone))
        return None

    def _submit(self, spec: TaskSpec) -> None:
        """Start an attempt."""
        if not spec.attempt:
            self.emit(task_started(self.program.flow.name, spec, "run"))
        seconds = timeout_seconds(self.decorators.get(spec.step, ()))
        self._running[spec.task, spec.attempt] = spec
        self.executor.submit(spec, limit=seconds + REACTION if seconds and not spec.lost else None)

    def _fits(self, step: str) -> bool:
        """Whether the machine has room for a task of a step; a task that is too large for it runs alone."""
        if not self._running:
            return True
        used = [self._needs[spec.step] for spec in self._running.values()]
        wanted = self._needs[step]
        enough = sum(one.cpu for one in used) + wanted.cpu <= max(self.executor.slots, 1)
        return enough and sum(one.memory for one in used) + wanted.memory <= self.executor.memory

    # -- what happens

    def _take(self, notice: Notice) -> TaskResult | None:
        """Take note of what happened; returns the result of a task that has ended for good."""
        spec, message = notice
        match message:
            case Output():
                self.emit(task_output(self.program.flow.name, spec, message))
            case CardUpdate():
                self.on_card(spec, message)
            case Ended():
                if message.elsewhere:
                    self.datastore.tasks.adopt_task(message.result.record)
                return self._ended(spec, message.result)
            case Lost():
                return self._ended(spec, self._lost(spec, message.reason, "failed"), lost=message.reason)
        return None

    def _lost(self, spec: TaskSpec, reason: str, status: TaskStatus) -> TaskResult:
        """The result of an attempt whose process died."""
        return lost_attempt(self.program, spec, self.datastore, reason, status)

    def _ended(self, spec: TaskSpec, result: TaskResult, *, lost: str = "") -> TaskResult | None:
        """Follow up an attempt; returns its result unless there is another attempt."""
        self._running.pop((spec.task, spec.attempt), None)
        if result.error is None:
            result = replace(result, record=_shared(result.record, spec))
        elif not (self._stopping or self._leaving) and may_be_tried_again(result.error):
            decorators = self.decorators.get(spec.step, ())
            if spec.attempt < retries(decorators):
                self.emit(task_retried(result, "run"))
                self._make_ready([replace(spec, attempt=spec.attempt + 1)], at_once=True)
                return None
            if lost and not spec.lost and catch(decorators) is not None:
                self._make_ready([replace(spec, attempt=spec.attempt + 1, lost=lost)], at_once=True)
                return None
        self.on_record(result.record)
        self.emit(task_ended(result, "run"))
        return result

    # -- the end

    def _let_running_end(self) -> None:
        """After a failure: give running tasks a moment to end, as Metaflow does, then end them."""
        end = time.monotonic() + PATIENCE
        try:
            while self._running and time.monotonic() < end and not self._stopping:
                self._wait_until(min(end, time.monotonic() + TICK))
        finally:
            self._end_all()

    def _end_all(self) -> None:
        """End all that runs and record it: interrupt, and kill what does not react."""
        self._stopping = True
        if not self._running:
            return
        self.executor.interrupt()
        self._wait_until(time.monotonic() + AFTER_INTERRUPT)
        if self._running:
            self.executor.kill()
            self._wait_until(time.monotonic() + AFTER_KILL)
        for spec in list(self._running.values()):
            self._ended(spec, self._lost(spec, "The run was stopped.", "interrupted"))

    def _wait_until(self, end: float) -> None:
        """Take note of tasks that end; none is started, nothing is followed up."""
        while self._running and (left := end - time.monotonic()) > 0:
            for spec, message in self.executor.wait(min(left, TICK)):
                if isinstance(message, Lost) and self._stopping:
                    self._ended(spec, self._lost(spec, message.reason, "interrupted"))
                else:
                    self._take((spec, message))
            self._tick()


def _shared(record: TaskRecord, spec: TaskSpec) -> TaskRecord:
    """The same record with the references of its parent where they are equal: a foreach has thousands of them."""
    if len(spec.parents) != 1:
        return record
    parent = spec.parents[0].artifacts
    return replace(
        record, artifacts={n: parent[n] if parent.get(n) == ref else ref for n, ref in record.artifacts.items()}
    )
