"""Bad input: each gets an error that says what happened, why, and what to do, and nothing is lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flownb.cells.cell import read_cell
from flownb.errors import (
    CheckFailed,
    CorruptBlob,
    ForeachError,
    MissingResults,
    NotFound,
    ParameterError,
    StepFailed,
    StoreError,
    UnpicklableArtifact,
)
from flownb.runtime.failure import StepError, user_frames
from flownb.session.options import RunOptions, parse_run, parse_spin
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from tests.conftest import MakeSession

LOAD = "%%step load -> df, cats\ndf = [1, 2, 3]\ncats = ['a', 'b']"


def test_unknown_step(make_session: MakeSession) -> None:
    """A step that no cell defines is named, with the nearest one and all there are."""
    with pytest.raises(NotFound) as caught:
        spin_step(make_session(LOAD), parse_spin(["laod"]))
    assert (
        str(caught.value) == "There is no step `laod`. Did you mean `load`? The steps are load. "
        "Run the cell `%%step laod` first, or correct the name."
    )


def test_typo_in_an_artifact(make_session: MakeSession) -> None:
    """A misspelt artifact is refused before anything runs, with the name that was meant."""
    session = make_session(LOAD, "%%step clean -> n\nn = len(self.dff)")
    run_step(session, "load")
    with pytest.raises(CheckFailed) as caught:
        run_step(session, "clean")
    (found,) = caught.value.diagnostics
    assert str(found).startswith(
        "FN002 cell 2 (step clean), line 2: Step clean reads `self.dff`, which no earlier step sets."
    )
    assert "Did you mean `df`?" in str(found)


def test_an_artifact_kept_local(make_session: MakeSession) -> None:
    """A name that the parent assigns and does not capture is reported with the header that captures it."""
    session = make_session("%%step load\ndf = [1]", "%%step train\nprint(df)")
    with pytest.raises(CheckFailed) as caught:
        run_flow(session, RunOptions())
    (found,) = caught.value.diagnostics
    assert (
        str(found) == "FN002 cell 2 (step train), line 2: Step train reads `df`, which no earlier step captures.\n"
        "    2 | print(df)\n"
        "    `load` assigns it but keeps it local.\n"
        "    Write `%%step load -> df`."
    )


def test_parent_without_results(make_session: MakeSession) -> None:
    """A step whose parent never ran says which cell to run."""
    session = make_session(LOAD, "%%step clean -> n\nn = len(df)")
    for act in (lambda: run_step(session, "clean"), lambda: spin_step(session, parse_spin(["clean"]))):
        with pytest.raises(MissingResults) as caught:
            act()
        assert (
            str(caught.value)
            == "Step clean cannot run: `load` has no results yet. A step runs on what its parents persisted. "
            "Run the cell of `load` first, or `%flow run`."
        )


def test_corrupted_blob(make_session: MakeSession, tmp_path: Path) -> None:
    """A damaged artifact is named with its task and key; steps that do not read it still run."""
    session = make_session(
        "%%step load -> big, small\nbig = bytes(500_000)\nsmall = 1",
        "%%step reads -> n\nn = len(big)",
        "%%step spares --after load -> m\nm = small + 1",
    )
    run_step(session, "load")
    (blob,) = (path for path in (tmp_path / ".flownb/blobs").rglob("*") if path.stat().st_size > 500_000)
    blob.write_bytes(bytes(4999) + b"x" + bytes(blob.stat().st_size - 5000))
    with pytest.raises(CorruptBlob) as caught:
        run_step(session, "reads")
    assert caught.value.what == "Artifact `big` of NotebookFlow/1/load/1 cannot be read."
    assert blob.name in caught.value.why
    assert run_step(session, "spares").values == {"m": 2}


@pytest.mark.skipif(os.geteuid() != 0, reason="giving up root's rights needs root; others have no such rights anyway")
def test_read_only_folder_as_another_user(tmp_path: Path) -> None:
    """The error for a folder that the user may not write names the folder and the setting."""
    code = f"""
        import os
        os.chdir({str(tmp_path)!r})
        from pathlib import Path
        from flownb.cells.cell import read_cell
        from flownb.errors import StoreError
        from flownb.session.session import Session
        from flownb.session.step import run_step
        session = Session(folder=Path.cwd())
        session.define(read_cell("%%step load -> x\\nx = 1"))
        session.checks.find()
        os.setuid(65534)
        try:
            run_step(session, "load")
        except StoreError as error:
            print(error)
    """
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o555)
    said = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True, cwd="/").strip()
    assert (
        said == f"The datastore `{tmp_path / '.flownb'}` cannot be written. Permission denied. "
        "Make the folder writable, or set FLOWNB_DATASTORE to a writable one."
    )


def test_full_disk(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the step fails with a clear error, and what was recorded before can be read."""
    session = make_session(LOAD, "%%step grow -> big\nbig = bytes(100_000)")
    run_step(session, "load")

    def full(file: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match=r"is full\. .* Free some space"):
            run_step(session, "grow")
    assert run_step(session, "grow").values == {"big": bytes(100_000)}
    assert session.datastore.artifacts.load(session.results().latest("load")[0].artifacts["df"]) == [1, 2, 3]


