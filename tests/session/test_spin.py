"""Spins: what ``--persist`` leaves to be read, inputs of a join that are replaced, configs for once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import flownb
from flownb.client import Run, Task, default_metadata, get_metadata, inspect_spin
from flownb.errors import NotFound, ParameterError, StoreError
from flownb.session.options import parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from flownb.store.garbage import collect, remove_spins
from flownb.store.usage import measure
from tests.conftest import MakeSession

CELLS = (
    '%%flow F\nalpha = Parameter("alpha", default=1)',
    "%%step load -> big, small\nbig = bytes(range(256)) * 1000\nsmall = [1] * 3000",
    "%%step train -> model\nmodel = len(big) + alpha",
)
JOIN = (
    '%%flow F\nalpha = Parameter("alpha", default=1)',
    "%%step s -> xs\nxs = [3, 4]",
    "%%step a --after s -> v\nv = xs[0]\nself.w = 'same'",
    "%%step b --after s -> v\nv = xs[1]\nself.w = 'same'",
    """%%step j --join --after a,b -> vs, new, where
vs = [i.v for i in inputs]
new = getattr(inputs.a, "new", None)
self.merge_artifacts(inputs, exclude=["v"])
where = self.w, self.xs""",
)


@pytest.fixture(autouse=True)
def _metadata() -> Any:
    """No test leaves the client with spins."""
    yield
    default_metadata()


@pytest.fixture
def spun(make_session: MakeSession) -> tuple[Session, Task]:
    """A session that ran, and a task that it spun and kept."""
    session = make_session(*CELLS)
    run_flow(session, parse_run(["--executor", "inline"]))
    task = spin_step(session, parse_spin("train --set alpha=5 --persist".split())).task
    assert task is not None
    return session, task


def test_the_folder_of_spins_is_a_datastore(
    spun: tuple[Session, Task], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Everything a kept task has can be read by its folder alone, inherited values too; nothing was stored twice."""
    session, task = spun
    folder = session.spin_datastore.location
    blobs = len(list((tmp_path / ".flownb" / "blobs").rglob("*")))
    monkeypatch.setenv("FLOWNB_DATASTORE", folder)
    found = {artifact.id: artifact.data for artifact in Task(task.pathspec).artifacts}
    expected = {"alpha": 5, "big": bytes(range(256)) * 1000, "small": [1] * 3000, "model": 256_005}
    assert {name: found[name] for name in expected} == expected
    assert not (Path(folder) / "blobs").exists()
    assert len(list((tmp_path / ".flownb" / "blobs").rglob("*"))) == blobs


def test_a_session_on_the_folder_of_spins_stays_in_it(
    spun: tuple[Session, Task], monkeypatch: pytest.MonkeyPatch, make_session: MakeSession
) -> None:
    """Steps can be run and spun there; what they keep is in the same place."""
    monkeypatch.setenv("FLOWNB_DATASTORE", spun[0].spin_datastore.location)
    other = make_session(*CELLS)
    run_step(other, "load")
    outcome = spin_step(other, parse_spin(["train", "--persist", "--isolate", "process"]))
    assert outcome.task is not None
    assert outcome.task["model"].data == 256_001
    assert other.datastore.location == other.spin_datastore.location


def test_a_part_of_a_datastore_is_not_cleared_up_alone(spun: tuple[Session, Task]) -> None:
    """Clearing up or measuring the spins alone would take the values of all runs for unneeded."""
    store = Datastore(spun[0].spin_datastore.location)
    for act in (collect, remove_spins, measure):
        with pytest.raises(StoreError, match="FLOWNB_DATASTORE="):
            act(store)
    assert Task(spun[1].pathspec, datastore=store)["model"].data == 256_005


def test_a_folder_called_spin_may_be_a_datastore(tmp_path: Path) -> None:
    """Without a datastore around it, a folder of that name is like any other."""
    store = Datastore(tmp_path / "spin")
    ref = store.artifacts.save(bytes(100_000), name="x")
    assert Datastore(tmp_path / "spin").artifacts.load(ref) == bytes(100_000)
    assert (tmp_path / "spin" / "blobs").exists()


