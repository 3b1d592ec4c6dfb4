"""One notebook's flow: cell by cell, spun, and run as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.client import Flow, Run
from flownb.errors import CheckFailed, CorruptBlob, MissingResults, ParameterError, StepFailed
from flownb.session.options import RunOptions, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from flownb.store.garbage import remove_run
from tests.conftest import MakeSession
from tests.runtime.test_scheduler import SHAPES

HEADER = '%%flow F\nalpha = Parameter("alpha", default=2)'
LOAD = "%%step load -> xs, total\nxs = [1, 2, 3]\ntotal = sum(xs)\nscratch = 5"
TRAIN = "%%step train --foreach xs -> m\nm = self.input * alpha"
PICK = "%%step pick --join -> best\nbest = max(task.m for task in inputs)"
CELLS = (HEADER, LOAD, TRAIN, PICK)


def run_all(session: Session) -> None:
    """Execute all step cells from top to bottom."""
    for step in session.flow.steps:
        run_step(session, step.name)


def states(session: Session) -> dict[str, tuple[str, tuple[str, ...]]]:
    """State and reasons of every step."""
    return {name: (one.state, one.reasons) for name, one in step_states(session).items()}


def test_cells_run_on_their_parents_results(make_session: MakeSession) -> None:
    """Each step cell starts from what its parents persisted; a foreach runs once for each item."""
    session = make_session(*CELLS)
    assert run_step(session, "load").values == {"xs": [1, 2, 3], "total": 6}
    report = run_step(session, "train").report
    assert report.tasks == 3
    assert run_step(session, "pick").values == {"best": 6}


def test_uncaptured_names_are_listed_with_the_header_to_keep_them(make_session: MakeSession) -> None:
    """Under a step cell is shown what it kept to itself, and the header that would capture it."""
    report = run_step(make_session(*CELLS), "load").report
    assert report.local == ("scratch",)
    assert report.header == "%%step load -> xs, total, scratch"


def test_the_header_to_keep_names_passes_the_checks(make_session: MakeSession) -> None:
    """What it would capture can be an artifact: no name of a step or parameter, nothing deleted."""
    body = "knn = alpha = end = inputs = gone = index = 1\ndel gone\nif knn:\n    maybe = 2\nfine = 3"
    session = make_session("%%flow F\nbeta = 1", f"%%step load -> xs\nxs = []\nbeta = 2\n{body}", "%%step knn")
    report = run_step(session, "load").report
    assert report.header == "%%step load -> xs, alpha, maybe, fine"
    assert set(report.local) >= {"knn", "end", "inputs", "index", "gone", "beta"}
    session.define(read_cell(f"{report.header}\nxs = []\n{body}"))
    assert run_step(session, "load").values.keys() == {"xs", "alpha", "maybe", "fine"}
    session.define(read_cell("knn = 1", tags=["step:only", "after:load"]))
    report = run_step(session, "only").report
    assert (", ".join(report.local), report.header) == ("knn", "")
    assert report.lines() == ["✓ only · local: knn"]
    assert report.details() == ["local: knn"]
    session.define(read_cell("fine = 1", tags=["step:only", "out:fine", "after:load"]))
    session.define(read_cell("fine = good = 1", tags=["step:only", "out:fine", "after:load"]))
    assert run_step(session, "only").report.header == "step:only after:load out:fine,good"


def test_steps_never_see_each_others_memory(make_session: MakeSession) -> None:
    """Changing an inherited object in place changes this step's artifact, not the parent's and not a sibling's."""
    session = make_session(
        "%%step load -> xs\nxs = [1]",
        "%%step a --after load -> n\nxs.append(2)\nn = len(xs)",
        "%%step b --after load -> n\nn = len(xs)",
    )
    run_step(session, "load")
    assert (run_step(session, "a").values, run_step(session, "b").values) == ({"xs": [1, 2], "n": 2}, {"n": 1})


