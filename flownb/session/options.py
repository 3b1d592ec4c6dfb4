"""The options of ``run``, ``spin`` and ``card``, the same on a magic's line and on the command line.

Takes a magic's line or its words; gives checked options. Words that are no option of ours are the flow's parameters.
"""

from __future__ import annotations

import ast
import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flownb.errors import NotFound, ParameterError, nearest
from flownb.runtime.process import cores
from flownb.runtime.readiness import MAX_NUM_SPLITS
from flownb.session.executors import executor_named

__all__ = [
    "CardOptions",
    "ResumeOptions",
    "RunOptions",
    "SpinOptions",
    "of_one_step",
    "parse_card",
    "parse_resume",
    "parse_run",
    "parse_spin",
    "parse_status",
    "whole_number",
    "words",
]


@dataclass(frozen=True)
class RunOptions:
    """What ``run`` was asked for.

    Attributes
    ----------
    parameters : dict of str to object
        By name; texts are still to be converted.
    tags : tuple of str
    max_num_splits : int
        The largest foreach.
    workers : int
        How many tasks run at once.
    workers_given : bool
        Whether the user gave that number.
    executor : str
        ``process``, ``inline``, ``dask``, or ``dask=`` and the address of a scheduler.
    background : bool
        Whether to return at once.
    config_files, config_values : dict of str to str
        What ``--config`` and ``--config-value`` say of a config, by its name.
    folder : Path
        Where the command was given: relative paths of files start there.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    max_num_splits: int = MAX_NUM_SPLITS
    workers: int = field(default_factory=cores)
    workers_given: bool = False
    executor: str = "process"
    background: bool = False
    config_files: dict[str, str] = field(default_factory=dict)
    config_values: dict[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)


@dataclass(frozen=True)
class ResumeOptions:
    """What ``resume`` was asked for.

    Attributes
    ----------
    step : str or None
        Run this step and all after it again, whatever is still valid; None runs what is not valid any more.
    origin : str or None
        The run to resume; None is the newest.
    run : RunOptions
        How the new run goes, without parameters: they are those of the origin.
    """

    step: str | None = None
    origin: str | None = None
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class SpinOptions:
    """What ``spin`` was asked for.

    Attributes
    ----------
    step : str
    origin : str or None
        ``RUN``, ``RUN/STEP`` or ``RUN/STEP/TASK`` to take inputs from.
    index : int or None
        Which item of the innermost foreach.
    overrides : dict of str to object
        Artifacts and parameters to replace; texts are still to be converted.
    artifacts_module : Path or None
        A Python file that defines ``ARTIFACTS``.
    persist : bool
    skip_decorators : bool
    isolate : bool
        Whether to run in a process of its own, instead of the kernel's.
    """

    step: str
    origin: str | None = None
    index: int | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    artifacts_module: Path | None = None
    persist: bool = False
    skip_decorators: bool = False
    isolate: bool = False


@dataclass(frozen=True)
class CardOptions:
    """What ``card`` was asked for.

    Attributes
    ----------
    step : str
    id : str or None
        One of several cards; None shows all of them.
    index : int or None
        Which item of the innermost foreach; None is the first.
    origin : str or None
        ``RUN``, ``RUN/STEP`` or ``RUN/STEP/TASK`` to show the card of; None is the newest, a spun one included.
    """

    step: str
    id: str | None = None
    index: int | None = None
    origin: str | None = None


def words(line: str) -> list[str]:
    """The words of a magic's line, as a shell tells them apart.

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
                f"`{line}` ends with a backslash.", "It belongs to the character after it.", "Write it twice or not."
            ) from None
        raise ParameterError(
            f"`{line}` has a quote that is not closed.",
            "A word with blanks in it stands between two quotes of one kind.",
            "Close it, or write a backslash before a quote that is part of the word.",
        ) from None


def _value(rest: list[str], option: str, equals: str, value: str) -> str:
    """The value of an option, given with ``=`` or as the next word."""
    if equals:
        return value
    if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
        raise ParameterError(f"`{option}` has no value.", "It needs one.", f"Write {option} VALUE.")
    return rest.pop(0)


