"""Resuming a run: what is taken over, what runs again, and what is said of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flownb.client import Run
from flownb.errors import MissingResults, NotFound, ParameterError, StepFailed, StoreError
from flownb.session.options import ResumeOptions, RunOptions, parse_resume
from flownb.session.resume import Resume
from flownb.session.run import begin_run, run_flow
from flownb.session.session import Session
from flownb.session.states import step_states
from flownb.session.status import flow_status
from flownb.session.step import run_step
from tests.conftest import MakeSession

INLINE = RunOptions(executor="inline")


def run(session: Session, **parameters: Any) -> Run:
    """Run the whole flow in this process."""
    outcome = run_flow(session, RunOptions(parameters, executor="inline"))
    return Run(outcome.pathspec, datastore=session.datastore)


def fail(session: Session) -> None:
    """Run the whole flow, which fails."""
    with pytest.raises(StepFailed):
        run_flow(session, INLINE)


def resume(session: Session, step: str | None = None, origin: str | None = None) -> tuple[Run, list[str]]:
    """Resume in this process; give the new run and what was said."""
    plan = Resume(session, ResumeOptions(step, origin, INLINE))
    outcome = plan.begin().drive()
    return Run(outcome.pathspec, datastore=session.datastore), plan.lines


def data(found: Run, step: str, name: str) -> list[Any]:
    """An artifact of all tasks of a step, in foreach order."""
    tasks = sorted(found[step], key=lambda task: task.index or 0)
    return [task[name].data for task in tasks]


@pytest.fixture(autouse=True)
def _no_module_is_left() -> Iterator[None]:
    """What a test's steps imported in this process does not count as code of the next test."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let steps count how often they are executed: ``note("train")`` in a step, ``count()`` here."""
    path = tmp_path / "executed"
    monkeypatch.setenv("EXECUTED", str(path))

    def counted() -> list[str]:
        names = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return names

    return counted


SHARED = """%%shared
import os
def note(name):
    with open(os.environ['EXECUTED'], 'a') as file:
        print(name, file=file)"""
LOAD = "%%step load -> xs, unit\nnote('load')\nxs = [1, 2, 3]\nunit = 10"
TRAIN = "%%step train --foreach xs -> m\nnote(f'train{self.input}')\nm = self.input * unit"
PICK = "%%step pick --join -> best\nnote('pick')\nbest = [i.m for i in inputs]"
REPORT = "%%step report -> text\nnote('report')\ntext = str(best)"
FLOW = (SHARED, LOAD, TRAIN, PICK, REPORT)


def test_a_run_whose_steps_are_all_valid_is_cloned(make_session: MakeSession, count: Any) -> None:
    """Nothing is executed; the new run has all tasks and artifacts, and names what it took them from."""
    session = make_session(*FLOW)
    first = run(session)
    count()
    second, lines = resume(session)
    assert count() == []
    assert lines == ["load: cloned", "train: cloned, 3 tasks", "pick: cloned", "report: cloned"]
    assert {step.id: len(list(step)) for step in second} == {step.id: len(list(step)) for step in first}
    assert (True, data(second, "pick", "best")) == (second.successful, [[10, 20, 30]])
    record = session.datastore.runs.run("NotebookFlow", "2")
    tasks = session.datastore.tasks.last_attempts("NotebookFlow", "2", "train")
    assert (record.origin, [task.origin for task in tasks]) == ("1", ["1/train/3", "1/train/4", "1/train/5"])
    assert {task.parents for task in tasks} == {("2/load/2",)}


def test_a_changed_step_runs_and_what_depends_on_its_result(make_session: MakeSession, count: Any) -> None:
    """Steps above are cloned; below, content decides, and the reasons name the cause."""
    run(make_session(*FLOW))
    count()
    session = make_session(SHARED, LOAD, TRAIN.replace("* unit", "* unit + 1"), PICK, REPORT)
    found, lines = resume(session)
    assert count() == ["train1", "train2", "train3", "pick", "report"]
    assert lines == [
        "load: cloned",
        "train: ran, `train` changed",
        "pick: ran, `train` changed, `m` differs",
        "report: ran, `train` changed, `best` differs",
    ]
    assert data(found, "pick", "best") == [[11, 21, 31]]


def test_a_change_that_makes_no_difference_ends_there(make_session: MakeSession, count: Any) -> None:
    """Content decides: what comes after a step that gave the same again is cloned."""
    run(make_session(*FLOW))
    count()
    _, lines = resume(make_session(SHARED, LOAD.replace("10", "9 + 1"), TRAIN, PICK, REPORT))
    assert count() == ["load"]
    assert lines == ["load: ran, `load` changed", "train: cloned, 3 tasks", "pick: cloned", "report: cloned"]


