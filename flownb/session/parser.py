"""How a command of flownb reads its words: click's commands, with flownb's messages.

`flownb.session.commands` lists the commands and their options; here is what all of them share. A notebook and a
terminal read a command with the same options, see `Command.parser`. A mistake is a `ParameterError` that says what
happened, why, and what to do. This module imports click, so a notebook imports it with its first command.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import click

from flownb.errors import ParameterError, nearest

__all__ = [
    "GIVEN",
    "Age",
    "Argument",
    "Command",
    "Face",
    "FlowName",
    "Moment",
    "NameValue",
    "OneOf",
    "Option",
    "Parser",
    "Whole",
    "asks_for_help",
    "refused",
    "words",
]

Face = Literal["magic", "command"]
# Given a parser's context and what is typed of a word, the words that complete it.
Complete = Callable[[click.Context, click.Parameter, str], list[str]]

# Where a context keeps the words of a call.
GIVEN = "flownb.given"
# Columns of a help text.
WIDTH = 110
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def words(line: str) -> list[str]:
    """The words of a magic's line, divided as a shell divides them.

    Raises
    ------
    ParameterError
        If a quote is not closed, or nothing follows a backslash.

    Examples
    --------
    >>> words("train --set 'title=a b'")
    ['train', '--set', 'title=a b']
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        if "escaped" in str(error):
            raise ParameterError(
                f"`{line}` ends with a backslash.",
                "A backslash belongs to the character after it.",
                "Write it twice, or remove it.",
            ) from None
        raise ParameterError(
            f"`{line}` has a quote that is not closed.",
            "A word with blanks in it is written between two quotes of one kind.",
            "Close it, or write a backslash before a quote that is part of the word.",
        ) from None


def asks_for_help(given: Iterable[str]) -> bool:
    """Whether ``--help`` or ``-h`` is among the words of a command, before a ``--``."""
    for word in given:
        if word == "--":
            return False
        if word in ("--help", "-h"):
            return True
    return False


class Option(click.Option):
    """An option of a command.

    Parameters
    ----------
    declarations : sequence of str
        As click has them: names with dashes, and perhaps the key under which the value is given.
    face : {"magic", "command"}, optional
        The only face that has it.
    attributes : object
        click's own.
    """

    def __init__(self, declarations: Sequence[str], *, face: Face | None = None, **attributes: Any) -> None:
        super().__init__(list(declarations), **attributes)
        self.face = face


