"""Where tasks are executed: the executors that ``--executor`` names, and a process for one attempt of a spin.

An engine's own packages are imported only when it is asked for. ``%spin --isolate process`` executes its attempt in a
worker: a step that crashes, or changes libraries for good, leaves the kernel as it was, and the values that it set are
read from a folder where the process put them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.attempt import AttemptOptions, run_attempt
from flownb.runtime.capture import logged
from flownb.runtime.cards import CardUpdate, OnCard
from flownb.runtime.executor import Ended, Executor, InlineExecutor, Lost, Notice
from flownb.runtime.failure import process_died
from flownb.runtime.program import Program, module_kept
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.runtime.workers.pool import ProcessExecutor
from flownb.runtime.workers.server import ServerPool
from flownb.store.datastore import Datastore
from flownb.store.records import TaskRecord

__all__ = ["executor_named", "open_executor", "run_isolated"]


# Seconds: between two looks, and how long an interrupted step may take to end.
TICK = 0.2
PATIENCE = 1.0


def run_isolated(
    program: Program,
    spec: TaskSpec,
    datastore: Datastore,
    servers: ServerPool,
    *,
    keep: Datastore | None,
    decorated: bool,
    on_card: OnCard,
) -> TaskResult:
    """Run one attempt in a worker process and wait for it.

    Parameters
    ----------
    program : Program
    spec : TaskSpec
    datastore : Datastore
        Where the inputs are.
    servers : ServerPool
        Which process the worker is forked from.
    keep : Datastore or None
        The spin datastore, to record it there; None records nothing.
    decorated : bool
        Whether the step's decorator lines are executed.
    on_card : callable
        Called with each refreshed card.

    Returns
    -------
    TaskResult
        With what the step set as live objects; `TaskResult.error` is a `StepError`.
    """
    with tempfile.TemporaryDirectory(prefix="flownb-spin-") as folder, servers.server() as server:
        executor = ProcessExecutor(
            program,
            datastore.location,
            slots=1,
            server=server,
            keeps="spin" if keep is not None else "values",
            values=folder,
            decorated=decorated,
        )
        heard = _Heard(program.flow.name, on_card)
        try:
            executor.submit(spec)
            while heard.result is None:
                heard.take(executor.wait(TICK))
        except KeyboardInterrupt:
            executor.interrupt()
            end = monotonic() + PATIENCE
            while heard.result is None and monotonic() < end:
                heard.take(executor.wait(TICK))
            if heard.result is None:
                executor.kill()
                raise
        finally:
            executor.close()
        result = heard.result
        refs: Any = result.values
        values = Datastore(Path(folder))
        if keep is not None:
            values, refs = keep, {name: result.record.artifacts[name] for name in result.record.captured}
        return replace(result, values={name: values.artifacts.load(ref, name=name) for name, ref in refs.items()})


class _Heard:
    """Shows the output of the attempt, and keeps its result."""

    def __init__(self, flow: str, on_card: OnCard) -> None:
        self.result: TaskResult | None = None
        self._flow, self._on_card = flow, on_card

    def take(self, notices: Iterable[Notice]) -> None:
        """Handle what the worker sends."""
        for spec, message in notices:
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
    """Show a piece of the step's output, as if the step wrote it here."""
    if output.kind == "display" and _has_shell():
        from IPython.display import publish_display_data

        name = {"display_id": output.display_id} if output.display_id else {}
        publish_display_data(dict(output.data), dict(output.metadata), transient=name, update=output.update)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        return
    file = sys.stderr if output.kind == "stderr" else sys.stdout
    file.write(output.text + ("\n" if output.kind == "display" else ""))
    file.flush()


def _has_shell() -> bool:
    """Whether this process is a kernel, or an IPython terminal."""
    interactive = sys.modules.get("IPython.core.interactiveshell")
    return interactive is not None and interactive.InteractiveShell.initialized()


def _lost(flow: str, spec: TaskSpec) -> TaskRecord:
    """The record of an attempt that left none."""
    return TaskRecord(flow, spec.run, spec.step, spec.task, spec.attempt, "failed", foreach=spec.frames)


EXECUTORS = ("process", "inline", "dask")
# How `dask scheduler` says where it is; dask's own protocol can be left out.
ADDRESS = re.compile(r"(?P<protocol>[a-z]+://)?(?P<place>[^\s/:]+:\d+|\[[0-9a-fA-F:]+\]:\d+)")


def executor_named(text: str) -> str:
    """The full name of the executor that a text names.

    Raises
    ------
    ParameterError
        If there is no such executor, or its package is not installed.

    Examples
    --------
    >>> executor_named("process")
    'process'
    """
    name, equals, address = text.partition("=")
    if name not in EXECUTORS or (equals and name != "dask"):
        raise ParameterError(
            f"`--executor {text}` is not known.{nearest(name, EXECUTORS)}",
            f"The executors are {', '.join(EXECUTORS)} and dask=tcp://HOST:PORT.",
            "Correct it or leave it out.",
        )
    if name == "dask" and importlib.util.find_spec("distributed") is None:
        raise ParameterError(
            f"`--executor {text}` needs the package distributed.",
            "It is not installed here.",
            "Run `pip install 'flownb[dask]'`.",
        )
    if not equals:
        return text
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ParameterError(
            f"`--executor {text}` does not name a dask scheduler.",
            "Its address has a host and a port.",
            "Write --executor dask=tcp://HOST:8786, as `dask scheduler` prints it.",
        )
    return f"dask={found['protocol'] or 'tcp://'}{found['place']}"


@contextlib.contextmanager
def open_executor(
    program: Program, datastore: Datastore, servers: ServerPool, *, name: str, workers: int, workers_given: bool
) -> Iterator[Executor]:
    """The executor of a run, for as long as the block lasts.

    Parameters
    ----------
    program : Program
    datastore : Datastore
    servers : ServerPool
    name : str
        As `executor_named` returns it.
    workers : int
        How many tasks run at once.
    workers_given : bool
        Whether the user gave that number.

    Raises
    ------
    ExecutorError
        If it cannot be reached, or cannot run this flow.
    """
    executor: Executor
    name, _, address = name.partition("=")
    with contextlib.ExitStack() as held:
        if name == "inline":
            held.enter_context(module_kept(program.flow.name))

            def run(spec: TaskSpec) -> TaskResult:
                with logged(datastore, program.flow.name, spec):
                    return run_attempt(program, spec, datastore, AttemptOptions(datastore))

            executor = InlineExecutor(run)
        elif name == "dask":
            from flownb.runtime.engines.dask_executor import DaskExecutor

            slots = None if address and not workers_given else workers
            executor = DaskExecutor(program, datastore, address=address, slots=slots)
        else:
            server = held.enter_context(servers.server())
            executor = ProcessExecutor(program, datastore.location, slots=workers, server=server)
        held.callback(executor.close)
        yield executor