def test_state_outlives_the_kernel(make_session: MakeSession, tmp_path: Path) -> None:
    """A new session on the same notebook continues from what the last one recorded."""
    run_all(make_session(*CELLS))
    again = make_session(*CELLS)
    assert spin_step(again, parse_spin(["pick"])).values == {"best": 6}
    assert run_step(again, "pick").values == {"best": 6}
    assert again.datastore.runs.run_ids("F") == ["1"]


def test_spin_records_nothing(make_session: MakeSession, tmp_path: Path) -> None:
    """A spun step leaves no task, run or blob behind."""
    session = make_session(*CELLS)
    run_step(session, "load")
    before = sorted(path for path in tmp_path.rglob("*"))
    assert spin_step(session, parse_spin("train --index 2".split())).values == {"m": 6}
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_spin_works_for_a_step_that_never_ran(make_session: MakeSession) -> None:
    """All a spin needs is its parents' results."""
    session = make_session(*CELLS)
    run_step(session, "load")
    assert spin_step(session, parse_spin(["train"])).values == {"m": 2}


def test_spin_overrides(make_session: MakeSession, tmp_path: Path) -> None:
    """--set and --artifacts-module replace parameters and artifacts for this spin only."""
    session = make_session(*CELLS)
    run_step(session, "load")
    assert spin_step(session, parse_spin("train --set alpha=10".split())).values == {"m": 10}
    (tmp_path / "given.py").write_text("ARTIFACTS = {'xs': [70, 80]}")
    words = f"train --index 1 --artifacts-module {tmp_path / 'given.py'}".split()
    assert spin_step(session, parse_spin(words)).values == {"m": 160}
    assert spin_step(session, parse_spin(["train"])).values == {"m": 2}


def test_spin_a_throw_away_body(make_session: MakeSession) -> None:
    """%%spin runs another body under the step's header and leaves the step as it was."""
    session = make_session(*CELLS)
    run_step(session, "load")
    assert spin_step(session, parse_spin(["train"]), body="m = -self.input").values == {"m": -1}
    assert spin_step(session, parse_spin(["train"])).values == {"m": 2}


LOOKED_AT = (
    "%%step load -> xs, k\nxs = [1, 2]\nk = 'a'",
    "%%step work --foreach xs -> m, n\nm = self.input\nn = 2",
    "%%step pick -> best, ms\nms = [one.m for one in inputs]\nbest = max(ms)",
    "%%step last -> z\nz = best",
)
# Steps, throw-away bodies, and what they set and display.
LOOKS: list[tuple[str, str, dict[str, object], list[object]]] = [
    ("work", "n = 5", {"n": 5}, []),
    ("work", "self.input", {}, [1]),
    ("work", "if self.input > 1:\n    m = 7\nn = 1", {"n": 1}, []),
    ("work", "for m in []:\n    pass\nself.extra = 3", {"extra": 3}, []),
    ("work", "m = 1\ndel m", {}, []),
    ("work", "import math as m\nm.floor(2.5)", {}, [2]),
    ("work", "def m(): pass\nclass n: pass", {}, []),
    ("work", "try:\n    m = 1 / 0\nexcept ZeroDivisionError as n:\n    pass", {}, []),
    ("load", "1 + 1", {}, [2]),
    ("load", "k = 3", {"k": 3}, []),
    ("load", "xs = {3}", {"xs": {3}}, []),
    ("pick", "len(list(inputs))", {}, [2]),
    ("pick", "ms = 'no inputs are read'", {"ms": "no inputs are read"}, []),
    ("last", "best + 1", {}, [3]),
    ("last", "", {}, []),
]


@pytest.mark.parametrize(("step", "body", "values", "shown"), LOOKS)
def test_a_throw_away_body_looks_around(
    make_session: MakeSession, step: str, body: str, values: dict[str, object], shown: list[object]
) -> None:
    """It may set some of what its step captures, or nothing; what it set and displayed is there to see."""
    session = make_session(*LOOKED_AT)
    for one in ("load", "work", "pick", "last"):
        run_step(session, one)
    displayed: list[object] = []
    outcome = spin_step(session, parse_spin([step]), body=body, display=displayed.append)
    assert (outcome.values, [one for one in displayed if one is not None]) == (values, shown)
    assert [name for name, _ in outcome.report.artifacts] == list(values)
    assert {name: one.state for name, one in step_states(session).items()} == {
        "load": "fresh",
        "work": "fresh",
        "pick": "fresh",
        "last": "fresh",
    }


