"""The commands of flownb, their options and examples: one table for notebooks and terminals.

A magic, a command of the terminal, and the help of both are made from an entry of `COMMANDS`. To add an option, add it
to the entry, and read it in `flownb.session.options`. An option or argument with a `face` belongs to that face alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from flownb.errors import NotFound, nearest
from flownb.session.completion import (
    completed_config_file,
    completed_files,
    completed_folders,
    completed_runs,
    completed_steps,
)
from flownb.session.parser import (
    Age,
    Argument,
    Command,
    Face,
    FlowName,
    Moment,
    NameValue,
    OneOf,
    Option,
    Whole,
    asks_for_help,
)
from flownb.store.statuses import RunStatus

__all__ = ["CELLS", "COMMANDS", "asks_for_help", "command", "command_help", "option_names", "overview", "read"]


def _option(*declarations: str, **attributes: Any) -> Option:
    """An option with one value."""
    return Option(declarations, **attributes)


def _switch(*declarations: str, **attributes: Any) -> Option:
    """An option without a value."""
    return Option(declarations, is_flag=True, **attributes)


_NOTEBOOK = Argument(
    "notebook",
    "notebook",
    "The .ipynb file, or a percent script (.py).",
    need="It works on the flow of a notebook.",
    type=Path,
    face="command",
    shell_complete=completed_files,
)


def _step(need: str) -> Argument:
    """A step that has to be named, for a reason."""
    return Argument("step", "step", need=need, shell_complete=completed_steps)


_CONFIGS = (
    _option(
        "config_files",
        "--config",
        nargs=2,
        multiple=True,
        metavar="NAME FILE",
        shell_complete=completed_config_file,
        help="The file that a config is read from.",
    ),
    _option(
        "config_values",
        "--config-value",
        nargs=2,
        multiple=True,
        metavar="NAME TEXT",
        help="A config's value, as JSON, or for its own parser.",
    ),
)
_LAUNCH = (
    _option(
        "decorators",
        "--with",
        multiple=True,
        metavar="DECORATOR",
        help="A step decorator for every step that does not have it: retry:times=2.",
    ),
    _option("--branch", metavar="NAME", help="The branch of the flow's @project."),
    _switch("--production", help="The production branch of the flow's @project."),
)
_RUN = (
    _option("tags", "--tag", multiple=True, metavar="NAME", help="A tag of the run; can be given several times."),
    _option(
        "workers",
        "--max-workers",
        type=Whole(1, "runs nothing"),
        metavar="N",
        help="How many tasks run at once, from 1; default: as many as there are processors.",
    ),
    _option("--max-num-splits", type=Whole(), metavar="N", help="The largest foreach; default: 100."),
    _option(
        "--executor", metavar="KIND", help="Where tasks run: process (default), inline, dask, or dask=tcp://HOST:PORT."
    ),
    *_LAUNCH,
    _switch("--background", help="Return at once and leave the kernel free.", face="magic"),
    # It must not be read as a parameter of the flow.
    _switch("--background", hidden=True, face="command"),
)
_FROM = _option(
    "origin",
    "--from",
    metavar="RUN[/STEP[/TASK]]",
    shell_complete=completed_runs,
    help="An earlier run or task; default: the newest results.",
)
_INDEX = _option("--index", type=Whole(), metavar="N", help="Which item of the innermost foreach, from 0.")
_ORIGIN = _option(
    "origin",
    "--origin-run-id",
    metavar="RUN",
    shell_complete=completed_runs,
    help="The run to resume; default: the newest.",
)
_DATASTORE = _option(
    "--datastore",
    metavar="PLACE",
    face="command",
    shell_complete=completed_folders,
    help="A folder or s3://bucket/prefix; default: $FLOWNB_DATASTORE, or .flownb here.",
)
_RUN_PLACE = Argument("run", "run", need="It shows the tasks of one run.", metavar="FLOW/RUN")

COMMANDS = (
    Command(
        "run",
        "Run the whole flow as a new run.",
        "%flow run",
        "flownb run NOTEBOOK",
        (_NOTEBOOK, *_CONFIGS, *_RUN),
        (
            ("", "with the defaults of all parameters"),
            ("--alpha 0.2 --tag nightly", "with another parameter, and a tag"),
            ("--with retry:times=2 --max-workers 2", "try failed tasks again, two tasks at once"),
            ("--config-value cfg '{\"depth\": 6}'", "with another config"),
        ),
        of_flow=True,
    ),
    Command(
        "resume",
        "Run again what is no longer valid of an earlier run, or STEP and all that comes after it.",
        "%flow resume",
        "flownb resume NOTEBOOK",
        (_NOTEBOOK, Argument("step", "step", required=False, shell_complete=completed_steps), _ORIGIN, *_RUN),
        (
            ("", "what changed since the newest run, or failed in it"),
            ("train", "`train` and all that comes after it, in any case"),
            ("--tag again", "tag the new run"),
        ),
        why="A resume has the parameters of the run that it resumes, as in Metaflow.",
        fix="Leave it out, or start a run: run OPTION …",
    ),
    Command(
        "status",
        "Say what is stale and why, and what a resume would do.",
        "%flow status",
        "flownb status NOTEBOOK",
        (_NOTEBOOK, _ORIGIN),
        (("", "of the newest run"),),
    ),
    Command(
        "use",
        "Take another run's results where this notebook has nothing newer, or say which is used.",
        "%flow use",
        "flownb use NOTEBOOK",
        (
            _NOTEBOOK,
            Argument("run", "run", required=False, shell_complete=completed_runs),
            _switch("--none", help="Use no other run again."),
        ),
        (("", "what is used"), ("--none", "only the notebook's own results")),
    ),
    Command(
        "spin",
        "Run one step on a copy of its parents' results, recording nothing.",
        "%spin",
        "flownb spin NOTEBOOK",
        (
            _NOTEBOOK,
            _step("It runs one step."),
            _FROM,
            _INDEX,
            _option(
                "overrides",
                "--set",
                multiple=True,
                type=NameValue(),
                metavar="NAME=VALUE",
                help="Another value of an artifact or parameter that the step reads.",
            ),
            _option(
                "--artifacts-module",
                type=Path,
                metavar="FILE",
                shell_complete=completed_files,
                help="A Python file whose dictionary ARTIFACTS has such values.",
            ),
            *_CONFIGS,
            *_LAUNCH,
            _switch("--persist", help="Keep the task in the spin datastore."),
            _switch("--skip-decorators", help="Run without the step's decorators."),
            _option(
                "--isolate",
                metavar="process",
                type=OneOf(("process",), "a way to isolate a spin"),
                help="Run in a process of its own, not in the kernel's.",
            ),
            _switch("--pdb", help="Open the debugger where the step fails; with --from, as in that task."),
        ),
        (
            ("train", "on the newest results"),
            ("train --index 1", "another item of the foreach"),
            ("train --set k=15", "with another value"),
        ),
    ),
    Command(
        "check",
        "List what the static checks find.",
        "%flow check",
        "flownb check NOTEBOOK",
        (_NOTEBOOK, _switch("--strict", help="Fail if there are warnings, too.", face="command")),
        (("", "all steps"),),
    ),
    Command(
        "export",
        "Write the flow as a Metaflow file; default: flow.py.",
        "%flow export",
        "flownb export NOTEBOOK",
        (
            _NOTEBOOK,
            Argument(
                "output", "file", metavar="FILE", type=Path, required=False, default=Path("flow.py"), face="magic"
            ),
            _option(
                "-o",
                "--output",
                type=Path,
                default=Path("flow.py"),
                metavar="FILE",
                face="command",
                shell_complete=completed_files,
                help="The file to write; - is standard output.",
            ),
            _switch("--check", help="Write nothing; fail if the file is behind the notebook, edited or missing."),
            _switch("--force", help="Replace the file even if it has edits, or flownb did not write it."),
            _switch(
                "--requirements",
                help="Write requirements.txt and pyproject.toml with the packages that the flow imports, too.",
            ),
            _switch("--strict", help="Refuse artifacts that Metaflow cannot store."),
        ),
        (("", "to flow.py"), ("train.py --strict", "to another file"), ("--check", "is flow.py as the notebook is?")),
        (
            ("-o train.py", "to another file"),
            ("-o -", "to standard output"),
            ("--check", "is flow.py as the notebook is?"),
        ),
    ),
    Command(
        "sync",
        "Take edits of an exported file back into the notebook's cells; default: of flow.py.",
        "%flow sync",
        "flownb sync NOTEBOOK",
        (
            _NOTEBOOK,
            Argument(
                "file",
                "file",
                "The exported file; default: flow.py.",
                metavar="FILE",
                type=Path,
                required=False,
                default=Path("flow.py"),
                shell_complete=completed_files,
            ),
            _option(
                "--take",
                type=OneOf(("notebook", "flow"), "a side"),
                metavar="SIDE",
                help="Whose version counts where both changed the same: notebook or flow.",
                face="command",
            ),
            _switch("--dry-run", help="Show what would change in the cells, and write nothing.", face="command"),
        ),
        (("", "what a sync would change"),),
        (("", "the edits of flow.py"), ("train.py --take flow", "of another file, which wins conflicts")),
    ),
    Command(
        "import",
        "Write a Metaflow file, or a notebook with Kale's tags, as a notebook of flownb.",
        terminal="flownb import",
        parameters=(
            Argument(
                "file",
                "file",
                "A Metaflow file, or an .ipynb file with Kale's tags.",
                need="It makes a notebook of a file.",
                metavar="FILE",
                type=Path,
                shell_complete=completed_files,
            ),
            _option(
                "-o",
                "--output",
                type=Path,
                metavar="FILE",
                shell_complete=completed_files,
                help="The notebook to write, - for standard output, or a folder; default: beside the file.",
            ),
            _option("--flow", metavar="NAME", help="Which flow of the file; default: the one that it starts."),
            _switch("--force", help="Replace the notebook if it exists."),
        ),
        examples=(
            ("flow.py", "to flow.ipynb"),
            ("flow.py --flow TrainingFlow -o train.ipynb", "one of several flows"),
            ("flow.py -o . --force", "each flow of the file, to this folder"),
        ),
    ),
    Command(
        "convert",
        "Turn a plain notebook into a flow in a new file, and prove that it gives the same values.",
        "%flow convert",
        "flownb convert NOTEBOOK",
        (
            _NOTEBOOK,
            _option(
                "-o",
                "--output",
                type=Path,
                metavar="FILE",
                shell_complete=completed_files,
                help="The file to write; default: NAME_flow.ipynb beside the notebook.",
            ),
            _option(
                "parameters",
                "--parameter",
                multiple=True,
                metavar="NAME",
                help="A constant that becomes a parameter; can be given several times.",
            ),
            _option(
                "flow_name",
                "--name",
                type=FlowName(),
                metavar="FLOW",
                help="The flow's name; default: after the file to write.",
            ),
            _switch("--no-verify", help="Execute nothing: do not compare the values of both."),
            _switch("--force", help="Replace the file to write if it exists."),
            _switch("as_json", "--json", help="Print the result as JSON, for tools.", face="command"),
        ),
        (
            ("", "to NAME_flow.ipynb, with the proof"),
            ("--no-verify", "without executing anything"),
            ("--parameter alpha --name TrainFlow", "with a parameter and a name"),
        ),
        (
            ("-o flow.ipynb", "to another file"),
            ("--parameter alpha --no-verify", "with a parameter, without the proof"),
        ),
    ),
    Command(
        "show",
        "Print the DAG with each step's state.",
        terminal="flownb show NOTEBOOK",
        parameters=(_NOTEBOOK,),
        examples=(("", "in a notebook: %flow alone"),),
    ),
    Command(
        "card",
        "Show the newest card of a step, recorded or spun.",
        "%card",
        "flownb card NOTEBOOK",
        (
            _NOTEBOOK,
            _step("It shows the cards of one step."),
            _option("--id", metavar="ID", help="One of several cards."),
            _INDEX,
            _FROM,
            _option(
                "-o",
                "--output",
                type=Path,
                metavar="FILE",
                face="command",
                shell_complete=completed_files,
                help="Write it as an HTML page; - is standard output.",
            ),
        ),
        (("train", "all its cards"), ("train --id curves", "one of them")),
    ),
    Command(
        "load",
        "Set the artifacts of a task, named by STEP, RUN/STEP or RUN/STEP/TASK, as variables.",
        "%flow load",
        parameters=(
            Argument("place", "task", need="It sets the artifacts of one task.", metavar="TASK"),
            Argument("names", "artifact", metavar="NAME …", nargs=-1),
            _INDEX,
            _switch("--overwrite", help="Replace variables that the notebook has already, too."),
        ),
        examples=(("train", "all of the newest result"), ("train --index 1", "those of one item of a foreach")),
    ),
    Command(
        "logs",
        "Show again what the tasks of a step wrote and displayed.",
        "%flow logs",
        parameters=(
            _step("It shows what the tasks of one step wrote."),
            _FROM,
            _INDEX,
            _option("--attempt", type=Whole(), metavar="N", help="Which attempt, from 0; default: the last."),
            _switch("--all", help="All tasks, however many there are."),
        ),
        examples=(("train", "the newest results"), ("train --index 1", "one item of a foreach")),
    ),
    Command(
        "report",
        "Show the report of a step that was executed or spun in this kernel, with its details.",
        "%flow report",
        parameters=(Argument("step", "step", required=False),),
        examples=(("", "the newest"), ("train", "of one step")),
    ),
    Command(
        "stop",
        "Stop the runs that continue in the background, or one of them.",
        "%flow stop",
        parameters=(Argument("runs", "run", metavar="RUN", nargs=-1),),
        examples=(("", "all of them"),),
    ),
    Command(
        "runs",
        "List the flow's runs, newest first: id, start, status, time, changed parameters, tags.",
        "%flow runs",
        "flownb runs",
        (
            Argument(
                "flow",
                "notebook or flow",
                "A notebook, or the name of a flow in the datastore.",
                need="It lists the runs of one flow.",
                metavar="NOTEBOOK|FLOW",
                face="command",
                shell_complete=completed_files,
            ),
            _option(
                "tags",
                "--tag",
                multiple=True,
                metavar="NAME",
                help="Only runs with this tag; can be given several times.",
            ),
            _option(
                "--status",
                type=OneOf(get_args(RunStatus), "a status of a run"),
                metavar="STATUS",
                help=f"Only runs that are {', '.join(get_args(RunStatus))}.",
            ),
            _option("--limit", type=Whole(), metavar="N", default=20, help="How many at most; default: 20."),
            _option("--user", metavar="NAME", face="command", help="Only runs of this user."),
            _option(
                "--kind",
                type=OneOf(("run", "work", "spin"), "a kind of run"),
                metavar="KIND",
                default="run",
                face="command",
                help="run, work (of step cells) or spin; default: run.",
            ),
            _option(
                "--since",
                type=Moment(),
                metavar="WHEN",
                face="command",
                help="Only runs begun since: 2d, or 2026-01-31[T12:00].",
            ),
            _option("--until", type=Moment(), metavar="WHEN", face="command", help="Only runs begun before."),
            _option(
                "--before", type=Whole(), metavar="RUN", face="command", help="Only older runs: for the next page."
            ),
            _DATASTORE,
        ),
        (("", "the newest 20"), ("--status done --limit 5", "the newest five that ended well")),
        (
            ("NOTEBOOK", "those of a notebook's flow, with their parameters"),
            ("TrainingFlow --status failed --since 2d", "of the datastore here"),
        ),
    ),
    Command(
        "diff",
        "Say what differs between two notebooks, two runs, or a notebook and a run.",
        "%flow diff",
        "flownb diff",
        (
            Argument(
                "sides",
                "side",
                "A notebook, REVISION:NOTEBOOK of git, or FLOW/RUN[/STEP[/TASK]]. Without B, A's latest run.",
                need="It compares two sides, or a notebook with its latest run.",
                metavar="A [B]",
                nargs=-1,
                required=True,
                face="command",
                shell_complete=completed_files,
            ),
            Argument("sides", "side", metavar="A [B]", nargs=-1, face="magic", shell_complete=completed_runs),
            _option(
                "sections",
                "--only",
                multiple=True,
                type=OneOf(("graph", "code", "parameters", "artifacts", "run"), "a part of a diff"),
                metavar="PART",
                help="Only this: graph, code, parameters, artifacts or run; can be given several times.",
            ),
            _switch("--stat", help="Leave out the lines of code and the values."),
            _switch("--json", help="Print it as JSON.", face="command"),
            _DATASTORE,
        ),
        (
            ("", "this notebook and its latest run"),
            ("2", "run 2 and this notebook"),
            ("2 3 --only artifacts", "the results of two runs"),
        ),
        (
            ("NOTEBOOK", "a notebook and its latest run"),
            ("TrainingFlow/2 TrainingFlow/2 --stat", "two runs, in short"),
            ("NOTEBOOK NOTEBOOK --only code", "two notebooks"),
        ),
    ),
    Command(
        "logs",
        "Print what the tasks of a run, of a step, or one task wrote.",
        terminal="flownb logs",
        parameters=(
            Argument(
                "place", "run", need="It prints what the tasks of one run wrote.", metavar="FLOW/RUN[/STEP[/TASK]]"
            ),
            _switch("-f", "--follow", help="Continue until the run has ended."),
            _option("--attempt", type=Whole(), metavar="N", help="From 0; default: the last one of each task."),
            _switch("--stdout", help="Only what was written to stdout."),
            _switch("--stderr", help="Only what was written to stderr."),
            _DATASTORE,
        ),
        examples=(("TrainingFlow/2/train", "one step"), ("TrainingFlow/2 --stderr", "all that was written to stderr")),
    ),
    Command(
        "timeline",
        "Show when the tasks of a run began and ended.",
        terminal="flownb timeline",
        parameters=(_RUN_PLACE, _DATASTORE),
        examples=(("TrainingFlow/2", "one run"),),
    ),
    Command(
        "du",
        "Show how much room flows, runs and artifacts take, and what storing them once saved.",
        terminal="flownb du",
        parameters=(
            Argument("place", "flow or run", "One flow or run; default: all.", metavar="FLOW[/RUN]", required=False),
            _DATASTORE,
        ),
        examples=(("", "the whole datastore"), ("TrainingFlow/2", "one run")),
    ),
    Command(
        "gc",
        "Remove what no run needs: superseded results, old runs, and the blobs that were only theirs.",
        terminal="flownb gc",
        parameters=(
            _option("--keep-last", type=Whole(), metavar="N", help="Keep the newest N runs of each flow."),
            _option("--older-than", type=Age(), metavar="AGE", help="Remove only what is older: 30d, 12h, 2w."),
            _switch("--dry-run", help="Say what would be removed, and remove nothing."),
            _switch("--spin", help="Remove all that `spin --persist` kept."),
            _DATASTORE,
        ),
        examples=(("--dry-run", "only say it"), ("--keep-last 10 --older-than 30d", "keep the newest runs")),
    ),
    Command(
        "rm",
        "Remove runs; their ids are not given again.",
        terminal="flownb rm",
        parameters=(
            Argument(
                "runs", "run", need="It removes the runs that are named.", metavar="FLOW/RUN …", nargs=-1, required=True
            ),
            _switch("--force", help="Remove also what may be running, or what another run started from."),
            _DATASTORE,
        ),
        examples=(("TrainingFlow/2", "one run"),),
    ),
    Command(
        "index",
        "Rebuild the index, which makes lists fast, from the manifests.",
        terminal="flownb index",
        parameters=(
            Argument(
                "action",
                "action",
                need="Its only action is rebuild.",
                metavar="rebuild",
                type=OneOf(("rebuild",), "an action of index"),
            ),
            _DATASTORE,
        ),
        examples=(("rebuild", "from the manifests"),),
    ),
    Command(
        "completion",
        "Print what makes a shell complete commands, options, steps, runs and parameters on Tab.",
        terminal="flownb completion",
        parameters=(
            Argument(
                "shell",
                "shell",
                need="It prints what one shell reads.",
                metavar="bash|zsh|fish",
                type=OneOf(("bash", "zsh", "fish"), "a known shell"),
            ),
        ),
        examples=(("bash", 'eval "$(flownb completion bash)" in ~/.bashrc switches it on'),),
    ),
)

CELLS = (
    Command(
        "%%flow",
        "Name the flow; the cell is its class body: Parameter(…), Config(…), constants.",
        "%%flow",
        parameters=(Argument("name", "flow", need="It gives the flow a name.", metavar="NAME[(BASE, …)]"),),
        examples=(("TrainingFlow", "a flow of this name"),),
    ),
    Command("%%shared", "Define imports, functions, classes and constants that all steps see.", "%%shared"),
    Command(
        "%%step",
        "Define a step and run it on its parents' newest results; captures become artifacts.",
        "%%step",
        parameters=(
            Argument("name", "step", need="It defines one step.", metavar="NAME"),
            Argument(
                "captures",
                "capture",
                "After the options: `-> NAME, NAME`. They become artifacts.",
                metavar="-> CAPTURE, …",
                required=False,
            ),
            _option("--after", metavar="STEP,STEP", help="The parents; default: the step cell above."),
            _option(
                "--foreach",
                metavar="ARTIFACT",
                help="Run once for each item of a parent's artifact; the item is `self.input`.",
            ),
            _option(
                "--join",
                metavar="[NAME]",
                help="Join the branches or tasks before it, as `inputs` or under another name.",
            ),
            _option("--when", metavar="ARTIFACT=VALUE", help="Run only if a parent's artifact has this value."),
            _option("--signature", metavar="TEXT", help='The method\'s annotations: "(self) -> None".'),
        ),
        examples=(
            ("load -> xs", "a step that sets the artifact xs"),
            ("train --foreach xs -> model, score", "once for each item of xs"),
            ("pick --join -> best", "once for all of them"),
        ),
    ),
)


def command(name: str, face: Face = "magic") -> Command:
    """A command by its name.

    Raises
    ------
    NotFound
        If that face does not have it.
    """
    known = {one.name.lstrip("%"): one for one in CELLS if face == "magic" and one.name != "%%flow"}
    known |= {one.name: one for one in COMMANDS if one.call(face)}
    name = name.lstrip("%")
    if name not in known:
        raise NotFound(
            f"`{name}` is not a command.{nearest(name, known)}", f"The commands are {', '.join(known)}.", "Correct it."
        )
    return known[name]


def read(name: str, given: Iterable[str], face: Face = "magic") -> dict[str, Any]:
    """What the words of a command say, by the names of its options and arguments.

    Raises
    ------
    ParameterError
        If a word is not accepted.
    """
    return command(name, face).read(list(given), face)


def option_names(name: str) -> tuple[str, ...]:
    """The names of a command's options in a notebook."""
    return command(name).options("magic")