@pytest.mark.parametrize(
    ("items", "executed"),
    [
        ("[1, 2, 3, 4, 5]", ["load", "train4", "train5", "pick", "report"]),
        ("[0, 1, 2, 3]", ["load", "train0", "pick", "report"]),
        ("[3, 1]", ["load", "pick", "report"]),
        ("[1, 7, 3]", ["load", "train7", "pick", "report"]),
        ("(1, 2, 3)", ["load"]),
    ],
)
def test_of_a_foreach_only_new_items_run(
    make_session: MakeSession, count: Any, items: str, executed: list[str]
) -> None:
    """A task is taken over with its item, wherever that is now, unless it looked at its position."""
    run(make_session(*FLOW))
    count()
    found, lines = resume(make_session(SHARED, LOAD.replace("[1, 2, 3]", items), TRAIN, PICK, REPORT))
    assert count() == executed
    expected = [10 * one for one in eval(items)]
    assert (data(found, "train", "m"), data(found, "pick", "best")) == (expected, [expected])
    new = sum(name.startswith("train") for name in executed)
    if new:
        assert f"train: {new} of {len(expected)} tasks ran: `load` changed, new items" in lines


@pytest.mark.parametrize(
    ("body", "executed"),
    [
        ("m = self.input + self.index", ["train"] * 4),
        ("m = [f[:2] for f in self.foreach_stack()]", ["train"] * 4),
        ("m = len(self.xs) + self.input", ["train"] * 4),
        ("a = self.input\nm = (a, xs)", ["train"] * 4),
        ("m = hasattr(self, 'more')", ["train"] * 4),
        ("m = hasattr(self, 'unknown')", []),
        ("m = self.input", ["train"]),
    ],
)
def test_all_that_a_task_looks_at_counts(make_session: MakeSession, count: Any, body: str, executed: list[str]) -> None:
    """Positions, the number of items, the whole list, and names that did not exist are inputs too."""
    train = f"%%step train --foreach xs -> m\nnote('train')\n{body}"
    join = "%%step pick --join\npass"
    run(make_session(SHARED, "%%step load -> xs\nxs = [1, 2, 3]", train, join))
    count()
    found, _ = resume(make_session(SHARED, "%%step load -> xs, more\nxs = [0, 1, 2, 3]\nmore = 1", train, join))
    assert count() == executed
    fresh = run(make_session(SHARED, "%%step load -> xs, more\nxs = [0, 1, 2, 3]\nmore = 1", train, join))
    assert data(found, "train", "m") == data(fresh, "train", "m")


def test_a_clone_passes_on_what_its_parents_have_now(make_session: MakeSession, count: Any) -> None:
    """A task that did not read an artifact is cloned though it differs, and steps after it see the new value."""
    cells = [
        "%%step a -> x, y\nx = 1\ny = 1",
        "%%step b -> z\nnote('b')\nz = x",
        "%%step c -> w\nnote('c')\nw = (x, y, z)",
    ]
    run(make_session(SHARED, *cells))
    count()
    found, _ = resume(make_session(SHARED, cells[0].replace("y = 1", "y = 5"), *cells[1:]))
    assert (count(), data(found, "c", "w"), data(found, "b", "y")) == (["c"], [(1, 5, 1)], [5])


def test_a_failed_run_continues_where_it_failed(make_session: MakeSession, count: Any) -> None:
    """Tasks that ended are kept, also of a foreach that did not end; the rest runs."""
    broken = TRAIN + "\nassert self.input != 2"
    fail(make_session(SHARED, LOAD, broken, PICK, REPORT))
    count()
    session = make_session(SHARED, LOAD, broken, PICK, REPORT)
    with pytest.raises(StepFailed):
        resume(session)
    assert count() == ["train2"]
    found, lines = resume(make_session(*FLOW))
    assert count() == ["train1", "train2", "train3", "pick", "report"]
    assert lines == [
        "load: cloned",
        "train: ran, `train` changed",
        "pick: ran, had not run",
        "report: ran, had not run",
    ]
    assert found.successful


def test_a_failure_outside_of_the_code_is_retried_alone(make_session: MakeSession, count: Any, tmp_path: Path) -> None:
    """What failed for the world's sake runs again though nothing changed."""
    flag = tmp_path / "flag"
    train = TRAIN + f"\nassert self.input != 3 or os.path.exists({str(flag)!r})"
    session = make_session(SHARED, LOAD, train, PICK, REPORT)
    fail(session)
    count()
    flag.touch()
    _, lines = resume(session)
    assert count() == ["train3", "pick", "report"]
    assert lines[:2] == ["load: cloned", "train: 1 of 3 tasks ran: failed before"]