def test_a_throw_away_body_runs_in_a_process_of_its_own(make_session: MakeSession) -> None:
    """With --isolate the body is the same: what it may leave out it may leave out there."""
    session = make_session(*LOOKED_AT)
    run_step(session, "load")
    body = "if self.input > 1:\n    m = 7\nn = xs"
    assert spin_step(session, parse_spin(["work", "--isolate", "process"]), body=body).values == {"n": [1, 2]}
    session.servers.close()


def test_an_error_of_a_throw_away_body_is_its_own(make_session: MakeSession) -> None:
    """Findings name the %%spin cell and its line, not the cell of the step."""
    session = make_session(*LOOKED_AT)
    run_step(session, "load")
    body = "m = 1\nn = nowhere"
    with pytest.raises(CheckFailed) as caught:
        spin_step(session, parse_spin(["work"]), body=body, source=f"\n%%time\n%%spin work\n{body}")
    assert (
        "FN001 the %%spin cell (step work), line 5: Step work reads `nowhere`, which nothing defines.\n"
        "    5 | n = nowhere\n"
    ) in str(caught.value)


def test_spin_from_an_earlier_run(make_session: MakeSession) -> None:
    """--from takes the inputs of that run: of all of it, of a parent's task, or of a task of the step itself."""
    session = make_session(*CELLS)
    run_flow(session, parse_run("--alpha 7".split()))
    run_all(session)
    assert spin_step(session, parse_spin(["train"])).values == {"m": 2}
    assert spin_step(session, parse_spin("train --from 1".split())).values == {"m": 7}
    task = sorted(Run("F/1", datastore=session.datastore)["train"], key=lambda task: int(task.id))[1]
    assert spin_step(session, parse_spin(f"train --from 1/train/{task.id}".split())).values == {"m": 14}
    load = Run("F/1", datastore=session.datastore)["load"].task
    assert load is not None
    assert spin_step(session, parse_spin(f"train --from F/1/load/{load.id} --index 2".split())).values == {"m": 21}


def test_spin_persist_keeps_a_task_aside(make_session: MakeSession) -> None:
    """With --persist the spun task can be read from the spin datastore, and the flow's runs stay as they were."""
    session = make_session(*CELLS)
    run_step(session, "load")
    outcome = spin_step(session, parse_spin("train --persist".split()))
    assert outcome.task is not None
    assert (outcome.task["m"].data, outcome.task["xs"].data) == (2, [1, 2, 3])
    assert Run("F/1", datastore=session.spin_datastore)["train"].task.pathspec == outcome.task.pathspec  # type: ignore[union-attr]  # just made
    assert session.datastore.runs.run_ids("F") == ["1"]


def test_the_newest_result_counts_wherever_it_is(make_session: MakeSession) -> None:
    """After a run of the whole flow a cell starts from that run's results, until its parent's cell runs again."""
    session = make_session(*CELLS)
    run_all(session)
    run_flow(session, parse_run("--alpha 5".split()))
    assert run_step(session, "pick").values == {"best": 15}
    run_step(session, "train")
    assert run_step(session, "pick").values == {"best": 15}  # `load` of that run has alpha 5
    run_step(session, "load")
    run_step(session, "train")
    assert run_step(session, "pick").values == {"best": 6}


