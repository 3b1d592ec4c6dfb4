"""Artifacts that only flownb can store: said in the report, after the run, at export; and what is not one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flownb.cells.cell import read_cell
from flownb.errors import UnpicklableArtifact
from flownb.session.export import export_flow, found_at_export
from flownb.session.options import parse_resume, parse_run, parse_spin
from flownb.session.resume import Resume
from flownb.session.run import begin_run
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.cli.test_main import flownb
from tests.conftest import MakeSession

SAID = (
    "artifact `table` of step load can be stored only by flownb. It contains a lambda, which Metaflow cannot pickle: "
    "the exported flow would fail there. Write it as a function (`def`) in a %%shared cell."
)
LAMBDA = "%%step load -> table, n\nfrom collections import defaultdict\ntable = defaultdict(lambda: 0)\nn = 1"
NEXT = "%%step use -> m\nm = len(table) + n"


def test_the_report_says_it(make_session: MakeSession) -> None:
    """Below the step's cell there is one note for the artifact; a later step that only inherits it says nothing."""
    session = make_session(LAMBDA, NEXT)
    assert list(run_step(session, "load").report.notes) == [SAID]
    assert list(run_step(session, "use").report.notes) == []
    assert list(spin_step(session, parse_spin(["load", "--persist"])).report.notes) == [SAID]
    assert list(spin_step(session, parse_spin(["load"])).report.notes) == []


def test_a_foreach_says_it_once(make_session: MakeSession) -> None:
    """Of many tasks of a step one is enough, in its report, after a run and at export."""
    session = make_session("%%step s -> xs\nxs = [1, 2, 3]", "%%step load --foreach xs -> table\ntable = lambda: 1, 2")
    run_step(session, "s")
    assert sum("only by flownb" in note for note in run_step(session, "load").report.notes) == 1
    assert len(found_at_export(session)) == 1


@pytest.mark.parametrize("executor", ["process", "inline"])
def test_a_run_says_it(make_session: MakeSession, executor: str) -> None:
    """A run has it among its notes; a resume that takes the result over does not store it again."""
    session = make_session(LAMBDA, NEXT)
    run = begin_run(session, parse_run(["--executor", executor]))
    run.drive()
    assert run.notes == [SAID]
    resumed = Resume(session, parse_resume(["--executor", executor])).begin()
    resumed.drive()
    assert resumed.notes == []
    assert [str(one) for one in found_at_export(session)] == [SAID]


def test_an_export_that_is_strict_refuses(make_session: MakeSession) -> None:
    """Without --strict the text is written all the same."""
    session = make_session(LAMBDA, NEXT)
    run_step(session, "load")
    assert "defaultdict(lambda: 0)" in export_flow(session)
    with pytest.raises(UnpicklableArtifact, match="artifact `table` of step load can be stored only by flownb"):
        export_flow(session, strict=True)


def test_an_export_speaks_of_the_code_as_it_is(make_session: MakeSession) -> None:
    """What an earlier version of the step stored is not the exported flow's; nor is what never ran."""
    session = make_session(LAMBDA, NEXT)
    assert found_at_export(session) == []
    run_step(session, "load")
    session.define(read_cell(LAMBDA.replace("lambda: 0", "int"), number=1))
    assert found_at_export(session) == []


def test_a_constant_is_named_too(make_session: MakeSession) -> None:
    """Metaflow stores what the class body assigns as well, before any step runs."""
    session = make_session("%%flow F\ntable = [lambda: 0]", "%%step a -> b\nb = 1")
    run = begin_run(session, parse_run(["--executor", "inline"]))
    run.drive()
    said = "artifact `table` of the %%flow cell can be stored only by flownb."
    assert [str(one).startswith(said) for one in (run.notes[0], found_at_export(session)[0])] == [True, True]


def test_the_command_line(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """The run and the export say it, the export on standard error; --strict ends with status 1 and writes nothing."""
    write_notebook(LAMBDA, NEXT)
    status, out, _ = flownb("run", "nb.ipynb", cwd=tmp_path)
    assert (status, f"note: {SAID}" in out.split("\n")) == (0, True)
    status, out, err = flownb("export", "nb.ipynb", "-o", "-", cwd=tmp_path)
    assert (status, err.strip()) == (0, f"warning: {SAID}")
    assert "only by flownb" not in out
    status, _, err = flownb("export", "nb.ipynb", "--strict", cwd=tmp_path)
    assert (status, "can be stored only by flownb" in err, (tmp_path / "flow.py").exists()) == (1, True, False)


def by_value(session: Any, name: str) -> str:
    """What is remembered of an artifact."""
    (task,) = session.results().latest("a")
    text: str = task.artifacts[name].by_value
    return text


@pytest.mark.parametrize("size", [1, 3_000, 300_000])
def test_it_is_remembered_wherever_a_value_is_kept(make_session: MakeSession, size: int) -> None:
    """In the manifest, in a blob that is shared with others, and in one of its own; and by what inherits it."""
    session = make_session(
        "%%step a -> x, y, z\nclass Own:\n    pass\n"
        f"x = [Own(), b'x' * {size}]\ny = [Own(), b'y' * {size}]\nz = {size}",
        "%%step b -> n\nx.append(1)\nn = y",
    )
    run_step(session, "a")
    assert [by_value(session, name) for name in "xyz"] == ["the class `Own`", "the class `Own`", ""]
    notes = run_step(session, "b").report.notes
    assert [name for name in ("x", "n") if any(f"artifact `{name}` of step b" in note for note in notes)] == ["x", "n"]
