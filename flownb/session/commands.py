"""The commands of a flow with their options and examples: what ``--help`` says, in a notebook and on the command line.

One description for both; the parsers of `flownb.session.options` and `flownb.session.step_options` accept what it
names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flownb.errors import NotFound, ParameterError, nearest

__all__ = [
    "CELLS",
    "COMMANDS",
    "STORE_EXAMPLES",
    "Command",
    "Option",
    "asks_for_help",
    "command_help",
    "option_names",
    "overview",
    "write_output",
]


Face = Literal["magic", "command"]

# Columns of an option before what it means.
WIDTH = 30


@dataclass(frozen=True)
class Option:
    """An option of a command.

    Attributes
    ----------
    name : str
        With its dashes; empty for the options that the flow's parameters are.
    value : str
        What follows it; empty for a flag.
    text : str
    face : {"magic", "command"} or None
        Where alone it can be given.
    """

    name: str
    value: str
    text: str
    face: Face | None = None

    @property
    def shown(self) -> str:
        """The option with its value."""
        return f"{self.name} {self.value}".strip()


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes
    ----------
    name : str
    arguments : str
        What comes first.
    text : str
        What it does, as a sentence.
    options : tuple of Option
    examples : tuple of (str, str)
        Words after the command's name, and what they do.
    notebook : str
        How a notebook calls it; empty if only the command line has it.
    terminal : str
        How the command line calls it; empty if only notebooks have it.
    """

    name: str
    arguments: str
    text: str
    options: tuple[Option, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    notebook: str = ""
    terminal: str = ""

    def call(self, face: Face) -> str:
        """The words that call it."""
        return self.notebook if face == "magic" else self.terminal

    def usage(self, face: Face) -> str:
        """Its call on one line."""
        has_options = any(one.face in (None, face) for one in self.options) and "[OPTIONS]" not in self.arguments
        return " ".join(part for part in (self.call(face), self.arguments, "[OPTIONS]" * has_options) if part)

    def details(self, face: Face) -> list[str]:
        """Its options and examples, as lines."""
        lines = []
        if options := [one for one in self.options if one.face in (None, face)]:
            lines += ["options:", *(f"  {one.shown:<{WIDTH}} {one.text}".rstrip() for one in options)]
        if self.examples:
            calls = [f"{self.call(face)} {words}".rstrip() for words, _ in self.examples]
            width = max(map(len, calls))
            texts = [text for _, text in self.examples]
            examples = [f"  {call:<{width}}  # {text}" for call, text in zip(calls, texts, strict=True)]
            lines += [*([""] if lines else []), "examples:", *examples]
        return lines


_PARAMETER = Option("--PARAMETER", "VALUE", "a parameter of the flow; after `--` whatever its name is")
_CONFIGS = (
    Option("--config", "NAME FILE", "the file that a config is read from"),
    Option("--config-value", "NAME TEXT", "a config's value, as JSON, or for its own parser"),
)
_LAUNCH = (
    Option("--with", "DECORATOR", "a step decorator for every step that does not have it: retry:times=2"),
    Option("--branch", "NAME", "the branch of the flow's @project"),
    Option("--production", "", "the production branch of the flow's @project"),
)
_RUN = (
    Option("--tag", "NAME", "a tag of the run; can be given several times"),
    Option("--max-workers", "N", "tasks that run at once; default: the processors"),
    Option("--max-num-splits", "N", "the largest foreach; default: 100"),
    Option("--executor", "KIND", "where tasks run: process (default), inline, dask, or dask=tcp://HOST:PORT"),
    *_LAUNCH,
    Option("--background", "", "return at once and leave the kernel free", "magic"),
)
_FROM = Option("--from", "RUN[/STEP[/TASK]]", "an earlier run or task; default: the newest results")
_INDEX = Option("--index", "N", "which item of the innermost foreach, from 0")
_ORIGIN = Option("--origin-run-id", "RUN", "the run to resume; default: the newest")

COMMANDS = (
    Command(
        "run",
        "",
        "Run the whole flow as a new run.",
        (_PARAMETER, *_CONFIGS, *_RUN),
        (
            ("", "with the defaults of all parameters"),
            ("--alpha 0.2 --tag nightly", "with another parameter, and a tag"),
            ("--with retry:times=2 --max-workers 2", "try failed tasks again, two tasks at once"),
            ("--config-value cfg '{\"depth\": 6}'", "with another config"),
        ),
        "%flow run",
        "flownb run NOTEBOOK",
    ),
    Command(
        "resume",
        "[STEP]",
        "Run again what is not valid any more of an earlier run, or STEP and all that comes after it.",
        (_ORIGIN, *_RUN),
        (
            ("", "what changed since the newest run, or failed in it"),
            ("train", "`train` and all that comes after it, in any case"),
            ("--tag again", "tag the new run"),
        ),
        "%flow resume",
        "flownb resume NOTEBOOK",
    ),
    Command(
        "status",
        "",
        "Say what is stale and why, and what a resume would do.",
        (_ORIGIN,),
        (("", "of the newest run"),),
        "%flow status",
        "flownb status NOTEBOOK",
    ),
    Command(
        "runs",
        "",
        "List the flow's runs, newest first: id, start, status, time, changed parameters, tags.",
        (
            Option("--tag", "NAME", "only runs with this tag; can be given several times"),
            Option("--status", "STATUS", "only runs that are running, done, failed or interrupted"),
            Option("--limit", "N", "runs at most; default: 20"),
        ),
        (("", "the newest 20"), ("--status done --limit 5", "the newest five that ended well")),
        "%flow runs",
        "flownb runs NOTEBOOK",
    ),
    Command(
        "use",
        "[RUN]",
        "Take another run's results where this notebook has nothing newer, or say which is used.",
        (Option("--none", "", "use no other run again"),),
        (("", "what is used"), ("--none", "only the notebook's own results")),
        "%flow use",
        "flownb use NOTEBOOK",
    ),
    Command(
        "load",
        "TASK [NAME …]",
        "Set the artifacts of a task, named by STEP, RUN/STEP or RUN/STEP/TASK, as variables.",
        (_INDEX, Option("--overwrite", "", "also variables that the notebook has already")),
        (("train", "all of the newest result"), ("train --index 1", "those of one item of a foreach")),
        "%flow load",
    ),
    Command(
        "stop",
        "[RUN]",
        "Stop the runs that continue in the background, or one of them.",
        examples=(("", "all of them"),),
        notebook="%flow stop",
    ),
    Command(
        "logs",
        "STEP",
        "Show again what the tasks of a step wrote and displayed.",
        (
            _FROM,
            _INDEX,
            Option("--attempt", "N", "which attempt, from 0; default: the last"),
            Option("--all", "", "all tasks, however many"),
        ),
        (("train", "the newest results"), ("train --index 1", "one item of a foreach")),
        "%flow logs",
    ),
    Command(
        "report",
        "[STEP]",
        "Show the report of a step that was executed or spun in this kernel, with its details.",
        examples=(("", "the newest"), ("train", "of one step")),
        notebook="%flow report",
    ),
    Command(
        "check",
        "",
        "List what the static checks find.",
        (Option("--strict", "", "fail if there are warnings, too", "command"),),
        (("", "all steps"),),
        "%flow check",
        "flownb check NOTEBOOK",
    ),
    Command(
        "export",
        "[FILE]",
        "Write the flow as a Metaflow file; default: flow.py.",
        (Option("--strict", "", "refuse artifacts that Metaflow cannot store"),),
        (("", "to flow.py"), ("train.py --strict", "to another file")),
        "%flow export",
    ),
    Command(
        "spin",
        "STEP",
        "Run one step on a copy of its parents' results, recording nothing.",
        (
            _FROM,
            _INDEX,
            Option("--set", "NAME=VALUE", "another value of an artifact or parameter that the step reads"),
            Option("--artifacts-module", "FILE", "a Python file whose dictionary ARTIFACTS has such values"),
            *_CONFIGS,
            *_LAUNCH,
            Option("--persist", "", "keep the task in the spin datastore"),
            Option("--skip-decorators", "", "without the step's decorators"),
            Option("--isolate", "process", "in a process of its own, not in the kernel's"),
            Option("--pdb", "", "open the debugger where the step fails; with --from, as in that task"),
        ),
        (
            ("train", "on the newest results"),
            ("train --index 1", "another item of the foreach"),
            ("train --set k=15", "with another value"),
        ),
        "%spin",
        "flownb spin NOTEBOOK",
    ),
    Command(
        "card",
        "STEP",
        "Show the newest card of a step, recorded or spun.",
        (
            Option("--id", "ID", "one of several cards"),
            _INDEX,
            _FROM,
            Option("-o", "FILE", "write it as an HTML page; - is standard output", "command"),
        ),
        (("train", "all its cards"), ("train --id curves", "one of them")),
        "%card",
        "flownb card NOTEBOOK",
    ),
    Command(
        "show",
        "",
        "Print the DAG with each step's state.",
        examples=(("", "in a notebook: %flow alone"),),
        terminal="flownb show NOTEBOOK",
    ),
)

CELLS = (
    Command(
        "%%flow",
        "NAME[(BASE, …)]",
        "Name the flow; the cell is its class body: Parameter(…), Config(…), constants.",
        examples=(("TrainingFlow", "a flow of this name"),),
        notebook="%%flow",
    ),
    Command(
        "%%shared",
        "",
        "Define imports, functions, classes and constants that all steps see.",
        notebook="%%shared",
    ),
    Command(
        "%%step",
        "NAME [OPTIONS] [-> CAPTURE, …]",
        "Define a step and run it on its parents' newest results; captures become artifacts.",
        (
            Option("--after", "STEP,STEP", "the parents; default: the step cell above"),
            Option("--foreach", "ARTIFACT", "run once for each item of a parent's artifact; the item is `self.input`"),
            Option("--join", "[NAME]", "join the branches or tasks before it, as `inputs` or under another name"),
            Option("--when", "ARTIFACT=VALUE", "only when a parent's artifact has this value"),
        ),
        (
            ("load -> xs", "a step that sets the artifact xs"),
            ("train --foreach xs -> model, score", "once for each item of xs"),
            ("pick --join -> best", "once for all of them"),
        ),
        "%%step",
    ),
)

# Of commands that only the command line has, or that are called differently there.
STORE_EXAMPLES = {
    "export": (("NOTEBOOK -o train.py", "to another file"), ("NOTEBOOK -o -", "to standard output")),
    "runs": (
        ("NOTEBOOK", "those of a notebook's flow, with their parameters"),
        ("TrainingFlow --status failed --since 2d", "of the datastore here"),
    ),
    "timeline": (("TrainingFlow/2", "one run"),),
    "logs": (("TrainingFlow/2/train", "one step"), ("TrainingFlow/2 --stderr", "all that went to stderr")),
    "index": (("rebuild", "from the manifests"),),
    "gc": (("--dry-run", "only say it"), ("--keep-last 10 --older-than 30d", "keep the newest runs")),
    "du": (("", "the whole datastore"), ("TrainingFlow/2", "one run")),
    "rm": (("TrainingFlow/2", "one run"),),
}


def option_names(command: str) -> tuple[str, ...]:
    """The names of a command's options, those of the command line alone left out."""
    return tuple(one.name for one in _find(command).options if one.face != "command")


def command_help(name: str, face: Face) -> str:
    """What a command does, its options, and examples.

    Raises
    ------
    NotFound
        If there is no such command.
    """
    command = _find(name, face)
    return "\n".join(["usage: " + command.usage(face), "", command.text, "", *command.details(face)]).rstrip()


def overview() -> str:
    """All marks of cells and all commands of a notebook, a line each."""
    found = [one for one in COMMANDS if one.notebook]
    calls = [f"{one.notebook} {one.arguments}".rstrip() for one in found]
    width = sorted(map(len, calls))[-2]  # the longest sticks out, or all lines would be long
    lines = [f"  {call:<{width}}  {one.text}" for call, one in zip(calls, found, strict=True)]
    cells = [
        f"  {f'{one.name} NAME' if one.options or one.examples else one.name:<{width}}  {one.text}" for one in CELLS
    ]
    show = f"  {'%flow':<{width}}  Draw the DAG with each step's state."
    more = ["", "`%flow help COMMAND`, or `--help` behind a command, lists its options and has examples."]
    return "\n".join(["cells:", *cells, "", "commands:", show, *lines, *more])


def asks_for_help(words: Iterable[str]) -> bool:
    """Whether ``--help`` is among the words of a command, before a ``--``."""
    for word in words:
        if word == "--":
            return False
        if word in ("--help", "-h"):
            return True
    return False


def _find(name: str, face: Face | None = None) -> Command:
    """A command by its name."""
    known = {one.name.lstrip("%"): one for one in CELLS if face == "magic" and one.name != "%%flow"}
    known |= {one.name: one for one in COMMANDS if face is None or one.call(face)}
    name = name.lstrip("%")
    if name not in known:
        raise NotFound(
            f"`{name}` is not a command.{nearest(name, known)}", f"The commands are {', '.join(known)}.", "Correct it."
        )
    return known[name]


# MERGED-DOC session.output: Files that a user names to be written: ``flow.py``, a card's page.


def write_output(path: Path, text: str) -> None:
    """Write a text file in UTF-8.

    Raises
    ------
    ParameterError
        If it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParameterError(
            f"`{path}` cannot be written.", f"{error.strerror}.", "Name a file in a folder that exists."
        ) from error