def parse_run(given: Sequence[str]) -> RunOptions:
    """Read ``--alpha 0.2 --config cfg FILE --tag x --max-num-splits 500 --max-workers 4 --executor process``.

    Raises
    ------
    ParameterError
        If a word is no option, an option has no value, or a parameter is given twice.
    """
    rest = list(given)
    parameters: dict[str, Any] = {}
    tags: list[str] = []
    found: dict[str, Any] = {}
    configs: dict[str, dict[str, str]] = {"--config": {}, "--config-value": {}}
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not option.startswith("--") or len(option) < 3:
            raise ParameterError(
                f"`{word}` is no option of run.",
                "Parameters are given by name.",
                "Write --NAME VALUE, for example --alpha 0.2.",
            )
        if option == "--tag":
            tags.append(_value(rest, option, equals, value))
        elif option == "--max-num-splits":
            found["max_num_splits"] = whole_number(option, _value(rest, option, equals, value))
        elif option == "--max-workers":
            found["workers"], found["workers_given"] = _workers(_value(rest, option, equals, value)), True
        elif option == "--executor":
            found["executor"] = executor_named(_value(rest, option, equals, value))
        elif option == "--background":
            found["background"] = True
        elif option in configs and not equals:  # `--config=VALUE` is a parameter that is called config
            name, text = _pair(rest, option)
            configs[option][name] = text
        else:
            name = option[2:]
            if name in parameters:
                raise ParameterError(f"`{option}` is given twice.", "A parameter has one value.", "Remove one.")
            parameters[name] = _value(rest, option, equals, value)
    found["config_files"], found["config_values"] = configs.values()
    return RunOptions(parameters, tuple(tags), **found)


def _pair(rest: list[str], option: str) -> tuple[str, str]:
    """The two words after ``--config`` or ``--config-value``."""
    what, example = ("FILE", "prod.json") if option == "--config" else ("JSON", """'{"depth": 6}'""")
    if len(rest) < 2 or any(word.startswith("--") for word in rest[:2]):
        raise ParameterError(
            f"`{option}` needs two words.",
            f"They are the config's name and its {what}.",
            f"Write {option} NAME {what}, for example {option} cfg {example}.",
        )
    return rest.pop(0), rest.pop(0)


# The options of `run` that a resume takes too.
RESUME_OPTIONS = ("--tag", "--max-num-splits", "--max-workers", "--executor")


def parse_resume(given: Sequence[str]) -> ResumeOptions:
    """Read ``train --origin-run-id 7 --tag x --max-workers 4 --background``.

    Raises
    ------
    ParameterError
        If a word is no option, an option has no value, or a parameter of the flow is given.
    """
    rest, kept = list(given), list[str]()
    step: str | None = None
    origin: str | None = None
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option == "--origin-run-id":
            origin = _value(rest, option, equals, value)
        elif option == "--background":
            kept.append(word)
        elif option in RESUME_OPTIONS:
            kept += [option, _value(rest, option, equals, value)]
        elif option.startswith("-"):
            known = ("--origin-run-id", *RESUME_OPTIONS, "--background")
            raise ParameterError(
                f"`{option}` is no option of resume.{nearest(option, known)}",
                "A resume has the parameters of the run that it resumes, as in Metaflow.",
                f"Leave it out (the options are {', '.join(known)}), or start a run: run {word} …",
            )
        elif step is not None:
            raise ParameterError(
                f"`{word}` is one step too many.", f"resume starts from one step, here {step}.", "Remove it."
            )
        else:
            step = word
    return ResumeOptions(step, origin, parse_run(kept))


def parse_status(given: Sequence[str]) -> str | None:
    """Read ``--origin-run-id 7``; None if it is not given.

    Raises
    ------
    ParameterError
        If there is another word.
    """
    rest = list(given)
    origin: str | None = None
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if option != "--origin-run-id":
            raise ParameterError(
                f"`{word}` is no option of status.", "It takes --origin-run-id.", "Leave it out: all steps are shown."
            )
        origin = _value(rest, option, equals, value)
    return origin


SPIN_OPTIONS = ("--from", "--index", "--set", "--artifacts-module", "--persist", "--skip-decorators", "--isolate")
CARD_OPTIONS = ("--id", "--index", "--from")
# Options that take no value.
FLAGS = ("--persist", "--skip-decorators")


