"""Where the tasks of a run are executed.

Takes `TaskSpec` objects one at a time; gives futures of their `TaskResult`. The scheduler knows only this protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from flownb.runtime.task import TaskResult, TaskSpec

__all__ = ["Executor", "SequentialExecutor"]


class Executor(Protocol):
    """Runs tasks; `slots` is how many it takes at once."""

    slots: int

    def submit(self, spec: TaskSpec) -> Future[TaskResult]:
        """Start a task."""
        ...

    def close(self) -> None:
        """Release what the executor holds; no task is running any more."""
        ...


class SequentialExecutor:
    """Runs each task at once in this process.

    Parameters
    ----------
    run : callable
        Runs one task.
    """

    slots = 1

    def __init__(self, run: Callable[[TaskSpec], TaskResult]) -> None:
        self._run = run

    def submit(self, spec: TaskSpec) -> Future[TaskResult]:
        """Run the task now and give its finished future."""
        future: Future[TaskResult] = Future()
        try:
            future.set_result(self._run(spec))
        except Exception as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing is held."""