def test_unpicklable_artifact_keeps_the_others(make_session: MakeSession) -> None:
    """The error names artifact and step; the step's other artifacts are persisted with the failed task."""
    session = make_session(
        "%%shared\nimport threading", "%%step load -> a, lock, b\na = 1\nlock = threading.Lock()\nb = 2"
    )
    with pytest.raises(UnpicklableArtifact) as caught:
        run_step(session, "load")
    assert caught.value.artifact == "lock"
    assert caught.value.what == "Step load: Artifact `lock` of type _thread.lock cannot be persisted."
    (record,) = session.results().attempted("load")
    assert (record.status, sorted(record.artifacts)) == ("failed", ["a", "b"])


def test_a_function_is_not_an_artifact(make_session: MakeSession) -> None:
    """A function assigned to self is there for the rest of the step and then dropped, as Metaflow does."""
    session = make_session("%%step load\nsetattr(self, 'f', lambda: 1)\nself.x = self.f()")
    assert run_step(session, "load").values == {"x": 1}
    (record,) = session.results().attempted("load")
    assert (record.status, sorted(record.artifacts)) == ("done", ["x"])


def test_a_name_of_the_flows_own_is_kept_and_not_read(make_session: MakeSession) -> None:
    """A step may set self.name; the next step reads the flow's name all the same, as on Metaflow."""
    session = make_session(
        "%%flow F", "%%step a -> name, mine\nname = 1\nself.name = 2\nmine = self.name", "%%step b\nself.y = self.name"
    )
    assert run_step(session, "a").values == {"name": 1, "mine": 2}
    assert run_step(session, "b").values == {"y": "F"}


def test_a_step_that_raises(make_session: MakeSession) -> None:
    """The traceback has the user's frames only, at the cell's own lines, also behind decorators and captures."""
    session = make_session(
        "%%shared\ndef halve(x):\n    return x / 0",
        "%%step load -> y\n@resources(memory=1)\n\nx = 4\n\n# a comment\ny = halve(\n    x,\n)",
    )
    with pytest.raises(ZeroDivisionError) as caught:
        run_step(session, "load")
    frame = user_frames(caught.value)
    seen = []
    while frame is not None:
        seen.append((frame.tb_frame.f_code.co_filename, frame.tb_lineno))
        frame = frame.tb_next
    assert seen == [("<cell 2: step load>", 7), ("<cell 1: shared>", 3)]
    (record,) = session.results().attempted("load")
    assert record.exception is not None
    assert record.exception["type"] == "ZeroDivisionError"
    assert "flownb/" not in record.exception["traceback"]


def test_a_failing_step_in_a_run(make_session: MakeSession) -> None:
    """A run stops at the failed task, is recorded as failed, and says how to debug that task."""
    session = make_session(LOAD, "%%step clean -> n\nn = df[7]", "%%step last\nprint(n)")
    with pytest.raises(StepFailed) as caught:
        run_flow(session, RunOptions())
    assert caught.value.pathspec == "NotebookFlow/1/clean/3"
    assert (
        str(caught.value)
        == "Run NotebookFlow/1 stopped: step clean failed. IndexError: list index out of range. Correct the step; "
        "`%spin clean --from 1/clean/3 --pdb` runs it on the same inputs in the notebook, and stops where it fails."
    )
    assert isinstance(caught.value.__cause__, StepError)
    assert caught.value.__cause__.type == "IndexError"
    end = session.datastore.runs.run_end("NotebookFlow", "1")
    assert end is not None
    assert end.status == "failed"
    with pytest.raises(IndexError):
        spin_step(session, parse_spin("clean --from 1/clean/3".split()))


