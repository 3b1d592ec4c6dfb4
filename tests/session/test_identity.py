"""Notebooks that could be taken for each other, and what is still the same notebook."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from flownb.cells.notebook import read_notebook, saved_id
from flownb.errors import MissingResults, NotFound, StoreError
from flownb.session.commands import read
from flownb.session.options import ResumeOptions, RunOptions, parse_spin
from flownb.session.resume import Resume
from flownb.session.run import run_flow
from flownb.session.runs import use_run
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.states import step_states
from flownb.session.status import flow_status
from flownb.session.step import run_step
from flownb.store.garbage import collect, remove_run
from flownb.store.records import RunRecord

NAMED = "%%flow F"
LOAD, ADD = "%%step load -> x\nx = 1", "%%step add -> y\ny = x + 1"
OTHER = "%%step load -> x\nx = 10"


def write(path: Path, *cells: str, notebook_id: str = "") -> Path:
    """Write a notebook, with an id in its metadata or without."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id=f"c{number}") for number, source in enumerate(cells)],
        metadata={"flownb": {"id": notebook_id}} if notebook_id else {},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def opened(path: Path, user: str = "tester") -> Session:
    """A new session on a notebook's file, as each command and each kernel without a view has one."""
    os.environ["METAFLOW_USER"] = user
    session = Session(path)
    session.open(read_notebook(path).cells)
    return session


def viewed(path: Path, notebook_id: str = "") -> tuple[Session, list[str]]:
    """A session whose view shows a notebook with an id or without one, and the ids that it has the view write."""
    session, named = opened(path), list[str]()
    session.working.on_named = named.append
    session.show_notebook(path.name, notebook_id or saved_id(path))
    return session, named


def spun(session: Session) -> int | None:
    """What `add` gives on this notebook's latest results; None if it has none."""
    try:
        return int(spin_step(session, parse_spin(["add"])).values["y"])
    except MissingResults:
        return None


def status(session: Session, step: str = "load") -> str:
    """The state of a step."""
    return flow_status(session).steps[step].state


@pytest.fixture(autouse=True)
def _user_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is the test's own afterwards."""
    monkeypatch.setenv("METAFLOW_USER", "tester")


Pair = Callable[[Path], tuple[Callable[[], Session], Callable[[], Session]]]


