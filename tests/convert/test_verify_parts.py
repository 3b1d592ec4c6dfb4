"""The parts of the proof that start no kernel: lines, chance, the copied folder, constraints and the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from flownb.convert.plain import read_plain
from flownb.convert.proposal import Constraints
from flownb.convert.propose import propose
from flownb.convert.verify import folder
from flownb.convert.verify.chance import reason_of, runs_needed, sources_of
from flownb.convert.verify.comparison import Comparison
from flownb.convert.verify.flow import FlowAnswer, FlowFailure
from flownb.convert.verify.folder import WorkFolder
from flownb.convert.verify.judge import describe_difference
from flownb.convert.verify.lines import lines_of, printed_difference, unstable_lines
from flownb.convert.verify.plain import PlainFailure, PlainRun
from flownb.convert.verify.proof import Checked, boundaries
from flownb.convert.verify.repair import repair, unstorable
from flownb.convert.verify.report import PRINTED, Row, Verification
from flownb.convert.verify.snapshots import Held
from tests.convert.by_hand import by_hand, plain_document


@pytest.mark.parametrize(
    ("plain", "flow", "unstable", "partly", "difference"),
    [
        ("a\nb\n", "a\nb\n", set(), False, ""),
        ("a\nb\n", "a\nc\n", set(), False, "line 2 is `b` in the notebook, `c` in the flow"),
        ("a\nb\n", "a\n", set(), False, "2 lines in the notebook, 1 line in the flow"),
        ("a\nb\n", "a\nc\n", {1}, False, ""),
        ("a\nb\n", "z\nc\n", {1}, False, "line 1 is `a` in the notebook, `z` in the flow"),
        ("a\nb\n", "z\n", None, False, ""),
        ("10 %\r90 %\rdone\n", "50 %\rdone\n", set(), False, ""),
        ("shown\nb\n", "b\n", set(), True, ""),
        ("b\nc\n", "c\nb\n", set(), True, "line 2 is `b` in the flow, and not in the notebook"),
    ],
)
def test_printed_lines_are_compared_one_by_one(
    plain: str, flow: str, unstable: set[int] | None, partly: bool, difference: str
) -> None:
    """Only lines that differ between runs of the notebook itself are left out."""
    found = printed_difference(lines_of(plain), lines_of(flow), unstable=unstable, partly=partly)
    assert found == difference


def test_lines_differ_between_runs_by_position() -> None:
    """Runs with other numbers of lines cannot be compared at all."""
    assert unstable_lines(["a", "b"], [["a", "c"], ["a", "b"]]) == {1}
    assert unstable_lines(["a"], [["a", "b"]]) is None


@pytest.mark.parametrize(
    ("source", "sources", "runs"),
    [
        ("x = np.random.rand(3)", ("random numbers without a fixed seed",), 2),
        ("np.random.seed(1)\nx = np.random.rand(3)", ("random numbers without a fixed seed",), 1),
        ("x = df.sample(3, random_state=1)", (), 1),
        ("x = df.sample(3, random_state=None)", ("random numbers without a fixed seed",), 3),
        ("rng = default_rng(7)\nx = rng.integers(3)", (), 1),
        ("x = datetime.now()", ("the time",), 2),
        ("x = {1, 2}", ("the order of a set or the hash of a text",), 3),
        ("x = 1", (), 1),
        ("x = (", (), 1),
    ],
)
def test_what_may_differ_from_run_to_run_is_seen_in_the_text(source: str, sources: tuple[str, ...], runs: int) -> None:
    """Calls with a seed are fixed, and so are all draws of a notebook that seeds the generator that code shares."""
    cells = read_plain(plain_document([source]))
    assert (sources_of(cells[0]), runs_needed(cells)) == (sources, runs)


def test_a_reason_names_addresses_and_inputs() -> None:
    """What a line shows, and the statement that binds a name, are better reasons than the whole cell."""
    cells = read_plain(plain_document(["x = time()\ny = a + random()\nz = x"]))
    assert reason_of(cells, text="<object at 0x7f>") == "it differs from run to run: a memory address"
    assert reason_of(cells, name="x", inputs=["a"]) == "it differs from run to run: the time"
    assert reason_of(cells, name="z") == (
        "it differs from run to run: the time, or random numbers without a fixed seed"
    )
    assert reason_of(cells, name="y", inputs=["a", "b"]) == (
        "it differs from run to run: random numbers without a fixed seed, or `a`"
    )


def test_differences_are_said_shortly() -> None:
    """Types, shapes, columns or values: what a reader needs to find it."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1], "b": [2]})
    assert describe_difference(1, True) == "1 (int) in the notebook, True (bool) in the flow"
    assert describe_difference(frame, frame.head(0)) == "1 × 2 in the notebook, 0 × 2 in the flow"
    assert describe_difference(frame, frame.assign(b=3)) == "other values in column b"
    assert describe_difference("a" * 99, "a" * 98) == "another str"


