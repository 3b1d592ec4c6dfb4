"""Configs and included files in a notebook: in single steps, in spins, in runs, and in what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.errors import ParameterError
from flownb.session.export import export_flow
from flownb.session.options import ResumeOptions, parse_run, parse_spin
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_shared_cell, run_step
from tests.conftest import MakeSession

FLOW = """%%flow F
cfg = Config("cfg", default="cfg.json")
words = IncludeFile("words", default="words.txt", parser=str.split)
size = Parameter("size", default=cfg.size)
SCALE = 10"""
FIRST = """%%step first -> seen
@environment(vars={"SIZE": cfg.size, "SCALE": str(SCALE)})
import os
seen = [os.environ["SIZE"], os.environ["SCALE"], self.cfg.size, self.size, self.words]"""
SECOND = "%%step second -> more\n@environment(vars={'SIZE': cfg.size})\nimport os\nmore = [os.environ['SIZE'], seen[2]]"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The notebook's folder, entered."""
    monkeypatch.chdir(tmp_path)
    write(1)
    Path("words.txt").write_text("a b")


def write(size: object, name: str = "cfg.json") -> None:
    """Write a config."""
    Path(name).write_text(json.dumps({"size": size}))


def artifacts(session: Session, pathspec: str, step: str) -> dict[str, Any]:
    """What the client shows of a run's step."""
    return {artifact.id: artifact.data for artifact in Run(pathspec, datastore=session.datastore)[step].task}


def test_single_steps_have_the_defaults(make_session: MakeSession) -> None:
    """A step cell sees configs at their defaults; so do its decorators, and parameters that are made of them."""
    session = make_session(FLOW, FIRST, SECOND)
    assert run_step(session, "first").values == {"seen": ["1", "10", 1, 1, ["a", "b"]]}
    assert run_step(session, "second").values == {"more": ["1", 1]}


def test_a_changed_file_makes_steps_stale(make_session: MakeSession) -> None:
    """A default is read again when its file changed, without an edit of a cell, and the state says what differs."""
    session = make_session(FLOW, FIRST, SECOND)
    run_step(session, "first")
    write(20)
    assert step_states(session)["first"].reasons == ("made with another `cfg`", "made with size = 1 (now: 20)")
    assert run_step(session, "first").values["seen"] == ["20", "10", 20, 20, ["a", "b"]]
    Path("words.txt").write_text("a b c")
    assert step_states(session)["first"].reasons == ("made with words = 'a b' (now: 'a b c')",)


