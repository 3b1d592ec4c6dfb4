"""What attempts showed, kept in every mode and shown again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flownb.client import Flow, Task
from flownb.client.logs import settled
from flownb.errors import MissingResults, NotFound, ParameterError, StepFailed
from flownb.session.logs import StepLog, parse_logs, step_log
from flownb.session.options import ResumeOptions, parse_run, parse_spin
from flownb.session.resume import Resume
from flownb.session.run import begin_run, run_flow
from flownb.session.session import Session
from flownb.session.spin import spin_step
from flownb.session.step import run_step
from flownb.store.datastore import Datastore
from flownb.store.garbage import collect, remove_run, remove_spins
from flownb.store.logs import LogPiece
from flownb.store.usage import measure
from tests.conftest import MakeSession

CELLS = (
    "%%flow F",
    "%%step load -> xs\nimport sys\nxs = [1, 2, 3]\nprint('loaded')\nprint('careful', file=sys.stderr)",
    "%%step train --foreach xs -> m\nm = self.input\nif m != 2:\n    print('got', m)",
    "%%step pick --join -> best\nbest = max(task.m for task in inputs)",
)
FLAKY = (
    "%%flow F",
    "%%shared\nfrom metaflow import current",
    "%%step flaky\n@retry(times=2, minutes_between_retries=0)\nprint('try', current.retry_count)\n"
    "1 / (current.retry_count // 2)",
)


def shown(log: StepLog) -> list[str]:
    """Headings and texts, as they are read."""
    lines = []
    for task in log.tasks:
        lines += [f"{task.heading}:"] if task.heading else []
        lines += [f"{piece.kind}: {line}" for piece in task.pieces for line in piece.text.splitlines()]
    return [*lines, *([f"note: {log.note}"] if log.note else [])]


def logs(session: Session, words: str) -> list[str]:
    """What ``%flow logs`` shows."""
    return shown(step_log(session, parse_logs(words.split())))


@pytest.mark.parametrize("mode", ["work", "run", "inline"])
def test_outputs_are_kept_in_every_mode(make_session: MakeSession, mode: str) -> None:
    """What step cells and runs print is shown again by step and item, the same for both, also by a new session."""
    session = make_session(*CELLS)
    if mode != "work":
        run_flow(session, parse_run(["--executor", "inline"] if mode == "inline" else []))
    else:
        for step in ("load", "train", "pick"):
            run_step(session, step)
    again = make_session(*CELLS)
    for one in (session, again):
        assert set(logs(one, "load")) == {"stdout: loaded", "stderr: careful"}
        expected = ["item 0:", "stdout: got 1", "item 2:", "stdout: got 3", "note: 1 more task wrote nothing"]
        assert logs(one, "train") == expected
        assert logs(one, "train --index 2") == ["item 2:", "stdout: got 3"]
        assert logs(one, "train --index 1") == ["note: train: it wrote nothing"]
        assert logs(one, "pick") == ["note: pick: it wrote nothing"]


def test_a_kept_spin_has_its_own_log(make_session: MakeSession) -> None:
    """What a spin prints is kept where its task is; a spin that records nothing keeps no log."""
    session = make_session(*CELLS)
    run_step(session, "load")
    before = [entry.name for entry in session.datastore.storage.entries("")]
    spin_step(session, parse_spin("train --index 0".split()))
    assert [entry.name for entry in session.datastore.storage.entries("")] == before
    task = spin_step(session, parse_spin("train --index 0 --persist".split())).task
    assert task is not None
    assert (task.stdout, task.stderr) == ("got 1\n", "")


def test_each_attempt_has_its_own_log(make_session: MakeSession) -> None:
    """Of a step that is tried again every attempt is kept, with the error that ended it."""
    session = make_session(*FLAKY)
    run_step(session, "flaky")
    assert len(session.datastore.logs.attempts("F", "1")) == 3
    last = logs(session, "flaky")
    assert last == ["attempt 2 (there are 0 to 2):", "stdout: try 2"]
    second = logs(session, "flaky --attempt 1")
    assert second[:2] == ["attempt 1 (there are 0 to 2):", "stdout: try 1"]
    assert second[-1] == "stderr: ZeroDivisionError: division by zero"
    with pytest.raises(NotFound) as error:
        logs(session, "flaky --attempt 3")
    assert str(error.value) == "Step flaky has no attempt 3. Its attempts are 0 to 2. Give another --attempt."


def test_a_failed_step_shows_its_error(make_session: MakeSession) -> None:
    """The traceback comes after what the step wrote; the client has it in stderr."""
    session = make_session("%%flow F", "%%step load -> x\nprint('on the way')\nx = 1 / 0", "%%step last")
    with pytest.raises(ZeroDivisionError):
        run_step(session, "load")
    with pytest.raises(StepFailed):
        run_flow(session, parse_run([]))
    for words in ("load", "load --from 1", "load --from 2", "load --from 2/load/2"):
        lines = logs(session, words)
        assert lines[0] == "stdout: on the way"
        assert lines[-1] == "stderr: ZeroDivisionError: division by zero"
    task = Task("F/2/load/2", datastore=session.datastore)
    assert task.stdout == "on the way\n"
    assert task.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_cloned_tasks_show_what_they_wrote_when_they_ran(make_session: MakeSession) -> None:
    """A resumed run shows the logs of what it took over."""
    session = make_session(*CELLS)
    run_flow(session, parse_run([]))
    for run in ("2", "3"):
        Resume(session, ResumeOptions()).begin().drive()
        assert session.datastore.logs.attempts("F", run) == []
        assert set(logs(session, f"load --from {run}")) == {"stdout: loaded", "stderr: careful"}
        task = Flow("F", datastore=session.datastore)[run]["load"].task
        assert task is not None
        assert task.stdout == "loaded\n"


def test_a_background_run_s_tasks_are_shown_while_they_run(
    make_session: MakeSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run is in the background its tasks are meant, those that have not ended too."""
    monkeypatch.chdir(tmp_path)
    wait = "import time\nfrom pathlib import Path\nprint('waits')\nwhile not Path('go').exists():\n    time.sleep(0.01)"
    session = make_session("%%flow F", "%%step load\nprint('loaded')", f"%%step hold\n{wait}")
    run_step(session, "load")
    run = begin_run(session, parse_run([]))
    session.runs.append(run)
    run.start()
    try:
        while not session.datastore.logs.attempts("F", "2", "hold"):
            assert run.running
        assert logs(session, "hold") == ["running task 1 of 1:", "stdout: waits"]
        assert logs(session, "load") == ["stdout: loaded"]
        assert logs(session, "hold --from 2") == ["running task 1 of 1:", "stdout: waits"]
    finally:
        (tmp_path / "go").touch()
        run.join(60)
    assert logs(session, "hold") == ["stdout: waits"]


