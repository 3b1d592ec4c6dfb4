"""Which artifacts each step can read."""

from __future__ import annotations

from tests.flow.flows import artifacts

NONE: frozenset[str] = frozenset()


def test_artifacts_flow_down() -> None:
    """A step inherits all that the steps before it captured or assigned to self, and the names of the class."""
    found = artifacts("%%flow F\nk = 1\ndef f(self): pass", "%%step a -> x\nx = 1\nself.y = 2", "%%step b", "%%step c")
    assert found.certain == found.possible == {"a": {"k"}, "b": {"k", "x", "y"}, "c": {"k", "x", "y"}}
    assert (found.joined, found.unknown, found.leaving["c"]) == ({}, NONE, {"k", "x", "y"})


def test_after_a_switch_some_are_only_possible() -> None:
    """Certain is what every case sets, possible what one does."""
    found = artifacts(
        "%%step a -> k\nk = 'x'",
        "%%step b --when k=x -> p, q\np = q = 1",
        "%%step c --after a --when k=y -> q\nq = 1",
        "%%step d --after b,c",
    )
    assert (found.certain["d"], found.possible["d"]) == ({"k", "q"}, {"k", "p", "q"})


def test_a_join_inherits_nothing() -> None:
    """What its inputs have is known, and passed on only if it merges or captures."""
    cells = ("%%flow F\nk = 1", "%%step s", "%%step a --after s -> x\nx = 1", "%%step b --after s -> y\ny = 1")
    found = artifacts(*cells, "%%step j --after a,b --join -> z\nz = inputs.a.x", "%%step e")
    assert (found.certain["j"], found.joined["j"], found.certain["e"]) == ({"k"}, {"k", "x", "y"}, {"k", "z"})
    merged = artifacts(*cells, "%%step j --after a,b --join\nself.merge_artifacts(inputs)", "%%step e")
    assert merged.certain["e"] == {"k", "x", "y"}


def test_self_that_escapes_makes_everything_below_unknown() -> None:
    """Code that is handed `self` may set any artifact."""
    found = artifacts("%%step a", "%%step b\nsetattr(self, 'x', 1)", "%%step c")
    assert found.unknown == {"b", "c"}


def test_steps_on_a_cycle_are_traced_as_far_as_possible() -> None:
    """Tracing ends on any graph."""
    found = artifacts("%%step a --after b -> x\nx = 1", "%%step b --after a -> y\ny = 1")
    assert set(found.certain) == {"a", "b"}


def test_a_loop_inherits_from_before_it() -> None:
    """A switch back to its own step reads what the step before set."""
    found = artifacts(
        "%%step a -> n\nn = 0\nself.next(self.b)",
        "%%step b -> n, k\nn += 1\nk = n > 2\nself.next({True: self.c, False: self.b}, condition='k')",
        "%%step c",
    )
    assert (found.certain["b"], found.certain["c"]) == ({"n"}, {"n", "k"})