def test_a_run_that_was_killed_has_no_complete_step(make_session: MakeSession, tmp_path: Path) -> None:
    """Of a step whose tasks were recorded in part, at any foreach level, nothing is used."""
    session = make_session(
        "%%step s -> xs\nxs = [1, 2]", "%%step f --foreach xs -> ys\nys = [1, 2]",
        "%%step g --foreach ys -> y\ny = self.input", "%%step inner --join -> z\nz = [i.y for i in inputs]",
        "%%step outer --join\npass",
    )  # fmt: skip
    run_flow(session, RunOptions())
    run = tmp_path / ".flownb/flows/NotebookFlow/1"
    (run / "end.json").unlink()
    tasks = sorted((run / "steps/g").iterdir(), key=lambda path: int(path.name))
    for task in tasks[2:]:
        (task / "0.json").unlink()
    with pytest.raises(MissingResults, match="`g` has no results yet"):
        run_step(make_session(*[step.cell.source for step in session.flow.steps]), "inner")


def test_a_join_waits_for_all_branches(make_session: MakeSession) -> None:
    """A join of branches that ran for other items of a foreach is refused, and says what to run again."""
    cells = (
        "%%step s -> xs\nxs = [1, 2]", "%%step f --foreach xs -> y\ny = self.input", "%%step a --after f\npass",
        "%%step b --after f\npass", "%%step ab --after a,b --join\npass", "%%step j --join\npass",
    )  # fmt: skip
    session = make_session(*cells)
    run_all(session)
    session.define(read_cell("%%step s -> xs\nxs = [1, 2, 3]", number=1))
    for step in "sfa":
        run_step(session, step)
    with pytest.raises(MissingResults, match="Run the cells of `a`, `b` again"):
        run_step(session, "ab")
    run_step(session, "b")
    assert run_step(session, "ab").report.tasks == 3


def test_a_damaged_artifact_heals(make_session: MakeSession, tmp_path: Path) -> None:
    """Running the step again, as the error advises, writes a damaged artifact again."""
    cells = ("%%step load -> big\nbig = bytes(5000)", "%%step reads -> n\nn = len(big)")
    run_step(make_session(*cells), "load")
    (blob,) = (path for path in (tmp_path / ".flownb/blobs").rglob("*") if path.is_file())
    blob.write_bytes(b"x" * blob.stat().st_size)
    session = make_session(*cells)
    with pytest.raises(CorruptBlob, match="Run its step again"):
        run_step(session, "reads")
    run_step(session, "load")
    assert run_step(session, "reads").values == {"n": 5000}


def test_spin_from_a_run_has_its_parameters(make_session: MakeSession) -> None:
    """A first step is spun with the parameters of the run that --from names."""
    session = make_session('%%flow F\nalpha = Parameter("alpha", default=2)', "%%step load -> x\nx = alpha")
    run_flow(session, parse_run("--alpha 7".split()))
    assert spin_step(session, parse_spin(["load"])).values == {"x": 2}
    assert spin_step(session, parse_spin("load --from 1".split())).values == {"x": 7}
    assert spin_step(session, parse_spin("load --from 1/load".split())).values == {"x": 7}
    assert spin_step(session, parse_spin("load --from 1 --set alpha=9".split())).values == {"x": 9}


def test_a_required_parameter_in_cells(make_session: MakeSession) -> None:
    """A single step takes a required parameter from its parents; where there is none it says how to give one."""
    header = '%%flow F\nneed = Parameter("need", type=int, required=True)'
    session = make_session(header, "%%step load -> x\nx = need", "%%step last -> y\ny = x + need")
    with pytest.raises(ParameterError, match=r"`%flow run --need VALUE`"):
        run_step(session, "load")
    assert spin_step(session, parse_spin("load --set need=3".split())).values == {"x": 3}
    run_flow(session, parse_run("--need 5".split()))
    assert run_step(session, "last").values == {"y": 10}


def test_an_override_of_the_foreach(make_session: MakeSession) -> None:
    """A spin over other items than the parent's runs over these."""
    session = make_session(*CELLS)
    run_step(session, "load")
    assert spin_step(session, parse_spin(["train", "--set", "xs=[1, 2, 3, 4, 5]", "--index", "4"])).values == {"m": 10}
    assert spin_step(session, parse_spin(["train", "--set", "xs=[7]"])).values == {"m": 14}


