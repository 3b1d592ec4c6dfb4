"""Where the tasks of a run are executed, by the name that ``--executor`` gives it.

Takes that name; gives an `Executor`. An engine's own packages are imported only when it is asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flownb.errors import ParameterError, nearest
from flownb.runtime.attempt import run_attempt
from flownb.runtime.executor import Executor, InlineExecutor
from flownb.runtime.program import Program
from flownb.runtime.task import TaskResult, TaskSpec
from flownb.session.attempt_log import logged

if TYPE_CHECKING:
    from flownb.session.options import RunOptions
    from flownb.session.state import SessionState

__all__ = ["executor_named", "open_executor"]

EXECUTORS = ("process", "inline", "dask")
# How `dask scheduler` says where it is; dask's own protocol can be left out.
ADDRESS = re.compile(r"(?P<protocol>[a-z]+://)?(?P<place>[^\s/:]+:\d+|\[[0-9a-fA-F:]+\]:\d+)")


def executor_named(text: str) -> str:
    """The executor that a text names, in full.

    Raises
    ------
    ParameterError
        If there is none, or its package is not installed.

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
            f"`--executor {text}` names no dask scheduler.",
            "Its address has a host and a port.",
            "Write --executor dask=tcp://HOST:8786, as `dask scheduler` prints it.",
        )
    return f"dask={found['protocol'] or 'tcp://'}{found['place']}"


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
                    return run_attempt(program, spec, session.datastore, keep=session.datastore)

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