def command_help(name: str, flow: Iterable[tuple[str, str]] = ()) -> str:
    """What a command of a notebook does, its options, and examples.

    Parameters
    ----------
    name : str
    flow : iterable of (str, str)
        The options that are parameters of the flow, and what they mean.

    Raises
    ------
    NotFound
        If there is no such command.
    """
    return command(name).help("magic", list(flow))


def overview() -> str:
    """All marks of cells and all commands of a notebook, a line each."""
    found = [one for one in COMMANDS if one.notebook]
    calls = [" ".join([one.notebook, *_shown(one)]) for one in found]
    width = sorted(map(len, calls))[-2]  # the longest sticks out, or all lines would be long
    lines = [f"  {call:<{width}}  {one.text}" for call, one in zip(calls, found, strict=True)]
    cells = [f"  {f'{one.name} NAME' if one.parameters else one.name:<{width}}  {one.text}" for one in CELLS]
    show = f"  {'%flow':<{width}}  Draw the DAG with each step's state."
    more = ["", "`%flow help COMMAND`, or `--help` behind a command, lists its options and has examples."]
    return "\n".join(["cells:", *cells, "", "commands:", show, *lines, *more])


def _shown(found: Command) -> list[str]:
    """The words of a command that have no option's name, as a notebook gives them."""
    return [one.make_metavar() for one in found.parameters if isinstance(one, Argument) and one.face != "command"]
