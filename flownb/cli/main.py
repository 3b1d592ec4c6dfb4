"""``flownb``: everything a notebook's flow can do, from its file, without a kernel.

The exit status is 0 if all went well, 1 if the flow or its checks failed, and 2 if the call is wrong. Words are read by
the table of commands (`flownb.session.commands`); what the commands do is in the modules beside this one, each of which
is imported when one of its commands is called.
"""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from keyword import iskeyword
from pathlib import Path
from typing import Any

import click

from flownb.cli.configuration import configured
from flownb.collector import importing
from flownb.errors import FlownbError, ParameterError, nearest
from flownb.session.commands import COMMANDS
from flownb.session.completion import COMPLETE, parameter_options, source_parameters
from flownb.session.parser import WIDTH, refused
from flownb.settings import is_notebook_name, working_folder
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
    if COMPLETE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(group, {"obj": configured}, "flownb", COMPLETE, os.environ[COMPLETE])
    try:
        command = _read(group, _with_notebook_first(words))
        if command is None:
            return 0
        working_folder()
        configured()
        # Outside of click's contexts: a step that uses click itself finds none of ours.
        return command()
    except FlownbError as error:
        from flownb.cli.messages import in_terminal, print_user_error

        cause = error.__cause__
        if cause is not None:
            print_user_error(cause)
        print(in_terminal(f"flownb: {error.headline}: {error}"), file=sys.stderr)
        return 2 if isinstance(error, ParameterError) else 1
    except KeyboardInterrupt as error:
        print(f"flownb: {error}".replace("%flow", "flownb") if str(error) else "flownb: interrupted", file=sys.stderr)
        return 130
    except (Exception, SystemExit) as error:
        from flownb.cli.messages import print_user_error
        from flownb.runtime.failure import user_frames

        if user_frames(error) is None:
            if isinstance(error, BrokenPipeError) or not isinstance(error, OSError):
                raise
            # A full disk, a folder without permission, a file that vanished: the system's doing, and not a bug.
            about = f" (`{error.filename}`)" if error.filename else ""
            why = f"The system says: {error.strerror or error}{about}."
            print(f"flownb: The command stopped. {why} Remove the cause, then try again.", file=sys.stderr)
            return 1
        print_user_error(error)  # a step's own, or shared code's
        return 1


def _with_notebook_first(words: list[str]) -> list[str]:
    """The words with the notebook right after the command.

    It may be written behind options of the flow, whose values click cannot distinguish from it.
    """
    place = _place_of_notebook(words)
    if place is None or place < 2 or "--" in words[:place] or words[0] in WITHOUT_NOTEBOOK:
        return words
    return [words[0], words[place], *words[1:place], *words[place + 1 :]]


def _place_of_notebook(words: Sequence[str]) -> int | None:
    """Which of the words names the notebook; None if there is none.

    The file behind ``-o`` is the output. A file behind another option may be its value, as in ``--artifacts-module
    values.py``, so one that is not is preferred, and an ``.ipynb`` file to a script.
    """
    named = [
        place
        for place, (before, word) in enumerate(pairwise(words), 1)
        if is_notebook_name(word) and word[0] != "-" and before != "-o"
    ]
    alone = [place for place in named if not words[place - 1].startswith("-")]
    notebooks = [place for place in alone if words[place].endswith(".ipynb")]
    return next(iter(notebooks or alone or named), None)


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
            parser = command.parser("command", partial(_call, command.name))
            parser.flow_options = _flow_options
            group.add_command(parser)
    return group


def _call(name: str, **values: Any) -> Callable[[], int]:
    """The call of a command with the values that it read; only its own module is imported."""
    with importing():
        module = importlib.import_module(f"flownb.cli.{MODULES[name]}")
        function = getattr(module, f"{name}_" if iskeyword(name) else name)
    return partial(function, **values)


def _flow_options(given: Sequence[str]) -> list[tuple[str, str]]:
    """The parameters of the flow of a notebook, for the help of ``run``; for a shell by their names alone."""
    place = _place_of_notebook(["run", *given])
    if place is None:
        return []
    named = ["run", *given][place]
    if COMPLETE in os.environ:
        return source_parameters(Path(named))
    try:
        path = Path(named).absolute()  # opening a notebook changes the working folder
    except OSError:
        return []  # it was removed
    from flownb.cli.notebook import open_notebook

    try:
        configured()
        return parameter_options(open_notebook(path).program(False))
    except (Exception, SystemExit):  # help is printed even where the notebook, its code or a setting is wrong
        return [(f"{name} VALUE", text) for name, text in source_parameters(path)]


# The module beside this one that has the function of a command, which is called as the command; a word of Python's own
# has an underscore behind it.
MODULES: Mapping[str, str] = {
    "run": "run",
    "resume": "run",
    "status": "results",
    "use": "results",
    "spin": "spin",
    "check": "check",
    "export": "export",
    "sync": "sync",
    "import": "import_",
    "convert": "convert",
    "show": "results",
    "card": "results",
    "runs": "results",
    "diff": "diff",
    "logs": "logs",
    "timeline": "datastore",
    "du": "datastore",
    "gc": "datastore",
    "rm": "datastore",
    "index": "datastore",
    "completion": "completion",
}
# Those that take no notebook, another one than the first that is written, or two.
WITHOUT_NOTEBOOK = ("import", "runs", "diff", "timeline", "logs", "index", "gc", "du", "rm", "completion")


if __name__ == "__main__":
    sys.exit(main())