@pytest.mark.parametrize(
    ("flow", "verdict"),
    [("took 0.0 s\n", "unverifiable"), ("took 0.1 s\n", "unverifiable"), ("took long\n", "differs")],
)
def test_a_printed_time_may_differ_in_its_digits(flow: str, verdict: str) -> None:
    """What a step prints of the time is unverifiable, even if all runs agree; other words are compared."""
    document = plain_document(["import time\nt = time.time()\nprint(f'took {time.time() - t:.1f} s')"])
    proposal = propose(document)
    (step,) = proposal.steps
    runs = [PlainRun(printed={1: "took 0.0 s\n"}) for _ in range(2)]
    answer = FlowAnswer(printed={step.name: flow}, artifacts={step.name: {}})
    compared = Comparison(read_plain(document), runs, proposal, answer, lambda cell: {})
    assert [row.verdict for row in compared.rows(set()) if row.name == PRINTED] == [verdict]


def test_large_files_and_what_is_beside_the_folder_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are copied; a run's changes are gone in the next copy, and never reach the user's folder."""
    monkeypatch.setattr(folder, "BYTES", 10)
    place = tmp_path / "project" / "notebooks"
    place.mkdir(parents=True)
    (place / "small.csv").write_text("x")
    (place / "large.csv").write_text("x" * 99)
    (place / ".flownb").mkdir()
    (tmp_path / "project" / "data").mkdir()
    with WorkFolder(place) as copy:
        work = copy.renew()
        (work / "small.csv").write_text("changed")
        (work / "new.csv").write_text("new")
        assert (work.parent / "data").resolve() == tmp_path / "project" / "data"
        work = copy.renew()
        assert sorted(path.name for path in work.iterdir()) == ["large.csv", "small.csv"]
        assert (copy.linked, (work / "small.csv").read_text()) == (["large.csv"], "x")
    assert ((place / "small.csv").read_text(), copy.root.exists()) == ("x", False)


def test_values_are_stored_at_the_end_of_each_step_and_after_each_other_cell() -> None:
    """What a scratch cell changes can be seen only there."""
    document = plain_document(["# shared\nimport os", "a = 1", "b = a", "# scratch\nb", "c = b"])
    proposal = by_hand(document, Constraints(together=frozenset([(2, 3)])))
    assert boundaries(proposal, 5) == {1, 3, 4, 5}


def test_a_value_that_cannot_be_stored_keeps_its_cells_together() -> None:
    """From the cell that makes it to the last cell that reads it."""
    document = plain_document(["a = open('f')", "b = a.read()", "c = b", "d = a.read()\nprint(c)"])
    held = {"s1": {"a": Held("io.TextIOWrapper", problem="cannot pickle.")}}
    found = unstorable(by_hand(document), read_plain(document), held)
    assert found.constraints == Constraints(together=frozenset([(1, 4)]))
    assert [str(finding.message) for finding in found.findings] == [
        "Cells 1 and 4 are one step, because `a` (io.TextIOWrapper) cannot be stored. cannot pickle. "
        "To have several steps, make `a` in each step that uses it."
    ]


@pytest.mark.parametrize(
    ("changed", "verdicts", "failure", "constraints"),
    [
        ({2: {"a"}}, {"s2": {"a": "differs"}}, None, Constraints(captures=frozenset([(2, "a")]))),
        ({3: {"a"}}, {}, None, Constraints(steps=frozenset([3]))),
        ({}, {}, FlowFailure("s3", "NameError", "b"), Constraints(captures=frozenset([(2, "b")]))),
        ({}, {}, FlowFailure("s3", "ValueError"), Constraints(together=frozenset([(2, 4)]))),
        ({}, {}, FlowFailure("", "The flow did not end."), Constraints(together=frozenset([(2, 4)]))),
    ],
)
def test_each_cause_has_its_constraint(
    changed: dict[int, set[str]],
    verdicts: dict[str, dict[str, str]],
    failure: FlowFailure | None,
    constraints: Constraints,
) -> None:
    """A change is captured, a scratch cell that changes something is a step, and a state of the process joins steps."""
    document = plain_document(["a = [1]", "b = 2", "# scratch\na.append(b)", "c = a"])
    names = {number: frozenset(one) for number, one in changed.items()}
    checked = Checked(Verification(), FlowAnswer(failure=failure, verdicts=verdicts), names)
    found = repair(by_hand(document), read_plain(document), checked, {}, Constraints(), 0)
    assert found.constraints == constraints


def test_a_proof_is_summarised_in_one_sentence() -> None:
    """Verified only if nothing differs and nothing failed."""
    equal, chance = Row("a", "x", "int", "", "equal"), Row("a", "y", "float", "", "unverifiable", "the time")
    assert Verification((equal, chance)).summary == ("Verified: 1 equal, 1 that no run can verify.")
    failed = Verification((equal, Row("b", "z", "", "", "failed", "it")), flow_failure="step b: KeyError: 1")
    assert (failed.verified, failed.summary) == (
        False,
        "Not verified: 1 equal, 1 failed. The flow failed: step b: KeyError: 1.",
    )
    fails = Verification(plain_failure=PlainFailure(3, 2, "KeyError: 1"))
    assert (fails.verified, fails.text()) == (
        False,
        "Nothing could be compared, because the notebook fails in cell 3, line 2: KeyError: 1.",
    )
    assert fails.to_json()["plain_failure"] == {"cell": 3, "line": 2, "error": "KeyError: 1", "kind": "error"}
