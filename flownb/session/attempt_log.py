"""What a task shows that runs in this process, kept with it: for step cells and for spins that are kept.

Takes a datastore and a `TaskSpec`; writes the task's logs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from flownb.runtime.capture import captured
from flownb.runtime.output import Output
from flownb.runtime.task import TaskSpec
from flownb.store.datastore import Datastore
from flownb.store.logs import LogBook

__all__ = ["logged"]


@contextlib.contextmanager
def logged(keep: Datastore | None, flow: str, spec: TaskSpec) -> Iterator[Callable[[], None]]:
    """Keep what the attempts of a task show while the block runs them; it is shown all the same.

    Parameters
    ----------
    keep : Datastore or None
        Where the task is recorded; None keeps nothing.
    flow : str
    spec : TaskSpec
        Of the first attempt.

    Yields
    ------
    callable
        To be called between an attempt and the next.
    """
    if keep is None:
        yield lambda: None
        return
    book, attempt = LogBook(keep, flow, spec.run), spec.attempt

    def take(output: Output) -> None:
        book.add(spec.step, spec.task, attempt, output)

    try:
        with captured(take, book.flush) as settle:

            def next_attempt() -> None:
                nonlocal attempt
                settle()
                book.end(spec.step, spec.task, attempt)
                attempt += 1

            yield next_attempt
    finally:
        book.close()
