"""Where the tasks of a run are executed, by the name that ``--executor`` gives it.

Takes that name; gives an `Executor`. An engine's own packages are imported only when it is asked for.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from IPython.core.getipython import get_ipython
from IPython.display import publish_display_data

from flownb.runtime.attempt import AttemptOptions, run_attempt
from flownb.runtime.capture import logged
from flownb.runtime.cards import CardUpdate, OnCard
from flownb.runtime.executor import Ended, Executor, InlineExecutor, Lost, Report
from flownb.runtime.failure import process_died
from flownb.runtime.program import Program
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.runtime.workers.pool import ProcessExecutor
from flownb.session.state import SessionState
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

if TYPE_CHECKING:
    from flownb.session.options import RunOptions
    from flownb.session.state import SessionState

__all__ = ["open_executor", "run_isolated"]

# MERGED-DOC session.isolated: One attempt in a process of its own: ``%spin --isolate process``. Takes what a spin
# in the kernel takes; gives a `TaskResult` of the same shape. A step that crashes, or changes libraries for good,
# leaves the kernel as it was; what it set is read from where the process put it.


# Seconds: between two looks, and that an interrupted step has to end.
TICK = 0.2
PATIENCE = 1.0


def run_isolated(
    session: SessionState,
    program: Program,
    spec: TaskSpec,
    *,
    keep: Datastore | None,
    decorated: bool,
    on_card: OnCard,
) -> TaskResult:
    """Run one attempt in a worker process and wait for it.

    Parameters
    ----------
    session : SessionState
    program : Program
    spec : TaskSpec
    keep : Datastore or None
        The spin datastore, to record it there; None records nothing.
    decorated : bool
        Whether the step's decorator lines are executed.
    on_card : callable
        Told of each refresh.

    Returns
    -------
    TaskResult
        With what the step set as live objects; `TaskResult.error` is a `StepError`.
    """
    with tempfile.TemporaryDirectory(prefix="flownb-spin-") as folder, session.servers.server() as server:
        executor = ProcessExecutor(
            program,
            session.datastore.location,
            slots=1,
            server=server,
            keeps="spin" if keep is not None else "values",
            values=folder,
            decorated=decorated,
        )
        told = _Told(program.flow.name, on_card)
        try:
            executor.submit(spec)
            while told.result is None:
                told.take(executor.wait(TICK))
        except KeyboardInterrupt:
            executor.interrupt()
            end = monotonic() + PATIENCE
            while told.result is None and monotonic() < end:
                told.take(executor.wait(TICK))
            if told.result is None:
                executor.kill()
                raise
        finally:
            executor.close()
        result = told.result
        refs: Any = result.values
        values = Datastore(Path(folder))
        if keep is not None:
            values, refs = keep, {name: result.record.artifacts[name] for name in result.record.captured}
        return replace(result, values={name: values.artifacts.load(ref, name=name) for name, ref in refs.items()})


class _Told:
    """What is heard of the attempt."""

    def __init__(self, flow: str, on_card: OnCard) -> None:
        self.result: TaskResult | None = None
        self._flow, self._on_card = flow, on_card

    def take(self, reports: Iterable[Report]) -> None:
        """Show what is to be shown, and remember the result."""
        for spec, message in reports:
            match message:
                case Output():
                    _show(message)
                case CardUpdate():
                    self._on_card(message)
                case Ended():
                    self.result = message.result
                case Lost():
                    error = process_died(f"Step {spec.step} ended without a result. {message.reason}")
                    self.result = TaskResult(_lost(self._flow, spec), {}, error)


def _show(output: Output) -> None:
    """Show what the step shows, as if it did so here."""
    if output.kind == "display" and get_ipython() is not None:
        name = {"display_id": output.display_id} if output.display_id else {}
        publish_display_data(dict(output.data), dict(output.metadata), transient=name, update=output.update)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        return
    file = sys.stderr if output.kind == "stderr" else sys.stdout
    file.write(output.text + ("\n" if output.kind == "display" else ""))
    file.flush()


def _lost(flow: str, spec: TaskSpec) -> TaskRecord:
    """What is known of an attempt that left nothing."""
    return TaskRecord(flow, spec.run, spec.step, spec.task, spec.attempt, "failed", foreach=spec.frames)


@contextlib.contextmanager
def open_executor(session: SessionState, program: Program, options: RunOptions) -> Iterator[Executor]:
    """The executor that a run asks for, for as long as the block lasts.

    Raises
    ------
    ExecutorError
        If it cannot be reached, or cannot run this flow.
    """
    executor: Executor
    name, _, address = options.executor.partition("=")
    with contextlib.ExitStack() as held:
        if name == "inline":
            from flownb.session.state import module_kept

            held.enter_context(module_kept(program.flow.name))

            def run(spec: TaskSpec) -> TaskResult:
                with logged(session.datastore, program.flow.name, spec):
                    return run_attempt(program, spec, session.datastore, AttemptOptions(session.datastore))

            executor = InlineExecutor(run)
        elif name == "dask":
            from flownb.runtime.engines.dask_executor import DaskExecutor

            slots = None if address and not options.workers_given else options.workers
            executor = DaskExecutor(program, session.datastore, address=address, slots=slots)
        else:
            from flownb.runtime.workers.pool import ProcessExecutor

            server = held.enter_context(session.servers.server())
            executor = ProcessExecutor(program, session.datastore.location, slots=options.workers, server=server)
        held.callback(executor.close)
        yield executor
