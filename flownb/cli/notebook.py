"""The commands of the terminal that work on a notebook's flow: ``flownb run|resume|spin|check|… NOTEBOOK``.

Each is given what its words say (`flownb.session.commands`), prints, and returns the exit status.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flownb.cli.datastore import run_filters
from flownb.cli.datastore import runs as runs_of_flow
from flownb.errors import ParameterError
from flownb.runtime.metaflow_names import always_own_imports
from flownb.session.cards import card_view
from flownb.session.checks import left_out_cells, left_out_magics, not_applied
from flownb.session.export import export_flow, found_at_export
from flownb.session.options import (
    RunOptions,
    card_options,
    resume_options,
    run_options,
    spin_options,
    write_output,
)
from flownb.session.resume import Resume
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import picture, states_after_run
from flownb.session.transfers import show_transfers

__all__ = [
    "card",
    "check",
    "export",
    "in_terminal",
    "open_notebook",
    "resume",
    "run",
    "runs",
    "show",
    "spin",
    "status",
    "use",
]


def open_notebook(path: Path) -> Session:
    """A session on a notebook file; steps then run in the notebook's folder, as in a kernel."""
    from flownb.cells.notebook import read_notebook

    notebook = read_notebook(path)
    session = Session(path.resolve(), folder=path.resolve().parent)
    session.checks.warn = _print_warning
    show_transfers(session.datastore.location)
    session.open(notebook.cells)
    os.environ.setdefault("MPLBACKEND", "agg")
    os.chdir(path.resolve().parent)
    if "" not in sys.path:
        sys.path.insert(0, "")
    always_own_imports()
    return session


def in_terminal(text: str) -> str:
    """A message, with the call of ``use`` as the command line has it."""
    return text.replace("%flow use", "flownb use NOTEBOOK")


def _print_warning(diagnostic: object) -> None:
    """Show a warning of the checks beside the command's own output."""
    print(diagnostic, file=sys.stderr)


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


def status(notebook: Path, origin: str | None) -> int:
    """``flownb status NOTEBOOK [--origin-run-id 7]``."""
    from flownb.session.status import flow_status

    session = open_notebook(notebook)
    found = flow_status(session, origin)
    _print_notes(session)
    _say_what_is_left_out(session)
    print(in_terminal("\n".join(found.lines())))
    return 0


def use(notebook: Path, run: str | None, none: bool) -> int:
    """``flownb use NOTEBOOK [RUN | --none]``."""
    from flownb.session.runs import use_run

    print(in_terminal(use_run(open_notebook(notebook), run, none)))
    return 0


def _print_notes(session: Session) -> None:
    """Say beside the command's own output where results come from."""
    for note in session.notes():
        print(f"note: {in_terminal(str(note))}", file=sys.stderr)


def _say_what_is_left_out(session: Session) -> None:
    """Say which cells are not part of the flow, where no check does."""
    for note in left_out_cells(session.flow):
        print(f"note: {note}", file=sys.stderr)


def runs(flow: str, **filters: Any) -> int:
    """``flownb runs NOTEBOOK``, with the runs' parameters, or ``flownb runs FLOW``, of the datastore here."""
    if not flow.endswith(".ipynb"):
        return runs_of_flow(flow, **filters)
    from flownb.session.runs import list_runs

    if filters.pop("datastore") is not None:
        raise ParameterError(
            "`--datastore` is for a flow's name.",
            "A notebook's runs are where the notebook records them.",
            "Set FLOWNB_DATASTORE for another place, or name the flow instead of the notebook.",
        )
    print("\n".join(list_runs(open_notebook(Path(flow)), run_filters(**filters)).lines()))
    return 0


def _drive(session: Session, run: FlowRun, *, alone: bool, lines: Callable[[], list[str]] = list) -> int:
    """Drive a run to its end and show what happens; `lines` are said when it has ended, the run itself last."""
    from flownb.cli.progress import progress_view
    from flownb.picture import dag_text
    from flownb.session.progress import Progress, Tally
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


def spin(notebook: Path, **values: Any) -> int:
    """``flownb spin NOTEBOOK STEP [--from …] [--set …]``."""
    options = spin_options(values)
    if options.artifacts_module is not None:
        from dataclasses import replace

        options = replace(options, artifacts_module=options.artifacts_module.resolve())
    session = open_notebook(notebook)
    _print_notes(session)
    outcome = spin_step(session, options, display=_print_value, debug=_debug if sys.stdin.isatty() else None)
    print("\n".join(outcome.report.whole().lines()))
    if outcome.task is not None:
        print(f"  kept   {outcome.task.pathspec} in {session.spin_datastore.location}")
    for name, value in outcome.values.items():
        print(f"  {name} = {_short(value)}")
    return 0


def _debug(error: BaseException) -> None:
    """Show an error of a step and open the debugger where it was raised."""
    import pdb

    from flownb.runtime.failure import describe, user_frames

    frames = user_frames(error)
    if frames is not None:
        print(describe(error)["traceback"], end="", file=sys.stderr)
        pdb.post_mortem(frames)


def check(notebook: Path, strict: bool) -> int:
    """``flownb check NOTEBOOK [--strict]``."""
    from flownb.flow.lint import counted, errors_of

    session = open_notebook(notebook)
    found = session.checks.find()
    for diagnostic in found:
        print(diagnostic)
    for note in left_out_magics(session.flow):
        print(f"note: {note}")
    print(f"{session.flow.name}: {len(session.flow.all_steps)} steps, {counted(found)}")
    return 1 if errors_of(found) or (found and strict) else 0


def export(notebook: Path, output: Path, strict: bool) -> int:
    """``flownb export NOTEBOOK -o flow.py``."""
    place = output if str(output) == "-" else output.resolve()
    session = open_notebook(notebook)
    text = export_flow(session, "flow.py" if str(output) == "-" else output.name, strict=strict)
    for found in found_at_export(session):
        print(f"warning: {found}", file=sys.stderr)
    for note in left_out_magics(session.flow):
        print(f"note: {note}", file=sys.stderr)
    if str(output) == "-":
        print(text, end="")
        return 0
    write_output(place, text)
    print(f"wrote {output} ({len(text.splitlines())} lines); run it with: python {output} run")
    return 0


def show(notebook: Path) -> int:
    """``flownb show NOTEBOOK``."""
    from flownb.picture import dag_text

    session = open_notebook(notebook)
    session.checks.find()  # says so when there are no steps
    _print_notes(session)
    _say_what_is_left_out(session)
    print(dag_text(picture(session)))
    return 0


def card(notebook: Path, output: Path | None, **values: Any) -> int:
    """``flownb card NOTEBOOK STEP [-o card.html]``."""
    place = output.resolve() if output is not None and str(output) != "-" else None
    view = card_view(open_notebook(notebook), card_options(values))
    if output is None:
        print(view.bundle()["text/plain"])
    elif place is None:
        print(view.page())
    else:
        write_output(place, view.page())
        print(f"wrote {output}")
    return 0


def _print_value(value: object) -> None:
    """Show the value of a body's last expression."""
    if value is not None:
        print(repr(value))


def _short(value: object) -> str:
    """A value on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
