"""``flownb``: everything a notebook's flow can do, from its file, without a kernel.

Takes command-line words; gives an exit status: 0 done, 1 the flow or its checks failed, 2 the call is wrong.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import click.shell_completion

from flownb.cli import datastore as store
from flownb.cli.logs import logs
from flownb.configuration import configured
from flownb.errors import FlownbError, ParameterError, nearest
from flownb.runtime.failure import StepError, user_frames
from flownb.runtime.metaflow_names import always
from flownb.session.cards import card_view
from flownb.session.checks import left_out_cells, left_out_magics, not_applied
from flownb.session.commands import COMMANDS
from flownb.session.completion import parameter_options, source_parameters
from flownb.session.export import export_flow, found_at_export
from flownb.session.options import (
    RunOptions,
    card_options,
    resume_options,
    run_options,
    spin_options,
    write_output,
)
from flownb.session.parser import refused
from flownb.session.resume import Resume
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import picture, states_after_run
from flownb.session.transfers import show_transfers
from flownb.settings import working_folder

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    words : sequence of str, optional
        Without the program's name; None takes them from ``sys.argv``.

    Returns
    -------
    int
        Exit status.
    """
    words = list(sys.argv[1:] if words is None else words)
    group = _group()
    if "_FLOWNB_COMPLETE" in os.environ:
        return click.shell_completion.shell_complete(
            group, {}, "flownb", "_FLOWNB_COMPLETE", os.environ["_FLOWNB_COMPLETE"]
        )
    try:
        command = _read(group, _with_notebook_first(words))
        if command is None:
            return 0
        working_folder()
        configured()
        # Outside of click's contexts: a step that uses click itself finds none of ours.
        return command()
    except FlownbError as error:
        cause = error.__cause__
        if cause is not None:
            _print_user_error(cause)
        print(f"flownb: {error.headline}: {error}".replace("%flow use", "flownb use NOTEBOOK"), file=sys.stderr)
        return 2 if isinstance(error, ParameterError) else 1
    except KeyboardInterrupt as error:
        print(f"flownb: {error}".replace("%flow", "flownb") if str(error) else "flownb: interrupted", file=sys.stderr)
        return 130
    except (Exception, SystemExit) as error:
        if user_frames(error) is None:
            if isinstance(error, BrokenPipeError) or not isinstance(error, OSError):
                raise
            # A full disk, a folder without permission, a file that vanished: the system's doing, and not a bug.
            about = f" (`{error.filename}`)" if error.filename else ""
            why = f"The system says: {error.strerror or error}{about}."
            print(f"flownb: The command stopped. {why} Remove the cause, then try again.", file=sys.stderr)
            return 1
        _print_user_error(error)  # a step's own, or shared code's
        return 1


def _with_notebook_first(words: list[str]) -> list[str]:
    """The words with the notebook right after the command.

    It may be written behind options of the flow, whose values click cannot distinguish from it.
    """
    place = next((place for place, word in enumerate(words) if word.endswith(".ipynb")), None)
    if place is None or place < 2 or "--" in words[:place] or words[0] in WITHOUT_NOTEBOOK:
        return words
    return [words[0], words[place], *words[1:place], *words[place + 1 :]]


def _read(group: click.Group, words: list[str]) -> Callable[[], int] | None:
    """The command that words call, with what they say; None if they asked for help, which is printed."""
    try:
        with group.make_context("flownb", words) as context:
            found: Callable[[], int] = group.invoke(context)
            return found
    except click.exceptions.Exit:
        return None
    except click.UsageError as error:
        raise refused(error) from None


class _Group(click.Group):
    """All commands, in the order of the table, with a message of ours for one that does not exist."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command.

        Raises
        ------
        ParameterError
            If there is none of that name.
        """
        found = super().get_command(ctx, cmd_name)
        if found is None and not ctx.resilient_parsing:
            raise ParameterError(
                f"`{cmd_name}` is not a command.{nearest(cmd_name, self.commands)}",
                f"The commands are {', '.join(self.commands)}.",
                "Correct it; `flownb --help` says what they do.",
            )
        return found


def _group() -> click.Group:
    """What reads the words of the command line."""
    group = _Group(
        "flownb",
        help="Metaflow flows written one notebook cell at a time.",
        epilog="`flownb COMMAND --help` lists a command's options and has examples.",
        no_args_is_help=False,
        context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    )
    # By name: the package itself knows the magics, which the command line is beside.
    version = importlib.import_module("flownb").__version__
    click.version_option(version, prog_name="flownb", message="%(prog)s %(version)s")(group)
    for command in COMMANDS:
        if command.terminal:
            parser = command.parser("command", _call(CALLS[command.name]))
            parser.flow_options = _flow_options
            group.add_command(parser)
    return group


