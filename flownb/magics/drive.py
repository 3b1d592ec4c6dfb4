"""A run of the whole flow below the cell that begins it: what its tasks show, the DAG, and last what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flownb.magics.frontend import Frontend

if TYPE_CHECKING:
    from flownb.session.progress import Progress
    from flownb.session.run import FlowRun

__all__ = ["drive"]


def drive(
    frontend: Frontend,
    run: FlowRun,
    verb: str,
    words: list[str],
    *,
    background: bool,
    lines: Callable[[], list[str]] = list,
) -> None:
    """Drive a run and show what happens.

    Parameters
    ----------
    frontend : Frontend
    run : FlowRun
    verb : {"run", "resume"}
    words : list of str
        What it was asked for, repeated in the summary.
    background : bool
        Whether to return at once.
    lines : callable, optional
        Gives what is said of the run when it has ended, however it did.

    Raises
    ------
    BaseException
        What ended the run, with the user's own frames.
    """
    from flownb.magics.debugging import breakpoints

    session = frontend.session
    flow = session.flow.name

    def said_at_end() -> list[str]:
        return [*lines(), *(f"note: {note}" for note in run.notes)]

    subscriptions: list[Callable[[], None]] = []
    try:
        watched = frontend.is_watched and not background
        progress = _progress(frontend, run, background=background, watched=watched)
        live = frontend.views.live_dag(progress, watched=watched)
        subscriptions += [session.events.subscribe(one) for one in (progress, live)]
    except BaseException as error:
        run.abandon(error)
        raise

    def end() -> None:
        for unsubscribe in subscriptions:
            unsubscribe()

    # A notebook that is executed from its file shows the same each time: no ids, no times.
    name = f"{verb} of {flow}" if frontend.is_headless else f"{verb} {run.pathspec}"

    def end_aside() -> None:
        """What another thread says; it is shown below the cell that began the run."""
        end()
        live.finish({"run": run.pathspec}, aside=True)
        became = f"ended: {_counted(run, frontend)}" if run.error is None else f"stopped: {run.error}"
        print("\n".join([*said_at_end(), f"{name} {became}"]))

    said = f" ({' '.join(words)})" if words else ""
    if background:
        print(f"{name} continues in the background{said}; `%flow stop` stops it")
        session.runs[:] = [*(one for one in session.runs if one.running), run]
        run.start(end_aside)
        return
    try:
        with breakpoints(frontend.shell, lambda: frontend.can_ask):  # for tasks that run in the kernel
            outcome = run.drive()
    except BaseException as error:  # a step's own, KeyboardInterrupt too
        live.finish({"run": run.pathspec})
        for line in said_at_end():
            print(line)
        frontend.raise_for_user(error, again=run.debugs)
    finally:
        end()
    live.finish({"run": outcome.pathspec, "tasks": outcome.tasks, "seconds": round(outcome.seconds, 3)})
    print("\n".join([*said_at_end(), f"{name}: {_counted(run, frontend)}{said}"]))


def _progress(frontend: Frontend, run: FlowRun, *, background: bool, watched: bool) -> Progress:
    """The run's states, and what shows the output of its tasks where this front end can."""
    from flownb.session.progress import Progress
    from flownb.widgets.run_output import HeldOutput, UpdatedOutput, terminal_output

    if background:
        return Progress(run.pathspec)
    order = frontend.session.program(True).graph.order
    if frontend.is_terminal:
        return Progress(run.pathspec, terminal_output())
    if frontend.views.live or watched:
        return Progress(run.pathspec, UpdatedOutput(order))
    return Progress(run.pathspec, HeldOutput(order))


def _counted(run: FlowRun, frontend: Frontend) -> str:
    """How many tasks a run had, and how long it took where that may be said."""
    from flownb.session.progress import duration

    counted = f"{run.tasks} task{'' if run.tasks == 1 else 's'}"
    if frontend.is_headless or run.outcome is None:
        return counted
    return f"{counted} in {duration(run.outcome.seconds)}"
