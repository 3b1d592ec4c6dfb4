"""The options of commands on one step: ``spin``, ``card``, ``logs``.

Takes words; gives checked options.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flownb.errors import NotFound, ParameterError, nearest
from flownb.flow.decorators import decorator_spec
from flownb.runtime.decorators import Recorded
from flownb.session.commands import option_names
from flownb.session.option_words import option_pair, option_value, whole_number

__all__ = [
    "CardOptions",
    "SpinOptions",
    "literal",
    "load_artifacts_module",
    "of_one_step",
    "parse_card",
    "parse_spin",
]

SPIN_OPTIONS = option_names("spin")
CARD_OPTIONS = option_names("card")
# Options that take no value.
FLAGS = ("--persist", "--skip-decorators", "--production", "--all", "--pdb")
# Options that take two words.
PAIRS = ("--config", "--config-value")


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
    config_files, config_values : dict of str to str
        What ``--config`` and ``--config-value`` say of a config, by its name.
    folder : Path
        Where the command was given: relative paths of ``--config`` start there.
    decorators : tuple of (str, dict)
        What ``--with`` adds to the step.
    branch : str or None
    production : bool
        Of the flow's ``@project``.
    pdb : bool
        Whether an exception of the step opens the debugger.
    """

    step: str
    origin: str | None = None
    index: int | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    artifacts_module: Path | None = None
    persist: bool = False
    skip_decorators: bool = False
    isolate: bool = False
    config_files: dict[str, str] = field(default_factory=dict)
    config_values: dict[str, str] = field(default_factory=dict)
    folder: Path = field(default_factory=Path.cwd)
    decorators: tuple[Recorded, ...] = ()
    branch: str | None = None
    production: bool = False
    pdb: bool = False


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


def parse_spin(given: Sequence[str]) -> SpinOptions:
    """Read ``train --from 7 --set k=15 --index 2``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.
    """
    found: dict[str, Any] = {}
    overrides: dict[str, str] = {}
    decorators: list[Recorded] = []
    configs: dict[str, dict[str, str]] = {"--config": {}, "--config-value": {}}
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
            case "--with":
                decorators.append(decorator_spec(text))
            case "--branch":
                found["branch"] = text
            case "--config" | "--config-value":
                name, _, value = text.partition("=")
                configs[option][name] = value
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
    if found.get("pdb") and found.get("isolate"):
        raise ParameterError(
            "`--pdb` and `--isolate process` cannot be given together.",
            "A debugger can look only into a step that runs in this process.",
            "Leave one of them out.",
        )
    found["config_files"], found["config_values"] = configs.values()
    return SpinOptions(overrides=overrides, decorators=tuple(decorators), **found)


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
                f"`{option}` is not an option of {command}.{nearest(option, options)}",
                f"It takes {', '.join(options)}.",
                "Correct it or leave it out.",
            )
        elif option in PAIRS:
            yield option, "=".join(option_pair(rest, option))
        else:
            yield option, "" if option in FLAGS else option_value(rest, option, equals, value)


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

    A join's has a dictionary for each joined task that it changes, by its pathspec (``RUN/STEP/TASK``).

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
