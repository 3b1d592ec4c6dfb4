"""Whole flows: which tasks a run makes, and what they see."""

from __future__ import annotations

import pytest

from flownb.client import Run
from flownb.flow.lint import errors_of
from flownb.session.options import RunOptions
from flownb.session.run import run_flow
from tests.conftest import MakeSession

SPLIT = ("%%step s -> x\nx = 1", "%%step a --after s -> y\ny = x + 1", "%%step b --after s -> y\ny = x + 2")
SHAPES = {
    "linear": (("%%step a -> x\nx = 1", "%%step b -> y\ny = x + 1"), {"a": 1, "b": 1}, {"x": 1, "y": 2}),
    "split": ((*SPLIT, "%%step j --after a,b --join -> z\nz = [i.y for i in inputs]"), {"j": 1}, {"z": [2, 3]}),
    "foreach": (
        ("%%step s -> xs\nxs = 'abc'", "%%step f --foreach xs -> y\ny = self.input * 2", "%%step j --join -> z\n"
         "z = [i.y for i in inputs]"),
        {"f": 3},
        {"z": ["aa", "bb", "cc"]},
    ),
    "nested foreach": (
        ("%%step s -> xs\nxs = [1, 2]", "%%step f --foreach xs -> ys\nys = [self.input] * (self.input + 1)",
         "%%step g --foreach ys -> y\ny = (self.input, self.index, [f[:2] for f in self.foreach_stack()])",
         "%%step inner --join -> y\ny = [i.y for i in inputs]", "%%step outer --join -> y\ny = [i.y for i in inputs]"),
        {"f": 2, "g": 5, "inner": 2, "outer": 1},
        {"y": [
            [(1, 0, [(0, 2), (0, 2)]), (1, 1, [(0, 2), (1, 2)])],
            [(2, 0, [(1, 2), (0, 3)]), (2, 1, [(1, 2), (1, 3)]), (2, 2, [(1, 2), (2, 3)])],
        ]},
    ),
    "foreach inside a split": (
        (*SPLIT[:2], "%%step s2 --after s -> xs\nxs = [1, 2]", "%%step f --foreach xs -> y\ny = x + self.input",
         "%%step fj --join -> y\ny = [i.y for i in inputs]", "%%step j --after a,fj --join -> z\n"
         "z = [i.y for i in inputs]"),
        {"f": 2, "fj": 1, "j": 1},
        {"z": [2, [2, 3]]},
    ),
    "split inside a foreach": (
        ("%%step s -> xs\nxs = [1, 2]", "%%step f --foreach xs -> y\ny = self.input", "%%step a --after f -> z\nz = y",
         "%%step b --after f -> z\nz = -y", "%%step ab --after a,b --join -> z\nz = [inputs.a.z, inputs.b.z]",
         "%%step j --join -> z\nz = [i.z for i in inputs]"),
        {"a": 2, "b": 2, "ab": 2, "j": 1},
        {"z": [[1, -1], [2, -2]]},
    ),
    "merge": (
        (*SPLIT, "%%step j --after a,b --join -> z\nself.y = 9\nself.merge_artifacts(inputs)\nz = self.x"),
        {"j": 1},
        {"x": 1, "y": 9, "z": 1},
    ),
    "join that splits": (
        (*SPLIT, "%%step j --after a,b --join -> z\nz = 1", "%%step c --after j -> w\nw = z",
         "%%step d --after j -> w\nw = z + 1", "%%step k --after c,d --join -> v\nv = [i.w for i in inputs]"),
        {"j": 1, "j_split": 1, "k": 1},
        {"v": [1, 2]},
    ),
    "skip edge": (
        ("%%step s -> x\nx = 1", "%%step a --after s -> x\nx = 2",
         "%%step j --after s,a --join -> z\nz = sorted(i.x for i in inputs)"),
        {"s_to_j": 1},
        {"z": [1, 2]},
    ),
    "recursion": (
        ("%%step s -> n\nn = 0", "%%step grow\nself.n = self.n + 1\nself.kind = 'more' if self.n < 3 else 'enough'\n"
         "self.next({'more': self.grow, 'enough': self.last}, condition='kind')", "%%step last\nprint(self.n)"),
        {"grow": 3},
        {"n": 3, "kind": "enough"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(make_session: MakeSession, shape: str) -> None:
    """Every graph shape makes the tasks Metaflow makes and ends with the expected artifacts."""
    cells, counts, expected = SHAPES[shape]
    session = make_session(*cells)
    assert errors_of(session.checks.find()) == ()
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    assert {name: len(list(run[name])) for name in counts} == counts
    assert run.data is not None
    assert {name: getattr(run.data, name) for name in expected} == expected
    assert run.successful


def test_tasks_are_numbered_across_the_run(make_session: MakeSession) -> None:
    """Task ids are unique in a run."""
    session = make_session(*SHAPES["foreach"][0])
    run = Run(run_flow(session, RunOptions()).pathspec, datastore=session.datastore)
    ids = sorted(int(task.id) for step in run for task in step)
    assert ids == list(range(1, 8))
