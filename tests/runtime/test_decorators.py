"""What decorators do to tasks here: in a run, whose tasks have processes of their own, and where a cell is executed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flownb.client import Run, Task
from flownb.errors import CheckFailed, ParameterError, StepFailed
from flownb.runtime import decorators, scheduler
from flownb.runtime.events import TaskRetried
from flownb.runtime.task import TaskSpec
from flownb.runtime.workers import pool
from flownb.session.checks import not_applied
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.step import run_step
from tests.conftest import MakeSession

PARALLEL = RunOptions(workers=4)
IMPORTS = "%%shared\nimport os, signal, time\nfrom flownb import current"
# Each line is a beginning or, below zero, an end of a task.
OVERLAP = """
def mark(path, need):
    with open(path, 'a') as file:
        file.write(f'{need}\\n')"""


@pytest.fixture(params=["run", "work"])
def mode(request: pytest.FixtureRequest) -> str:
    """Both ways to execute a step."""
    return str(request.param)


def execute(session: Session, mode: str, last: str) -> dict[str, Any]:
    """Execute all steps up to `last` in one of the two ways; give the artifacts of its task."""
    if mode == "run":
        run = Run(run_flow(session, RunOptions(workers=2)).pathspec, datastore=session.datastore)
        return {one.id: one.data for one in run[last].task}
    for step in session.flow.steps:
        run_step(session, step.name)
    (record,) = session.results().latest(last)
    task = Task(record.pathspec, datastore=session.datastore)
    return {one.id: one.data for one in task}


def fails(session: Session, mode: str, step: str) -> BaseException:
    """Execute a flow that fails in a step; give what ended it."""
    with pytest.raises(Exception) as raised:  # in work mode it is the step's own
        execute(session, mode, step)
    if mode == "work":
        return raised.value
    assert isinstance(raised.value, StepFailed)
    assert f"step {step} failed" in raised.value.what
    assert raised.value.__cause__ is not None
    return raised.value.__cause__


def most_at_once(path: Path) -> float:
    """The largest sum of needs that ran at one moment, as the tasks themselves saw it."""
    running = most = 0.0
    for line in path.read_text().split():
        running += float(line)
        most = max(most, running)
    return most


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The steps of all tasks that ran when one was started, the new one last, in the order of starts."""
    seen: list[list[str]] = []
    submit = scheduler.Scheduler._submit

    def look(self: scheduler.Scheduler, spec: TaskSpec) -> None:
        submit(self, spec)
        seen.append([one.step for one in self._running.values()])

    monkeypatch.setattr(scheduler.Scheduler, "_submit", look)
    return seen


# -- @retry


def test_retry_tries_again_and_records_each_attempt(make_session: MakeSession, mode: str) -> None:
    """A step with @retry(times=2) runs up to three times, each time on its inputs as they were."""
    session = make_session(
        IMPORTS,
        "%%step a -> xs\nxs = [0]",
        "%%step b -> n, tries\n@retry(times=2)\nxs.append(1)\nn = len(xs)\n"
        "tries = current.retry_count\nassert tries == 2",
    )
    found = execute(session, mode, "b")
    assert (found["n"], found["tries"]) == (2, 2)
    (record,) = session.results().latest("b") if mode == "work" else [session.results().attempted("b")[0]]
    records = session.datastore.tasks.task_records(
        record.flow, record.run, [(record.step, record.task, number) for number in range(4)]
    )
    assert [one and one.status for one in records] == ["failed", "failed", "done", None]


def test_retry_gives_up(make_session: MakeSession, mode: str) -> None:
    """After the last attempt the step's own exception ends the run."""
    session = make_session(
        IMPORTS, "%%step a\n@retry(times=1, minutes_between_retries=0)\nraise ValueError(current.retry_count)"
    )
    assert str(fails(session, mode, "a")) == "1"