def test_notes_say_where_inputs_come_from(make_session: MakeSession) -> None:
    """A step that reads a parameter which its parents' run was given says so; one that does not says nothing."""
    session = make_session(*CELLS, "%%step show --after pick\nprint(self.alpha)")
    run_flow(session, parse_run("--alpha 7".split()))
    said = "made with alpha = 7 (default: 2), as the run that its inputs come from"
    assert (run_step(session, "pick").report.inputs, run_step(session, "show").report.inputs) == ((), (said,))
    assert spin_step(session, parse_spin(["show"])).report.inputs == (said,)


@pytest.mark.parametrize("shape", SHAPES)
def test_cell_by_cell_every_shape_is_fresh(make_session: MakeSession, shape: str) -> None:
    """Right after all cells ran from top to bottom no step is stale."""
    session = make_session(*SHAPES[shape][0])
    run_all(session)
    assert set(states(session).values()) == {("fresh", ())}


def test_freshness_says_why(make_session: MakeSession) -> None:
    """A changed step makes itself stale and what comes after it; a re-run to the same artifacts freshens all."""
    session = make_session(*CELLS)
    assert set(states(session).values()) == {("never", ())}
    run_all(session)
    assert set(states(session).values()) == {("fresh", ())}
    session.define(read_cell(TRAIN + "\n# now with a comment", number=3))
    assert set(states(session).values()) == {("fresh", ())}
    session.define(read_cell(TRAIN + "\nNone", number=3))
    assert states(session) == {
        "load": ("fresh", ()),
        "train": ("stale", ("`train` changed",)),
        "pick": ("stale", ("made from an older result of `train` (`train` changed)",)),
    }
    run_step(session, "train")
    assert set(states(session).values()) == {("fresh", ())}


def test_content_decides_not_time(make_session: MakeSession) -> None:
    """A parent that was re-run to the same artifacts leaves its children fresh; other artifacts make them stale."""
    session = make_session(*CELLS)
    run_all(session)
    run_step(session, "load")
    assert set(states(session).values()) == {("fresh", ())}
    session.define(read_cell(LOAD.replace("[1, 2, 3]", "[1, 2, 4]"), number=2))
    run_step(session, "load")
    assert states(session)["train"] == ("stale", ("new items",))


def test_a_run_of_the_whole_flow_is_fresh(make_session: MakeSession) -> None:
    """The steps that a run adds (start, end, bridges) do not make the user's own steps look stale."""
    session = make_session(*CELLS)
    run_flow(session, RunOptions())
    assert set(states(session).values()) == {("fresh", ())}


def test_a_failed_step_shows_as_failed(make_session: MakeSession) -> None:
    """A step that raised is failed, its children still use its earlier result, and say so."""
    session = make_session("%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1")
    run_all(session)
    session.define(read_cell("%%step a -> x\nx = 1 / 0", number=1))
    with pytest.raises(ZeroDivisionError):
        run_step(session, "a")
    assert states(session)["a"] == ("failed", ("ZeroDivisionError",))
    outcome = run_step(session, "b")
    assert outcome.values == {"y": 2}
    assert outcome.report.notes == ("a failed when it last ran; its result from before was used",)


def test_a_new_child_leaves_its_parent_fresh(make_session: MakeSession) -> None:
    """Adding a step below another changes that one's self.next, not its result; also if that one has no body."""
    for number, cell in enumerate(("%%step a -> x\nx = 1", "%%step a")):
        session = make_session(cell)
        run_step(session, "a")
        session.define(read_cell(f"%%step b{number}\nprint(1)", number=2))
        assert states(session)["a"] == ("fresh", ())


def test_runs_have_tags_and_parameters(make_session: MakeSession) -> None:
    """A run keeps its tags, and its parameters are artifacts of every task, joins included."""
    session = make_session(*CELLS)
    run_flow(session, parse_run("--alpha 3 --tag x --tag y".split()))
    (run,) = Flow("F", datastore=session.datastore).runs("x")
    assert run.tags == frozenset({"x", "y"})
    assert run.data is not None
    assert (run.data.alpha, run.data.best) == (3, 9)
    assert list(Flow("F", datastore=session.datastore).runs("z")) == []


