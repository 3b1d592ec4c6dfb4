"""Exceptions: code that catches Metaflow's catches ours, where Metaflow is installed and where it is not."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from flownb.client import Run
from flownb.errors import InvalidPathspec, ItemNotFound, MissingInMerge, NotFound, TransitionError, UnhandledInMerge
from flownb.session.export import export_flow
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.fidelity.metaflow_peer import run_in_metaflow
from tests.fidelity.notebook_side import differences, notebook_session, tasks_of

CELLS = (
    "%%shared\nfrom metaflow import Flow, Run, Step, Task\n"
    "from metaflow.exception import (\n    MetaflowException, MetaflowExceptionWrapper, MetaflowInternalError,\n"
    "    MetaflowInvalidPathspec, MetaflowNamespaceMismatch, MetaflowNotFound, MissingInMergeArtifactsException,\n"
    "    UnhandledInMergeArtifactsException,\n)\n"
    "def caught(read, *kinds):\n"
    '    """Which of some exceptions catches what reading something raises."""\n'
    "    found = []\n"
    "    for kind in kinds:\n"
    "        try:\n            read()\n"
    "        except kind as error:\n            found.append([kind.__name__, bool(str(error))])\n"
    "        except Exception as error:\n            found.append(type(error).__name__ if 0 else None)\n"
    "    return found",
    "%%step first -> xs, seen\nxs = [1, 2, 3]\n"
    "kinds = (MetaflowNotFound, MetaflowInvalidPathspec, MetaflowException, KeyError, MetaflowInternalError)\n"
    "reads = [lambda: Flow('Nope'), lambda: Run('Nope/1'), lambda: Run('Nope')]\n"
    "reads += [lambda: Task('a/b'), lambda: Flow('a/b')]\n"
    "seen = [caught(read, *kinds) for read in reads]\n"
    "seen += [[kind('x').message, issubclass(kind, MetaflowException)] for kind in (kinds[0], kinds[2])]\n"
    "seen.append([str(MetaflowNamespaceMismatch('user:x')), MetaflowInternalError.headline])",
    "%%step each --foreach xs -> x\n@catch(var='e', print_exception=False)\nx = self.z = self.input\nFlow('Nope')",
    "%%step gather --join -> seen\n"
    "seen = [[i.e.type, isinstance(i.e, MetaflowExceptionWrapper), isinstance(i.e, Exception)] for i in inputs]\n"
    "for options in ({}, {'include': ['y']}, {'include': ['y'], 'exclude': ['x']}):\n"
    "    try:\n        self.merge_artifacts(inputs, **options)\n"
    "    except UnhandledInMergeArtifactsException as error:\n        seen += error.artifact_names\n"
    "    except MissingInMergeArtifactsException as error:\n        seen.append(['missing', error.artifact_names])\n"
    "    except MetaflowException as error:\n        seen.append(['other', hasattr(error, 'artifact_names')])",
)


def test_metaflows_names_catch_ours(tmp_path: Path) -> None:
    """A step that catches by Metaflow's names takes the same way here and there."""
    session = notebook_session(CELLS, tmp_path / "here")
    assert session.checks.find() == ()
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    names = ["first", "gather"]
    ours = tasks_of(run, names)
    theirs = run_in_metaflow(export_flow(session), tmp_path / "there")
    assert differences(ours, {name: theirs[name] for name in names}) == []


WITHOUT = """
import sys
sys.modules["metaflow"] = None  # as if it were not installed
from pathlib import Path
from flownb.cells.cell import read_cell
from flownb.client import Run
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session

session = Session(folder=Path("."))
session.open(read_cell(text, number=number) for number, text in enumerate(eval(sys.stdin.read()), 1))
run = Run(run_flow(session, RunOptions(executor="inline")).pathspec, datastore=session.datastore)
print([run[name].task["seen"].data for name in ("first", "gather")])
"""


def test_they_do_without_metaflow(tmp_path: Path) -> None:
    """Where Metaflow is not installed the same names are there, and mean the same."""
    session = notebook_session(CELLS, tmp_path / "with")
    run = Run(run_flow(session, RunOptions(executor="inline")).pathspec, datastore=session.datastore)
    expected = [run[name].task["seen"].data for name in ("first", "gather")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, input=repr(CELLS), capture_output=True, text=True
    )
    assert (done.stdout.strip().splitlines()[-1], done.stderr) == (f"{expected}", "")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (NotFound("a", "b", "c"), "MetaflowNotFound"),
        (ItemNotFound("a", "b", "c"), "KeyError"),
        (InvalidPathspec("a", "b", "c"), "MetaflowInvalidPathspec"),
        (TransitionError("a", "b", "c"), "InvalidNextException"),
        (UnhandledInMerge("a", "b", "c", names=["x"]), "UnhandledInMergeArtifactsException"),
        (MissingInMerge("a", "b", "c", names=["x"]), "MissingInMergeArtifactsException"),
    ],
)
def test_our_errors_are_metaflows(error: Exception, name: str) -> None:
    """An error has the base class that Metaflow's has, its text, and both after pickling."""
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert (name in [kind.__name__ for kind in type(one).__mro__], str(one)) == (True, "a b c")
        assert vars(one) == vars(error)
