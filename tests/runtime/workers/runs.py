"""Runs whose tasks have worker processes of their own, for the tests of this folder.

From cells or a session: the artifacts, outputs and errors of the run's tasks.
"""

from __future__ import annotations

from typing import Any

import pytest

from flownb.client import Run, Task
from flownb.errors import StepFailed
from flownb.runtime.failure import StepError
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session

__all__ = ["failed_run", "ran", "text_of", "values"]

SHARED = "%%shared\nimport os, signal, sys, threading, time\nfrom flownb import current"


def ran(session: Session, **options: Any) -> Run:
    """Run the whole flow."""
    outcome = run_flow(session, RunOptions(executor="process", **options))
    return Run(outcome.pathspec, datastore=session.datastore)


def values(task: Task | None) -> dict[str, Any]:
    """A task's artifacts."""
    assert task is not None
    return {one.id: one.data for one in task}


def failed_run(session: Session, **options: Any) -> tuple[Run, StepError]:
    """Run a flow that fails; give the run and the error as its task's process saw it."""
    with pytest.raises(StepFailed) as raised:
        run_flow(session, RunOptions(executor="process", **options))
    error = raised.value.__cause__
    assert isinstance(error, StepError)
    flow, run = (raised.value.pathspec or "").split("/")[:2]
    return Run(f"{flow}/{run}", datastore=session.datastore), error


def text_of(task: Task | None) -> str:
    """All that a task wrote, both streams."""
    assert task is not None
    return "".join(piece.text for piece in task.outputs if piece.kind in ("stdout", "stderr"))
