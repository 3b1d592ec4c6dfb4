"""A task's state for scratch cells: what is loaded, what is left out, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.errors import ParameterError, StepFailed
from flownb.session import load
from flownb.session.load import LoadOptions, load_task, parse_load
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.step import run_step
from tests.conftest import MakeSession


def test_large_artifacts_are_loaded_when_they_are_named(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is larger than the limit is left out with the command that loads it."""
    session = make_session("%%step load -> big, small\nbig, small = 'x' * 5000, 'y'")
    run_step(session, "load")
    monkeypatch.setattr(load, "LARGE", 1000)
    loaded = load_task(session, LoadOptions("load"))
    assert loaded.values == {"small": "y"}
    assert loaded.notes == ["`big` has 0.0 GiB and was left out; `%flow load 1/load/1 big` loads it"]
    assert load_task(session, LoadOptions("1/load/1", ("big",))).values == {"big": "x" * 5000}


def test_one_artifact_that_cannot_be_loaded_leaves_the_others(make_session: MakeSession) -> None:
    """A damaged blob is named with the reason, and everything else is there."""
    session = make_session("%%step load -> a, b\na, b = list(range(9)), 'y' * 5000")
    run_step(session, "load")
    (record,) = session.results().latest("load")
    key = record.artifacts["b"].key
    for path in Path(session.datastore.location).rglob(f"*{key[2:]}*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    loaded = load_task(session, LoadOptions("1/load"))
    assert loaded.values == {"a": list(range(9))}
    assert [note.rpartition(":")[0] for note in loaded.notes] == ["`b` cannot be loaded: CorruptBlob"]


def test_tasks_of_other_flows_and_joins_are_loaded(make_session: MakeSession) -> None:
    """The flow's name in front reaches another flow of the datastore; a join has what it set and its parameters."""
    cells = ["%%step load -> xs\nxs = [1, 2]", "%%step fan --foreach xs -> y\ny = self.input"]
    first = make_session(
        '%%flow One\nk = Parameter("k", default=4)', *cells, "%%step pick --join -> n\nn = len(inputs)"
    )
    run_flow(first, RunOptions())
    other = make_session("%%flow Two", "%%step start\npass")
    join = load_task(other, LoadOptions("One/1/pick")).values
    assert ([one.y for one in join["inputs"]], join.pop("inputs").fan.xs) == ([1, 2], [1, 2])
    assert join == {"k": 4, "n": 2}
    assert load_task(other, LoadOptions("One/1/fan", index=1)).values == {
        "k": 4,
        "xs": [1, 2],
        "y": 2,
        "input": 2,
        "index": 1,
    }


def test_nothing_is_loaded_if_a_name_is_taken(make_session: MakeSession) -> None:
    """Variables of the notebook are named, and only the option replaces them."""
    session = make_session("%%step load -> a, b\na, b = 1, 2")
    run_step(session, "load")
    with pytest.raises(ParameterError, match="/1/load/1 has `a`, and so has the notebook"):
        load_task(session, LoadOptions("load"), taken=["a", "z"])
    assert load_task(session, LoadOptions("load", ("b",)), taken=["a"]).values == {"b": 2}
    assert load_task(session, parse_load(["load", "--overwrite"]), taken=["a"]).values == {"a": 1, "b": 2}


def test_hints_fit_the_flow_that_a_task_is_of(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another flow's task its whole place is named, and no spin of a step that is not here."""
    first = make_session("%%flow One", "%%step load -> big\nbig = 'x' * 5000", "%%step fail\nlen(big) / 0")
    with pytest.raises(StepFailed):
        run_flow(first, RunOptions(executor="inline"))
    monkeypatch.setattr(load, "LARGE", 1000)
    other = make_session("%%flow Two", "%%step start\npass")
    assert load_task(other, LoadOptions("One/1/fail")).notes == [
        "`big` has 0.0 GiB and was left out; `%flow load One/1/fail/3 big` loads it",
        "it failed (ZeroDivisionError)",
    ]
    assert (
        load_task(first, LoadOptions("1/fail"))
        .notes[1]
        .endswith("`%spin fail --from 1/fail/3 --pdb` shows its local variables, too")
    )


def test_an_item_that_cannot_be_loaded_leaves_the_others(make_session: MakeSession) -> None:
    """Where the foreach's artifact is damaged, the position and what the task set are still there."""
    session = make_session(
        "%%step load -> xs\nxs = ['x' * 5000]", "%%step train --foreach xs -> n\nn = len(self.input)"
    )
    run_step(session, "load")
    run_step(session, "train")
    (record,) = session.results().latest("train")
    for path in Path(session.datastore.location).rglob(f"*{record.artifacts['xs'].key[2:]}*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    loaded = load_task(session, LoadOptions("train"))
    assert loaded.values == {"n": 5000, "index": 0}
    assert [note.partition(":")[0] for note in loaded.notes] == ["`xs` cannot be loaded", "`input` cannot be loaded"]