def same_folder(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two files in one folder with one flow's name."""
    one, two = write(folder / "a.ipynb", NAMED, LOAD, ADD), write(folder / "b.ipynb", NAMED, OTHER, ADD)
    return lambda: opened(one), lambda: opened(two)


def no_flow_cell(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two files whose names give no name to their flows."""
    one, two = write(folder / "模型.ipynb", LOAD, ADD), write(folder / "数据.ipynb", OTHER, ADD)
    return lambda: opened(one), lambda: opened(two)


def same_words(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two files whose names give their flows the same name."""
    one, two = write(folder / "my model.ipynb", LOAD, ADD), write(folder / "my-model.ipynb", OTHER, ADD)
    return lambda: opened(one), lambda: opened(two)


def two_checkouts(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """The same file's name in two folders."""
    one, two = write(folder / "a/n.ipynb", NAMED, LOAD, ADD), write(folder / "b/n.ipynb", NAMED, OTHER, ADD)
    return lambda: opened(one), lambda: opened(two)


def two_users(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """One file, executed by two users."""
    one = write(folder / "n.ipynb", NAMED, LOAD, ADD)
    return lambda: opened(one, "ada"), lambda: opened(one, "bob")


def two_users_with_an_id(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two checkouts of one notebook that has an id, of two users."""
    one = write(folder / "ada/n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    two = write(folder / "bob/n.ipynb", NAMED, OTHER, ADD, notebook_id="4a1f")
    return lambda: opened(one, "ada"), lambda: opened(two, "bob")


def a_copy(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """A file and its duplicate, which has the same id in its metadata."""
    one = write(folder / "n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    two = write(folder / "n-Copy1.ipynb", NAMED, OTHER, ADD, notebook_id="4a1f")
    return lambda: opened(one), lambda: opened(two)


def a_copy_in_a_view(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """A file and its duplicate, both open in JupyterLab."""
    one = write(folder / "n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    two = write(folder / "n-Copy1.ipynb", NAMED, OTHER, ADD, notebook_id="4a1f")

    def second() -> Session:
        session, named = viewed(two)

        def save(given: str) -> None:
            write(two, NAMED, OTHER, ADD, notebook_id=given)

        session.working.on_named = save
        assert named == []
        return session

    return lambda: viewed(one)[0], second


def a_worktree(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two checkouts of one notebook that has an id, of one user."""
    one = write(folder / "a/n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    two = write(folder / "b/n.ipynb", NAMED, OTHER, ADD, notebook_id="4a1f")
    return lambda: opened(one), lambda: opened(two)


def a_worktree_that_only_runs(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two checkouts of one notebook that has an id, the first of which has runs of the whole flow alone."""
    first, second = a_worktree(folder)
    run_flow(first(), RunOptions(executor="inline"))
    return first, second


def two_kernels(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """Two kernels in one folder, whose notebooks are not known."""

    def kernel(name: str, path: Path) -> Session:
        session = Session(folder=folder, kernel=name)
        session.open(read_notebook(path).cells)
        return session

    one, two = write(folder / "a.ipynb", NAMED, LOAD, ADD), write(folder / "b.ipynb", NAMED, OTHER, ADD)
    return lambda: kernel("k1", one), lambda: kernel("k2", two)


def a_kernel_and_a_file(folder: Path) -> tuple[Callable[[], Session], Callable[[], Session]]:
    """A kernel whose notebook is not known, beside a notebook with the same flow."""
    _, second = two_kernels(folder)
    return lambda: opened(folder / "a.ipynb"), second


PAIRS: tuple[Pair, ...] = (
    same_folder,
    no_flow_cell,
    same_words,
    two_checkouts,
    two_users,
    two_users_with_an_id,
    a_copy,
    a_copy_in_a_view,
    a_worktree,
    a_worktree_that_only_runs,
    two_kernels,
    a_kernel_and_a_file,
)


def runs(opens: Callable[[], Session]) -> set[str]:
    """Where the runs of a notebook are."""
    session = opens()
    return {f"{session.datastore.location}/{run}" for run in session.results().own_runs()}


def keep_apart(pair: Pair, folder: Path) -> None:
    """Execute two notebooks in turn, and look for anything that one has of the other."""
    one, two = pair(folder)
    value = {True: 2, False: 11}
    first = one()
    run_step(first, "load")
    assert spun(first) == 2
    second = two()
    same_text = second.step("load").cell.source == LOAD
    assert (status(second), spun(second)) == ("never", None)
    run_step(second, "load")
    assert spun(second) == value[same_text]
    run_flow(second, RunOptions(executor="inline"))
    assert (spun(first), spun(one())) == (2, 2)
    mine, theirs = runs(one), runs(two)
    assert (len(theirs), mine & theirs) == (1, set())
    assert (spun(two()), status(two())) == (value[same_text], "fresh")
    run_step(first, "load")
    assert (spun(one()), spun(two())) == (2, value[same_text])
    assert (first.working.has_recorded, second.working.has_recorded) == (True, True)


@pytest.mark.parametrize("is_shared", [False, True], ids=["beside", "shared"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.__name__)
def test_notebooks_are_kept_apart(pair: Pair, is_shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of two notebooks ever reads the other's steps or runs, in a datastore beside them or in a shared one."""
    if is_shared:
        monkeypatch.setenv("FLOWNB_DATASTORE", str(tmp_path / "elsewhere/store"))
    if pair in (no_flow_cell, same_words):
        # The flows' names are equal, as the test wants it.
        one, two = pair(tmp_path / "n")
        assert one().flow.name == two().flow.name
    keep_apart(pair, tmp_path / "n")


def test_a_renamed_notebook_with_an_id_keeps_its_steps(tmp_path: Path) -> None:
    """A new kernel on the renamed file continues with the results of the old name, and so does the next one."""
    path = write(tmp_path / "Untitled.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    run_step(opened(path), "load")
    renamed = path.rename(tmp_path / "train.ipynb")
    assert spun(opened(renamed)) == 2
    again = opened(renamed)
    run_step(again, "add")
    assert [status(opened(renamed), step) for step in ("load", "add")] == ["fresh", "fresh"]
    # Another notebook may have the old name since.
    other = write(path, NAMED, OTHER, ADD)
    assert spun(opened(other)) is None
    copied = Path(shutil.copy(renamed, tmp_path / "Untitled.ipynb"))
    assert (spun(opened(copied)), spun(opened(renamed))) == (None, 2)


def test_a_folder_that_is_moved_with_its_datastore_keeps_its_steps(tmp_path: Path) -> None:
    """Where the datastore is beside the notebook, the folder's own place does not matter."""
    for number, notebook_id in enumerate(("", "4a1f")):
        path = write(tmp_path / f"a{number}" / "n.ipynb", NAMED, LOAD, ADD, notebook_id=notebook_id)
        run_step(opened(path), "load")
        moved = path.parent.rename(tmp_path / f"b{number}")
        assert spun(opened(moved / "n.ipynb")) == 2
        copied = shutil.copytree(moved, tmp_path / f"c{number}")
        assert spun(opened(copied / "n.ipynb")) == 2


def test_a_notebook_gets_its_id_once_a_view_can_write_it(tmp_path: Path) -> None:
    """What was recorded before continues: for this kernel, and for a later one that reads the id from the file."""
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD)
    run_step(opened(path), "load")
    session, named = viewed(path)
    assert (spun(session), named) == (2, [])
    run_step(session, "add")
    assert len(named) == 1
    session.show_notebook("n.ipynb", named[0])
    run_step(session, "add")
    assert len(named) == 1
    write(path, NAMED, LOAD, ADD, notebook_id=named[0])
    assert [status(opened(path), step) for step in ("load", "add")] == ["fresh", "fresh"]
    # A file that has the name later is another one, whoever looks at it first.
    renamed = path.rename(tmp_path / "m.ipynb")
    write(path, NAMED, OTHER, ADD)
    assert (spun(opened(path)), spun(viewed(path)[0]), spun(opened(renamed))) == (None, None, 2)


def test_runs_of_before_the_id_count_after_it(tmp_path: Path) -> None:
    """A run of the file by the command line is the notebook's once a view has given it an id, also of old records."""
    for number in range(2):
        path = write(tmp_path / f"n{number}" / "n.ipynb", NAMED, LOAD, ADD)
        done = opened(path)
        run_flow(done, RunOptions(executor="inline"))
        if number:
            record = Path(done.datastore.location) / "flows/F/1/run.json"
            old = json.loads(record.read_text())
            kept = {name: old[name] for name in old if name not in ("notebook_id", "path", "host", "sum")}
            record.write_text(json.dumps(kept))
            done.datastore.index.rebuild()
        session, named = viewed(path)
        assert status(session) == "fresh"
        run_flow(session, RunOptions(executor="inline"))
        write(path, NAMED, LOAD, ADD, notebook_id=named[0])
        assert opened(path).results().own_runs()[-1] == "1"
        assert (len(opened(path).results().own_runs()), spun(opened(path))) == (2, 2)


def test_resume_takes_a_run_of_this_notebook(tmp_path: Path) -> None:
    """A resume of another notebook's run is offered, and made when it is named."""
    run_flow(opened(write(tmp_path / "other.ipynb", NAMED, LOAD, ADD), "ada"), RunOptions(executor="inline"))
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD)
    with pytest.raises(NotFound) as caught:
        Resume(opened(path), ResumeOptions())
    assert str(caught.value) == (
        "There is no run of F by this notebook to resume. The newest run of that flow, F/1, is of other.ipynb by ada. "
        "Run the flow first: `%flow run`, or `flownb run`. To resume that one, add --origin-run-id 1."
    )
    assert Resume(opened(path), ResumeOptions(origin="1")).origin.run == "1"


def test_a_view_that_speaks_late_loses_nothing(tmp_path: Path) -> None:
    """Cells that ran before the view said which notebook it is are among the notebook's results."""
    session = Session(tmp_path / "Untitled.ipynb", folder=tmp_path, kernel="k")
    path = write(tmp_path / "train.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    session.open(read_notebook(path).cells)
    run_step(session, "load")
    session.show_notebook("train.ipynb", "4a1f")
    assert spun(session) == 2
    run_step(session, "add")
    assert [status(opened(path), step) for step in ("load", "add")] == ["fresh", "fresh"]


def test_a_view_that_speaks_after_a_restart_loses_nothing(tmp_path: Path) -> None:
    """What ran before an unsaved id was known again, and what the id had before, are both the notebook's."""
    path = write(
        tmp_path / "n.ipynb", NAMED, LOAD, "%%step other -> z\nz = 3", "%%step add --after load -> y\ny = x + 1"
    )
    first, named = viewed(path)
    run_step(first, "load")
    again = opened(path)  # the file has no id yet
    assert status(again) == "never"
    with pytest.raises(MissingResults):
        run_step(again, "other")
    run_step(again, "load")
    run_step(again, "other")
    again.show_notebook("n.ipynb", named[0])
    assert [status(again, step) for step in ("load", "other", "add")] == ["fresh", "fresh", "never"]
    run_step(again, "add")
    later = viewed(path, named[0])[0]
    assert [status(later, step) for step in ("load", "other", "add")] == ["fresh"] * 3


def test_two_kernels_on_one_notebook_share_its_steps(tmp_path: Path) -> None:
    """A kernel that looked before the other one recorded anything, or missed some of its runs, continues with them."""
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    one, two = opened(path), opened(path)
    assert (status(one), status(two)) == ("never", "never")
    run_step(one, "load")
    assert (status(two), spun(two)) == ("fresh", 2)
    run_step(two, "add")
    assert [status(one, "add"), status(opened(path), "add")] == ["fresh"] * 2
    other = opened(write(tmp_path / "other.ipynb", NAMED, OTHER, ADD))
    run_flow(other, RunOptions(executor="inline"))
    for used in ("--none", "2", "--none", "2"):
        use_run(one, **read("use", [used]))
    assert (spun(one), spun(two)) == (11, 11)


def test_a_rename_while_the_kernel_runs_loses_nothing(tmp_path: Path) -> None:
    """An untitled notebook without a %%flow cell that is renamed keeps its flow's name, its steps and its id."""
    path = write(tmp_path / "Untitled.ipynb", LOAD, ADD)
    session, named = viewed(path)
    run_step(session, "load")
    path.rename(tmp_path / "train.ipynb")
    session.show_notebook("train.ipynb", "")  # sent before the view took over the id
    assert (session.flow.name, spun(session), session.working.file.name) == ("UntitledFlow", 2, "train.ipynb")
    assert named == [named[0]] * 2
    session.show_notebook("train.ipynb", named[0])
    run_step(session, "add")
    assert [status(session, step) for step in ("load", "add")] == ["fresh", "fresh"]
    # The record says where the file is now: a copy of it that has the old name is a copy.
    write(path, "%%flow UntitledFlow", OTHER, ADD, notebook_id=named[0])
    write(tmp_path / "train.ipynb", "%%flow UntitledFlow", LOAD, ADD, notebook_id=named[0])
    assert (spun(opened(path)), spun(opened(tmp_path / "train.ipynb"))) == (None, 2)


def test_a_new_default_name_is_said_with_its_remedy(tmp_path: Path) -> None:
    """A kernel on a renamed notebook without a %%flow cell says where its results are, once, and the remedy works."""
    path = write(tmp_path / "Untitled.ipynb", LOAD, ADD, notebook_id="4a1f")
    run_step(opened(path), "load")
    renamed = path.rename(tmp_path / "train.ipynb")
    session = opened(renamed)
    assert session.flow.name == "TrainFlow"
    assert session.notes() == [
        "this notebook's flow is called TrainFlow now, after its file; its earlier results belong to UntitledFlow. "
        "To continue with them, add a cell `%%flow UntitledFlow`"
    ]
    assert session.notes() == []
    write(renamed, "%%flow UntitledFlow", LOAD, ADD, notebook_id="4a1f")
    assert (spun(opened(renamed)), opened(renamed).notes()) == (2, [])


def test_records_of_older_versions_are_found_by_name_beside_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A working run without an id belongs to the notebook of its name, of its user; not in a shared datastore."""
    for number, store in enumerate(("", str(tmp_path / "elsewhere/store"))):
        if store:
            monkeypatch.setenv("FLOWNB_DATASTORE", store)
        path = write(tmp_path / f"n{number}" / "n.ipynb", NAMED, LOAD, ADD)
        session = opened(path)
        run_step(session, "load")
        for record in Path(session.datastore.location).glob("flows/F/*/run.json"):
            old = json.loads(record.read_text())
            kept = ("flow", "run", "kind", "notebook", "user", "started", "nonce")
            record.write_text(json.dumps({name: value for name, value in old.items() if name in kept}))
        session.datastore.index.rebuild()
        if store:
            assert spun(opened(path)) is None
            continue
        assert (spun(opened(path)), spun(opened(path, "bob"))) == (2, None)
        run_step(opened(path), "add")
        assert [status(opened(path), step) for step in ("load", "add")] == ["fresh", "fresh"]
        # A file of that name that has an id is another one.
        write(path, NAMED, OTHER, ADD, notebook_id="5b2e")
        assert spun(opened(path)) is None


def test_a_run_of_another_notebook_is_used_where_nothing_is_newer(tmp_path: Path) -> None:
    """`use` takes a run of anybody, lasts over a restart, yields to newer results, shows in status, and ends."""
    other = write(tmp_path / "other.ipynb", NAMED, OTHER, ADD)
    run_flow(opened(other, "ada"), RunOptions(executor="inline"))
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD)
    session = opened(path)
    run_step(session, "load")
    assert use_run(session, None, False) == "F: uses the results of this notebook alone"
    said = "F: uses run F/1 of other.ipynb by ada where this notebook has nothing newer; `%flow use --none` ends that"
    assert use_run(session, "1", False) == said
    assert (spun(session), spun(opened(path)), use_run(opened(path), None, False)) == (11, 11, said)
    assert opened(path).notes() == [said.removeprefix("F: ")]
    report = run_step(opened(path), "add").report
    assert "load: taken from run 1, which this notebook uses" in "\n".join(report.lines())
    assert step_states(opened(path))["load"].state == "stale"  # its code is another one
    assert said.removeprefix("F: ") in flow_status(opened(path)).lines()
    newer = opened(path)
    run_step(newer, "load")
    assert (spun(newer), spun(session)) == (2, 2)
    assert use_run(session, "F/1", False) == said
    assert (spun(newer), spun(session)) == (11, 11)
    assert use_run(session, None, True).startswith("F: uses the results of this notebook alone. It used run F/1")
    assert (spun(newer), spun(session), spun(opened(path))) == (2, 2, 2)


def test_a_working_run_can_be_used_too(tmp_path: Path) -> None:
    """The step results of a kernel that knew no notebook are reached by their run's id."""
    kernel = Session(folder=tmp_path, kernel="k1")
    kernel.open(read_notebook(write(tmp_path / "a.ipynb", NAMED, OTHER, ADD)).cells)
    run_step(kernel, "load")
    session = opened(write(tmp_path / "b.ipynb", NAMED, LOAD, ADD))
    assert "uses run F/1 of an unknown notebook where" in use_run(session, "F/1", False)
    assert spun(session) == 11


def test_what_use_refuses(tmp_path: Path) -> None:
    """A run that does not exist, another flow's, a step, and words too many are refused with what to do."""
    session = opened(write(tmp_path / "n.ipynb", NAMED, LOAD, ADD))
    for given, message in (
        (["9"], "Run F/9 does not exist."),
        (["G/1"], "`G/1` is not a place in flow F."),
        (["1/load"], "`1/load` names a step."),
        (["--nothing"], "`--nothing` is not an option of use."),
        (["1", "2"], "`2` is one run too many."),
    ):
        with pytest.raises(Exception, match=message.replace("`", ".")):
            use_run(session, **read("use", given))
    assert session.datastore.runs.flows() == []


def test_an_id_that_was_not_saved_is_not_a_silent_loss(tmp_path: Path) -> None:
    """A file without an id, at a path where another one had an id, is pointed once to the results that it may want."""
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD)
    run_step(viewed(path)[0], "load")
    session = viewed(path)[0]  # closed without saving, then opened again
    assert (spun(session), status(session)) == (None, "never")
    assert session.notes() == [
        "a notebook at this path recorded results under another id, in run F/1; if it was this one, and its id was not "
        "saved, `%flow use 1` takes them"
    ]
    assert session.notes() == []
    use_run(session, "1", False)
    assert (spun(session), status(session)) == (2, "fresh")
    assert opened(write(tmp_path / "other.ipynb", NAMED, LOAD, ADD)).notes() == []


def test_gc_keeps_what_is_used_and_clears_up_after_unknown_kernels(tmp_path: Path) -> None:
    """A used run stays; a working run of a kernel that nobody can ask again goes when it is older than a day."""
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD)
    other = opened(write(tmp_path / "other.ipynb", NAMED, OTHER, ADD))
    run_flow(other, RunOptions(executor="inline"))
    run_flow(other, RunOptions(executor="inline"))
    session = opened(path)
    use_run(session, "1", False)
    store = session.datastore
    store.runs.new_run(RunRecord("F", "", "work", user="tester", started=5.0, notebook_id="k1"))
    store.runs.new_run(RunRecord("F", "", "work", user="tester", started=4e9, notebook_id="k2"))
    collect(store, keep_last=1)
    kept = [
        one.run for one in store.runs.run_records("F", store.runs.run_ids("F")) if one is not None and not one.removed
    ]
    assert kept == ["5", "3", "2", "1"]
    use_run(session, None, True)
    collect(store, keep_last=1)
    assert store.runs.run_records("F", ["1"])[0].removed  # type: ignore[union-attr]  # it is there


def test_gc_keeps_the_newest_run_of_each_notebook_that_is_worked_on(tmp_path: Path) -> None:
    """A notebook reads no other one's runs, so theirs are no reason to remove its own; of files only run, none stay."""
    one, two = (write(tmp_path / name, NAMED, LOAD, ADD) for name in ("a.ipynb", "b.ipynb"))
    session = opened(one)
    run_flow(session, RunOptions(executor="inline"))
    run_step(session, "load")
    for path in (write(tmp_path / "c.ipynb", NAMED, LOAD, ADD), two, two):
        run_flow(opened(path), RunOptions(executor="inline"))
    store = session.datastore
    assert collect(store, keep_last=1).runs == ("F/4", "F/3")
    assert [status(opened(one), step) for step in ("load", "add")] == ["fresh", "fresh"]


def test_rm_refuses_what_a_notebook_takes_results_from(tmp_path: Path) -> None:
    """A working run that another one continues from, and a run that is used, are removed with --force alone."""
    path = write(tmp_path / "n.ipynb", NAMED, LOAD, ADD, notebook_id="4a1f")
    session = opened(path)
    run_flow(session, RunOptions(executor="inline"))
    run_step(session, "load")
    use_run(session, "1", False)
    store = session.datastore
    for run in ("1", "2"):
        with pytest.raises(StoreError) as caught:
            remove_run(store, "F", run)
        assert str(caught.value) == (
            f"Run F/{run} is needed. n.ipynb takes results of steps from it, by its working run F/3. "
            "Remove F/3 first, or add --force."
        )
    use_run(session, None, True)
    assert remove_run(store, "F", "1").runs == ("F/1",)


def test_a_script_is_known_by_its_place(tmp_path: Path) -> None:
    """Jupytext would not save an id in a script, so none is given, and kernel and terminal have the same results."""
    path = tmp_path / "nb.py"
    path.write_text("\n".join(f"# %%\n# {cell}\n" for cell in (NAMED, LOAD, ADD)))
    kernel, named = viewed(path)
    run_step(kernel, "load")
    assert (named, spun(opened(path)), spun(opened(shutil.copy(path, tmp_path / "copy.py")))) == ([], 2, None)
