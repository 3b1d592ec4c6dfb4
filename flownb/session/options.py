"""What a user asked a command for: the values of its options, checked.

`flownb.session.commands` says which options there are; a function here makes one object of the values that a command
read, the same for a notebook (``parse_…``, given words) and for a terminal (``…_options``, given values).
"""

from __future__ import annotations

import ast
import errno
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.errors import NotFound, ParameterError
from flownb.runtime.process import cores
from flownb.session.commands import read
from flownb.settings import MAX_NUM_SPLITS, max_workers

if TYPE_CHECKING:
    from flownb.runtime.decorators import Recorded
    from flownb.runtime.parameters.parameter import Parameter

__all__ = [
    "CardOptions",
    "ResumeOptions",
    "RunOptions",
    "SpinOptions",
    "card_options",
    "literal",
    "load_artifacts_module",
    "parse_card",
    "parse_resume",
    "parse_run",
    "parse_spin",
    "refuse_ambiguous",
    "resume_options",
    "run_options",
    "spin_options",
    "write_output",
]

# Options of `run` that Metaflow accepts as the name of a parameter, by the names of their values.
UNCLEAR = {"executor": "--executor", "background": "--background", "branch": "--branch", "production": "--production"}


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
    workers: int = field(default_factory=lambda: max_workers() or cores())
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
        Where the command was given: relative paths of ``--config`` start there; of no meaning without any.
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


def parse_run(given: Sequence[str]) -> RunOptions:
    """Read ``--alpha 0.2 --config cfg FILE --tag x --with retry --max-workers 4 -- --executor spark``.

    Raises
    ------
    ParameterError
        If a word is not an option, an option has no value, or a parameter is given twice.
    """
    return run_options(read("run", given))


def parse_resume(given: Sequence[str]) -> ResumeOptions:
    """Read ``train --origin-run-id 7 --tag x --max-workers 4 --background``.

    Raises
    ------
    ParameterError
        If a word is not an option, an option has no value, or a parameter of the flow is given.
    """
    return resume_options(read("resume", given))


def parse_spin(given: Sequence[str]) -> SpinOptions:
    """Read ``train --from 7 --set k=15 --index 2``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.
    """
    return spin_options(_spin_values(tuple(given)))


@lru_cache(maxsize=64)
def _spin_values(given: tuple[str, ...]) -> Mapping[str, Any]:
    """What the words of a spin say; they alone decide it, and a notebook spins with the same words again and again."""
    return read("spin", given)


def parse_card(given: Sequence[str]) -> CardOptions:
    """Read ``train --id curves --index 2 --from 7``.

    Raises
    ------
    ParameterError
        If an option is unknown or has no value, or no step is named.
    """
    return card_options(read("card", given))


def run_options(values: Mapping[str, Any]) -> RunOptions:
    """The options of ``run``, of the values that the command read.

    Raises
    ------
    ParameterError
        If the executor or a decorator of ``--with`` is not accepted.
    """
    unclear = () if values["divided"] else tuple(name for key, name in UNCLEAR.items() if values.get(key))
    return RunOptions(
        dict(values["parameters"]),
        config_files=dict(values["config_files"]),
        config_values=dict(values["config_values"]),
        unclear=unclear,
        **_of_a_run(values),
    )


def resume_options(values: Mapping[str, Any]) -> ResumeOptions:
    """The options of ``resume``, of the values that the command read.

    Raises
    ------
    ParameterError
        If the executor or a decorator of ``--with`` is not accepted.
    """
    return ResumeOptions(values["step"], values["origin"], RunOptions(**_of_a_run(values)))


def _of_a_run(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``run`` and ``resume`` have in common."""
    found: dict[str, Any] = {name: values[name] for name in ("max_num_splits", "workers") if values[name] is not None}
    if values["executor"] is not None:
        from flownb.session.executors import executor_named

        found["executor"] = executor_named(values["executor"])
    return {
        **found,
        **_launch(values),
        "tags": tuple(values["tags"]),
        "workers_given": values["workers"] is not None,
        "background": bool(values["background"]),
    }


def _launch(values: Mapping[str, Any]) -> dict[str, Any]:
    """What runs and spins have in common."""
    from flownb.flow.decorators import decorator_spec

    decorators = tuple(decorator_spec(text) for text in values["decorators"])
    return {"decorators": decorators, "branch": values["branch"], "production": bool(values["production"])}


def spin_options(values: Mapping[str, Any]) -> SpinOptions:
    """The options of ``spin``, of the values that the command read.

    Raises
    ------
    ParameterError
        If a decorator of ``--with`` is not accepted, or two options exclude each other.
    """
    if values["pdb"] and values["isolate"]:
        raise ParameterError(
            "`--pdb` and `--isolate process` cannot be given together.",
            "A debugger can look only into a step that runs in this process.",
            "Leave one of them out.",
        )
    same = ("step", "origin", "index", "artifacts_module", "persist", "skip_decorators", "pdb")
    return SpinOptions(
        **{name: values[name] for name in same},
        **_launch(values),
        overrides=dict(values["overrides"]),
        isolate=values["isolate"] is not None,
        config_files=dict(values["config_files"]),
        config_values=dict(values["config_values"]),
        folder=Path.cwd() if values["config_files"] else Path(),
    )


def card_options(values: Mapping[str, Any]) -> CardOptions:
    """The options of ``card``, of the values that the command read."""
    return CardOptions(**{name: values[name] for name in ("step", "id", "index", "origin")})


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


def literal(text: str) -> Any:
    """The value a user means by a text: a Python or JSON literal, else the text itself.

    Examples
    --------
    >>> literal("15"), literal("true"), literal("[1, 2]"), literal("big")
    (15, True, [1, 2], 'big')
    """
    for parse in (ast.literal_eval, json.loads):
        try:
            return parse(text)
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


def write_output(path: Path, text: str) -> None:
    """Write a text file that the user named, in UTF-8: ``flow.py``, a card's page.

    A file that is there is replaced as a whole, or not at all; a link leads to the file that is replaced.

    Raises
    ------
    ParameterError
        If it cannot be written.
    """
    import tempfile

    temporary = None
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")  # a device or a pipe; a folder is refused
            return
        mode = target.stat().st_mode & 0o777 if target.exists() else None
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
        temporary.chmod(0o666 & ~_umask() if mode is None else mode)
        temporary.replace(target)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise ParameterError(
            f"`{path}` cannot be written.", f"{error.strerror}.", "Name a file in a folder that exists."
        ) from error


def _umask() -> int:
    """The permissions that new files of this process do not have; asking for them sets them."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
