"""Long flows: the work for a step does not depend on how many others there are.

Work is counted in calls of Python functions and builtins, never in seconds.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flownb.cells.cell import read_any_cell, read_cell
from flownb.errors import closest
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow
from flownb.flow_file.writing import flow_file
from flownb.picture.text import dag_text
from flownb.runtime.program import Program
from flownb.session.drawing import flow_picture
from tests.flow.shapes import chain, diamonds, loops, switches, wide

# Steps of the two flows that are compared, and how much more work a step of the longer one may take.
FEW, MANY, MARGIN = 60, 240, 1.15


def calls(work: Callable[[], object]) -> int:
    """How many functions and builtins `work` calls."""
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.collect()
    before = sys.getprofile()
    gc.disable()  # finalizers of earlier tests are not this work
    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def all_of(texts: list[str]) -> None:
    """All that is worked out of a flow before a step runs."""
    flow = define_flow(read_cell(text, number=number) for number, text in enumerate(texts, 1))
    graph = build_graph(flow)
    assert check_flow(flow, graph=graph) == ()
    program = Program(flow, complete_graph(graph))
    assert program.flow.name in flow_file(program)
    dag_text(flow_picture(program, {}))


@pytest.mark.parametrize("shape", [chain, wide, switches, loops, diamonds])
def test_work_grows_with_the_number_of_steps(shape: Callable[[int], list[str]]) -> None:
    """Reading cells, graph, checks, source and picture cost the same for each step, however long a flow is."""
    all_of(shape(9))  # what is imported and cached once

    def work(steps: int) -> None:
        all_of(shape(steps))

    few, many = (calls(partial(work, steps)) / len(shape(steps)) for steps in (FEW, MANY))
    assert many <= few * MARGIN, f"{few:.0f} calls a step of {FEW} steps, {many:.0f} of {MANY}"


def lost(steps: int) -> list[str]:
    """Each step reads a name that the first one keeps to itself."""
    return ["%%step s0\nlost = 1", *(f"%%step s{n} -> y{n}\ny{n} = lost + self.lost" for n in range(1, steps))]


def lost_in_joins(steps: int) -> list[str]:
    """One split and join after the other; no join passes on what all branches read."""
    cells, above = ["%%step first -> x\nx = 1"], "first"
    for n in range(steps // 3):
        cells += [f"%%step {side}{n} --after {above}\nq = x" for side in ("l", "r")]
        above = f"j{n}"
        cells.append(f"%%step {above} --after l{n},r{n} --join\nz = 1")
    return cells


def unusable(steps: int) -> list[str]:
    """Each second step has a name that no step can have."""
    return ["%%step s -> x\nx = 1", *(f"%%step {'sS'[n % 2]}{n} -> x\nx = x + 1" for n in range(1, steps))]


def not_python(steps: int) -> list[str]:
    """Each step has another mistake of its own."""
    bodies = ["return 1", "yield x", "%ls", "global q\nq = 1", "x = (", "from os import *", "await x", "def f(): pass"]
    return ["%%step s0 -> x\nx = 1", *(f"%%step s{n} -> f\n{bodies[n % len(bodies)]}" for n in range(1, steps))]


def unjoined(steps: int) -> list[str]:
    """Each second step is a split of which one branch ends nowhere."""
    cells = ["%%step s0 -> x\nx = 1"]
    for n in range(steps // 2):
        cells += [f"%%step e{n} --after s{n} -> y\ny = x", f"%%step s{n + 1} --after s{n} -> x\nx = x"]
    return cells


def in_a_circle(steps: int) -> list[str]:
    """The first step comes after the last."""
    return [f"%%step s{n} --after s{(n - 1) % steps} -> x\nx = 1" for n in range(steps)]


@pytest.mark.parametrize("shape", [lost, lost_in_joins, unusable, not_python, unjoined, in_a_circle])
def test_work_grows_with_the_number_of_steps_where_many_have_errors(shape: Callable[[int], list[str]]) -> None:
    """A finding does not look through the whole flow: neither for who has a name, nor for what is above a step."""

    def work(steps: int) -> None:
        flow = define_flow(read_any_cell(text, number=number) for number, text in enumerate(shape(steps), 1))
        assert check_flow(flow) != ()

    work(9)
    few, many = (calls(partial(work, steps)) / steps for steps in (FEW, MANY))
    assert many <= few * MARGIN, f"{few:.0f} calls a step of {FEW} steps, {many:.0f} of {MANY}"


@pytest.mark.parametrize("shape", [chain, loops, diamonds])
def test_five_thousand_steps_in_a_row_are_checked(shape: Callable[[int], list[str]]) -> None:
    """The depth of a flow is not limited by Python's stack."""
    flow = define_flow(map(read_any_cell, shape(5_000)))
    assert check_flow(flow) == ()


def test_few_names_are_compared_with_a_misspelt_one() -> None:
    """Of thousands of names only those that can be the closest are compared letter by letter."""
    names = [f"value_{number}" for number in range(2_000)]
    closest("value_x", names)  # letters are counted once
    assert calls(lambda: closest("valu_77", names)) < 3 * len(names)
