"""How a run's steps are counted, and how what its tasks show is passed on."""

from __future__ import annotations

from typing import Any

import pytest

from flownb.runtime.events import (
    Event,
    RunEnded,
    RunStarted,
    TaskCloned,
    TaskEnded,
    TaskOutput,
    TaskRetried,
    TaskStarted,
)
from flownb.runtime.freshness import Freshness
from flownb.session.progress import Progress, StepLine, StepStates, Tally, columns, cut, duration, rate_text, texts
from flownb.session.step_output import TaskLines

Place = tuple[int | None, int | None, tuple[int, ...]]
ALONE: Place = (None, None, ())


def facts(step: str, task: int, place: Place) -> tuple[Any, ...]:
    """What all events of a task have."""
    return ("F", "1", step, str(task), "run", 0, *place)


def started(step: str, task: int, place: Place = ALONE) -> TaskStarted:
    """A task begins."""
    return TaskStarted(*facts(step, task, place))


def ended(step: str, task: int, place: Place = ALONE, status: Any = "done", error: str = "") -> TaskEnded:
    """A task ended."""
    return TaskEnded(*facts(step, task, place), status=status, error=error, seconds=1.0)


def wrote(step: str, task: int, text: str, place: Place = ALONE, kind: Any = "stdout") -> TaskOutput:
    """A task wrote text."""
    return TaskOutput(*facts(step, task, place), kind, text, {}, {}, "", False)


class Clock:
    """A clock that advances when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        """The time that it shows."""
        return self.now


def tallied(*events: Event, steps: tuple[str, ...] = ("load", "train", "pick"), clock: Clock | None = None) -> Tally:
    """A tally that has heard of some events."""
    tally = Tally("F/1", steps, clock=clock or Clock())
    for event in events:
        tally(event)
    return tally


def test_a_foreach_has_counts_and_a_rate() -> None:
    """A step's line says how many of its tasks are over, how many run, how many a second, and what went wrong."""
    clock = Clock()
    tally = tallied(started("load", 1), clock=clock)
    clock.now = 0.5
    for event in (ended("load", 1), *(started("train", 2 + i, (i, 100, ())) for i in range(4))):
        tally(event)
    clock.now = 2.5
    for i in range(19):
        tally(started("train", 6 + i, (4 + i, 100, ())))
        tally(ended("train", 6 + i, (4 + i, 100, ())))
    tally(TaskRetried(*facts("train", 2, (0, 100, ())), error="E"))
    tally(ended("train", 2, (0, 100, ()), "failed", "ValueError: no"))
    assert texts(tally.lines(9)) == [
        "load      1/1  done in 0.5 s",
        "train  20/100  3 running  10/s  1 failed  1 retried",
        "pick",
    ]
    assert tally.head() == "run F/1  20 tasks done  1 failed  2.5 s"


def test_a_rate_is_that_of_the_last_seconds() -> None:
    """What went fast a while ago does not make a step look fast."""
    clock = Clock()
    tally = tallied(*(started("train", i, (i, 2000, ())) for i in range(1000)), clock=clock)
    clock.now = 10.0
    for i in range(900):
        tally(ended("train", i, (i, 2000, ())))
    assert "90/s" in tally.line("train").notes
    for second in range(11, 21):
        clock.now = float(second)
        tally(ended("train", 900 + second, (900 + second, 2000, ())))
        notes = tally.line("train").notes
    assert "1.0/s" in notes