def test_retry_of_zero_and_without_settings(make_session: MakeSession) -> None:
    """@retry(times=0) tries once; a bare @retry tries again three times."""
    session = make_session(IMPORTS, "%%step a\n@retry(times=0)\nraise ValueError", "%%step b\n@retry\nx = 1")
    recorded = session.program(True).recorded()
    assert [decorators.retries(recorded[name]) for name in "ab"] == [0, 3]
    with pytest.raises(StepFailed, match="step a failed"):
        run_flow(session, RunOptions())


def test_a_run_does_not_wait_between_attempts(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt begins while the scheduler's clock does not move, whatever minutes_between_retries says."""
    monkeypatch.setattr(scheduler, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    cell = "%%step a -> n\n@retry(times=2, minutes_between_retries=3)\nn = current.retry_count\nassert n == 2"
    session = make_session(IMPORTS, cell)
    seen: list[int] = []
    session.events.subscribe(lambda event: seen.append(event.attempt) if isinstance(event, TaskRetried) else None)
    assert execute(session, "run", "a")["n"] == 2
    assert seen == [0, 1]


def test_a_process_that_dies_is_tried_again(make_session: MakeSession) -> None:
    """A crash is a failed attempt like any other."""
    session = make_session(
        IMPORTS,
        "%%step a -> n\n@retry(times=1, minutes_between_retries=0)\nn = current.retry_count\n"
        "if not n:\n    os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert execute(session, "run", "a")["n"] == 1


# -- @catch


def test_catch_keeps_the_exception_and_continues(make_session: MakeSession, mode: str) -> None:
    """The artifact has the exception's type, text and traceback; what was set before it stays."""
    session = make_session(
        IMPORTS,
        "%%step a -> y\n@catch(var='failure')\nself.x = 1\ny = 1 / 0",
        "%%step b -> z\nz = [failure.type, failure.exception, self.x, hasattr(self, 'y'), type(failure).__name__]\n"
        "text = str(failure)\nassert 'y = 1 / 0' in text and 'step a' in text and 'flownb/' not in text",
    )
    expected = ["builtins.ZeroDivisionError", "division by zero", 1, False, "MetaflowExceptionWrapper"]
    found = execute(session, mode, "b")
    assert found["z"] == expected
    assert "y" not in found


def test_catch_keeps_none_of_a_step_that_went_well(make_session: MakeSession, mode: str) -> None:
    """The artifact is there either way, and a plain name of what the step may have left unset is there then."""
    session = make_session(IMPORTS, "%%step a -> y\n@catch(var='e')\ny = 3", "%%step b -> z\nz = y if e is None else e")
    assert execute(session, mode, "b") == {"e": None, "y": 3, "z": 3}


def test_a_plain_name_that_was_not_set_fails_where_it_is_used(make_session: MakeSession, mode: str) -> None:
    """A step below one with @catch can look at the exception first."""
    session = make_session(
        IMPORTS,
        "%%step a -> y\n@catch(var='e')\ny = 1 / 0",
        "%%step b -> z\nz = 'no y' if e else y\nif not e:\n    y + 1",
    )
    assert execute(session, mode, "b")["z"] == "no y"
    session = make_session(IMPORTS, "%%step a -> y\n@catch(var='e')\ny = 1 / 0", "%%step b\nw = 1\nz = y")
    assert "y" in str(fails(session, mode, "b"))


def test_catch_prints_the_exception_unless_switched_off(make_session: MakeSession) -> None:
    """print_exception=False leaves the output to the step; without var nothing is kept."""
    session = make_session(
        IMPORTS,
        "%%step a\n@catch\nprint('first')\n1 / 0",
        "%%step b\n@catch(print_exception=False)\nprint('second')\n1 / 0",
        "%%step c -> names\nnames = [n for n in dir(self) if n == 'catch']",
    )
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    outputs = {step: (run[step].task.stdout + run[step].task.stderr).split("\n") for step in "ab"}
    assert outputs["a"][:2] == ["first", "@catch caught an exception from a"]
    assert ">  ZeroDivisionError: division by zero" in outputs["a"]
    assert outputs["b"] == ["second", ""]


def test_catch_comes_after_all_attempts(make_session: MakeSession, mode: str) -> None:
    """With @retry only what no attempt helped against is caught, whichever is first."""
    both = ["@catch(var='e')", "@retry(times=2, minutes_between_retries=0)"]
    for lines in ("\n".join(both), "\n".join(reversed(both))):
        session = make_session(
            IMPORTS, f"%%step a\n{lines}\nself.n = current.retry_count\nraise ValueError(self.n)", "%%step b\nz = e"
        )
        found = execute(session, mode, "b")
        assert (found["n"], found["e"].exception) == (2, "2")
    session = make_session(
        IMPORTS,
        "%%step a -> n\n@catch(var='e')\n@retry(times=2, minutes_between_retries=0)\nn = current.retry_count\nassert n",
        "%%step b\nz = e",
    )
    found = execute(session, mode, "b")
    assert (found["n"], found["e"]) == (1, None)


def test_catch_takes_what_the_steps_of_flownb_refuse(make_session: MakeSession, mode: str) -> None:
    """Reading an artifact that a caught exception kept from being set is caught in turn, as AttributeError."""
    session = make_session(
        IMPORTS,
        "%%step a -> x\n@catch(var='e')\nx = 1 / 0",
        "%%step b -> y\n@catch(var='f')\n@retry(times=2, minutes_between_retries=0)\ny = self.x",
        "%%step c -> z\nz = f.type",
    )
    assert execute(session, mode, "c")["z"] == "builtins.AttributeError"


def test_catch_of_a_join_and_of_some_tasks(make_session: MakeSession, mode: str) -> None:
    """In a foreach each task has its own; a join can look at them, and be caught itself."""
    session = make_session(
        IMPORTS,
        "%%step s -> xs\nxs = [1, 0, 2]",
        "%%step f --foreach xs -> y\n@catch(var='e')\ny = 2 // self.input",
        "%%step j --join -> ys\n@catch(var='e2')\nys = [None if i.e else i.y for i in inputs]\n1 / 0",
        "%%step k -> seen\nseen = hasattr(self, 'ys'), e2.type",
    )
    found = execute(session, mode, "k")
    assert found["seen"] == (False, "builtins.ZeroDivisionError")


def test_catch_takes_a_crash(make_session: MakeSession) -> None:
    """A process that is killed leaves no exception; after all attempts @catch keeps one that says what happened."""
    session = make_session(
        IMPORTS,
        "%%step a -> x\n@catch(var='e')\n@retry(times=1, minutes_between_retries=0)\nx = 1\n"
        "os.kill(os.getpid(), signal.SIGKILL)",
        "%%step b -> z\nz = e.type, 'SIGKILL' in e.exception, hasattr(self, 'x')",
    )
    found = execute(session, "run", "b")
    assert found["z"] == ("metaflow.plugins.catch_decorator.FailureHandledByCatch", True, False)


def test_catch_does_not_take_what_cannot_be_persisted(make_session: MakeSession, mode: str) -> None:
    """An artifact that cannot be kept fails its task, as on Metaflow."""
    session = make_session(IMPORTS, "%%step a -> x\n@catch(var='e')\nx = (n for n in 'ab')", "%%step b\nz = e")
    assert "generator" in str(fails(session, mode, "a"))


# -- @timeout


def test_timeout_raises_at_the_line_that_runs(
    make_session: MakeSession, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python code that runs too long is interrupted where it is, and its own finally blocks run."""
    monkeypatch.setattr(scheduler, "REACTION", 300.0)  # a slow machine does not count as no reaction
    session = make_session(
        IMPORTS,
        "%%step a -> x\n@timeout(seconds=1)\n@catch(var='e')\nx = 0\ntry:\n    while x >= 0:\n        x += 1\n"
        "finally:\n    self.cleaned = True",
        "%%step b -> z\nz = e.type, 'line 6' in str(e) or 'line 7' in str(e), self.cleaned",
    )
    assert execute(session, mode, "b")["z"] == ("metaflow.plugins.timeout_decorator.TimeoutException", True, True)


def test_timeout_ends_what_hangs_in_c(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that never comes back to Python is ended with its process, and the attempt says why."""
    monkeypatch.setattr(scheduler, "REACTION", 0.2)
    session = make_session(
        IMPORTS,
        "%%step a -> x\n@timeout(seconds=1)\nimport itertools\nx = sum(itertools.repeat(0))",
    )
    assert "ran longer than its @timeout and did not react" in str(fails(session, "run", "a"))


def test_a_step_within_its_timeout_is_left_alone(make_session: MakeSession, mode: str) -> None:
    """Units add up; the alarm does not outlive the step, and a step's own alarm handler is its own."""
    session = make_session(
        IMPORTS, "%%step a -> x\n@timeout(hours=1, minutes='2', seconds=3)\nx = signal.getitimer(signal.ITIMER_REAL)[0]"
    )
    left = execute(session, mode, "a")["x"]
    assert 3600 + 100 < left <= 3723
    import signal

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


# -- @environment


def test_environment_holds_for_step_and_shared_code(make_session: MakeSession, mode: str) -> None:
    """Variables are set before the shared code of the task's process runs, as texts, and for this task alone."""
    names = ("FLOWNB_A", "FLOWNB_B")
    session = make_session(
        "%%shared\nimport os\nAT_IMPORT = os.environ.get('FLOWNB_A')\nB = {'FLOWNB_A': 'b', 'FLOWNB_B': 2}",
        "%%step a -> seen\n@environment(vars={'FLOWNB_A': 1})\nseen = [AT_IMPORT, os.environ['FLOWNB_A']]",
        "%%step b -> two\n@environment(vars=B)\ntwo = [AT_IMPORT, os.environ['FLOWNB_A'], os.environ['FLOWNB_B']]",
        f"%%step c -> three\nthree = [AT_IMPORT, *(os.environ.get(n) for n in {names!r})]",
    )
    found = execute(session, mode, "c")
    assert found == {"seen": ["1", "1"], "two": ["b", "b", "2"], "three": [None] * 3}
    assert not set(names) & set(os.environ)


# -- @resources


@pytest.mark.parametrize(
    ("resources", "need", "most"),
    [("cpu=2", 2, 4), ("cpu=3", 3, 3), ("memory=60", 60, 60), ("memory=40", 40, 80), ("memory=5000", 5000, 5000)],
)
def test_resources_limit_what_runs_at_once(
    make_session: MakeSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[list[str]],
    resources: str,
    need: int,
    most: float,
) -> None:
    """Tasks start as long as their CPUs fit the slots and their memory the machine; one that never fits runs alone."""
    monkeypatch.setattr(pool, "machine_memory", lambda: 100.0)
    path = tmp_path / "running"
    session = make_session(
        IMPORTS + OVERLAP,
        "%%step s -> xs\nxs = [1, 2, 3, 4]",
        f"%%step f --foreach xs -> y\n@resources({resources})\nmark({str(path)!r}, {need})\n"
        f"y = self.input\nmark({str(path)!r}, -{need})",
        "%%step j --join -> ys\nys = [i.y for i in inputs]",
    )
    run = Run(run_flow(session, PARALLEL).pathspec, datastore=session.datastore)
    assert run["j"].task["ys"].data == [1, 2, 3, 4]
    assert max(need * steps.count("f") for steps in started) == most
    assert most_at_once(path) <= most


def test_small_tasks_pass_one_that_does_not_fit(make_session: MakeSession, started: list[list[str]]) -> None:
    """A task that waits for room does not hold up those that have it."""
    session = make_session(
        "%%step s",
        "%%step small --after s -> n\nn = 1",
        "%%step large --after s -> n\n@resources(cpu=4)\nn = 4",
        "%%step other --after s -> n\nn = 1",
        "%%step j --after small,large,other --join -> n\nn = sum(i.n for i in inputs)",
    )
    run = Run(run_flow(session, PARALLEL).pathspec, datastore=session.datastore)
    assert run["j"].task["n"].data == 6
    assert [steps for steps in started if steps[-1] in ("small", "large", "other")] == [
        ["small"],
        ["small", "other"],
        ["large"],
    ]


# -- the rest


def test_what_is_not_applied_here_is_said(make_session: MakeSession) -> None:
    """Decorators of remote layers are without effect here and named; those with a meaning here are not."""
    session = make_session(
        "%%step a\n@kubernetes(cpu=2)\n@pypi(packages={'x': '1'})\n@secrets(sources=['s'])\n@card\n"
        "@resources(memory=100)\n@retry(times=0)\n@timeout(hours=1)\n@environment(vars={})\n@catch\nx = 1",
        "%%step b\n@batch\n@conda(packages={'y': '2'})\nx = 1",
    )
    note = "@{} of {} is written to flow.py; it is not applied here"
    assert not_applied(session.program(False)) == [
        *(note.format(name, "a") for name in ("kubernetes", "pypi", "secrets")),
        *(note.format(name, "b") for name in ("batch", "conda")),
    ]
    assert run_flow(session, RunOptions()).tasks == 4
    run_step(session, "a")
    assert list(run_step(session, "b").report.notes) == [note.format(name, "b") for name in ("batch", "conda")]


def test_a_card_is_recorded_with_the_attempt(make_session: MakeSession, mode: str) -> None:
    """The card of a caught failure is there too, with what the step had put on it."""
    session = make_session(
        IMPORTS + "\nfrom flownb.cards import Markdown",
        "%%step a\n@card\n@catch(var='e')\ncurrent.card.append(Markdown('# seen'))\n1 / 0",
        "%%step b\nz = e",
    )
    execute(session, mode, "b")
    record = session.results().latest("a")[0] if mode == "work" else session.results().attempted("a")[0]
    (card,) = Task(record.pathspec, datastore=session.datastore).cards
    assert "seen" in card.get()


@pytest.mark.parametrize(
    ("decorator", "says"),
    [
        ("@retry(times=N)", "@retry of step a has times=9"),
        ("@timeout(seconds=0 * N)", "@timeout of step a has no duration"),
        ("@environment(vars=[N])", "@environment of step a has vars=[9]"),
        ("@catch(var=N)", "@catch of step a has var=9"),
    ],
)
def test_a_value_that_is_known_only_now_is_refused(
    make_session: MakeSession, mode: str, decorator: str, says: str
) -> None:
    """What the static checks could not see is refused before anything is recorded or run."""
    session = make_session("%%shared\nN = 9", f"%%step a\n{decorator}\nx = 1")
    assert session.checks.find() == ()
    with pytest.raises(ParameterError) as raised:
        execute(session, mode, "a")
    assert says in str(raised.value)
    if mode == "run":
        assert list(session.datastore.runs.run_ids("NotebookFlow")) == []


def test_what_metaflow_refuses_is_refused(make_session: MakeSession) -> None:
    """A mistake in a literal is reported before anything runs."""
    session = make_session("%%step a\n@retry(time=3)\nx = 1")
    with pytest.raises(CheckFailed, match="FN024"):
        run_flow(session, RunOptions())


def test_catch_takes_a_hang_that_was_ended(make_session: MakeSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was ended for its @timeout by force is caught like a crash."""
    monkeypatch.setattr(scheduler, "REACTION", 0.2)
    session = make_session(
        IMPORTS,
        "%%step a -> x\n@timeout(seconds=1)\n@catch(var='e')\nimport itertools\nx = sum(itertools.repeat(0))",
        "%%step b -> z\nz = 'did not react' in e.exception",
    )
    assert execute(session, "run", "b")["z"]


def test_an_interrupt_is_not_caught_or_tried_again(make_session: MakeSession) -> None:
    """Ctrl-C ends the step whatever its decorators say, and is recorded as such."""
    lines = "@catch(var='e')\n@retry(times=3, minutes_between_retries=0)\n"
    session = make_session(IMPORTS, f"%%step a\n{lines}raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        run_step(session, "a")
    (record,) = session.results().attempted("a")
    assert (record.status, record.attempt) == ("interrupted", 0)
    with pytest.raises(KeyboardInterrupt):
        run_flow(session, RunOptions())
