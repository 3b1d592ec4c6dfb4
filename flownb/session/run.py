"""A whole flow run and recorded: ``%flow run`` and ``flownb run``.

Takes a `SessionState` and `RunOptions`; gives a `RunOutcome`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import sleep, time

from flownb.errors import StepFailed
from flownb.runtime.events import Event, RunEnded, RunStarted, TaskEnded, task_retried
from flownb.runtime.executor import SequentialExecutor
from flownb.runtime.failure import message
from flownb.runtime.parameters import resolve_parameters
from flownb.runtime.scheduler import Scheduler
from flownb.runtime.task import TaskResult, TaskSpec, run_task
from flownb.session.cards import card_hook
from flownb.session.options import RunOptions
from flownb.session.state import SessionState, module_kept
from flownb.settings import user_name
from flownb.store.records import RunEnd, RunRecord, TaskStatus

__all__ = ["RunOutcome", "run_flow"]


@dataclass(frozen=True)
class RunOutcome:
    """A whole flow that ran."""

    pathspec: str
    tasks: int
    seconds: float


def run_flow(session: SessionState, options: RunOptions, *, kernel_names: Iterable[str] = ()) -> RunOutcome:
    """Run the whole flow as a new run; what happens is said on `session.events`.

    Parameters
    ----------
    session : SessionState
    options : RunOptions
    kernel_names : iterable of str
        For the checks' messages.

    Returns
    -------
    RunOutcome

    Raises
    ------
    CheckFailed, ParameterError, StoreError
        Before anything runs.
    StepFailed
        If a step's code raised; its exception is the cause.
    """
    session.require_checked(None, kernel_names)
    program = session.program(True)
    flow = program.flow.name
    values = {**program.constants, **resolve_parameters(program.parameters, flow, options.parameters)}
    started = time()
    with session.datastore.recording():
        given = session.datastore.save_given(values)
        record = RunRecord(
            flow,
            "",
            "run",
            session.notebook_name,
            {name: given[name] for name in program.parameters},
            options.tags,
            user_name(),
            started,
            constants={name: ref for name, ref in given.items() if name not in program.parameters},
        )
        run = session.datastore.new_run(record).run
    tasks = 0

    def emit(event: Event) -> None:
        nonlocal tasks
        tasks += isinstance(event, TaskEnded)
        session.events.emit(event)

    def wait(result: TaskResult, seconds: float) -> None:
        emit(task_retried(result, "run", seconds))
        sleep(seconds)

    def run_one(spec: TaskSpec) -> TaskResult:
        on_card = card_hook(session, flow, spec)
        return run_task(program, spec, session.datastore, keep=session.datastore, on_card=on_card, on_retry=wait)

    executor = SequentialExecutor(run_one)
    scheduler = Scheduler(
        program,
        executor,
        run=run,
        new_task=lambda step: session.datastore.new_task(flow, run, step),
        given=given,
        emit=emit,
        tags=options.tags,
        max_num_splits=options.max_num_splits,
    )
    status: TaskStatus = "failed"
    emit(RunStarted(flow, run))
    try:
        with module_kept(flow):
            failed = scheduler.run()
        if failed is None:
            status = "done"
        elif failed.record.status == "interrupted":
            status = "interrupted"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        executor.close()
        session.datastore.end_run(flow, run, RunEnd(status, time()))
        emit(RunEnded(flow, run, status, tasks, time() - started))
    if failed is not None:
        assert failed.error is not None
        if status == "interrupted":
            raise failed.error
        task = failed.record
        raise StepFailed(
            f"Run {flow}/{run} stopped: step {task.step} failed.",
            _first_line(failed.error),
            f"Correct the step; `%spin {task.step} --from {run}/{task.step}/{task.task}` runs it alone on "
            "the same inputs.",
            pathspec=task.pathspec,
        ) from failed.error
    return RunOutcome(f"{flow}/{run}", tasks, time() - started)


def _first_line(error: BaseException) -> str:
    text = message(error).strip().split("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {text}." if text else f"{type(error).__name__}."
