"""What may be imported when: `docs/architecture.md` has the rule, and this the list for each whole process.

A process that loads a module which is not listed fails with the chain of imports that brought it. Names are compared
and no times, so the lists are the same on every machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

# Runs `code` and writes down the modules that it loaded, each with the modules and functions that led to it.
RECORD = """
import sys

class Recorder:
    def __init__(self):
        self.chains = {}

    def find_spec(self, name, path=None, target=None):
        chain, frame = [], sys._getframe(1)
        while frame is not None:
            place = frame.f_globals.get("__name__", "")
            function = frame.f_code.co_name
            if not place.startswith("importlib") and "<frozen" not in frame.f_code.co_filename:
                chain.append(place if function == "<module>" else f"{place}.{function}")
            frame = frame.f_back
        self.chains.setdefault(name, chain[::-1])

recorder = Recorder()
exec(sys.argv.pop(1))  # what is there before
before = set(sys.modules)
sys.meta_path.insert(0, recorder)
file, code = sys.argv.pop(1), sys.argv.pop(1)
try:
    exec(code)
finally:
    loaded = [name for name in sys.modules if name not in before]
    import json
    with open(file, "w") as opened:
        json.dump({name: recorder.chains.get(name, []) for name in loaded}, opened)
"""
FLOW = """
from metaflow import FlowSpec, step