def test_an_interrupted_run(make_session: MakeSession) -> None:
    """Ctrl-C in a step stops the run and records it as interrupted."""
    session = make_session("%%step load\nraise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run_flow(session, RunOptions())
    end = session.datastore.runs.run_end("NotebookFlow", "1")
    assert end is not None
    assert end.status == "interrupted"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--alhpa 3", "Flow F has no parameter `alhpa`. Did you mean `alpha`? It has `alpha`, `need`."),
        ("--alpha x --need 1", "Parameter `alpha` cannot be 'x'. Its type is float"),
        ("--alpha 1", "Parameter `need` has no value. It is required and has no default. Give one, for example --need"),
        ("--alpha", "`--alpha` has no value. It needs one. Write --alpha VALUE."),
        ("--alpha 1 --alpha 2", "`--alpha` is given twice."),
        ("alpha=1", "`alpha=1` is not an option of run. Parameters are given by name."),
        ("--max-num-splits many", "`--max-num-splits many` is not accepted."),
    ],
)
def test_bad_parameters(make_session: MakeSession, words: str, message: str) -> None:
    """A parameter that is unknown, missing or of another type stops the run before it gets an id."""
    header = '%%flow F\nalpha = Parameter("alpha", default=0.5)\nneed = Parameter("need", type=int, required=True)'
    session = make_session(header, "%%step load -> x\nx = alpha")
    with pytest.raises(ParameterError) as caught:
        run_flow(session, parse_run(words.split()))
    assert str(caught.value).startswith(message)
    assert session.datastore.runs.run_ids("F") == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train --index 9", "Step train has no item 9. Its foreach has items 0 to 1."),
        ("load --index 0", "Step load has no item 0. It is not inside a foreach. Leave --index out."),
        ("train --from 99", "Run NotebookFlow/99 does not exist. The newest runs are: 1. Name one of these."),
        ("train --from 1/train/77", "There is no finished task NotebookFlow/1/train/77. The tasks of that step are: "),
        ("pick --from 1/load/1", "`--from 1/load/1` names step load, which is not a parent of pick."),
        ("train --from Other/7", "`Other/7` is not a place in flow NotebookFlow."),
        ("train --from ../../etc", "`..` is not the name of a flow, run, step or task."),
    ],
)
def test_bad_places(make_session: MakeSession, words: str, message: str) -> None:
    """A spin from a run, task or item that does not exist says what there is."""
    session = make_session(LOAD, "%%step train --foreach cats -> m\nm = self.input", "%%step pick --join\npass")
    run_step(session, "load")
    with pytest.raises(NotFound) as caught:
        spin_step(session, parse_spin(words.split()))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "spin is given no step."),
        ("train --form 1", "`--form` is not an option of spin. Did you mean `--from`?"),
        ("train load", "`load` is one step too many."),
        ("train --set k", "`--set k` sets nothing."),
        ("train --set dff=3", "`--set dff=3` does not name an artifact. Did you mean `df`?"),
        ("train --index two", "`--index two` is not accepted."),
        ("train --from", "`--from` has no value."),
    ],
)
def test_bad_spin_options(make_session: MakeSession, words: str, message: str) -> None:
    """An option that spin cannot use is named, with the one that was meant."""
    session = make_session(LOAD, "%%step train --foreach cats -> m\nm = self.input")
    run_step(session, "load")
    with pytest.raises(ParameterError) as caught:
        spin_step(session, parse_spin(words.split()))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[]", "Step load starts a foreach over `xs`, which is empty."),
        ("{'a': 1}", "Step load starts a foreach over `xs`, a dictionary."),
        ("{'a', 'b'}", "Step load starts a foreach over `xs`, a set."),
        ("zip([1], [2])", "Step load starts a foreach over `xs`, a zip."),
        ("7", "Step load starts a foreach over `xs`, an int."),
    ],
)
def test_bad_foreach(make_session: MakeSession, value: str, message: str) -> None:
    """A foreach over what no task could find its item in is refused, cell by cell and in a run."""
    session = make_session(f"%%step load -> xs\nxs = {value}")
    run_step(session, "load")
    session.define(read_cell("%%step a --foreach xs\npass"))
    session.define(read_cell("%%step j --join\npass"))
    for step in ("a", "load"):
        with pytest.raises(ForeachError) as caught:
            run_step(session, step)
        assert str(caught.value).startswith(message)
    with pytest.raises(StepFailed) as failed:
        run_flow(session, RunOptions())
    assert str(failed.value.__cause__).startswith(message)


def test_a_foreach_of_too_many_items(make_session: MakeSession) -> None:
    """More items than --max-num-splits stop the run with the option that allows them."""
    cells = ("%%step load -> xs\nxs = range(101)", "%%step a --foreach xs\npass", "%%step j --join\npass")
    session = make_session(*cells)
    with pytest.raises(ForeachError, match=r"with 101 items\. The limit is 100.* Run with --max-num-splits 101"):
        run_flow(session, RunOptions())
    assert run_flow(session, RunOptions(max_num_splits=101)).tasks == 105


def test_no_steps(tmp_path: Path) -> None:
    """The error for a notebook without step cells says how to begin."""
    with pytest.raises(NotFound, match="Write %%step NAME on a cell's first line"):
        run_flow(Session(folder=tmp_path), RunOptions())
