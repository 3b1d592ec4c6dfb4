"""A run of the whole flow: ``%flow run``, ``%flow resume``, and the same on the command line.

`begin_run` records that a run starts and returns a `FlowRun`, which is driven to its `RunOutcome` by the caller's
thread, or by one of its own.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic, time
from types import FrameType

from flownb.errors import StepFailed
from flownb.runtime.cards import CardUpdate
from flownb.runtime.decorators import Recorded, check_values
from flownb.runtime.description import check_project
from flownb.runtime.events import (
    Event,
    RunEnded,
    RunGoesOn,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskOutput,
    TaskRetried,
)
from flownb.runtime.exit_hooks import exit_hooks, run_hook
from flownb.runtime.failure import WORKER_DIED, message, type_name
from flownb.runtime.launch import Launch, launch
from flownb.runtime.parameters.parameter import RunInputs
from flownb.runtime.parameters.start import given_names, known_defaults, start_values
from flownb.runtime.program import Program, module_kept
from flownb.runtime.scheduler import RunStopped, Scheduler
from flownb.runtime.shipping import dump_program
from flownb.runtime.task import TaskResult, TaskSpec
from flownb.session.cards import card_hook
from flownb.session.executors import open_executor
from flownb.session.export import constants_only_here, only_here
from flownb.session.options import RunOptions, refuse_ambiguous
from flownb.session.run_facts import environment, launch_facts, notebook_cells
from flownb.session.session import Session
from flownb.session.start import datastore_type
from flownb.store.records import ArtifactRef, RunEnd, RunRecord, TaskRecord, TaskStatus

__all__ = ["FlowRun", "RunOutcome", "begin_run", "run_flow"]

# Seconds between two signs of life of a run.
HEARTBEAT = 10.0
# Seconds between two events that a run continues.
MOMENT = 0.1

# Finds the record that a task is cloned from; None if it has to run.
FindClone = Callable[[TaskSpec], TaskRecord | None]


@dataclass(frozen=True)
class RunOutcome:
    """A run that ended well; `cloned` of its tasks took their results from the origin run."""

    pathspec: str
    tasks: int
    seconds: float
    cloned: int = 0


def run_flow(session: Session, options: RunOptions, *, kernel_names: Iterable[str] = ()) -> RunOutcome:
    """Run the whole flow as a new run, and wait for it; see `begin_run` and `FlowRun.drive`."""
    return begin_run(session, options, kernel_names=kernel_names).drive()


def begin_run(
    session: Session,
    options: RunOptions,
    *,
    kernel_names: Iterable[str] = (),
    origin: RunRecord | None = None,
    find_clones: Callable[[Mapping[str, tuple[Recorded, ...]]], FindClone] | None = None,
) -> FlowRun:
    """Check the flow, resolve its parameters and record that a run starts; no task runs yet.

    Parameters
    ----------
    session : Session
    options : RunOptions
    kernel_names : iterable of str
        For the checks' messages.
    origin : RunRecord, optional
        The run that is resumed, whose parameters are kept.
    find_clones : callable, optional
        Called with the recorded decorators of each step, returns the function that finds the tasks to clone.

    Raises
    ------
    CheckFailed, ParameterError, StoreError
        If nothing can run.
    """
    # A resume has shown its warnings when it was planned.
    session.checks.require(None, kernel_names, again=origin is None)
    program = session.program(True)
    flow = program.flow.name
    if options.executor == "process" and origin is None:
        session.servers.warm(dump_program(program), session.datastore.location)
    with module_kept(flow), program.own_modules.entered():
        declared = program.declared  # the module's code may set environment variables, which count from here on
        refuse_ambiguous(options, declared)
        adds = launch(options.decorators, options.branch, options.production, default_decorators=True)
        program = program if adds == Launch() else program.launched(adds)
        known = {} if origin is None else {n: ref for n, ref in origin.parameters.items() if n in declared}
        inputs = RunInputs(
            options.parameters, options.config_files, options.config_values, dict(os.environ), options.folder
        )
        program, chosen = start_values(
            program,
            inputs,
            ds_type=datastore_type(session.datastore),
            settled={name: session.datastore.artifacts.load(ref) for name, ref in known.items()},
        )
        system_tags = check_project(program, options.branch, options.production)
        decorators = program.recorded()
        for step, recorded in decorators.items():
            check_values(step, recorded)
        exit_hooks(program, successful=True)  # raises now if something is wrong with them
        values = {**program.constants, **chosen}
        by_user = [name for name in given_names(program.declared, inputs) if name in chosen]
        defaults = known_defaults(program.declared, by_user)
    with session.datastore.recording():
        with program.own_modules.entered():  # to pickle values of classes that the flow's module imported
            given = session.datastore.artifacts.save_given(values)
        parameters = {**known, **{name: given[name] for name in chosen}}
        given = {**given, **parameters}
        kept = [] if origin is None else [name for name in origin.chosen if name in known]
        kept_defaults = {} if origin is None else {n: ref for n, ref in origin.defaults.items() if n in kept}
        record = RunRecord(
            flow,
            "",
            "run",
            parameters=parameters,
            tags=options.tags,
            started=time(),
            **session.working.facts_of_run(flow),
            constants={name: ref for name, ref in given.items() if name not in parameters},
            origin=origin.run if origin is not None else "",
            environment={**environment(session), **launch_facts(adds)},
            cells=session.datastore.artifacts.save_plain(notebook_cells(session), name="cells"),
            source=session.datastore.artifacts.save_plain(program.code.texts, name="source"),
            system_tags=system_tags,
            chosen=(*kept, *by_user),
            defaults={**kept_defaults, **(session.datastore.artifacts.save_given(defaults) if defaults else {})},
        )
        record = session.datastore.runs.new_run(record)
    find = find_clones(decorators) if find_clones is not None else None
    return FlowRun(session, options, program, record, given, decorators, find)


class FlowRun:
    """A run of a whole flow, from its record to its end.

    Attributes
    ----------
    pathspec : str
    outcome : RunOutcome or None
        Once it ended well.
    error : BaseException or None
        What ended it, if it did not end well.
    notes : list of str
        What its user should know of the artifacts that were stored, each once.
    debugs : str
        Once a task failed: the words of the `%spin` that runs it again in this process and opens the debugger. Empty
        if its process died, for this one might, too.
    """

    def __init__(
        self,
        session: Session,
        options: RunOptions,
        program: Program,
        record: RunRecord,
        given: Mapping[str, ArtifactRef],
        decorators: Mapping[str, tuple[Recorded, ...]],
        find_clone: FindClone | None,
    ) -> None:
        self.pathspec = f"{record.flow}/{record.run}"
        self.outcome: RunOutcome | None = None
        self.error: BaseException | None = None
        self.debugs = ""
        self.notes = [str(one) for one in constants_only_here(given)]
        self._session, self._options, self._program, self._record = session, options, program, record
        self._given, self._decorators, self._find_clone = given, decorators, find_clone
        self._tasks = self._cloned = 0
        self._beaten = self._noticed = monotonic()
        self._scheduler: Scheduler | None = None
        self._logs = session.datastore.logs.book(record.flow, record.run)
        self._stop_asked = False
        self._thread: threading.Thread | None = None

    @property
    def tasks(self) -> int:
        """How many of its tasks have ended."""
        return self._tasks

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.outcome is None and self.error is None

    def stop(self) -> None:
        """Ask it to stop; it is recorded as interrupted, within about a second."""
        self._stop_asked = True
        if self._scheduler is not None:
            self._scheduler.stop()

    def drive(self) -> RunOutcome:
        """Run it to its end in this thread; what happens is emitted as the session's events.

        Returns
        -------
        RunOutcome

        Raises
        ------
        StepFailed
            If a step's code raised, or its process died.
        RunStopped
            If it was interrupted.
        StoreError, ForeachError
            If it cannot continue.
        """
        # In this process an interrupt breaks into the step itself.
        with _interrupts(self.stop) if self._options.executor != "inline" else contextlib.nullcontext():
            try:
                self.outcome = self._drive()
            except BaseException as error:
                self.error = error
                raise
        return self.outcome

    def abandon(self, error: BaseException) -> None:
        """Record that it ended before anything of it ran, because showing it failed; later calls do nothing."""
        if self._scheduler is None and self.running:
            self.error = error
            self._end("interrupted", time())

    def start(self, then: Callable[[], object] = lambda: None) -> None:
        """Drive it in a thread of its own, and call `then` when it has ended."""

        def drive() -> None:
            with contextlib.suppress(BaseException):  # kept in `error`, and reported by the events
                self.drive()
            then()

        # With the context of the cell that starts it, below which the kernel puts what is printed.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(drive,), name=f"flownb-run-{self.pathspec}", daemon=True
        )
        self._thread.start()

    def join(self, seconds: float | None = None) -> None:
        """Wait until it has ended, or for some seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _drive(self) -> RunOutcome:
        session, record, started = self._session, self._record, time()
        status: TaskStatus = "failed"
        failed: TaskResult | None = None
        self._emit(RunStarted(record.flow, record.run))
        try:
            options = self._options
            with open_executor(
                self._program,
                session.datastore,
                session.servers,
                name=options.executor,
                workers=options.workers,
                workers_given=options.workers_given,
            ) as executor:
                self._scheduler = Scheduler(
                    self._program,
                    executor,
                    session.datastore,
                    run=record.run,
                    given=self._given,
                    emit=self._emit,
                    on_card=self._show_card,
                    decorators=self._decorators,
                    tags=record.tags,
                    max_num_splits=options.max_num_splits,
                    clone=self._find_clone,
                    origin_run=record.origin,
                    source=record.source,
                    tick=self._tick,
                    on_record=self._note,
                )
                if self._stop_asked:
                    self._scheduler.stop()
                failed = self._scheduler.run()
            status = "done" if failed is None else failed.record.status
        except KeyboardInterrupt as error:
            status = "interrupted"
            raise self._stopped() from error
        except Exception as error:  # what an engine makes of an interrupt while it starts
            if not self._stop_asked:
                raise
            status = "interrupted"
            raise self._stopped() from error
        finally:
            self._end(status, started)
        if failed is None:
            return RunOutcome(self.pathspec, self._tasks, time() - started, self._cloned)
        if status == "interrupted":
            raise self._stopped() from failed.error
        self.debugs = _debugs(failed)
        raise _step_failed(failed) from failed.error

    def _end(self, status: TaskStatus, started: float) -> None:
        """Record how it ended, and notify all views."""
        try:
            self._logs.close()
            self._session.datastore.runs.end_run(self._record.flow, self._record.run, RunEnd(status, time()))
        finally:
            self._emit(RunEnded(self._record.flow, self._record.run, status, self._tasks, time() - started))
        for name in exit_hooks(self._program, successful=status == "done"):
            printed = run_hook(self._program, name, self.pathspec, str(self._session.datastore.location))
            if printed:
                print(printed)

    def _stopped(self) -> RunStopped:
        """The error that it was interrupted."""
        return RunStopped(
            f"{self.pathspec} was interrupted. What was done is kept: `%flow resume` continues from there."
        )

    def _note(self, record: TaskRecord) -> None:
        """Note the artifacts that only flownb can store, once for all tasks of their step."""
        self.notes += [text for one in only_here(record).values() if (text := str(one)) not in self.notes]

    def _emit(self, event: Event) -> None:
        """Count tasks, keep their output, and notify all views."""
        match event:
            case TaskOutput():
                self._logs.add(event.step, event.task, event.attempt, event)
            case TaskRetried() | TaskEnded():
                self._logs.end(event.step, event.task, event.attempt)
        self._tasks += isinstance(event, TaskEnded | TaskCloned)
        self._cloned += isinstance(event, TaskCloned)
        self._session.events.emit(event)

    def _show_card(self, spec: TaskSpec, update: CardUpdate) -> None:
        """Keep the cards of a task that runs, and notify the views."""
        card_hook(self._session.cards, self._emit, self._record.flow, spec)(update)

    def _tick(self) -> None:
        """Write the output of tasks; from time to time notify the views, and give a sign of life."""
        self._logs.flush()
        if monotonic() - self._noticed > MOMENT:
            self._noticed = monotonic()
            self._emit(RunGoesOn(self._record.flow, self._record.run))
        if monotonic() - self._beaten > HEARTBEAT:
            self._beaten = monotonic()
            self._session.datastore.runs.beat(self._record.flow, self._record.run)


