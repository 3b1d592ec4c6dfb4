"""Prove ``flownb convert`` on the corpus of plain notebooks, and write the table of docs/convert.md.

Each notebook of ``tests/convert/corpus`` is executed as it is, by nbclient; converted, checked, run and exported with
flownb's commands; and the exported file is run on Metaflow. Values and printed lines of the three are compared. What
is recorded stays in ``build/corpus``, so that a second call only repeats what has changed.

    python scripts/convert_corpus.py                 all notebooks; writes the table
    python scripts/convert_corpus.py NAME [NAME …]   these, in detail; writes nothing
    python scripts/convert_corpus.py --table         executes nothing; writes the table from the latest proof of each
    python scripts/convert_corpus.py --proposals     executes nothing; stores what is proposed for each, which the
                                                     tests compare
"""

from __future__ import annotations

import json
import logging
import pickle
import re
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import perf_counter

from execute_notebooks import ROOT

sys.path.insert(0, str(ROOT))  # the tests are not installed; the corpus and the witness are there

from flownb.cells.notebook import read_document
from flownb.convert.propose import propose
from tests.convert.corpus_cases import CASES, CORPUS
from tests.convert.corpus_run import Outcome, prove
from tests.convert.proposals import PROPOSALS, summary

__all__ = ["main"]

HOME = ROOT / "build" / "corpus"
PAGE = ROOT / "docs" / "convert.md"
BEGIN, END = "<!-- corpus: begin -->", "<!-- corpus: end -->"


def main(names: Sequence[str]) -> int:
    """Prove notebooks.

    Returns
    -------
    int
        0 if each notebook became what it should.
    """
    if names == ["--proposals"]:
        _store_proposals()
        return 0
    if names == ["--table"]:
        proved = [path for name in CASES if (path := HOME / "outcomes" / name).exists()]
        found = [pickle.loads(path.read_bytes()) for path in proved]
        _write_table([replace(outcome, case=CASES[outcome.name]) for outcome in found])
        return 0
    logging.getLogger("traitlets").setLevel(logging.CRITICAL)  # a kernel that is asked to end says so
    unknown = [name for name in names if name not in CASES]
    if unknown:
        print(f"There is no notebook `{unknown[0]}` in tests/convert/corpus.", file=sys.stderr)
        return 2
    began = perf_counter()
    with ThreadPoolExecutor(2) as pool:
        outcomes = []
        for outcome in pool.map(_prove, names or CASES):
            outcomes.append(outcome)
            print(_line(outcome, detailed=bool(names)), flush=True)
    print(f"\n{_summary(outcomes)}\n\n{perf_counter() - began:.0f} s")
    if not names:
        _write_table(outcomes)
    return int(not all(outcome.right for outcome in outcomes))


def _store_proposals() -> None:
    """Write what is proposed for each notebook."""
    found = {name: summary(propose(read_document(CORPUS / f"{name}.ipynb"))) for name in sorted(CASES)}
    PROPOSALS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _prove(name: str) -> Outcome:
    """One notebook, in folders of its own."""
    outcome = prove(name, CASES[name], HOME / "work" / name, HOME)
    (HOME / "outcomes").mkdir(parents=True, exist_ok=True)
    (HOME / "outcomes" / name).write_bytes(pickle.dumps(outcome))
    return outcome


def _line(outcome: Outcome, *, detailed: bool) -> str:
    """What is printed while the notebooks are proved."""
    mark = "ok   " if outcome.right else "WRONG"
    seconds = " ".join(f"{word} {value:.1f}" for word, value in outcome.seconds.items())
    text = f"{mark} {outcome.name}: {_result(outcome)} ({seconds})"
    if detailed or not outcome.right or outcome.lost:
        reasons = [outcome.refusal, outcome.failure, *outcome.differences]
        if outcome.edited is not None and not outcome.right:
            reasons += [outcome.edited.refusal, outcome.edited.failure, *outcome.edited.differences]
        reasons += [f"the converted notebook: {line}" for line in outcome.unusable]
        reasons += [f"not among the artifacts: {', '.join(outcome.lost)}"] * bool(outcome.lost)
        text += "".join(f"\n      {line}" for reason in reasons for line in reason.splitlines())
    if detailed:
        text += f"\n{outcome.said}"
    return text


def _result(outcome: Outcome) -> str:
    """What became of a notebook, in the words of the table."""
    if outcome.refusal:
        if outcome.case.fails:
            return f"refused, as it fails: {_failure(outcome)}"
        after = f"; after an edit: {_result(outcome.edited)}" if outcome.edited is not None else ""
        return f"refused: {outcome.case.edit or 'see below'}{after}"
    if outcome.failure:
        return f"{outcome.failure.split(':')[0]} failed"
    if outcome.differences:
        return "DIFFERS"
    if outcome.unusable:
        return "a cell of the converted notebook fails"
    named = f"; {', '.join(f'`{name}`' for name in outcome.case.chance)} differ from run to run"
    return "the same values" + named * bool(outcome.case.chance)


def _failure(outcome: Outcome) -> str:
    """Where a notebook fails by itself, as the table says it."""
    cell, _, error = outcome.case.fails.partition(" ")
    return f"cell {cell} raises {error}" if cell.isdigit() else outcome.case.fails


def _summary(outcomes: Sequence[Outcome]) -> str:
    """How many became what."""
    running = [one for one in outcomes if not one.case.fails]
    same = [one for one in running if one.same]
    edits = [one for one in running if one.refusal]
    edited = [one for one in edits if one.edited is not None and one.edited.same]
    wrong = [one for one in outcomes if not one.refusal and one.differences]
    broken = [one for one in running if one.failure]
    failing = [one for one in outcomes if one.case.fails]
    share = 100 * len(same) / max(1, len(running))
    reasons = Counter(re.sub(r"^\d+ ", "", one.case.fails) for one in failing)
    return "\n".join(
        [
            f"- Notebooks: {len(outcomes)}. They run from top to bottom: {len(running)}.",
            f"- Of these, converted, verified and the same on Metaflow without an edit: {len(same)} ({share:.1f} %), "
            f"with {sum(one.captured for one in same)} captured values in {sum(one.steps for one in same)} steps.",
            f"- Refused until an edit of a few lines: {len(edits)}; the same on Metaflow after it: {len(edited)}.",
            f"- Converted, and the flow then fails: {len(broken)}.",
            f"- Verified although a value or a line differs: {len(wrong)}.",
            f"- Notebooks that fail by themselves: {len(failing)}, of which refused: "
            f"{sum(bool(one.refusal) for one in failing)} ({', '.join(sorted(reasons))}).",
        ]
    )


def _write_table(outcomes: Sequence[Outcome]) -> None:
    """Put the summary and the table between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    table = f"{BEGIN}\n{_summary(outcomes)}\n\n{_table(outcomes)}\n{END}"
    PAGE.write_text(before + table + rest.partition(END)[2], encoding="utf-8")


def _table(outcomes: Sequence[Outcome]) -> str:
    """A row for each notebook."""
    rows = ["| notebook | what people do in it | steps | values | result |", "|---|---|--:|--:|---|"]
    for one in outcomes:
        counts = [str(one.steps), str(one.captured)] if one.same else ["", ""]
        rows.append("| " + " | ".join([one.name, one.case.shape, *counts, _result(one)]) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