def test_a_killed_run_is_resumed(make_session: MakeSession, count: Any) -> None:
    """A run without an end whose process is gone counts as what it recorded."""
    session = make_session(*FLOW)
    run(session)
    for name in ("end.json", "steps/report", "steps/pick", "steps/end"):
        path = Path(session.datastore.location) / "flows/NotebookFlow/1" / name
        for file in [path, *path.rglob("*.json")]:
            if file.is_file():
                file.unlink()
    count()
    found, lines = resume(make_session(*FLOW))
    assert (count(), found.successful) == (["pick", "report"], True)
    assert lines[2:] == ["pick: ran, had not run", "report: ran, had not run"]


def test_resume_from_a_step(make_session: MakeSession, count: Any) -> None:
    """The step that is named and all after it run again; what is before is cloned whatever its code is now."""
    run(make_session(*FLOW))
    count()
    session = make_session(SHARED, LOAD.replace("10", "99"), TRAIN, PICK, REPORT)
    found, lines = resume(session, "pick")
    assert count() == ["pick", "report"]
    assert lines == [
        "load: cloned",
        "train: cloned, 3 tasks",
        "pick: ran, from `pick` on",
        "report: ran, from `pick` on",
    ]
    assert data(found, "pick", "best") == [[10, 20, 30]]


def test_resume_from_a_step_needs_all_before_it(make_session: MakeSession, count: Any) -> None:
    """If a step before the named one has no result, nothing can be cloned in its place."""
    fail(make_session(SHARED, LOAD, TRAIN + "\nassert self.input != 2", PICK, REPORT))
    session = make_session(SHARED, LOAD, TRAIN + "\nassert self.input != 2", PICK, REPORT)
    with pytest.raises(MissingResults, match="Step train cannot be cloned for item 1: failed before"):
        resume(session, "pick")
    assert session.datastore.runs.run_ids("NotebookFlow") == ["1"]


def test_a_resume_that_got_nowhere_hides_nothing(make_session: MakeSession, count: Any) -> None:
    """What a failed resume did not come to is taken from the run that it had resumed."""
    run(make_session(*FLOW))
    broken = make_session(SHARED, LOAD + "\n1 / 0", TRAIN, PICK, REPORT)
    with pytest.raises(StepFailed):
        resume(broken)
    count()
    _, lines = resume(make_session(*FLOW))
    assert (count(), lines[1]) == ([], "train: cloned, 3 tasks")


def test_parameters_are_those_of_the_origin(make_session: MakeSession) -> None:
    """A resume has the parameters that its origin was started with; new ones have their defaults."""
    header = '%%flow F\nalpha = Parameter("alpha", default=1)'
    run(make_session(header, "%%step a -> x\nx = alpha"), alpha=7)
    found, _ = resume(
        make_session(header + '\nbeta = Parameter("beta", default=2)', "%%step a -> x\nx = (alpha, beta)")
    )
    assert (data(found, "a", "x"), data(found, "a", "alpha"), data(found, "a", "beta")) == ([(7, 2)], [7], [2])


def test_the_origin_can_be_named(make_session: MakeSession, count: Any) -> None:
    """Without a name it is the newest run; a resumed run can be resumed again."""
    run(make_session(*FLOW))
    run(make_session(SHARED, LOAD, TRAIN.replace("* unit", "+ unit"), PICK, REPORT))
    count()
    _, lines = resume(make_session(*FLOW), origin="1")
    assert (count(), lines[1]) == ([], "train: cloned, 3 tasks")
    resume(make_session(*FLOW))
    assert count() == []


def test_a_switch_leads_where_it_led(make_session: MakeSession, count: Any) -> None:
    """The branch is found again from its condition, and recursion through a switch is cloned task by task."""
    cells = (
        SHARED,
        "%%step s\nnote('s')\nself.n = 0\nself.kind = 'deep'\n"
        "self.next({'deep': self.grow, 'flat': self.flat}, condition='kind')",
        "%%step grow\nnote('grow')\nself.n = self.n + 1\nself.go = 'more' if self.n < 3 else 'enough'\n"
        "self.next({'more': self.grow, 'enough': self.last}, condition='go')",
        "%%step flat\nnote('flat')\nself.next(self.last)",
        "%%step last -> m\nnote('last')\nm = self.n",
    )
    first = run(make_session(*cells))
    count()
    found, lines = resume(make_session(*cells))
    assert (count(), lines[1]) == ([], "grow: cloned, 3 tasks")
    assert data(found, "last", "m") == data(first, "last", "m")
    found, _ = resume(make_session(cells[0], cells[1].replace("= 'deep'", "= 'flat'"), *cells[2:]))
    assert count() == ["s", "flat", "last"]