def test_what_cannot_be_shown_is_said(make_session: MakeSession) -> None:
    """Steps, runs and items that are not there are errors with what to do."""
    session = make_session(*CELLS)
    with pytest.raises(MissingResults):
        logs(session, "load")
    run_step(session, "load")
    run_step(session, "train")
    for words in ("tain", "load --from 9", "load --from 1/train", "load --from 1/load/77", "train --index 3"):
        with pytest.raises(NotFound):
            logs(session, words)
    for words in ("", "load train", "load --id 3", "load --attempt x", "load --from"):
        with pytest.raises(ParameterError):
            parse_logs(words.split())


def test_the_client_gives_lines_with_times(make_session: MakeSession) -> None:
    """`loglines` gives each line of a stream with the time it began, as text or bytes."""
    session = make_session("%%flow F", "%%step load\nprint('ä\\n\\nb', end='')")
    run_flow(session, parse_run([]))
    task = Flow("F", datastore=session.datastore)["1"]["load"].task
    assert task is not None
    assert [line for _, line in task.loglines("stdout")] == ["ä", "", "b"]
    assert [line for _, line in task.loglines("stdout", as_unicode=False)] == [b"\xc3\xa4", b"", b"b"]
    began = datetime.fromtimestamp(task.created_at.timestamp(), UTC).replace(tzinfo=None)
    assert all(began <= at for at, _ in task.loglines("stdout"))
    assert task.stdout == "ä\n\nb\n"
    assert [(piece.kind, piece.text) for piece in task.outputs] == [("stdout", "ä\n\nb")]
    with pytest.raises(ParameterError):
        list(task.loglines("stdlog"))