@pytest.mark.parametrize("place", [".", ".flownb", ".flownb/spin", "absolute"])
def test_inspect_spin(spun: tuple[Session, Task], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    """After it the client reads kept spins, by the notebook's folder, its datastore or the folder of spins."""
    monkeypatch.chdir(tmp_path)
    pathspec = spun[1].pathspec
    before = get_metadata()
    flownb.inspect_spin(str(tmp_path) if place == "absolute" else place)
    task = flownb.Task(pathspec)
    assert (task["alpha"].data, task["model"].data) == (5, 256_005)
    assert get_metadata() == f"flownb@{spun[0].spin_datastore.location}"
    assert default_metadata() == before
    with pytest.raises(NotFound):
        Task("F/1/train/99")
    assert [run.id for run in flownb.Flow("F").runs()] == ["1"]


def test_inspect_spin_without_a_datastore(tmp_path: Path) -> None:
    """A folder without a datastore is refused, and the client stays as it was."""
    with pytest.raises(NotFound, match="There is no datastore in"):
        inspect_spin(tmp_path)


def write_artifacts(folder: Path, artifacts: Any) -> list[str]:
    """The options of a spin with these ARTIFACTS."""
    (folder / "replaced.py").write_text(f"ARTIFACTS = {artifacts!r}")
    return ["--artifacts-module", str(folder / "replaced.py")]


@pytest.mark.parametrize("more", [[], ["--persist"], ["--isolate", "process"]])
def test_inputs_of_a_join_are_replaced(make_session: MakeSession, tmp_path: Path, more: list[str]) -> None:
    """ARTIFACTS of a join are by the pathspec of the joined task, as on Metaflow; other inputs stay as they are."""
    session = make_session(*JOIN)
    outcome = run_flow(session, parse_run(["--executor", "inline"]))
    place = "/".join(Run(outcome.pathspec, datastore=session.datastore)["a"].task.pathspec.split("/")[1:])
    for key in (place, f"F/{place}"):
        given = write_artifacts(tmp_path, {key: {"v": 10, "new": [0] * 500}})
        spun = spin_step(session, parse_spin(["j", "--from", "1", *given, *more]))
        assert (spun["vs"], spun["new"]) == ([10, 4], [0] * 500)
        assert spun["where"] == ("same", [3, 4])
        if spun.task is not None:
            assert spun.task["new"].data == [0] * 500


def test_inputs_that_are_replaced_are_merged(make_session: MakeSession, tmp_path: Path) -> None:
    """A replaced value that another input does not have is a conflict; the same value in both is none."""
    session = make_session(*JOIN)
    run_flow(session, parse_run(["--executor", "inline"]))
    run = Run("F/1", datastore=session.datastore)
    a, b = ("/".join(run[name].task.pathspec.split("/")[1:]) for name in ("a", "b"))
    with pytest.raises(Exception, match="cannot merge `w`"):
        spin_step(session, parse_spin(["j", "--from", "1", *write_artifacts(tmp_path, {a: {"w": "x"}})]))
    both = write_artifacts(tmp_path, {a: {"w": "x"}, b: {"w": "x"}, "alpha": 3})
    assert spin_step(session, parse_spin(["j", "--from", "1", *both]))["where"] == ("x", [3, 4])


@pytest.mark.parametrize(
    ("artifacts", "what"),
    [
        ({"1/a/99": {"v": 1}}, "`ARTIFACTS: 1/a/99` is not a task that j takes its inputs from."),
        ({"1/a/2": 5}, "`ARTIFACTS: 1/a/2` has the value 5."),
    ],
)
def test_inputs_that_do_not_exist_are_refused(
    make_session: MakeSession, tmp_path: Path, artifacts: Any, what: str
) -> None:
    """Metaflow ignores a pathspec that is not one of the inputs; here it is refused, for it changes nothing."""
    session = make_session(*JOIN)
    run_flow(session, parse_run(["--executor", "inline"]))
    tasks = {step: Run("F/1", datastore=session.datastore)[step].task.id for step in ("a",)}
    artifacts = {name.replace("1/a/2", f"1/a/{tasks['a']}"): value for name, value in artifacts.items()}
    with pytest.raises(ParameterError) as caught:
        spin_step(session, parse_spin(["j", "--from", "1", *write_artifacts(tmp_path, artifacts)]))
    assert what.replace("1/a/2", f"1/a/{tasks['a']}") in caught.value.what


def test_a_config_for_once(make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--config and --config-value replace a config for the step and its decorators; parameters stay as they were."""
    session = make_session(
        """%%flow F\ncfg = Config("chosen", default_value='{"x": 1}')\nalpha = Parameter("alpha", default=cfg.x)""",
        "%%step a -> b\n@environment(vars={'X': cfg.x})\nimport os\nb = self.cfg.x, os.environ['X'], self.alpha",
    )
    run_flow(session, parse_run(["--executor", "inline"]))
    (tmp_path / "other.json").write_text(json.dumps({"x": 3}))
    monkeypatch.chdir(tmp_path)
    for options, x in ((["--config-value", "chosen", '{"x": 2}'], 2), (["--config", "chosen", "other.json"], 3)):
        assert spin_step(session, parse_spin(["a", "--from", "1", *options]))["b"] == (x, str(x), 1)
    for options in (["--config", "cfgg", "other.json"], ["--config", "chosen", "gone.json"]):
        with pytest.raises(ParameterError):
            spin_step(session, parse_spin(["a", *options]))
