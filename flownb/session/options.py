"""The options of ``run``, ``resume`` and ``status``, the same on a magic's line and on the command line.

Takes a magic's line or its words; gives checked options. Words that are no option of ours are the flow's parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.process import cores
from flownb.runtime.readiness import MAX_NUM_SPLITS
from flownb.session.executors import executor_named
from flownb.session.option_words import option_value, whole_number

__all__ = ["ResumeOptions", "RunOptions", "parse_resume", "parse_run", "parse_status"]


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
            tags.append(option_value(rest, option, equals, value))
        elif option == "--max-num-splits":
            found["max_num_splits"] = whole_number(option, option_value(rest, option, equals, value))
        elif option == "--max-workers":
            found["workers"], found["workers_given"] = _workers(option_value(rest, option, equals, value)), True
        elif option == "--executor":
            found["executor"] = executor_named(option_value(rest, option, equals, value))
        elif option == "--background":
            found["background"] = True
        elif option in configs and not equals:  # `--config=VALUE` is a parameter that is called config
            name, text = _pair(rest, option)
            configs[option][name] = text
        else:
            name = option[2:]
            if name in parameters:
                raise ParameterError(f"`{option}` is given twice.", "A parameter has one value.", "Remove one.")
            parameters[name] = option_value(rest, option, equals, value)
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
            origin = option_value(rest, option, equals, value)
        elif option == "--background":
            kept.append(word)
        elif option in RESUME_OPTIONS:
            kept += [option, option_value(rest, option, equals, value)]
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
        origin = option_value(rest, option, equals, value)
    return origin


def _workers(text: str) -> int:
    workers = whole_number("--max-workers", text)
    if not workers:
        raise ParameterError("`--max-workers 0` runs nothing.", "It is at least 1.", "Give another number.")
    return workers