def test_rounds_that_look_alike_are_cloned_once_each(make_session: MakeSession, count: Any, tmp_path: Path) -> None:
    """A step that goes back to itself and reads the same in each round ends where it ended, and not never."""
    counter = tmp_path / "counter"
    poll = (
        "%%step poll\nnote('poll')\nfrom pathlib import Path\n"
        f"file = Path({str(counter)!r})\nn = int(file.read_text() if file.exists() else 0) + 1\n"
        "file.write_text(str(n))\n"
        "self.go = 'stop' if n % 3 == 0 else 'more'\nself.next({'more': self.poll, 'stop': self.last}, condition='go')"
    )
    session = make_session(SHARED, "%%step first\npass", poll, "%%step last\npass")
    run(session)
    assert count() == ["poll"] * 3
    found, lines = resume(session)
    assert (count(), lines[1]) == ([], "poll: cloned, 3 tasks")
    assert len(list(found["poll"])) == 3


def test_a_failure_that_was_caught_is_taken_over(make_session: MakeSession, count: Any) -> None:
    """A task whose failure `@catch` handled is done: badges, status and a resume agree that it holds."""
    cells = [
        SHARED,
        "%%step first\npass",
        "%%step risky -> x\n@catch(var='e')\nnote('risky')\nx = 1 / 0",
        "%%step last\nprint(self.e)",
    ]
    session = make_session(*cells)
    run(session)
    assert count() == ["risky"]
    status = flow_status(session).lines()
    assert [line for line in status if line.startswith("  risky")] == ["  risky  fresh", "  risky  would be cloned"]
    found, lines = resume(session)
    assert (count(), lines[1]) == ([], "risky: cloned")
    assert [e.type for e in data(found, "last", "e")] == ["builtins.ZeroDivisionError"]
    _, lines = resume(session, "risky")
    assert (count(), lines[1]) == (["risky"], "risky: ran, from `risky` on")


def test_a_join_runs_when_an_input_it_merged_is_new(make_session: MakeSession, count: Any) -> None:
    """merge_artifacts reads the names of all that its inputs have."""
    cells = (
        SHARED,
        "%%step s -> x\nx = 1",
        "%%step a --after s -> y\ny = 1",
        "%%step b --after s -> z\nz = 2",
        "%%step j --after a,b --join\nnote('j')\nself.merge_artifacts(inputs)",
    )
    run(make_session(*cells))
    count()
    _, lines = resume(make_session(*cells))
    assert (count(), lines[-1]) == ([], "j: cloned")
    found, lines = resume(make_session(*cells[:3], "%%step b --after s -> z, new\nz = 2\nnew = 3", cells[4]))
    assert (count(), lines[-1]) == (["j"], "j: ran, `b` changed, `new` differs")
    assert data(found, "j", "new") == [3]


def test_steps_can_be_put_between(make_session: MakeSession, count: Any) -> None:
    """The way through the flow is not part of a step's code: a new step leaves those around it as they are."""
    run(make_session(*FLOW))
    count()
    found, lines = resume(make_session(SHARED, LOAD, "%%step look -> seen\nnote('look')\nseen = len(xs)", *FLOW[2:]))
    assert (count(), lines[1]) == (["look"], "look: ran, had not run")
    assert [task["seen"].data for task in found["look"]] == [3]