def test_shared_classes_load_in_a_fresh_process(make_session: MakeSession, tmp_path: Path) -> None:
    """The client makes the classes of a run's shared cells importable by itself."""
    import subprocess
    import sys

    shared = "%%shared\nfrom dataclasses import dataclass\n@dataclass\nclass P:\n    x: int"
    run_flow(make_session(shared, "%%step a -> p\np = P(3)"), RunOptions())
    code = "import flownb; print(flownb.Run('NotebookFlow/1').data.p)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=tmp_path) == "P(x=3)\n"


def test_shared_code_is_fresh_in_every_task(make_session: MakeSession) -> None:
    """What one task changes in shared objects no other task sees."""
    session = make_session(
        "%%shared\nSEEN = []", "%%step a -> n\nSEEN.append(1)\nn = len(SEEN)",
        "%%step b -> m\nSEEN.append(1)\nm = len(SEEN)",
    )  # fmt: skip
    assert (run_step(session, "a").values, run_step(session, "b").values) == ({"n": 1}, {"m": 1})


def test_a_switch_takes_one_way(make_session: MakeSession) -> None:
    """A run takes the case that holds; executing a cell of another case works and says that a run would not."""
    session = make_session(
        "%%step look -> kind\nkind = 'small'",
        "%%step big --after look --when kind=big -> r\nr = 'B'",
        "%%step small --after look --when kind=small -> r\nr = 's'",
        "%%step last --after big,small -> out\nout = r",
    )
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert "big" not in run
    assert run.data is not None
    assert run.data.out == "s"
    run_all(session)
    said = "not taken: `look` led to `small`, so a run would not reach this step; it ran anyway"
    assert run_step(session, "big").report.inputs == (said,)
    last = run_step(session, "last")
    assert (last.values, last.report.inputs) == ({"out": "s"}, ())
    assert states(session)["big"] == ("untaken", ("`look` led to `small`",))


def test_retry_starts_again_from_the_store(make_session: MakeSession) -> None:
    """@retry runs a failed task again on unchanged inputs, and every attempt is recorded."""
    session = make_session(
        "%%shared\nfrom flownb import current",
        "%%step a -> xs\nxs = [0]",
        "%%step b -> n\n@retry(times=2, minutes_between_retries=0)\n\nxs.append(1)\nn = len(xs)\n"
        "if current.retry_count < 2:\n    raise ValueError(n)",
    )
    run_all(session)
    (record,) = session.results().latest("b")
    assert (record.attempt, session.datastore.artifacts.load(record.artifacts["n"])) == (2, 2)


def test_environment_holds_for_the_task_alone(make_session: MakeSession) -> None:
    """@environment sets variables while the step runs and puts them back."""
    session = make_session(
        "%%shared\nimport os", "%%step a -> v\n@environment(vars={'FLOWNB_TEST': 'x'})\nv = os.environ['FLOWNB_TEST']"
    )
    assert run_step(session, "a").values == {"v": "x"}
    import os

    assert "FLOWNB_TEST" not in os.environ


def test_a_step_gives_the_process_back(make_session: MakeSession, tmp_path: Path) -> None:
    """Working folder, environment and recursion limit are the task's own, as in a process of its own."""
    session = make_session(
        "%%shared\nimport os, sys",
        "%%step a -> here\nos.environ['FLOWNB_TEST'] = 'x'\nsys.setrecursionlimit(5000)\n"
        "os.chdir('/')\nhere = os.getcwd()",
        "%%step b -> seen\nseen = [os.environ.get('FLOWNB_TEST'), sys.getrecursionlimit() == 5000, os.getcwd() == '/']",
    )
    run_all(session)
    assert session.datastore.artifacts.load(session.results().latest("b")[0].artifacts["seen"]) == [None, False, False]


