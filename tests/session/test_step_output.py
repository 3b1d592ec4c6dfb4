"""What the tasks of a run show, by step: in order, and no more of it than a reader looks at."""

from __future__ import annotations

from typing import Any

from flownb.runtime.events import TaskOutput
from flownb.session.step_output import Block, RunOutput
from tests.session.test_progress import ALONE, Place, ended, facts, started, wrote

PLOT = {"text/plain": "<Figure>", "image/png": "AAAA"}


def displayed(step: str, task: int, data: dict[str, Any], place: Place = ALONE, name: str = "") -> TaskOutput:
    """A task displayed something; under a name that it used before, in place of that."""
    update = name.endswith("!")
    text = data.get("text/plain", "")
    return TaskOutput(*facts(step, task, place), "display", text, data, {}, name.rstrip("!"), update)


def shown(*events: Any, order: tuple[str, ...] = ("load", "train", "pick")) -> list[Block]:
    """The blocks of a run."""
    output = RunOutput(order)
    for event in events:
        output.take(event)
    return [block for step in output.steps() for block in step.blocks()]


def test_steps_have_headings_in_the_flows_order() -> None:
    """Whatever came first, the outputs of a step are together, its tasks in the order of their items."""
    assert shown(
        wrote("train", 3, "got 1\n", (1, 2, ())),
        wrote("load", 1, "loading\n"),
        wrote("train", 3, "oh\n", (1, 2, ()), kind="stderr"),
        wrote("train", 2, "got 0", (0, 2, ())),
        ended("train", 2, (0, 2, ())),
        started("pick", 4),
    ) == [
        Block("stdout", "load:\n  loading\n"),
        Block("stdout", "train:\n  [0] got 0\n  [1] got 1\n"),
        Block("stderr", "  [1] oh\n"),
    ]


def test_sixty_tasks_do_not_bury_what_comes_after_them() -> None:
    """Of many lines the first and the last ten are shown, and a line says how to see all."""
    (block,) = shown(*(wrote("train", i, f"got {i}\n", (i, 60, ())) for i in range(60)))
    lines = block.text.splitlines()
    assert len(lines) == 22
    assert lines[:2] == ["train:", "  [0] got 0"]
    assert lines[11] == "  … 40 more lines: `%flow logs train --all` shows all"
    assert [lines[12], lines[21]] == ["  [50] got 50", "  [59] got 59"]


def test_one_task_that_writes_much_is_cut_as_well() -> None:
    """The first and the last lines of a task are kept, however many there are, and long lines are cut."""
    (block,) = shown(wrote("load", 1, "".join(f"line {i}\n" for i in range(1000))), wrote("load", 1, "x" * 5000 + "\n"))
    lines = block.text.splitlines()
    assert lines[10:13] == ["  line 9", "  … 981 more lines: `%flow logs load` shows all", "  line 991"]
    assert len(lines[-1]) == 2003


def test_what_is_written_over_counts_once() -> None:
    """A progress bar is one line, as it was in the end."""
    bar = "".join(f"\r{i}%" for i in range(101))
    assert shown(wrote("load", 1, bar, kind="stderr"), ended("load", 1))[1:] == [Block("stderr", "  100%\n")]


def test_displays_are_shown_among_the_lines() -> None:
    """A figure is where the task displayed it; a display that is only text is a line; an update takes its place."""
    blocks = shown(
        wrote("train", 1, "before\n", (0, 2, ())),
        displayed("train", 1, {"text/plain": "...", "text/html": "0%"}, (0, 2, ()), "bar"),
        wrote("train", 1, "after\n", (0, 2, ())),
        displayed("train", 1, PLOT, (0, 2, ()), "bar!"),
        displayed("train", 2, {"text/plain": "42"}, (1, 2, ())),
    )
    assert blocks == [
        Block("stdout", "train:\n  [0] before\n  [0]\n"),
        Block("stdout", "...", PLOT),
        Block("stdout", "  [0] after\n  [1] 42\n"),
    ]


def test_only_the_first_displays_of_a_step_are_shown() -> None:
    """Four figures of a step are shown, and it is said how many more there are."""
    blocks = shown(*(displayed("train", i, PLOT, (i, 9, ())) for i in range(9)))
    assert sum(bool(block.data) for block in blocks) == 4
    assert blocks[-1] == Block("stdout", "  … 5 more displays: `%flow logs train` shows all\n")


def test_a_failure_is_never_left_out() -> None:
    """A line that says that a task failed is shown among many others."""
    lines = [wrote("train", i, f"got {i}\n", (i, 60, ())) for i in range(60)]
    (block,) = shown(*lines, ended("train", 30, (30, 60, ()), "failed", "ValueError: no"))
    assert "  [30] failed: ValueError: no" in block.text.splitlines()


def test_what_a_task_cleared_is_gone() -> None:
    """A task that clears its output has nothing of before; cleared for what comes next, it goes with that."""
    place = facts("load", 1, ALONE)
    clear = TaskOutput(*place, "clear", "", {}, {}, "", False)
    wait = TaskOutput(*place, "clear", "", {}, {}, "", True)
    assert shown(wrote("load", 1, "a\n"), clear) == []
    assert shown(wrote("load", 1, "a\n"), wait) == [Block("stdout", "load:\n  a\n")]
    assert shown(wrote("load", 1, "a\n"), wait, wrote("load", 1, "b\n")) == [Block("stdout", "load:\n  b\n")]
