"""``flownb``: everything a notebook's flow can do, from its file, without a kernel.

Takes command-line words; gives an exit status: 0 done, 1 the flow or its checks failed, 2 the call is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from flownb.cli.datastore import STORE_COMMANDS, add_commands
from flownb.cli.logs import add_logs
from flownb.errors import FlownbError, ParameterError
from flownb.runtime.failure import StepError, user_frames
from flownb.runtime.own_imports import always
from flownb.session.cards import card_view
from flownb.session.options import RunOptions, parse_resume, parse_run, parse_status
from flownb.session.output import write_output
from flownb.session.run import FlowRun
from flownb.session.session import Session
from flownb.session.step_options import parse_card, parse_spin
from flownb.session.transfers import show_transfers

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
        return command(arguments, rest)
    except FlownbError as error:
        cause = error.__cause__
        if cause is not None:
            _print_user_error(cause)
        print(f"flownb: {error.headline}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ParameterError) else 1
    except KeyboardInterrupt as error:
        print(f"flownb: {error}".replace("%flow", "flownb") if str(error) else "flownb: interrupted", file=sys.stderr)
        return 130
    except (Exception, SystemExit) as error:
        if user_frames(error) is None:
            raise
        _print_user_error(error)  # a step's own, or shared code's
        return 1


def _parser() -> argparse.ArgumentParser:
    """The parser of the words before a flow's own parameters."""
    parser = argparse.ArgumentParser(prog="flownb", description="Metaflow flows written one notebook cell at a time.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace, list[str]], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text.replace("%%", "%"), allow_abbrev=False)
        sub.add_argument("notebook", type=Path, help="the .ipynb file")
        sub.set_defaults(command=command)
        return sub

    sub = add("run", run, "Run the whole flow; --NAME VALUE sets a parameter, --tag NAME tags the run.")
    sub.usage = (
        "flownb run NOTEBOOK [--PARAMETER VALUE] [--config NAME FILE] [--config-value NAME JSON] [--tag NAME] "
        "[--with DECORATOR] [--branch NAME] [--production] [--max-workers N] [--max-num-splits N] "
        "[--executor process|inline|dask|dask=tcp://HOST:PORT] [-- --PARAMETER VALUE]"
    )
    sub = add("resume", resume, "Run again what is not valid any more of an earlier run.")
    sub.usage = (
        "flownb resume NOTEBOOK [STEP] [--origin-run-id RUN] [--tag NAME] [--with DECORATOR] [--branch NAME] "
        "[--production] [--max-workers N] [--max-num-splits N] "
        "[--executor process|inline|dask|dask=tcp://HOST:PORT]"
    )
    sub = add("status", status, "Say what is stale and why, and what a resume would do.")
    sub.usage = "flownb status NOTEBOOK [--origin-run-id RUN]"
    sub = add("spin", spin, "Run one step on persisted parents, recording nothing; options as for %%spin.")
    sub.usage = (
        "flownb spin NOTEBOOK STEP [--from RUN[/STEP/TASK]] [--index N] [--set NAME=VALUE] [--artifacts-module FILE] "
        "[--config NAME FILE] [--config-value NAME JSON] [--with DECORATOR] [--branch NAME] [--production] "
        "[--persist] [--skip-decorators] [--isolate process]"
    )
    sub = add("check", check, "List what the static checks find; fails if there are errors.")
    sub.add_argument("--strict", action="store_true", help="fail if there are warnings, too")
    sub = add("export", export, "Write flow.py, which runs on Metaflow.")
    sub.add_argument("-o", "--output", type=Path, default=Path("flow.py"), help="file to write, - for standard output")
    sub.add_argument("--strict", action="store_true", help="refuse artifacts that Metaflow cannot store")
    add("show", show, "Print the DAG with each step's state.")
    sub = add("card", card, "Show a step's newest card as text, or write it as an HTML page.")
    sub.usage = "flownb card NOTEBOOK STEP [--id ID] [--index N] [--from RUN[/STEP/TASK]] [-o FILE.html]"
    sub.add_argument("-o", "--output", type=Path, help="HTML file to write, - for standard output")
    add_commands(commands)
    add_logs(commands)
    return parser


def _open(path: Path) -> Session:
    """A session on a notebook file; steps then run in the notebook's folder, as in a kernel."""
    from flownb.cells.notebook import read_notebook

    notebook = read_notebook(path)
    session = Session(path.resolve(), folder=path.resolve().parent)
    session.warn = _print_warning
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
    for note in session.not_applied(added=options.decorators):
        print(f"note: {note}")
    run = session.begin(options)
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
    for note in session.not_applied(added=options.run.decorators):
        print(f"note: {note}")
    plan = session.resume(options)
    run = plan.begin()
    try:
        return _drive(session, run, alone=options.run.executor == "inline")
    finally:
        print(f"resumed {plan.origin.flow}/{plan.origin.run}")
        print("".join(f"  {line}\n" for line in plan.lines), end="")


def status(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb status NOTEBOOK [--origin-run-id 7]``."""
    from flownb.session.status import flow_status

    origin = parse_status(rest)
    print("\n".join(flow_status(_open(arguments.notebook), origin).lines()))
    return 0


def _drive(session: Session, run: FlowRun, *, alone: bool) -> int:
    """Drive a run to its end and show what happens."""
    from flownb.cli.progress import progress_view
    from flownb.picture import dag_text
    from flownb.session.progress import Progress
    from flownb.session.tally import Tally

    tally = Tally(run.pathspec, session.program(False).graph.order)
    view = progress_view(tally, alone=alone)
    progress = Progress(run.pathspec, write=view.write)
    for subscriber in (tally, progress, view):
        session.events.subscribe(subscriber)
    try:
        with view:
            outcome = run.drive()
    finally:
        print(dag_text(session.picture(session.became(progress.states))))
        print("".join(f"note: {note}\n" for note in run.notes), end="")
    print(f"run {outcome.pathspec}: {outcome.tasks} tasks in {outcome.seconds:.2f} s")
    return 0


def spin(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb spin NOTEBOOK STEP [--from …] [--set …]``."""
    options = parse_spin(rest)
    if options.artifacts_module is not None:
        from dataclasses import replace

        options = replace(options, artifacts_module=options.artifacts_module.resolve())
    session = _open(arguments.notebook)
    outcome = session.spin(options, display=_print_value)
    print("\n".join(outcome.report.lines()))
    if outcome.task is not None:
        print(f"  kept   {outcome.task.pathspec} in {session.spin_datastore.location}")
    for name, value in outcome.values.items():
        print(f"  {name} = {_short(value)}")
    return 0


def check(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb check NOTEBOOK [--strict]``."""
    from flownb.flow.lint import counted, errors_of

    _no_more(rest)
    session = _open(arguments.notebook)
    found = session.check()
    for diagnostic in found:
        print(diagnostic)
    print(f"{session.flow.name}: {len(session.flow.all_steps)} steps, {counted(found)}")
    return 1 if errors_of(found) or (found and arguments.strict) else 0


def export(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb export NOTEBOOK -o flow.py``."""
    _no_more(rest)
    output: Path = arguments.output if str(arguments.output) == "-" else arguments.output.resolve()
    session = _open(arguments.notebook)
    text = session.export("flow.py" if str(output) == "-" else output.name, strict=arguments.strict)
    for found in session.found_at_export():
        print(f"warning: {found}", file=sys.stderr)
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
    session.check()  # says so when there are no steps
    print(dag_text(session.picture()))
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