class Argument(click.Argument):
    """A word of a command that has no option's name.

    Parameters
    ----------
    declaration : str
    noun : str
        What it names, for messages.
    text : str, optional
        What the help says of it.
    need : str, optional
        Why it is needed, as a sentence, if it is required.
    face : {"magic", "command"}, optional
    attributes : object
        click's own.
    """

    def __init__(
        self,
        declaration: str,
        noun: str,
        text: str = "",
        *,
        need: str = "",
        face: Face | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__([declaration], **attributes)
        self.noun, self.text, self.need, self.face = noun, text, need, face

    def make_metavar(self, *context: Any) -> str:  # click 8.1 gives no context
        """How it is shown in a usage line."""
        shown = self.metavar or str(self.name).upper()
        return shown if self.required else f"[{shown}]"


@dataclass(frozen=True)
class Command:
    """A command, for both faces.

    Attributes
    ----------
    name : str
    text : str
        What it does, as a sentence.
    notebook, terminal : str
        How a notebook and a terminal call it; empty if that face does not have it.
    parameters : tuple of (Option or Argument)
    examples : tuple of (str, str)
        Words after the call, and what they do.
    terminal_examples : tuple of (str, str), optional
        Those of the terminal, where they differ.
    of_flow : bool
        Whether other options are parameters of the flow.
    why : str
        Why an option is refused that it does not have, where this is not only a matter of names.
    fix : str
        What to do then, if there is a `why`.
    """

    name: str
    text: str
    notebook: str = ""
    terminal: str = ""
    parameters: tuple[Option | Argument, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    terminal_examples: tuple[tuple[str, str], ...] | None = None
    of_flow: bool = False
    why: str = ""
    fix: str = ""

    def call(self, face: Face) -> str:
        """The words that call it."""
        return self.notebook if face == "magic" else self.terminal

    def calls(self, face: Face) -> list[tuple[str, str]]:
        """Examples, as whole calls, and what they do."""
        own = self.terminal_examples if face == "command" else None
        return [(f"{self.call(face)} {said}".rstrip(), text) for said, text in (self.examples if own is None else own)]

    def options(self, face: Face) -> tuple[str, ...]:
        """The names of its options."""
        own = (one for one in self.parameters if isinstance(one, Option) and one.face in (None, face))
        return tuple(one.opts[-1] for one in own if not one.hidden)

    def parser(self, face: Face, callback: Callable[..., Any] | None = None) -> Parser:
        """What reads its words.

        Parameters
        ----------
        face : {"magic", "command"}
        callback : callable, optional
            Given what was read, by name.
        """
        return Parser(self, face, callback)

    def read(self, given: Sequence[str], face: Face = "magic") -> dict[str, Any]:
        """What its words say, by the names of its options and arguments.

        Raises
        ------
        ParameterError
            If a word is not accepted.
        """
        return dict(self.parser(face).make_context(self.call(face), list(given)).params)

    def help(self, face: Face, flow: Sequence[tuple[str, str]] = ()) -> str:
        """What it does, its options, and examples.

        Parameters
        ----------
        face : {"magic", "command"}
        flow : sequence of (str, str)
            The options that are parameters of the flow, and what they mean.
        """
        parser = self.parser(face)
        parser.flow_options = lambda given: flow
        with parser.make_context(self.call(face), [], resilient_parsing=True, terminal_width=WIDTH) as context:
            return parser.get_help(context)


class Parser(click.Command):
    """click's command for a `Command` and a face.

    Attributes
    ----------
    flow_options : callable
        Given the words, the options that are parameters of the flow, and what they mean: for the help.
    """

    def __init__(self, command: Command, face: Face, callback: Callable[..., Any] | None = None) -> None:
        super().__init__(
            command.name,
            params=[one for one in command.parameters if one.face in (None, face)],
            help=command.text,
            callback=callback,
            context_settings={
                "max_content_width": WIDTH,
                "help_option_names": ["--help"],
                "ignore_unknown_options": command.of_flow,
                "allow_extra_args": True,
            },
        )
        self.command, self.face = command, face
        self.flow_options: Callable[[list[str]], Iterable[tuple[str, str]]] = lambda given: ()

    # -- reading

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read words into ``ctx.params``.

        Raises
        ------
        ParameterError
            If a word is not accepted.
        """
        ctx.meta[GIVEN] = list(args)
        if ctx.resilient_parsing:
            # A shell completes what is typed; the value of the last option may be what is missing.
            return super().parse_args(ctx, args[:-1] if args and args[-1] in self._valued() else list(args))
        if asks_for_help(args):
            return super().parse_args(ctx, ["--help"])
        before, after = _divided(args)
        self._refuse_without_value(before)
        # `--config=VALUE` is a parameter that is called config.
        config = [word for word in before if self.command.of_flow and word.startswith("--config=")]
        own = [word for word in before if word not in config]
        try:
            super().parse_args(ctx, own if self.command.of_flow or after is None else [*own, "--", *after])
        except click.UsageError as error:
            raise refused(error, self.command, self.face) from None
        if self.command.of_flow:
            notebook = next((one for one in self.params if isinstance(one, Argument)), None)
            if notebook is not None and str(ctx.params[str(notebook.name)]).startswith("-"):
                raise _missing(self.command, self.face, notebook)  # it is an option of the flow
            ctx.params["parameters"] = _parameters([*ctx.args, *config], after or [], self.command.options(self.face))
            ctx.params["divided"] = after is not None
        elif ctx.args:
            raise self._one_too_many(ctx)
        return []

    def _valued(self) -> dict[str, click.Option]:
        """The options that have a value, by their names."""
        options = (one for one in self.params if isinstance(one, click.Option) and not one.is_flag)
        return {name: one for one in options for name in one.opts}

    def _refuse_without_value(self, given: list[str]) -> None:
        """Refuse an option whose value is missing; click would take the next option for it."""
        options, place = self._valued(), 0
        while place < len(given):
            name, place = given[place], place + 1
            option = options.get(name)
            if option is None:
                continue
            values = given[place : place + option.nargs]
            if len(values) < option.nargs or any(value.startswith("--") and len(value) > 2 for value in values):
                raise _without_value(name, option, of_flow=self.command.of_flow)
            place += option.nargs

    def _one_too_many(self, ctx: click.Context) -> ParameterError:
        """That a word has no meaning."""
        word, name = ctx.args[0], self.command.name
        accepted = [one for one in self.params if isinstance(one, Argument) and one.name != "notebook"]
        if not accepted and word.startswith("-"):
            listed = _listed(self.command.options(self.face))
            return ParameterError(f"`{word}` is not an option of {name}.", listed, "Leave it out.")
        if not accepted:
            named = any(isinstance(one, Option) and one.name == "output" for one in self.params)
            return ParameterError(
                f"`{word}` is one word too many.",
                f"{name} takes no {'more ' if self.face == 'command' else ''}words.",
                f"Write -o {word}." if named else "Leave it out.",
            )
        noun = accepted[-1].noun
        return ParameterError(
            f"`{word}` is one {noun} too many.",
            f"{name} takes one {noun}, here `{ctx.params[str(accepted[-1].name)]}`.",
            "Remove one of them.",
        )

    # -- help

    def get_short_help_str(self, limit: int = 45) -> str:
        """What the command does, in full: click would cut it in the list of all commands."""
        return self.command.text

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """What the usage line has after the call: what is always given comes first."""
        pieces = [piece for one in self.get_params(ctx) for piece in one.get_usage_pieces(ctx)]
        is_call = self.command.call(self.face).endswith(" NOTEBOOK")
        options = any(isinstance(one, Option) for one in self.params) or self.command.of_flow
        return [*(pieces[1:] if is_call and not ctx.parent else pieces), *(["[OPTIONS]"] if options else [])]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the words and options mean, those of the flow's own parameters first."""
        named = [(one.make_metavar(ctx), one.text) for one in self.params if isinstance(one, Argument) and one.text]
        if named:
            with formatter.section("Arguments"):
                formatter.write_dl(named, col_max=WIDTH // 3)
        own: Sequence[tuple[str, str]] = ()
        if self.command.of_flow:
            own = list(self.flow_options(ctx.meta.get(GIVEN, [])))
            if own:
                with formatter.section("Parameters of the flow"):
                    formatter.write_dl(own, col_max=WIDTH // 3)
        records = [one.get_help_record(ctx) for one in self.get_params(ctx) if not isinstance(one, click.Argument)]
        # click is not told of `-h`: it would find it in a parameter's value, such as -half; `asks_for_help` reads it.
        shown = [("-h, --help", text) if name == "--help" else (name, text) for name, text in filter(None, records)]
        if self.command.of_flow and not own:
            shown.insert(0, ("--PARAMETER VALUE", "A parameter of the flow; after `--` whatever its name is."))
        with formatter.section("Options"):
            formatter.write_dl(shown, col_max=WIDTH // 3)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line that can be copied."""
        if calls := self.command.calls(self.face):
            width = max(len(call) for call, _ in calls)
            with formatter.section("Examples"):
                for call, text in calls:
                    formatter.write(f"{'':{formatter.current_indent}}{call:<{width}}  # {text}\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """What completes the name of an option."""
        from click.shell_completion import CompletionItem

        found = super().shell_complete(ctx, incomplete)
        if self.command.of_flow and incomplete.startswith("-"):
            named = [name.split()[0] for name, _ in self.flow_options([str(ctx.params.get("notebook") or "")])]
            own = {item.value for item in found}
            found += [CompletionItem(name) for name in named if name.startswith(incomplete) and name not in own]
        return found


def refused(error: click.UsageError, command: Command | None = None, face: Face = "command") -> ParameterError:
    """What click refuses, in flownb's words."""
    name = command.name if command is not None else "flownb"
    if isinstance(error, click.NoSuchOption):
        known = command.options(face) if command is not None else ("--help", "--version")
        what = f"`{error.option_name}` is not an option of {name}."
        if command is not None and command.why:
            fix = command.fix.replace("OPTION", error.option_name)
            return ParameterError(what, f"{command.why} {_listed(known)}", fix)
        return ParameterError(
            f"{what}{nearest(error.option_name, known)}", _listed(known), "Correct it or leave it out."
        )
    if isinstance(error, click.MissingParameter) and isinstance(error.param, Argument) and command is not None:
        return _missing(command, face, error.param)
    if isinstance(error, click.BadOptionUsage):
        name = error.option_name
        options = [one for one in (command.parameters if command is not None else ()) if isinstance(one, Option)]
        option = next((one for one in options if name in one.opts and one.face in (None, face)), None)
        if command is not None and option is not None and not option.is_flag:
            return _without_value(name, option, of_flow=command.of_flow)
        return ParameterError(f"`{name}` is given a value.", "It is a switch and has none.", f"Write {name} alone.")
    if command is None:
        return ParameterError(
            "No command is named.", "flownb does nothing by itself.", "`flownb --help` lists commands."
        )
    return ParameterError(error.format_message(), "", "`--help` says what is accepted.")


def _missing(command: Command, face: Face, argument: Argument) -> ParameterError:
    """That a word is missing which a command needs."""
    named = [one for one in command.parameters if isinstance(one, Argument) and one.face in (None, face)]
    call = command.call(face)
    shown = [one.make_metavar() for one in named if not (one.name == "notebook" and call.endswith("NOTEBOOK"))]
    call = " ".join([call, *shown])
    return ParameterError(f"{command.name} is given no {argument.noun}.", argument.need, f"Write {call}.")


def _listed(known: Sequence[str]) -> str:
    """Which options a command has."""
    if len(known) == 1:
        return f"Its only option is {known[0]}."
    return f"Its options are {', '.join(known)}." if known else "It has no options."


def _without_value(name: str, option: click.Option, *, of_flow: bool) -> ParameterError:
    """That an option is not followed by its value, or by both of its values."""
    if option.nargs == 1:
        return ParameterError(f"`{name}` has no value.", "It needs one.", f"Write {name} VALUE.")
    what, example = ("FILE", "prod.json") if name == "--config" else ("JSON", """'{"depth": 6}'""")
    fix = f"Write {name} NAME {what}, for example {name} cfg {example}."
    if of_flow and name == "--config":
        fix += f" A parameter that is called {name[2:]} is given as {name}=VALUE."
    return ParameterError(f"`{name}` needs two words.", f"They are the config's name and its {what}.", fix)


def _divided(given: list[str]) -> tuple[list[str], list[str] | None]:
    """The words before ``--``, and those after it; None if there is no ``--``."""
    if "--" not in given:
        return list(given), None
    place = given.index("--")
    return given[:place], given[place + 1 :]


def _parameters(before: list[str], after: list[str], options: Sequence[str]) -> dict[str, str]:
    """The flow's parameters: what is not an option of the command, and all that is after ``--``."""
    found: dict[str, str] = {}
    for rest in (list(before), list(after)):
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            if not name.startswith("--") or len(name) < 3:
                raise ParameterError(
                    f"`{word}` is not an option of run.",
                    "Parameters are given by name.",
                    "Write --NAME VALUE, for example --alpha 0.2.",
                )
            if name[2:] in found:
                raise ParameterError(f"`{name}` is given twice.", "A parameter has one value.", "Remove one.")
            if not equals:
                if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
                    if meant := nearest(name, options):
                        raise ParameterError(
                            f"`{name}` is not an option of run.{meant}", "A parameter has a value.", "Correct it."
                        )
                    raise ParameterError(f"`{name}` has no value.", "It needs one.", f"Write {name} VALUE.")
                value = rest.pop(0)
            found[name[2:]] = value
    return found


# -- types of values

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # it is generic since click 8.2


def _name(parameter: click.Parameter | None) -> str:
    """What a message calls an option or argument."""
    return parameter.opts[-1] if isinstance(parameter, click.Option) else "this"


class Whole(_ParamType):
    """A whole number.

    Parameters
    ----------
    least : int
    why : str, optional
        Why it is not less.
    """

    name = "n"

    def __init__(self, least: int = 0, why: str = "") -> None:
        self.least, self.why = least, why

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        if isinstance(value, int):
            return value
        name, text = _name(param), str(value)
        if not text.isdecimal() or len(text) > 18:
            raise ParameterError(
                f"`{name} {text}` is not accepted.",
                f"It has to be a whole number from {self.least}.",
                f"Write {name} 2, for example.",
            )
        if int(text) < self.least:
            raise ParameterError(
                f"`{name} {text}` {self.why}.", f"It is at least {self.least}.", "Give another number."
            )
        return int(text)


class OneOf(_ParamType):
    """One of a few words.

    Parameters
    ----------
    accepted : sequence of str
    noun : str
        What it is, for messages: ``"a status of a run"``.
    """

    name = "word"

    def __init__(self, accepted: Sequence[str], noun: str) -> None:
        self.accepted, self.noun = tuple(accepted), noun

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse another one."""
        if value not in self.accepted:
            raise ParameterError(
                f"`{value}` is not {self.noun}.{nearest(str(value), self.accepted)}",
                f"Accepted: {', '.join(self.accepted)}.",
                "Correct it.",
            )
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The words that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(one) for one in self.accepted if one.startswith(incomplete)]


class FlowName(_ParamType):
    """The name of a flow's class."""

    name = "flow"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what no class can be called."""
        from keyword import iskeyword

        if not str(value).isidentifier() or not str(value).isascii() or iskeyword(str(value)):
            raise ParameterError(
                f"`{value}` cannot be a flow's name.",
                "It becomes the name of a class: ASCII letters, digits and `_`, no digit first, no keyword.",
                "Write a name such as TrainingFlow.",
            )
        return str(value)


class NameValue(_ParamType):
    """``NAME=VALUE``."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The name and the value."""
        name, equals, text = str(value).partition("=")
        if not equals or not name.isidentifier():
            raise ParameterError(
                f"`{_name(param)} {name}` sets nothing.",
                "It needs a name and a value.",
                f"Write {_name(param)} k=15, for example.",
            )
        return name, text


class Age(_ParamType):
    """Seconds, as ``30d``, ``12h``, ``45m``, ``10s`` or ``2w``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        seconds = _seconds(str(value))
        if seconds is None:
            raise ParameterError(
                f"`{_name(param)} {value}` is not an age.",
                "It is a number with s, m, h, d or w behind it.",
                "Write for example 30d, 12h or 2w.",
            )
        return seconds


class Moment(_ParamType):
    """Seconds since the epoch, as an age (``2d``) or a local date, with a time if need be."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it."""
        seconds = _seconds(str(value))
        if seconds is not None:
            return time.time() - seconds
        try:
            return datetime.fromisoformat(str(value)).timestamp()
        except ValueError:
            raise ParameterError(
                f"`{_name(param)} {value}` is not a date.",
                "It is a date, with a time if you like, or how long ago it was.",
                "Write 2d, 2026-01-31 or 2026-01-31T12:00.",
            ) from None


def _seconds(text: str) -> float | None:
    """The seconds of an age; None if it is not one."""
    found = DURATION.match(text.strip())
    return None if found is None else float(found[1]) * SECONDS[found[2]]