def test_a_failing_item_is_named(make_session: MakeSession) -> None:
    """The error of a foreach task in a step cell says which item it was and how to spin it."""
    session = make_session("%%step a -> xs\nxs = [1, 0, 2]", "%%step b --foreach xs -> y\ny = 1 / self.input")
    run_step(session, "a")
    with pytest.raises(ZeroDivisionError) as caught:
        run_step(session, "b")
    assert caught.value.__notes__ == ["In item 1 of 3; `%spin b --index 1` runs it alone."]


def test_an_error_without_a_text_is_recorded(make_session: MakeSession) -> None:
    """An exception whose text cannot be had fails the step like any other."""
    session = make_session("%%step a\nclass E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E")
    with pytest.raises(StepFailed, match=r"E: <E\.__str__ raised ZeroDivisionError>"):
        run_flow(session, RunOptions())


def test_current_describes_the_task(make_session: MakeSession) -> None:
    """`current` has the names of flow, run, step and task, the user, the parameters and the tags."""
    session = make_session(
        "%%flow F\nalpha = Parameter('alpha', default=2)",
        "%%shared\nfrom flownb import current",
        "%%step a -> got\ngot = [current.flow_name, current.run_id, current.step_name, current.pathspec, "
        "current.username, current.namespace, current.parameters.alpha, sorted(current.tags), current.retry_count]",
    )
    run = Run(run_flow(session, parse_run("--tag t".split())).pathspec, datastore=session.datastore)
    assert run.data is not None
    assert run.data.got == ["F", "1", "a", "F/1/a/1", "tester", "user:tester", 2, ["t"], 0]


def test_a_result_whose_origin_was_removed_is_stale(make_session: MakeSession) -> None:
    """After a run is removed by force, results that started from it are readable and say why they are stale."""
    cells = ("%%step a -> x\nx = list(range(50_000))", "%%step b -> n\nn = len(x)")
    session = make_session(*cells)
    run_flow(session, RunOptions())
    run_step(session, "b")
    remove_run(session.datastore, "NotebookFlow", "1", force=True)
    again = make_session(*cells)
    assert states(again) == {"a": ("never", ()), "b": ("stale", ("what it ran on was removed",))}
    (work,) = Flow("NotebookFlow", datastore=again.datastore).working_runs()
    assert work["b"].task.data.n == 50_000  # type: ignore[union-attr]  # there is one


def test_damage_is_reported_although_a_card_previews_other_artifacts(make_session: MakeSession, tmp_path: Path) -> None:
    """A step with a default card that read a large damaged artifact has failed, and nothing of it is kept."""
    cells = (
        "%%step load -> big, small\nbig = bytearray(40_000_000)\nsmall = 5",
        "%%step use -> n\n@card\nn = sum(self.big[:100])",
    )
    run_step(make_session(*cells), "load")
    blob = max((tmp_path / ".flownb/blobs").rglob("*"), key=lambda path: path.stat().st_size)
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    session = make_session(*cells)
    with pytest.raises(CorruptBlob, match="Artifact `big` of NotebookFlow/1/load/1 cannot be read"):
        run_step(session, "use")
    assert step_states(session)["use"].state == "failed"


def test_a_notebook_works_after_its_state_was_removed(make_session: MakeSession, tmp_path: Path) -> None:
    """Whether the working run or the whole folder was removed meanwhile, the next cells are recorded again."""
    session = make_session("%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1")
    run_step(session, "a")
    remove_run(Datastore(tmp_path / ".flownb"), "NotebookFlow", "1", force=True)
    run_step(session, "a")
    run_step(session, "b")
    assert {one.state for one in step_states(session).values()} == {"fresh"}
    shutil.rmtree(tmp_path / ".flownb")
    run_step(session, "a")
    run_step(session, "b")
    again = make_session("%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1")
    assert {one.state for one in step_states(again).values()} == {"fresh"}
    assert [run.id for run in Flow("NotebookFlow", datastore=again.datastore).working_runs()] == ["1"]
