"""``flownb run | resume NOTEBOOK``: execute the flow, and show its progress."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flownb.cli.notebook import open_notebook
from flownb.cli.progress import progress_view
from flownb.errors import ParameterError
from flownb.picture.text import dag_text
from flownb.session.checks import not_applied
from flownb.session.drawing import picture
from flownb.session.options import RunOptions, resume_options, run_options
from flownb.session.progress import Progress, Tally
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.session.states import states_after_run
from flownb.session.step_output import TaskLines

__all__ = ["resume", "run"]


def run(notebook: Path, **values: Any) -> int:
    """``flownb run NOTEBOOK [--alpha 0.2] [--tag x]``."""
    options = run_options(values)
    _refuse_background(options)
    session = open_notebook(notebook)
    for note in not_applied(session.program(False), added=options.decorators):
        print(f"note: {note}")
    run = begin_run(session, options)
    return _drive(session, run, alone=options.executor == "inline")


def _refuse_background(options: RunOptions) -> None:
    """Refuse to return at once: a command runs until its run has ended."""
    if options.background:
        raise ParameterError(
            "`--background` is for notebooks.", "A command has the terminal.", "Leave it out, and end the line with &."
        )


def resume(notebook: Path, **values: Any) -> int:
    """``flownb resume NOTEBOOK [STEP] [--origin-run-id 7]``."""
    from flownb.session.resume import Resume

    options = resume_options(values)
    _refuse_background(options.run)
    session = open_notebook(notebook)
    for note in not_applied(session.program(False), added=options.run.decorators):
        print(f"note: {note}")
    plan = Resume(session, options)
    run = plan.begin()

    def lines() -> list[str]:
        return [f"resumed {plan.origin.flow}/{plan.origin.run}", *(f"  {line}" for line in plan.lines)]

    return _drive(session, run, alone=options.run.executor == "inline", lines=lines)


def _drive(session: Session, run: FlowRun, *, alone: bool, lines: Callable[[], list[str]] = list) -> int:
    """Drive a run to its end and show what happens; `lines` are said when it has ended, the run itself last."""
    tally = Tally(run.pathspec, session.program(False).graph.order)
    view = progress_view(tally, alone=alone)
    progress = Progress(run.pathspec, TaskLines(view.write, logs=f"flownb logs {run.pathspec}/"))
    for subscriber in (tally, progress, view):
        session.events.subscribe(subscriber)
    try:
        with view:
            outcome = run.drive()
    finally:
        print(dag_text(picture(session, states_after_run(session, progress.states))))
        print("".join(f"{line}\n" for line in [*lines(), *(f"note: {note}" for note in run.notes)]), end="")
    print(f"run {outcome.pathspec}: {outcome.tasks} tasks in {outcome.seconds:.2f} s")
    return 0