def test_an_edited_module_beside_the_notebook_counts(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Any
) -> None:
    """A module of the user's own is code of the steps that import it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "beside_resume.py"
    module.write_text("def f(x):\n    return x\n")
    cells = (
        SHARED,
        "%%step a -> x\nnote('a')\nx = 1",
        "%%step b -> y\nnote('b')\nfrom beside_resume import f\ny = f(x)",
    )
    run(make_session(*cells))
    count()
    module.write_text("def f(x):\n    return x + 1\n")
    assert {n: one.state for n, one in step_states(make_session(*cells)).items()} == {"a": "fresh", "b": "stale"}
    _, lines = resume(make_session(*cells))
    assert (count(), lines[-1]) == (["b"], "b: ran, module `beside_resume` changed")


def resumed_in_workers(session: Session) -> list[str]:
    """Resume with worker processes; give what was said."""
    plan = Resume(session, ResumeOptions(None, None, RunOptions()))
    plan.begin().drive()
    return plan.lines


def test_a_module_that_came_with_an_artifact_counts(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step depends on the classes of the values it reads, though its code does not name their module."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "shapes_resume.py"
    module.write_text("class Square:\n    def area(self):\n        return 4\n")
    cells = (
        "%%step a -> shape\nfrom shapes_resume import Square\nshape = Square()",
        "%%step b -> area\narea = shape.area()",
    )
    run_flow(make_session(*cells), RunOptions())
    module.write_text("class Square:\n    def area(self):\n        return 9\n\n    sides = 4\n")
    lines = resumed_in_workers(make_session(*cells))
    assert lines[-1] == "b: ran, module `shapes_resume` changed"


def test_a_module_that_came_with_an_artifact_counts_in_this_process_too(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is for runs whose tasks are executed in the kernel."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "inline_resume.py"
    module.write_text("class Square:\n    def area(self):\n        return 4\n")
    cells = (
        "%%step a -> shape\nfrom inline_resume import Square\nshape = Square()",
        "%%step b -> area\narea = shape.area()",
    )
    run(make_session(*cells))
    module.write_text("class Square:\n    def area(self):\n        return 9\n\n    sides = 4\n")
    _, lines = resume(make_session(*cells))
    assert lines[-1] == "b: ran, module `inline_resume` changed"


def test_a_module_that_was_edited_meanwhile_counts_as_neither(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a module was when a task imported it is not known if it was written to while the task ran."""
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "edited_resume.py"
    module.write_text("value = 1\n")
    edit = f"open({str(module)!r}, 'w').write('value = 2\\n')"
    cells = ("%%step a -> x\nimport os\nfrom edited_resume import value\n" + edit + "\nx = value",)
    run_flow(make_session(*cells), RunOptions())
    assert resumed_in_workers(make_session(*cells)) == ["a: ran, module `edited_resume` changed"]


def test_what_cannot_be_resumed_is_refused(make_session: MakeSession, count: Any) -> None:
    """No run, one that is running, an unknown run or step, a working run: each has its message."""
    session = make_session(*FLOW)
    with pytest.raises(NotFound, match="no run of NotebookFlow to resume"):
        resume(session)
    session.working.run(session.flow.name)
    with pytest.raises(NotFound, match="working run"):
        resume(session, origin="1")
    going_on = begin_run(session, INLINE)
    with pytest.raises(StoreError, match="NotebookFlow/2 is still going on"):
        resume(make_session(*FLOW))
    going_on.drive()
    with pytest.raises(NotFound, match="does not exist"):
        resume(session, origin="9")
    with pytest.raises(NotFound, match=r"no step `trian`.*Did you mean `train`"):
        resume(session, "trian")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ResumeOptions()),
        ("train", ResumeOptions("train")),
        ("--origin-run-id 7 train", ResumeOptions("train", "7")),
        ("--tag a train --origin-run-id=7", ResumeOptions("train", "7", RunOptions(tags=("a",)))),
        ("--background --max-workers 2", ResumeOptions(run=RunOptions(workers=2, workers_given=True, background=True))),
    ],
)
def test_parse_resume(line: str, expected: ResumeOptions) -> None:
    """The step may be anywhere in the line."""
    assert parse_resume(line.split()) == expected


@pytest.mark.parametrize("line", ["--alpha 2", "a b", "--origin-run-id", "--max-workers x"])
def test_parse_resume_refuses(line: str) -> None:
    """Parameters, a second step and options without a value are refused."""
    with pytest.raises(ParameterError):
        parse_resume(line.split())


def test_what_was_cloned_is_the_latest_result(make_session: MakeSession, count: Any) -> None:
    """A step whose edit was tried in its cell and taken back has the result of the resumed run."""
    session = make_session(*FLOW)
    run(session)
    tried = make_session(SHARED, LOAD, TRAIN + " + 1", PICK, REPORT)
    run_step(tried, "train")
    resume(make_session(*FLOW))
    now = make_session(*FLOW)
    assert [reason for one in step_states(now).values() for reason in one.reasons] == []
    assert {task.run for task in now.results().latest("train")} == {"3"}


def test_a_run_that_went_on_for_long_does_not_hide_newer_results(make_session: MakeSession) -> None:
    """The results of a run are as old as its start: one that began before an edit and ends after it changes nothing."""
    old = begin_run(make_session("%%step a -> x\nx = 1", "%%step b -> y\ny = x"), INLINE)
    edited = ("%%step a -> x\nx = 2", "%%step b -> y\ny = x")
    newer = run(make_session(*edited))
    old.drive()
    now = make_session(*edited)
    assert {task.run for step in "ab" for task in now.results().latest(step)} == {newer.id}
    assert {one.state for one in step_states(now).values()} == {"fresh"}
