"""``flownb``: everything a notebook's flow can do, from its file, without a kernel.

The exit status is 0 if all went well, 1 if the flow or its checks failed, and 2 if the call is wrong. Words are read by
the table of commands (`flownb.session.commands`); what the commands do is in the modules beside this one.
"""

from __future__ import annotations

import os
import select
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click
import click.shell_completion

from flownb.cli import datastore as store
from flownb.cli import notebook
from flownb.cli.logs import logs
from flownb.configuration import configured
from flownb.errors import FlownbError, ParameterError, nearest
from flownb.runtime.failure import StepError, user_frames
from flownb.session.commands import COMMANDS
from flownb.session.completion import parameter_options, source_parameters
from flownb.session.parser import WIDTH, refused
from flownb.settings import working_folder
from flownb.version import __version__

__all__ = ["main"]

# The status of a command whose output nobody reads any more, as a shell has it for SIGPIPE.
BROKEN_PIPE = 141


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
    try:
        status = _called(list(sys.argv[1:] if words is None else words))
        print(end="", flush=True)  # what is still to be written when Python ends can raise nowhere
        return status
    except BrokenPipeError:
        unread = [output for output in (1, 2) if _is_unread(output)]
        if not unread:
            raise  # it is another pipe
        for output in unread:
            os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        return BROKEN_PIPE


def _is_unread(output: int) -> bool:
    """Whether a descriptor is a pipe that nobody reads any more, as that of ``flownb run --help | true``."""
    poll = select.poll()
    poll.register(output, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _called(words: list[str]) -> int:
    """Carry out what words say; the exit status."""
    group = _group()
    if "_FLOWNB_COMPLETE" in os.environ:
        return click.shell_completion.shell_complete(
            group, {"obj": configured}, "flownb", "_FLOWNB_COMPLETE", os.environ["_FLOWNB_COMPLETE"]
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
        print(notebook.in_terminal(f"flownb: {error.headline}: {error}"), file=sys.stderr)
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
        # Who reads the help later may have as many columns as a notebook.
        width = None if os.isatty(1) else WIDTH
        with group.make_context("flownb", words, terminal_width=width) as context:
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
        context_settings={"max_content_width": WIDTH, "help_option_names": ["-h", "--help"]},
    )
    click.version_option(__version__, prog_name="flownb", message="%(prog)s %(version)s")(group)
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
    try:
        path = Path(named).absolute()  # opening a notebook changes the working folder
    except OSError:
        return []  # it was removed
    try:
        configured()
        return parameter_options(notebook.open_notebook(path).program(False))
    except (Exception, SystemExit):  # help is printed even where the notebook, its code or a setting is wrong
        return [(f"{name} VALUE", text) for name, text in source_parameters(path)]


def completion(shell: str) -> int:
    """``flownb completion SHELL``."""
    kind = click.shell_completion.get_completion_class(shell)
    assert kind is not None  # the command reads no other name
    print(kind(_group(), {}, "flownb", "_FLOWNB_COMPLETE").source())
    return 0


def _print_user_error(error: BaseException) -> None:
    """The user's frames and message of an error that a step raised."""
    frames = user_frames(error)
    if isinstance(error, StepError):
        print(error.facts["traceback"], file=sys.stderr, end="")
    elif frames is not None:
        print("".join(traceback.format_exception(type(error), error, frames)), file=sys.stderr, end="")


# The function of each command, by its name.
CALLS: Mapping[str, Callable[..., int]] = {
    "run": notebook.run,
    "resume": notebook.resume,
    "status": notebook.status,
    "use": notebook.use,
    "spin": notebook.spin,
    "check": notebook.check,
    "export": notebook.export,
    "show": notebook.show,
    "card": notebook.card,
    "runs": notebook.runs,
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