def test_the_environment_chooses_for_single_steps_too(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """METAFLOW_FLOW_CONFIG counts wherever the flow's code runs, as in Metaflow."""
    write(7, "prod.json")
    session = make_session(FLOW, FIRST)
    assert run_step(session, "first").values["seen"][2] == 1
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG", '{"cfg": "prod.json"}')
    assert run_step(session, "first").values["seen"][2] == 7


def test_a_run_keeps_what_it_was_started_with(make_session: MakeSession) -> None:
    """A config is an artifact of the run, a dictionary; an included file is its content."""
    write(5, "prod.json")
    session = make_session(FLOW, FIRST, SECOND)
    outcome = run_flow(session, parse_run(["--config", "cfg", "prod.json", "--size", "6"]))
    kept = artifacts(session, outcome.pathspec, "second")
    expected = {"cfg": {"size": 5}, "words": "a b", "size": 6, "more": ["5", 5]}
    assert ({name: kept[name] for name in expected}, type(kept["cfg"])) == (expected, dict)


def test_single_steps_have_what_their_parents_ran_with(make_session: MakeSession) -> None:
    """After a run with another config, a step that is spun or executed on its results sees that config everywhere."""
    session = make_session(FLOW, FIRST, SECOND)
    run_flow(session, parse_run(["--config-value", "cfg", '{"size": 3}']))
    assert spin_step(session, parse_spin(["second"])).values["more"] == ["3", 3]
    assert run_step(session, "second").values["more"] == ["3", 3]
    assert spin_step(session, parse_spin(["first", "--from", "1/first"])).values["seen"] == [
        "3",
        "10",
        3,
        3,
        ["a", "b"],
    ]


def test_a_spin_may_set_configs_and_files(make_session: MakeSession) -> None:
    """``--set`` takes a config as a text and an included file as a path; the step sees them as it always does."""
    Path("other.txt").write_text("x y z")
    session = make_session(FLOW, FIRST)
    run_step(session, "first")
    set_both = ["first", "--set", 'cfg={"size": 8}', "--set", "words=other.txt"]
    assert spin_step(session, parse_spin(set_both)).values["seen"] == ["8", "10", 8, 1, ["x", "y", "z"]]
    task = spin_step(session, parse_spin([*set_both, "--persist"])).task
    assert task is not None
    assert (task["cfg"].data, task["words"].data) == ({"size": 8}, "x y z")


def test_a_resume_keeps_the_configs(make_session: MakeSession) -> None:
    """A resumed run has the configs of the run it resumes, whatever the files say now."""
    session = make_session(FLOW, FIRST, SECOND)
    run_flow(session, parse_run(["--config-value", "cfg", '{"size": 4}']))
    write(50)
    changed = make_session(FLOW, FIRST, SECOND + "\nmore = more + [self.cfg.size]")
    outcome = Resume(changed, ResumeOptions()).begin().drive()
    kept = artifacts(changed, outcome.pathspec, "second")
    assert (kept["cfg"], kept["more"]) == ({"size": 4}, ["4", 4, 4])


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("cfg = Config('cfg', required=True)", [], "Config `cfg` has no value. It is required and has no default."),
        ("cfg = Config('cfg', default='nope.json')", [], "the file `nope.json` cannot be read."),
        ("cfg = Config('cfg')", ["--config", "cgf", "cfg.json"], "Flow F has no config `cgf`. Did you mean `cfg`?"),
        ("cfg = Config('cfg')", ["--cfg", "cfg.json"], "but a config. Configs have options of their own."),
        ("cfg = Config('cfg', default='cfg.json')\nM = cfg.size", [], "The constant `M` of the %%flow cell holds"),
    ],
)
def test_nothing_runs_without_usable_configs(
    make_session: MakeSession, header: str, options: list[str], message: str
) -> None:
    """A config that cannot be had stops a run before anything is recorded."""
    session = make_session(f"%%flow F\n{header}", "%%step a -> x\nx = 1")
    with pytest.raises(ParameterError) as caught:
        run_flow(session, parse_run(options))
    assert message in str(caught.value)
    assert session.datastore.runs.flows() == []


def test_a_required_config_comes_from_a_run(make_session: MakeSession) -> None:
    """A single step cannot run without a required config, and takes it from its parents once there was a run."""
    session = make_session(
        "%%flow F\ncfg = Config('cfg', required=True)", "%%step a -> x\nx = 1", SECOND.replace("seen[2]", "x")
    )
    with pytest.raises(ParameterError, match=r"config `cfg` has no value\. .*`%flow run --config cfg FILE`"):
        run_step(session, "a")
    run_flow(session, parse_run(["--config", "cfg", "cfg.json"]))
    assert run_step(session, "second").values["more"] == ["1", 1]
    assert {one.state for one in step_states(session).values()} <= {"never", "fresh"}


def test_declarations_are_looked_at_when_the_header_runs(make_session: MakeSession) -> None:
    """Executing a ``%%flow`` cell says at once that two parameters have one name."""
    session = make_session("%%flow F\na = Parameter('x')\nb = Parameter('X')", "%%step s")
    with pytest.raises(ParameterError, match="`a` and `b` have the same name"):
        run_shared_cell(session, session.cells.cells()[0])


def test_the_exported_file_says_what_it_needs(make_session: MakeSession) -> None:
    """The header comment names files, required configs and parameters, and what Airflow must be given."""
    header = "toml = Config('toml', default='c.toml')\nneed = Config('need', required=True)\n"
    header += "a = Parameter('a', required=True)"
    text = export_flow(make_session(f"%%flow F\n{header}", "%%step s"))
    assert "#   python flow.py --config need FILE run --a VALUE\n" in text
    assert "# It reads c.toml from the folder it is started in.\n" in text
    assert "METAFLOW_DEFAULT_PACKAGE_SUFFIXES=.py,.R,.RDS,.toml." in text
