"""The options of ``run``, ``resume`` and ``status``, the same on a magic's line and on the command line.

Reads the words of a magic's line or of a command. An option that is not one of these is a parameter of the flow, and so
is every option after ``--``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.flow.decorators import decorator_spec
from flownb.runtime.decorators import Recorded
from flownb.runtime.parameters.parameter import Parameter
from flownb.runtime.process import cores
from flownb.runtime.scheduler import MAX_NUM_SPLITS
from flownb.session.executors import executor_named
from flownb.session.option_words import option_pair, option_value, whole_number

__all__ = ["ResumeOptions", "RunOptions", "parse_resume", "parse_run", "parse_status", "refuse_ambiguous"]


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
    decorators : tuple of (str, dict)
        What ``--with`` adds to the steps.
    branch : str or None
    production : bool
        Of the flow's ``@project``.
    unclear : tuple of str
        Options that were given where a parameter of the same name would be given too.
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
    decorators: tuple[Recorded, ...] = ()
    branch: str | None = None
    production: bool = False
    unclear: tuple[str, ...] = ()


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


def parse_run(given: Sequence[str]) -> RunOptions:
    """Read ``--alpha 0.2 --config cfg FILE --tag x --with retry --max-workers 4 -- --executor spark``.

    Raises
    ------
    ParameterError
        If a word is not an option, an option has no value, or a parameter is given twice.
    """
    rest, after = _divided(given)
    parameters: dict[str, Any] = {}
    tags: list[str] = []
    decorators: list[Recorded] = []
    unclear: list[str] = []
    found: dict[str, Any] = {}
    configs: dict[str, dict[str, str]] = {"--config": {}, "--config-value": {}}
    while rest:
        option, equals, value = _option(rest.pop(0))
        if option in OPTIONS and after is None:
            unclear.append(option)
        if option == "--tag":
            tags.append(option_value(rest, option, equals, value))
        elif option == "--max-num-splits":
            found["max_num_splits"] = whole_number(option, option_value(rest, option, equals, value))
        elif option == "--max-workers":
            found["workers"], found["workers_given"] = _workers(option_value(rest, option, equals, value)), True
        elif option == "--executor":
            found["executor"] = executor_named(option_value(rest, option, equals, value))
        elif option in ("--background", "--production"):
            found[option[2:]] = True
        elif option == "--branch":
            found["branch"] = option_value(rest, option, equals, value)
        elif option == "--with":
            decorators.append(decorator_spec(option_value(rest, option, equals, value)))
        elif option in configs and not equals:  # `--config=VALUE` is a parameter that is called config
            name, text = option_pair(rest, option)
            configs[option][name] = text
        else:
            _parameter(parameters, rest, option, equals, value)
    while after:
        option, equals, value = _option(after.pop(0))
        _parameter(parameters, after, option, equals, value)
    found["config_files"], found["config_values"] = configs.values()
    return RunOptions(parameters, tuple(tags), decorators=tuple(decorators), unclear=tuple(unclear), **found)


# Options of `run` that Metaflow accepts as the name of a parameter.
OPTIONS = ("--executor", "--background", "--branch", "--production")
ALL_OPTIONS = (*OPTIONS, "--tag", "--max-workers", "--max-num-splits", "--with", "--config", "--config-value")


def _divided(given: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """The words before ``--``, and those after it; None if there is no ``--``."""
    words = list(given)
    if "--" not in words:
        return words, None
    position = words.index("--")
    return words[:position], words[position + 1 :]


def _option(word: str) -> tuple[str, str, str]:
    """An option's name, and its value if that is part of the word."""
    option, equals, value = word.partition("=")
    if not option.startswith("--") or len(option) < 3:
        raise ParameterError(
            f"`{word}` is not an option of run.",
            "Parameters are given by name.",
            "Write --NAME VALUE, for example --alpha 0.2.",
        )
    return option, equals, value


def _parameter(parameters: dict[str, Any], rest: list[str], option: str, equals: str, value: str) -> None:
    """Take over the value of a parameter."""
    name = option[2:]
    if name in parameters:
        raise ParameterError(f"`{option}` is given twice.", "A parameter has one value.", "Remove one.")
    if not equals and (not rest or rest[0].startswith("--")) and (meant := nearest(option, ALL_OPTIONS)):
        raise ParameterError(f"`{option}` is not an option of run.{meant}", "A parameter has a value.", "Correct it.")
    parameters[name] = option_value(rest, option, equals, value)


def refuse_ambiguous(options: RunOptions, parameters: Mapping[str, Parameter]) -> None:
    """Refuse an option that may also be meant for a parameter of the flow.

    Raises
    ------
    ParameterError
        If a parameter has the name of an option that was given without ``--``.
    """
    names: Iterable[str] = [one.name for one in parameters.values() if one.kind_name != "Config"]
    for option in options.unclear:
        if option[2:] in names:
            raise ParameterError(
                f"`{option}` can mean two things here: the option of run, and the parameter of that name.",
                "What is before `--` is an option of run, what is after it a parameter.",
                f"Write `-- {option} VALUE` at the end for the parameter. For the option, end the line with `--`.",
            )


# The options of `run` that a resume takes too.
RESUME_OPTIONS = ("--tag", "--max-num-splits", "--max-workers", "--executor", "--with", "--branch")
RESUME_FLAGS = ("--background", "--production")


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
            origin = option_value(rest, option, equals, value)
        elif option in RESUME_FLAGS:
            kept.append(word)
        elif option in RESUME_OPTIONS:
            kept += [option, option_value(rest, option, equals, value)]
        elif option.startswith("-"):
            known = ("--origin-run-id", *RESUME_OPTIONS, *RESUME_FLAGS)
            raise ParameterError(
                f"`{option}` is not an option of resume.{nearest(option, known)}",
                "A resume has the parameters of the run that it resumes, as in Metaflow.",
                f"Leave it out (the options are {', '.join(known)}), or start a run: run {word} …",
            )
        elif step is not None:
            raise ParameterError(
                f"`{word}` is one step too many.", f"resume starts from one step, here {step}.", "Remove it."
            )
        else:
            step = word
    return ResumeOptions(step, origin, parse_run([*kept, "--"]))


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
            raise ParameterError(f"`{word}` is not an option of status.", "It takes --origin-run-id.", "Leave it out.")
        origin = option_value(rest, option, equals, value)
    return origin


def _workers(text: str) -> int:
    workers = whole_number("--max-workers", text)
    if not workers:
        raise ParameterError("`--max-workers 0` runs nothing.", "It is at least 1.", "Give another number.")
    return workers
