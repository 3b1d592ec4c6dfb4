"""Whether a task of an earlier run replaces one that is ready to run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flownb.runtime.clones import Clones
from flownb.session.options import ResumeOptions, RunOptions
from flownb.session.resume import Resume, find_origin, offered_tasks, rehearse
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.store.records import TaskRecord
from tests.conftest import MakeSession

INLINE = RunOptions(executor="inline")
NESTED = (
    "%%step load -> rows\nrows = [[1, 2], [3]]",
    "%%step outer --foreach rows -> cells\ncells = self.input",
    "%%step inner --foreach cells -> m\nm = self.input",
    "%%step row --join -> ms\nms = [i.m for i in inputs]",
    "%%step table --join -> all\nall = [i.ms for i in inputs]",
)


def planned(
    session: Session, *, change: Callable[[TaskRecord], TaskRecord] = lambda task: task
) -> dict[str, tuple[int, int, list[str]]]:
    """How many tasks of each step would be cloned and run, and why, after the tasks of the origin were changed."""
    origin = find_origin(session.datastore, "NotebookFlow", None)
    tasks = [change(task) for task in offered_tasks(session.datastore, origin)]
    steps = rehearse(session, Clones(session.program(True), session.datastore, tasks), origin)
    return {
        name: (one.cloned, one.ran, list(map(str, one.reasons)))
        for name, one in steps.items()
        if name not in ("start", "end")
    }


@pytest.mark.parametrize(
    ("rows", "ran"),
    [
        ("[[1, 2], [3] * 1]", {}),
        ("[[1, 2], [3], [4]]", {"outer": 1, "inner": 1, "row": 1, "table": 1}),
        ("[[4], [1, 2], [3]]", {"outer": 1, "inner": 1, "row": 1, "table": 1}),
        ("[[3], [1, 2]]", {"table": 1}),
        ("[[1, 2, 5], [3]]", {"outer": 1, "inner": 1, "row": 1, "table": 1}),
        ("[[9, 2], [3]]", {"outer": 1, "inner": 1, "row": 1, "table": 1}),
    ],
)
def test_nested_foreachs(make_session: MakeSession, rows: str, ran: dict[str, int]) -> None:
    """Of both levels only new items run; an outer item that is the same is cloned with all below it."""
    run_flow(make_session(*NESTED), INLINE)
    plan = Resume(make_session(NESTED[0].replace("[[1, 2], [3]]", rows), *NESTED[1:]), ResumeOptions(run=INLINE))
    plan.begin().drive()
    assert {one.step: one.ran for one in plan.steps if one.ran} == {"load": 1, **ran}


def test_records_without_reads_are_held_to_all(make_session: MakeSession) -> None:
    """A task of an older version is cloned only if all that it inherited is the same."""
    above, below = "%%step a -> x, y\nx = 1\ny = 1", "%%step b -> z\nz = x"
    run_flow(make_session(above, below), INLINE)
    session = make_session(above, below)

    def old(task: TaskRecord) -> TaskRecord:
        return replace(task, read=None)

    assert planned(session, change=old) == {"a": (1, 0, []), "b": (1, 0, [])}

    def other_y(task: TaskRecord) -> TaskRecord:
        if task.step != "a":
            return old(task)
        return replace(old(task), artifacts={**task.artifacts, "y": task.artifacts["x"]})

    y = session.datastore.artifacts.save_given({"y": 2})["y"]
    assert planned(session, change=other_y)["b"] == (1, 0, [])  # x and y have equal content

    def new_y(task: TaskRecord) -> TaskRecord:
        if task.step == "b":  # it inherited another one than its parent's clone has
            return replace(old(task), artifacts={**task.artifacts, "y": y})
        return old(task)

    assert planned(session, change=new_y)["b"] == (0, 1, ["`y` differs"])


def test_a_foreach_over_a_set_is_not_cloned(make_session: MakeSession) -> None:
    """A split that an earlier version recorded over a set runs again, and is refused then."""
    cells = ("%%step load -> xs\nxs = [1, 2]", "%%step train --foreach xs -> m\nm = self.input")
    cells = (*cells, "%%step pick --join\npass")
    run_flow(make_session(*cells), INLINE)
    session = make_session(*cells)
    items = session.datastore.artifacts.save_given({"xs": {1, 2}})

    def over_a_set(task: TaskRecord) -> TaskRecord:
        return replace(task, artifacts={name: items.get(name, ref) for name, ref in task.artifacts.items()})

    assert planned(session, change=over_a_set) == {"load": (0, 1, ["its transition changed"])}


def test_a_result_that_was_removed_is_made_again(make_session: MakeSession) -> None:
    """A task whose artifacts are gone cannot be cloned."""
    cells = ("%%step a -> x\nx = bytes(100_000)", "%%step b -> n\nn = len(x)")
    run_flow(make_session(*cells), INLINE)
    session = make_session(*cells)
    for blob in Path(session.datastore.location, "blobs").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 90_000:
            blob.unlink()
    assert planned(session) == {"a": (0, 1, ["`x` was removed"])}


def test_class_level_constants_always_count(make_session: MakeSession, tmp_path: Path) -> None:
    """The flow's class body may read anything, so its values are compared, not only its text."""
    file = tmp_path / "n.txt"
    cells = (
        "%%shared\nfrom pathlib import Path",
        f"%%flow NotebookFlow\nN = int(Path({str(file)!r}).read_text())",
        "%%step a -> x\nx = N",
    )
    file.write_text("1")
    run_flow(make_session(*cells), INLINE)
    assert planned(make_session(*cells)) == {"a": (1, 0, [])}
    file.write_text("2")
    session = make_session(*cells)
    origin = find_origin(session.datastore, "NotebookFlow", None)
    reuse = Clones(session.program(True), session.datastore, offered_tasks(session.datastore, origin))
    assert [str(one) for one in rehearse(session, reuse, origin)["a"].reasons] == ["`N` differs"]


def test_an_edge_that_was_moved(make_session: MakeSession) -> None:
    """Cases of a switch that changed lead where they lead now; a value without a case is left to the step."""
    head = "%%step s\nself.kind = 'a'\n"
    cells = ("%%step a\npass\nself.next(self.last)", "%%step b\npass\nself.next(self.last)", "%%step last\npass")
    run_flow(make_session(head + "self.next({'a': self.a, 'b': self.b}, condition='kind')", *cells), INLINE)
    moved = make_session(head + "self.next({'a': self.b, 'b': self.a}, condition='kind')", *cells)
    assert planned(moved) == {"s": (1, 0, []), "b": (0, 1, ["had not run"])}
    lost = make_session(head + "self.next({'x': self.b, 'b': self.a}, condition='kind')", *cells)
    assert planned(lost) == {"s": (0, 1, ["its transition changed"])}