def test_logs_go_with_their_tasks(make_session: MakeSession) -> None:
    """Clearing up removes the logs of results that were replaced, and of runs that are removed, and counts them."""
    session = make_session(*CELLS)
    for _ in range(3):
        run_step(session, "load")
    store = session.datastore
    assert len(store.logs.attempts("F", "1")) == 3
    removed = collect(store, keep_last=1)
    assert (removed.tasks, removed.bytes > 100) == (2, True)
    assert len(store.logs.attempts("F", "1")) == 1
    assert set(logs(session, "load")) == {"stdout: loaded", "stderr: careful"}
    assert remove_run(store, "F", "1", force=True).bytes > 50
    assert store.logs.attempts("F", "1") == []


def test_logs_are_measured(make_session: MakeSession) -> None:
    """The size of logs is reported for the whole store, for flows and for runs, kept spins among them."""
    session = make_session(*CELLS)
    run_step(session, "load")
    spin_step(session, parse_spin("train --index 0 --persist".split()))
    usage = measure(session.datastore)
    files = [entry for entry in session.datastore.storage.entries("") if "/logs/" in entry.name]
    assert len(files) == 2
    assert sum(entry.size for entry in files) == usage.logs
    assert next(share.stored for share in usage.artifacts if share.name == "(logs)") == usage.logs
    spin = measure(session.datastore, run="1").runs
    assert {share.name for share in spin} == {"F/1", "spin/F/1"}
    removed = remove_spins(session.datastore)
    assert removed.bytes >= min(entry.size for entry in files)


def pieces(*given: LogPiece | str) -> list[tuple[str, str]]:
    """Kinds and texts of what is left to be seen; a bare text was written to stdout."""
    found = settled(LogPiece(1.0, "stdout", one) if isinstance(one, str) else one for one in given)
    return [(piece.kind, piece.text) for piece in found]


def bundle(text: str, name: str = "", *, update: bool = False) -> LogPiece:
    """A display."""
    return LogPiece(1.0, "display", text, {"text/plain": text}, {}, name, update)


def test_updates_and_clearing_are_applied() -> None:
    """An update takes its display's place; clearing takes all before, at once or with what follows."""
    now, later = LogPiece(1.0, "clear"), LogPiece(1.0, "clear", update=True)
    bar = bundle("0%", "bar")
    assert pieces(bar, "a", bundle("9%", "bar", update=True), "b") == [("display", "9%"), ("stdout", "ab")]
    assert pieces(bar, bar, bundle("9%", "bar", update=True)) == [("display", "9%")] * 2
    assert pieces(bundle("9%", "of another cell", update=True)) == [("display", "9%")]
    assert pieces("a", bar, now, "b") == [("stdout", "b")]
    assert pieces("a", later, "b") == [("stdout", "b")]
    assert pieces("a", later) == [("stdout", "a")]
    assert pieces("a", later, now) == []
    assert pieces(bar, later, bundle("9%", "bar", update=True)) == [("display", "9%")]
    assert pieces(bar, later, "b", bundle("9%", "bar", update=True)) == [("stdout", "b"), ("display", "9%")]


def test_many_pieces_are_put_together_fast() -> None:
    """A log of a hundred thousand pieces is one text; it takes as long as its length, not its square."""
    assert pieces(*["line\n"] * 100_000) == [("stdout", "line\n" * 100_000)]


def test_only_some_of_very_many_tasks_are_shown(make_session: MakeSession) -> None:
    """Of a wide foreach the first tasks are shown, and how many more there are."""
    session = make_session(
        "%%flow F", "%%step load -> xs\nxs = list(range(25))", "%%step each --foreach xs\nprint(self.input)"
    )
    run_step(session, "load")
    run_step(session, "each")
    lines = logs(session, "each")
    assert (lines[:2], len(lines)) == (["item 0:", "stdout: 0"], 41)
    assert lines[-1] == "note: 5 more tasks wrote something; --all shows them, --index picks one"
    assert ((every := logs(session, "each --all"))[-1], len(every)) == ("stdout: 24", 50)


def test_logs_are_left_out_of_what_a_store_holds(make_session: MakeSession) -> None:
    """A log is neither an artifact nor a manifest: runs, steps and tasks are listed as without it."""
    session = make_session(*CELLS)
    run_flow(session, parse_run([]))
    fresh = Datastore(session.datastore.location)
    assert fresh.tasks.steps("F", "1") == ["end", "load", "pick", "start", "train"]
    assert len(list(fresh.tasks.attempts("F", "1"))) == 7
