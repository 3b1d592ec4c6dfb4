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

from flownb.cells.cell import read_cell
from flownb.export import flow_file
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow
from flownb.picture.text import dag_text
from flownb.runtime.program import Program
from flownb.session.drawing import flow_picture

# Steps of the two flows that are compared, and how much more work a step of the longer one may take.
FEW, MANY, MARGIN = 60, 240, 1.15


def chain(steps: int) -> list[str]:
    """One step after the other, each with an artifact of its own."""
    first = "%%step s0 -> x, rows\nx, rows = 1, [1]"
    return [first, *(f"%%step s{n} -> y{n}\ny{n} = x + len(rows) + len(self.rows)" for n in range(1, steps))]


def wide(steps: int) -> list[str]:
    """One step that splits into all others but a join."""
    branches = [f"b{n}" for n in range(steps - 2)]
    cells = [f"%%step {name} --after s -> {name}_y\n{name}_y = x" for name in branches]
    join = f"%%step j --after {','.join(branches)} --join -> total\ntotal = sum(one.x for one in inputs)"
    return ["%%step s -> x\nx = 1", *cells, join]


def switches(steps: int) -> list[str]:
    """One switch of two cases after the other."""
    cells, above = ["%%step m -> kind, x\nkind, x = 'a', 1"], "m"
    for n in range(steps // 3):
        cells += [f"%%step {case}{n} --after {above} --when kind={case} -> x\nx = x + 1" for case in ("a", "b")]
        above = f"m{n}"
        cells.append(f"%%step {above} --after a{n},b{n} -> kind\nkind = 'a' if x else 'b'")
    return cells


def loops(steps: int) -> list[str]:
    """One foreach after the other, so that each join but the last starts the next."""
    cells, above = ["%%step first -> xs\nxs = [1, 2]"], "first"
    for n in range(steps // 3):
        cells.append(f"%%step f{n} --after {above} --foreach xs -> y\ny = self.input")
        cells.append(f"%%step g{n} -> z\nz = y")
        above = f"j{n}"
        cells.append(f"%%step {above} --join -> xs\nxs = [one.z for one in inputs]")
    return cells


def diamonds(steps: int) -> list[str]:
    """One split and join after the other; each join merges."""
    cells, above = ["%%step first -> x\nx = 1"], "first"
    for n in range(steps // 3):
        cells += [f"%%step {side}{n} --after {above} -> {side}\n{side} = x" for side in ("l", "r")]
        above = f"j{n}"
        cells.append(f"%%step {above} --after l{n},r{n} --join\nself.merge_artifacts(inputs)")
    return cells


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


def test_work_grows_with_the_number_of_steps_where_each_has_an_error() -> None:
    """Looking for who keeps a missing name to itself does not go through the whole flow for each finding."""

    def broken(steps: int) -> list[str]:
        return ["%%step s0\nlost = 1", *(f"%%step s{n} -> y{n}\ny{n} = lost + self.lost" for n in range(1, steps))]

    def work(steps: int) -> None:
        flow = define_flow(read_cell(text) for text in broken(steps))
        assert len(check_flow(flow)) == 2 * (steps - 1)

    work(9)
    few, many = (calls(partial(work, steps)) / steps for steps in (FEW, MANY))
    assert many <= few * MARGIN, f"{few:.0f} calls a step of {FEW} steps, {many:.0f} of {MANY}"
