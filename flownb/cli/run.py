"""``flownb run | resume NOTEBOOK``: execute the flow, and show its progress.

The process that workers are forked from takes as long to start as this one. `run` starts it first, and it imports what
it needs while this process imports its own: so what a function here needs is imported in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.cli.configuration import draw_without_window, kernel_path
from flownb.collector import importing
from flownb.errors import ParameterError
from flownb.runtime.workers.server import ServerPool, surroundings
from flownb.session.options import RunOptions, resume_options, run_options

if TYPE_CHECKING:
    from flownb.session.run import FlowRun
    from flownb.session.session import Session

__all__ = ["resume", "run"]


def run(notebook: Path, **values: Any) -> int:
    """``flownb run NOTEBOOK [--alpha 0.2] [--tag x]``."""
    options = run_options(values)
    _refuse_background(options)
    servers = _servers(notebook, options)

    with importing():
        from flownb.cli.notebook import open_notebook
        from flownb.session.checks import not_applied
        from flownb.session.run import begin_run

    session = open_notebook(notebook)
    session.servers = servers
    for note in not_applied(session.program(False), added=options.decorators):
        print(f"note: {note}")
    run = begin_run(session, options)
    return _drive(session, run, alone=options.executor == "inline")


def _servers(notebook: Path, options: RunOptions) -> ServerPool:
    """What workers are forked from, started in the notebook's folder if the run will need it."""
    servers, notebook = ServerPool(), notebook.resolve()
    if options.executor == "process" and notebook.is_file():
        draw_without_window()
        # This process is not in the notebook's folder yet: what it still imports must not come from the one it is in.
        servers.start(surroundings(notebook.parent, kernel_path()))
    return servers


def _refuse_background(options: RunOptions) -> None:
    """Refuse to return at once: a command runs until its run has ended."""
    if options.background:
        raise ParameterError(
            "`--background` is for notebooks.", "A command has the terminal.", "Leave it out, and end the line with &."
        )


def resume(notebook: Path, **values: Any) -> int:
    """``flownb resume NOTEBOOK [STEP] [--origin-run-id 7]``."""
    from flownb.cli.notebook import open_notebook
    from flownb.session.checks import not_applied
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
    from flownb.cli.progress import progress_view
    from flownb.picture.text import dag_text
    from flownb.session.drawing import picture
    from flownb.session.progress import Progress, Tally
    from flownb.session.states import states_after_run
    from flownb.session.step_output import TaskLines

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