def _call(function: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """What makes a call that is still to be made of the values that a command read."""
    return lambda **values: partial(function, **values)


def _flow_options(given: Sequence[str]) -> list[tuple[str, str]]:
    """The parameters of the flow of a notebook, for the help of ``run``; for a shell by their names alone."""
    named = next((word for word in given if word.endswith(".ipynb")), None)
    if named is None:
        return []
    if "_FLOWNB_COMPLETE" in os.environ:
        return source_parameters(Path(named))
    return parameter_options(_open(Path(named)).program(False))


def _open(path: Path) -> Session:
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
    always()
    return session


def _print_warning(diagnostic: object) -> None:
    """Show a warning of the checks beside the command's own output."""
    print(diagnostic, file=sys.stderr)


def run(notebook: Path, **values: Any) -> int:
    """``flownb run NOTEBOOK [--alpha 0.2] [--tag x]``."""
    options = run_options(values)
    _refuse_background(options)
    session = _open(notebook)
    for note in not_applied(session.program(False), added=options.decorators):
        print(f"note: {note}")
    run = begin_run(session, options)
    return _drive(session, run, alone=options.executor == "inline")


def _refuse_background(options: RunOptions) -> None:
    """A command goes on until its run has ended."""
    if options.background:
        raise ParameterError(
            "`--background` is for notebooks.", "A command has the terminal.", "Leave it out, and end the line with &."
        )


def resume(notebook: Path, **values: Any) -> int:
    """``flownb resume NOTEBOOK [STEP] [--origin-run-id 7]``."""
    options = resume_options(values)
    _refuse_background(options.run)
    session = _open(notebook)
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

    session = _open(notebook)
    found = flow_status(session, origin)
    _print_notes(session)
    _say_what_is_left_out(session)
    print("\n".join(found.lines()).replace("%flow use", "flownb use NOTEBOOK"))
    return 0


def use(notebook: Path, run: str | None, none: bool) -> int:
    """``flownb use NOTEBOOK [RUN | --none]``."""
    from flownb.session.runs import use_run

    given = [*([run] if run is not None else []), *(["--none"] if none else [])]
    print(use_run(_open(notebook), given).replace("%flow use", "flownb use NOTEBOOK"))
    return 0


def _print_notes(session: Session) -> None:
    """Say beside the command's own output where results come from."""
    for note in session.notes():
        print(f"note: {note}".replace("%flow use", "flownb use NOTEBOOK"), file=sys.stderr)


def _say_what_is_left_out(session: Session) -> None:
    """Say which cells are not part of the flow, where no check does."""
    for note in left_out_cells(session.flow):
        print(f"note: {note}", file=sys.stderr)


def runs(flow: str, **filters: Any) -> int:
    """``flownb runs NOTEBOOK``, with the runs' parameters, or ``flownb runs FLOW``, of the datastore here."""
    if not flow.endswith(".ipynb"):
        return store.runs(flow, **filters)
    from flownb.session.runs import list_runs

    if filters.pop("datastore") is not None:
        raise ParameterError(
            "`--datastore` is for a flow's name.",
            "A notebook's runs are where the notebook records them.",
            "Set FLOWNB_DATASTORE for another place, or name the flow instead of the notebook.",
        )
    print("\n".join(list_runs(_open(Path(flow)), store.run_filters(**filters)).lines()))
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
    session = _open(notebook)
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

    session = _open(notebook)
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
    session = _open(notebook)
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

    session = _open(notebook)
    session.checks.find()  # says so when there are no steps
    _print_notes(session)
    _say_what_is_left_out(session)
    print(dag_text(picture(session)))
    return 0


def card(notebook: Path, output: Path | None, **values: Any) -> int:
    """``flownb card NOTEBOOK STEP [-o card.html]``."""
    place = output.resolve() if output is not None and str(output) != "-" else None
    view = card_view(_open(notebook), card_options(values))
    if output is None:
        print(view.bundle()["text/plain"])
    elif place is None:
        print(view.page())
    else:
        write_output(place, view.page())
        print(f"wrote {output}")
    return 0


def completion(shell: str) -> int:
    """``flownb completion SHELL``."""
    kind = click.shell_completion.get_completion_class(shell)
    assert kind is not None  # the command reads no other name
    print(kind(_group(), {}, "flownb", "_FLOWNB_COMPLETE").source())
    return 0


def _print_value(value: object) -> None:
    """Show the value of a body's last expression."""
    if value is not None:
        print(repr(value))


def _short(value: object) -> str:
    """A value on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."


def _print_user_error(error: BaseException) -> None:
    """The user's frames and message of an error that a step raised."""
    frames = user_frames(error)
    if isinstance(error, StepError):
        print(error.facts["traceback"], file=sys.stderr, end="")
    elif frames is not None:
        print("".join(traceback.format_exception(type(error), error, frames)), file=sys.stderr, end="")


# The function of each command, by its name.
CALLS: Mapping[str, Callable[..., int]] = {
    "run": run,
    "resume": resume,
    "status": status,
    "use": use,
    "spin": spin,
    "check": check,
    "export": export,
    "show": show,
    "card": card,
    "runs": runs,
    "logs": logs,
    "timeline": store.timeline,
    "du": store.du,
    "gc": store.gc,
    "rm": store.rm,
    "index": store.index,
    "completion": completion,
}
# Those that take no notebook.
WITHOUT_NOTEBOOK = ("runs", "timeline", "logs", "index", "gc", "du", "rm", "completion")


if __name__ == "__main__":
    sys.exit(main())