def parse_spin(given: Sequence[str]) -> SpinOptions:
    """Read ``train --from 7 --set k=15 --index 2``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.
    """
    found: dict[str, Any] = {}
    overrides: dict[str, str] = {}
    for option, text in of_one_step(given, SPIN_OPTIONS, command="spin", does="runs one step"):
        match option:
            case "":
                found["step"] = text
            case "--from":
                found["origin"] = text
            case "--index":
                found["index"] = whole_number(option, text)
            case "--artifacts-module":
                found["artifacts_module"] = Path(text)
            case "--isolate":
                if text != "process":
                    raise ParameterError(
                        f"`--isolate {text}` is not known.",
                        "A spin runs in the kernel, or in a process of its own.",
                        "Write --isolate process, or leave it out.",
                    )
                found["isolate"] = True
            case "--set":
                name, is_set, value = text.partition("=")
                if not is_set or not name.isidentifier():
                    raise ParameterError(
                        f"`--set {name}` sets nothing.", "It needs a name and a value.", "Write --set k=15."
                    )
                overrides[name] = value
            case flag:
                found[flag[2:].replace("-", "_")] = True
    if "step" not in found:
        raise ParameterError("spin names no step.", "It runs one step.", "Write spin STEP.")
    return SpinOptions(overrides=overrides, **found)


def parse_card(given: Sequence[str]) -> CardOptions:
    """Read ``train --id curves --index 2 --from 7``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.
    """
    found: dict[str, Any] = {}
    for option, text in of_one_step(given, CARD_OPTIONS, command="card", does="shows one step"):
        match option:
            case "":
                found["step"] = text
            case "--from":
                found["origin"] = text
            case "--index":
                found["index"] = whole_number(option, text)
            case _:
                found["id"] = text
    if "step" not in found:
        raise ParameterError("card names no step.", "It shows the card of one step.", "Write card STEP.")
    return CardOptions(**found)


def of_one_step(given: Sequence[str], options: Sequence[str], *, command: str, does: str) -> Iterator[tuple[str, str]]:
    """The options of a command on one step with their values, as they are given; the step has no option's name."""
    rest = list(given)
    step: str | None = None
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not option.startswith("-"):
            if step is not None:
                raise ParameterError(f"`{word}` is one step too many.", f"{command} {does}, here {step}.", "Remove it.")
            step = word
            yield "", word
        elif option not in options:
            raise ParameterError(
                f"`{option}` is no option of {command}.{nearest(option, options)}",
                f"It takes {', '.join(options)}.",
                "Correct it or leave it out.",
            )
        else:
            yield option, "" if option in FLAGS else _value(rest, option, equals, value)


def _workers(text: str) -> int:
    workers = whole_number("--max-workers", text)
    if not workers:
        raise ParameterError("`--max-workers 0` runs nothing.", "It is at least 1.", "Give another number.")
    return workers


def whole_number(option: str, text: str) -> int:
    """The number that an option was given."""
    if not text.isdecimal() or len(text) > 18:
        raise ParameterError(f"`{option} {text}` is no number.", "It is a whole number from 0.", f"Write {option} 2.")
    return int(text)


def literal(text: str) -> Any:
    """The value a user means by a text: a Python or JSON literal, else the text itself.

    Examples
    --------
    >>> literal("15"), literal("true"), literal("[1, 2]"), literal("big")
    (15, True, [1, 2], 'big')
    """
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):  # what `literal_eval` may raise
            continue
    return text


def load_artifacts_module(path: Path) -> dict[str, Any]:
    """The ``ARTIFACTS`` dictionary of a Python file, as for Metaflow's ``spin --artifacts-module``.

    Raises
    ------
    NotFound
        If the file cannot be read or defines no such dictionary.
    """
    import runpy

    try:
        names = runpy.run_path(str(path))
    except OSError as error:
        raise NotFound(f"`{path}` cannot be read.", f"{error.strerror}.", "Give the path of a Python file.") from error
    artifacts = names.get("ARTIFACTS")
    if not isinstance(artifacts, dict):
        raise NotFound(
            f"`{path}` defines no ARTIFACTS.", "It must hold a dictionary of that name.", 'Write ARTIFACTS = {"k": 15}.'
        )
    return artifacts