class F(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""
COMMAND = "from flownb.cli.main import main; main()"
# What every command of the terminal has.
TABLE = (
    "flownb.cli.configuration",
    "flownb.cli.main",
    "flownb.client_access",
    "flownb.collector",
    "flownb.errors",
    "flownb.metaflow_errors",
    "flownb.session.commands",
    "flownb.session.completion",
    "flownb.session.parser",
    "flownb.settings",
    "flownb.store.statuses",
    "flownb.version",
)
# What reads and checks the cells of a notebook.
CELLS = ("flownb.cells", "flownb.flow", "flownb.metaflow_decorators")
CHECKS = (
    *TABLE,
    *CELLS,
    "flownb.cli.check",
    "flownb.cli.messages",
    "flownb.cli.notebook",
    "flownb.library",
    "flownb.session.cellbook",
    "flownb.session.checks",
    "flownb.session.session",
)
# What makes a flow of a plain notebook, and writes it.
CONVERT = (
    "flownb.cli.convert",
    "flownb.convert",
    "flownb.interrupts",
    "flownb.library",
    "flownb.runtime.process",
    "flownb.session.options",
    "flownb.session.status_line",
)
# What executes a step and reads the datastore.
STEPS = (
    "flownb.cards.component_store",
    "flownb.cards.components",
    "flownb.cards.content",
    "flownb.cards.default",
    "flownb.interrupts",
    "flownb.library",
    "flownb.pathspec",
    "flownb.provenance",
    "flownb.runtime.attempt",
    "flownb.runtime.capture",
    "flownb.runtime.cards",
    "flownb.runtime.current",
    "flownb.runtime.custom_decorators",
    "flownb.runtime.decorators",
    "flownb.runtime.description",
    "flownb.runtime.failure",
    "flownb.runtime.flow_code",
    "flownb.runtime.flowspec",
    "flownb.runtime.foreach",
    "flownb.runtime.freshness",
    "flownb.runtime.launch",
    "flownb.runtime.metaflow_attributes",
    "flownb.runtime.metaflow_names",
    "flownb.runtime.mutators",
    "flownb.runtime.parameters",
    "flownb.runtime.process",
    "flownb.runtime.program",
    "flownb.runtime.shipping",
    "flownb.runtime.task",
    "flownb.store.artifacts",
    "flownb.store.datastore",
    "flownb.store.encoding",
    "flownb.store.encodings",
    "flownb.store.hashing",
    "flownb.store.liveness",
    "flownb.store.local",
    "flownb.store.log_book",
    "flownb.store.logs",
    "flownb.store.manifests",
    "flownb.store.memory",
    "flownb.store.records",
    "flownb.store.runs",
    "flownb.store.statuses",
    "flownb.store.storage",
    "flownb.store.tasks",
    "flownb.store.validation",
)
# What a command has that executes a step, or a whole flow.
SESSION = (
    "flownb.runtime.events",
    "flownb.session.cards",
    "flownb.session.export",
    "flownb.session.identity",
    "flownb.session.instances",
    "flownb.session.judge",
    "flownb.session.latest",
    "flownb.session.options",
    "flownb.session.report",
    "flownb.session.run_facts",
    "flownb.session.start",
    "flownb.session.states",
    "flownb.session.transfers",
    "flownb.store.index",
)
RUN = (
    "flownb.cli.progress",
    "flownb.cli.run",
    "flownb.picture",
    "flownb.runtime.executor",
    "flownb.runtime.exit_hooks",
    "flownb.runtime.scheduler",
    "flownb.runtime.workers.channel",
    "flownb.runtime.workers.pool",
    "flownb.runtime.workers.server",
    "flownb.session.drawing",
    "flownb.session.executors",
    "flownb.session.progress",
    "flownb.session.run",
    "flownb.session.step_output",
)
ZYGOTE = (
    "flownb.client_access",
    "flownb.errors",
    "flownb.metaflow_errors",
    "flownb.runtime.executor",
    "flownb.runtime.workers",
    "flownb.settings",
    "flownb.version",
)
EXTENSION = (
    "flownb.client_access",
    "flownb.configuration",
    "flownb.errors",
    "flownb.magics",
    "flownb.metaflow_errors",
    "flownb.settings",
    "flownb.version",
    "flownb.widgets.channel",
    "flownb.widgets.views",
)
# Of the standard library what takes long to import, or imports much; each is in few processes.
HEAVY = frozenset(
    ["asyncio", "concurrent", "email", "http", "logging", "multiprocessing", "sqlite3", "ssl", "unittest", "xml"]
)
IN_SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"


def loaded(code: str, folder: Path, *words: str, before: str = "", **variables: str) -> dict[str, list[str]]:
    """The modules that a process loads, each with what led to it; `before` is executed before it counts."""
    file, settings = folder / "modules.json", folder / "ipython"
    settings.mkdir(exist_ok=True)  # empty: what a developer has configured does not count
    variables = {"IPYTHONDIR": str(settings), **variables}
    command = [sys.executable, "-c", RECORD, before, str(file), code, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(file.read_text())
    return found


def require_only(
    found: dict[str, list[str]], own: Iterable[str], others: Iterable[str] = (), heavy: Iterable[str] = ()
) -> None:
    """Fail if a process loaded something else.

    Parameters
    ----------
    found : dict
        As `loaded` returns it.
    own : iterable of str
        Modules of flownb that it may load; the name of a package means all that is in it.
    others : iterable of str
        Packages of others.
    heavy : iterable of str
        Which of `HEAVY` it may load.
    """
    own, others, unwanted = set(own), set(others), HEAVY - {*heavy}
    lines = []
    for name, chain in found.items():
        top = name.partition(".")[0]
        if top == "flownb":
            parts = name.split(".")
            names = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
            is_allowed = bool(names & own) or any(one.startswith(f"{name}.") for one in own) or name == "flownb"
        elif top in sys.stdlib_module_names:
            is_allowed = top not in unwanted
        else:
            is_allowed = top in others or top.startswith("flownb_flow_")
        if not is_allowed:
            lines.append(f"  {name}, by way of {' > '.join(one for one in chain if one != '__main__')}")
    advice = (
        "Import it in the function that needs it, or under TYPE_CHECKING if only annotations name it. If the process "
        "cannot do without it, add it to the list, and say in the commit what that costs."
    )
    assert not lines, "\n".join(["This process loads more than it did:", *lines, advice])


@pytest.fixture
def folder(write_notebook: Callable[..., Path]) -> Path:
    """A folder with a notebook of two steps."""
    return write_notebook("%load_ext flownb", "%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1").parent


def test_the_package_imports_nothing(tmp_path: Path) -> None:
    """`import flownb` loads two small modules: names are imported when they are first used."""
    require_only(loaded("import flownb", tmp_path), ["flownb.client_access", "flownb.version"])


def test_the_extension_is_light(tmp_path: Path) -> None:
    """`%load_ext flownb` loads the magics, and what a first cell needs is imported with the first cell."""
    found = loaded("shell.run_line_magic('load_ext', 'flownb')", tmp_path, before=IN_SHELL)
    require_only(found, EXTENSION, ["IPython"])


def test_help_reads_the_table_of_commands_alone(tmp_path: Path) -> None:
    """`flownb --help` loads click and the table, and nothing that a command needs."""
    require_only(loaded(COMMAND, tmp_path, "--help"), TABLE, ["click"])


def test_a_shell_completes_from_the_cells_alone(folder: Path) -> None:
    """Tab completes options from the table, and steps from the cells."""
    ask = {"_FLOWNB_COMPLETE": "bash_complete"}
    found = loaded(COMMAND, folder, COMP_WORDS="flownb spin --p", COMP_CWORD="2", **ask)
    require_only(found, TABLE, ["click"])
    found = loaded(COMMAND, folder, COMP_WORDS="flownb spin nb.ipynb ", COMP_CWORD="3", **ask)
    require_only(found, [*TABLE, *CELLS], ["click"])


def test_a_check_neither_executes_nor_opens_the_datastore(folder: Path) -> None:
    """`flownb check` loads what reads cells and checks flows."""
    require_only(loaded(COMMAND, folder, "check", "nb.ipynb"), CHECKS, ["click"])


def test_two_notebooks_are_compared_by_their_cells_alone(folder: Path) -> None:
    """`flownb diff` of two notebooks opens no datastore, and loads no library of tables."""
    own = ["flownb.cards", "flownb.cli.configuration", "flownb.cli.diff", "flownb.diff", "flownb.library"]
    found = loaded(COMMAND, folder, "diff", "nb.ipynb", "nb.ipynb")
    require_only(found, [*TABLE, *CELLS, *own, "flownb.pathspec"], ["click"])


def test_a_conversion_without_proof_reads_the_text_alone(write_notebook: Callable[..., Path]) -> None:
    """`flownb convert --no-verify` loads no session, no datastore, no nbformat, and nothing that executes cells."""
    folder = write_notebook("import math\nx = [1]", "x.append(math.pi)\nprint(x)").parent
    found = loaded(COMMAND, folder, "convert", "nb.ipynb", "--no-verify")
    require_only(found, [*TABLE, *CELLS, *CONVERT], ["click"])
    assert not any(name.startswith("flownb.convert.verify") for name in found)


def test_an_import_reads_and_checks_alone(tmp_path: Path) -> None:
    """`flownb import` loads what reads flow.py, and the checks; nothing that runs code."""
    (tmp_path / "flow.py").write_text(FLOW)
    own = [
        *CHECKS,
        "flownb.cli.import_",
        "flownb.flow_file",
        "flownb.interrupts",
        "flownb.runtime.process",
        "flownb.session.options",
    ]
    require_only(loaded(COMMAND, tmp_path, "import", "flow.py"), own, ["click"])


def test_a_run_and_a_spin_load_what_they_use(folder: Path) -> None:
    """`flownb run` and `flownb spin` load no shell, no event loop, no client, no widgets and no bucket."""
    every = [*CHECKS, *STEPS, *SESSION]
    # Both keep an index; a run reads the metadata of what is installed, which are mails.
    require_only(loaded(COMMAND, folder, "run", "nb.ipynb"), [*every, *RUN], ["blake3", "click"], ["email", "sqlite3"])
    found = loaded(COMMAND, folder, "spin", "nb.ipynb", "b")
    require_only(found, [*every, "flownb.cli.spin", "flownb.session.spin"], ["blake3", "click"], ["sqlite3"])


def test_what_workers_are_forked_from_is_light(tmp_path: Path) -> None:
    """The zygote loads what a step needs and IPython's shell, but no session, no checks, no client and no index."""
    shell = {name.partition(".")[0] for name in loaded(IN_SHELL, tmp_path)}
    found = loaded("from flownb.runtime.workers import worker, zygote; worker.prepare()", tmp_path)
    # It reads the metadata of what is installed, which are mails.
    require_only(found, [*ZYGOTE, *STEPS, *CELLS], ["blake3", *shell], [*shell, "email"])
    assert not any(name.startswith("flownb.flow.lint") for name in found)
