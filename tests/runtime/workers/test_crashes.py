"""Attempts whose process dies, and exceptions that are hard to bring home."""

from __future__ import annotations

import pytest

from tests.conftest import MakeSession
from tests.runtime.workers.runs import SHARED, failed_run, ran, text_of

CRASHES = {
    "import ctypes\nctypes.string_at(0)": "ended by SIGSEGV: a library crashed",
    "os.abort()": "ended by SIGABRT: a library crashed",
    "os._exit(3)": "exit status 3",
    "os._exit(0)": "exit status 0 before the step was done",
    "os.kill(os.getpid(), signal.SIGKILL)": "ended by SIGKILL: by hand, or by the system because memory ran out",
    "os.kill(os.getpid(), signal.SIGTERM)": "ended by SIGTERM",
    "os.killpg(0, signal.SIGKILL)": "ended by SIGKILL",
    "if os.fork():\n    os._exit(4)\nos._exit(5)": "exit status 4",
}


@pytest.mark.parametrize("body", CRASHES)
def test_a_process_that_dies_is_a_failed_attempt(make_session: MakeSession, body: str) -> None:
    """The run fails with the reason, the attempt is recorded with what it wrote, and the next run goes well."""
    session = make_session(SHARED, f"%%step a\nprint('before', flush=True)\n{body}")
    run, error = failed_run(session)
    assert error.type == "WorkerDied"
    assert CRASHES[body] in str(error)
    task = run["a"].task
    assert task is not None
    assert (task.successful, text_of(task).split("\n")[0]) == (False, "before")
    assert CRASHES[body] in str(task.exception)
    session.cells.put(make_session(SHARED, "%%step a -> x\nx = 1").cells.cells()[1])
    assert ran(session).successful


def test_a_crash_leaves_the_other_tasks_alone(make_session: MakeSession) -> None:
    """Tasks beside the one that crashed end and are recorded, and a resume runs the lost one alone."""
    session = make_session(
        SHARED,
        "%%step s -> xs\nxs = [1, 2, 3]",
        "%%step f --foreach xs -> y\n@retry(times=1, minutes_between_retries=0)\ny = self.input\n"
        "if y == 2 and not current.retry_count:\n    os._exit(9)",
        "%%step j --join -> ys\nys = [i.y for i in inputs]",
    )
    run = ran(session, workers=2)
    assert run["j"].task["ys"].data == [1, 2, 3]
    assert [task.current_attempt for task in sorted(run["f"], key=lambda task: task.index or 0)] == [0, 1, 0]


def test_what_forks_workers_may_die(make_session: MakeSession) -> None:
    """Attempts of a killed zygote are lost attempts; with @retry the run continues with a new one."""
    body = "n = current.retry_count\nif not n:\n    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(60)"
    session = make_session(SHARED, f"%%step a -> n\n@retry(times=1, minutes_between_retries=0)\n{body}")
    assert ran(session)["a"].task["n"].data == 1
    session = make_session(SHARED, f"%%step a -> n\n{body}")
    _, error = failed_run(session)
    assert "The process that starts workers was killed" in str(error)


EXCEPTIONS = {
    "class E(Exception):\n    def __init__(self, a, b):\n        self.f = lambda: a\n        super().__init__(b)\n"
    "raise E(1, 'needs two')": ("E", "needs two"),
    "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E": (
        "E",
        "__str__ raised ValueError",
    ),
    "class E(Exception):\n    def __reduce__(self):\n        os._exit(1)\nraise E('no pickle')": ("E", "no pickle"),
    "sys.exit('enough')": ("SystemExit", "enough"),
    "raise ExceptionGroup('both', [ValueError(1), TypeError(2)])": ("ExceptionGroup", "both"),
    "def f(): return f()\nf()": ("RecursionError", "maximum recursion depth"),
    "x = bytearray(10**15)": ("MemoryError", ""),
    "raise type('Ünï', (Exception,), {})('\\ud800 half')": ("Ünï", "half"),
    "raise GeneratorExit('odd')": ("GeneratorExit", "odd"),
}


@pytest.mark.parametrize("body", EXCEPTIONS)
def test_any_exception_comes_home(make_session: MakeSession, body: str) -> None:
    """Type, text and the user's frames are there whatever the exception's class does."""
    run, error = failed_run(make_session(SHARED, f"%%step a\n{body}"))
    kind, text = EXCEPTIONS[body]
    assert error.type == kind
    assert text in str(error)
    assert "step a" in error.facts["traceback"]
    assert "flownb/" not in error.facts["traceback"]
    assert kind in str(run["a"].task.exception)


def test_the_chain_of_causes_is_shown(make_session: MakeSession) -> None:
    """A traceback has what an exception was raised from."""
    session = make_session(
        SHARED, "%%step a\ntry:\n    1 / 0\nexcept ArithmeticError as e:\n    raise KeyError('k') from e"
    )
    _, error = failed_run(session)
    assert "ZeroDivisionError" in error.facts["traceback"]
    assert "direct cause" in error.facts["traceback"]


def test_nobody_can_be_asked(make_session: MakeSession) -> None:
    """A step that asks for input, or stops in a debugger, fails and says where it could."""
    for call in ("input('name?')", "breakpoint()"):
        _, error = failed_run(make_session(SHARED, f"%%step a\n{call}"))
        assert error.type == "EOFError"
        assert "has nobody to talk to" in str(error)
    assert ran(make_session(SHARED, "%%step a -> x\nx = sys.stdin.read()"))["a"].task["x"].data == ""
