"""``flownb``: everything a notebook's flow can do, from its file, without a kernel.

Takes command-line words; gives an exit status: 0 done, 1 the flow or its checks failed, 2 the call is wrong.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from flownb.cli.datastore import STORE_COMMANDS, add_commands
from flownb.cli.help import with_help
from flownb.cli.logs import add_logs
from flownb.errors import FlownbError, ParameterError
from flownb.runtime.failure import StepError, user_frames
from flownb.runtime.metaflow_names import always
from flownb.session.cards import card_view
from flownb.session.checks import left_out_cells, left_out_magics, not_applied
from flownb.session.commands import write_output
from flownb.session.export import export_flow, found_at_export
from flownb.session.options import RunOptions, parse_resume, parse_run, parse_status
from flownb.session.resume import Resume
from flownb.session.run import FlowRun, begin_run
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import picture, states_after_run
from flownb.session.step_options import parse_card, parse_spin
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
    # The notebook may stand behind options, whose values argparse cannot tell from it: they are the flow's own.
    named = next((position for position, word in enumerate(words) if word.endswith(".ipynb")), None)
    if named is not None and named > 1 and "--" not in words[:named] and words[0] not in STORE_COMMANDS:
        words.insert(1, words.pop(named))
    # What is after `--` are the flow's own options, also if one of them is called --help.
    position = words.index("--") if "--" in words else len(words)
    arguments, rest = _parser().parse_known_args(words[:position])
    rest += words[position:]
    command: Callable[[argparse.Namespace, list[str]], int] = arguments.command
    try:
        working_folder()
        return command(arguments, rest)
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


def _parser() -> argparse.ArgumentParser:
    """The parser of the words before a flow's own parameters."""
    parser = argparse.ArgumentParser(
        prog="flownb",
        description="Metaflow flows written one notebook cell at a time.",
        epilog="`flownb COMMAND --help` lists a command's options and has examples.",
    )
    # By name: the package itself knows the magics, which the command line is beside.
    version = importlib.import_module("flownb").__version__
    parser.add_argument("--version", action="version", version=f"flownb {version}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace, list[str]], int]) -> argparse.ArgumentParser:
        sub = with_help(commands, name)
        sub.add_argument("notebook", type=Path, help="the .ipynb file")
        sub.set_defaults(command=command)
        return sub

    whole = {"run": run, "resume": resume, "status": status, "use": use, "spin": spin, "show": show}
    for name, command in whole.items():
        add(name, command)
    sub = add("check", check)
    sub.add_argument("--strict", action="store_true", help="fail if there are warnings, too")
    sub = add("export", export)
    sub.add_argument("-o", "--output", type=Path, default=Path("flow.py"), help="file to write, - for standard output")
    sub.add_argument("--strict", action="store_true", help="refuse artifacts that Metaflow cannot store")
    sub = add("card", card)
    sub.add_argument("-o", "--output", type=Path, help="HTML file to write, - for standard output")
    add_commands(commands)
    commands.choices["runs"].set_defaults(command=runs)
    add_logs(commands)
    return parser


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


def _no_more(rest: list[str]) -> None:
    """Refuse words that a command does not take."""
    if rest:
        raise ParameterError(f"`{rest[0]}` is not understood.", "This command does not take it.", "Leave it out.")


def run(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb run NOTEBOOK [--alpha 0.2] [--tag x]``."""
    options = parse_run(rest)
    _refuse_background(options)
    session = _open(arguments.notebook)
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


def resume(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb resume NOTEBOOK [STEP] [--origin-run-id 7]``."""
    options = parse_resume(rest)
    _refuse_background(options.run)
    session = _open(arguments.notebook)
    for note in not_applied(session.program(False), added=options.run.decorators):
        print(f"note: {note}")
    plan = Resume(session, options)
    run = plan.begin()

    def lines() -> list[str]:
        return [f"resumed {plan.origin.flow}/{plan.origin.run}", *(f"  {line}" for line in plan.lines)]

    return _drive(session, run, alone=options.run.executor == "inline", lines=lines)


def status(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb status NOTEBOOK [--origin-run-id 7]``."""
    from flownb.session.status import flow_status

    origin = parse_status(rest)
    session = _open(arguments.notebook)
    found = flow_status(session, origin)
    _print_notes(session)
    _say_what_is_left_out(session)
    print("\n".join(found.lines()).replace("%flow use", "flownb use NOTEBOOK"))
    return 0


def use(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb use NOTEBOOK [RUN | --none]``."""
    from flownb.session.runs import use_run

    print(use_run(_open(arguments.notebook), rest).replace("%flow use", "flownb use NOTEBOOK"))
    return 0


def _print_notes(session: Session) -> None:
    """Say beside the command's own output where results come from."""
    for note in session.notes():
        print(f"note: {note}".replace("%flow use", "flownb use NOTEBOOK"), file=sys.stderr)


def _say_what_is_left_out(session: Session) -> None:
    """Say which cells are not part of the flow, where no check does."""
    for note in left_out_cells(session.flow):
        print(f"note: {note}", file=sys.stderr)


def runs(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb runs NOTEBOOK``, with the runs' parameters, or ``flownb runs FLOW``, of the datastore here."""
    from flownb.cli.datastore import run_filters
    from flownb.cli.datastore import runs as runs_of_flow

    if not arguments.flow.endswith(".ipynb"):
        return runs_of_flow(arguments, rest)
    from flownb.session.runs import list_runs

    _no_more(rest)
    if arguments.datastore is not None:
        raise ParameterError(
            "`--datastore` is for a flow's name.",
            "A notebook's runs are where the notebook records them.",
            "Set FLOWNB_DATASTORE for another place, or name the flow instead of the notebook.",
        )
    print("\n".join(list_runs(_open(Path(arguments.flow)), run_filters(arguments)).lines()))
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


def spin(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb spin NOTEBOOK STEP [--from …] [--set …]``."""
    options = parse_spin(rest)
    if options.artifacts_module is not None:
        from dataclasses import replace

        options = replace(options, artifacts_module=options.artifacts_module.resolve())
    session = _open(arguments.notebook)
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


def check(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb check NOTEBOOK [--strict]``."""
    from flownb.flow.lint import counted, errors_of

    _no_more(rest)
    session = _open(arguments.notebook)
    found = session.checks.find()
    for diagnostic in found:
        print(diagnostic)
    for note in left_out_magics(session.flow):
        print(f"note: {note}")
    print(f"{session.flow.name}: {len(session.flow.all_steps)} steps, {counted(found)}")
    return 1 if errors_of(found) or (found and arguments.strict) else 0


def export(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb export NOTEBOOK -o flow.py``."""
    _no_more(rest)
    output: Path = arguments.output if str(arguments.output) == "-" else arguments.output.resolve()
    session = _open(arguments.notebook)
    text = export_flow(session, "flow.py" if str(output) == "-" else output.name, strict=arguments.strict)
    for found in found_at_export(session):
        print(f"warning: {found}", file=sys.stderr)
    for note in left_out_magics(session.flow):
        print(f"note: {note}", file=sys.stderr)
    if str(output) == "-":
        print(text, end="")
        return 0
    write_output(output, text)
    print(f"wrote {arguments.output} ({len(text.splitlines())} lines); run it with: python {arguments.output} run")
    return 0


def show(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb show NOTEBOOK``."""
    from flownb.picture import dag_text

    _no_more(rest)
    session = _open(arguments.notebook)
    session.checks.find()  # says so when there are no steps
    _print_notes(session)
    _say_what_is_left_out(session)
    print(dag_text(picture(session)))
    return 0


def card(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb card NOTEBOOK STEP [-o card.html]``."""
    options = parse_card(rest)
    output: Path | None = arguments.output
    if output is not None and str(output) != "-":
        output = output.resolve()
    view = card_view(_open(arguments.notebook), options)
    if output is None:
        print(view.bundle()["text/plain"])
    elif str(output) == "-":
        print(view.page())
    else:
        write_output(output, view.page())
        print(f"wrote {arguments.output}")
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


if __name__ == "__main__":
    sys.exit(main())