def test_nested_foreachs_are_counted_together() -> None:
    """A step inside two foreachs has the tasks of all that have begun; a step that comes back has no known number."""
    tally = tallied(steps=("train", "again"))
    for i in range(4):
        tally(started("train", i, (i % 2, 2, (i // 2,))))
        tally(ended("train", i, (i % 2, 2, (i // 2,))))
        tally(started("again", 10 + i))
        tally(ended("again", 10 + i))
    assert [tally.line(step).count for step in ("train", "again")] == ["4/4", "4"]


def test_cloned_and_interrupted_tasks_are_distinguished() -> None:
    """A task that need not run is over, and one that was stopped has not failed."""
    tally = tallied(
        TaskCloned(*facts("load", 1, ALONE), origin="0/load/1"),
        *(TaskCloned(*facts("train", 2 + i, (i, 3, ())), origin="") for i in range(2)),
        started("train", 4, (2, 3, ())),
        ended("train", 4, (2, 3, ()), "interrupted", "KeyboardInterrupt"),
    )
    assert texts(tally.lines(9)) == ["load   1/1  cloned", "train  3/3  1 interrupted  2 cloned", "pick"]
    assert [line.state for line in tally.lines(9)] == ["done", "interrupted", "waiting"]


def test_other_runs_and_single_steps_are_not_counted() -> None:
    """A run's lines are about its own tasks alone."""
    other = TaskStarted("F", "2", "load", "1", "run", 0, None, None, ())
    spin = TaskStarted("F", "1", "load", "1", "spin", 0, None, None, ())
    tally = tallied(RunStarted("F", "1"), other, spin, started("start", 1), ended("start", 1))
    assert (texts(tally.lines(9)), tally.done) == (["load", "train", "pick"], 1)


def test_many_steps_take_few_lines() -> None:
    """Steps that are over are counted, those that run are shown, then those that come next."""
    names = tuple(f"s{i}" for i in range(30))
    tally = tallied(
        *(event for i in range(10) for event in (started(f"s{i}", i), ended(f"s{i}", i))),
        started("s10", 10),
        started("s11", 11),
        steps=names,
    )
    assert texts(tally.lines(6)) == [
        "10 steps done",
        "s10  0/1  0.0 s",
        "s11  0/1  0.0 s",
        "s12",
        "s13",
        "16 steps to come",
    ]
    for i in range(12, 30):
        tally(started(f"s{i}", i))
    lines = tally.lines(5)
    assert [lines[0].name, lines[-1].name] == ["10 steps done", "17 more steps"]
    assert len(lines) == 5


@pytest.mark.parametrize("room", range(4, 12))
def test_lines_never_take_more_room_than_there_is(room: int) -> None:
    """Whatever runs, waits or is over."""
    for over in range(12):
        for running in range(12 - over):
            events = [started(f"s{i}", i) for i in range(over + running)]
            tally = tallied(*events, *(ended(f"s{i}", i) for i in range(over)), steps=tuple(f"s{i}" for i in range(12)))
            assert len(tally.lines(room)) <= room


def test_texts_for_people() -> None:
    """Times, rates and widths as a person reads them."""
    assert [duration(one) for one in (-1, 9.94, 9.96, 59.9, 3660)] == [
        "0.0 s",
        "9.9 s",
        "10 s",
        "1 min 0 s",
        "1 h 1 min",
    ]
    assert [rate_text(one) for one in (120, 3.4, 0.5, 1 / 3600)] == ["120/s", "3.4/s", "30/min", "1.0/h"]
    assert ([cut("abc", 3), cut("abcd", 3), cut("日本語", 4)], columns("日本")) == (["abc", "ab…", "日…"], 4)
    assert texts([StepLine("done", "日本", "1/1", ()), StepLine("done", "a", "2/2", ())]) == ["日本  1/1", "a     2/2"]


def test_a_stopped_step_was_interrupted() -> None:
    """A step whose tasks were stopped was interrupted; one of whose tasks failed has failed for that."""
    states = StepStates()
    for event in (started("a", 1), ended("a", 1, ALONE, "interrupted", "KeyboardInterrupt")):
        states(event)
    assert states.state("a") == Freshness("failed", ("interrupted",), 1)
    states(started("a", 2))
    states(ended("a", 2, ALONE, "failed", "ValueError: no"))
    assert states.state("a") == Freshness("failed", ("ValueError",), 2)
    states(started("b", 3))
    states(RunEnded("F", "1", "interrupted", 2, 1.0))
    assert states.state("b") == Freshness("failed", ("interrupted",), 0)


def test_what_tasks_write_is_labelled_at_once() -> None:
    """Each whole line continues with its step and its items before it; half a line continues when its task ends."""
    said: list[tuple[str, str]] = []
    progress = Progress("F/1", TaskLines(lambda stream, text: said.append((stream, text))))
    inner: Place = (1, 2, (3,))
    for event in (started("a", 1), started("b", 2, inner), wrote("a", 1, "one\ntw"), wrote("b", 2, "x\n", inner)):
        progress(event)
    progress(wrote("a", 1, "oh\n", kind="stderr"))
    assert said == [("stdout", "[a] one\n"), ("stdout", "[b/3/1] x\n"), ("stderr", "[a] oh\n")]
    progress(ended("a", 1))
    assert said[-1] == ("stdout", "[a] tw\n")
    progress(TaskOutput(*facts("b", 2, inner), "display", "a table", {"text/html": "<table>"}, {}, "", False))
    progress(ended("b", 2, inner, "failed", "ValueError: no"))
    assert said[-2:] == [("stdout", "[b/3/1] a table\n"), ("stdout", "[b/3/1] failed: ValueError: no\n")]


def test_other_runs_are_not_shown() -> None:
    """A run's progress hands on its own events, and those of no other run or step cell."""
    shown: list[Event] = []
    progress = Progress("F/1", shown.append)
    other = TaskOutput("F", "2", "a", "1", "run", 0, *ALONE, "stdout", "x\n", {}, {}, "", False)
    for event in (other, RunStarted("F", "1"), wrote("a", 1, "y\n")):
        progress(event)
    assert shown == [RunStarted("F", "1"), wrote("a", 1, "y\n")]