@contextlib.contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and the kernel's interrupt ask for a stop; a second one breaks in wherever the run is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        stop()

    # None is a handler that was not made by Python.
    before = signal.signal(signal.SIGINT, interrupt) or signal.default_int_handler
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _step_failed(failed: TaskResult) -> StepFailed:
    """The error that a run stopped because a step failed."""
    task = failed.record
    debugs = _debugs(failed)
    return StepFailed(
        f"Run {task.flow}/{task.run} stopped: step {task.step} failed.",
        _first_line(failed),
        f"Correct the step; `%spin {debugs}` runs it on the same inputs in the notebook, and stops where it fails."
        if debugs
        else "`%flow resume` runs it again, and what comes after it.",
        pathspec=task.pathspec,
    )


def _debugs(failed: TaskResult) -> str:
    """The words of the `%spin` that debugs a failed task; empty if its process died."""
    task = failed.record
    died = task.exception is not None and task.exception["type"] == WORKER_DIED
    return "" if died else f"{task.step} --from {task.place} --pdb"


def _first_line(failed: TaskResult) -> str:
    """What a task failed with: its type and the first line of its text."""
    assert failed.error is not None
    kind = type_name(failed.error)
    text = message(failed.error).strip().split("\n")[0].rstrip(".")
    return f"{kind}: {text}." if text else f"{kind}."
