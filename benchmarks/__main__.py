"""Run benchmarks and print one table: ``make bench``, or ``python -m benchmarks NAME …`` for some of them."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.names import NAMES, check_names, listed
from benchmarks.one import ROOT, BenchmarkError, call, react_to_signals
from benchmarks.report import Report, describe, fill_page, from_json, to_json
from benchmarks.table import Row, print_table

__all__ = ["main", "measured"]


def _called(name: str) -> list[Row]:
    """The rows of a benchmark, measured in a process of its own."""
    return [Row(**row) for row in call(name, "measure")]


def main(words: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, all when none is named, and print their rows.

    Returns
    -------
    int
        0 if all ran, 1 if one failed, 2 if the call is wrong.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and memory beside named peers and the machine's own limits.",
        epilog=f"Benchmarks:\n{listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark; all, if none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result there, for machines")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="PAGE",
        help="also write the tables into a page, such as docs/benchmarks.md, between its markers",
    )
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="measure nothing: show what --json wrote before"
    )
    given = parser.parse_args(words)
    check_names(parser, given.names)
    if given.write:
        _page(parser, given.write, describe(ROOT))  # before all is measured, not after
    report = from_json(given.source.read_text()) if given.source else measured(given.names or list(NAMES))
    print_table(report.all_rows)
    if given.json:
        given.json.write_text(to_json(report))
    if given.write:
        given.write.write_text(_page(parser, given.write, report))
    for name, why in report.failed.items():
        print(f"\n{name} failed:\n{why}", file=sys.stderr)
    print(f"\n{_summary(report)}")
    return 1 if report.failed else 0


def measured(names: Sequence[str], measure: Callable[[str], list[Row]] = _called) -> Report:
    """Measure one benchmark after the other, also when one fails; an interruption ends it with what there is."""
    report, started = describe(ROOT), perf_counter()
    for name in names:
        before = perf_counter()
        print(f"{name} …", end="", file=sys.stderr, flush=True)
        try:
            report.rows[name] = measure(name)
            ended = ""
        except BenchmarkError as error:
            report.failed[name] = str(error)
            ended = ", failed"
        except KeyboardInterrupt:
            report.failed[name] = "interrupted"
            break
        print(f" {perf_counter() - before:.0f} s{ended}", file=sys.stderr, flush=True)
    return dataclasses.replace(report, seconds=perf_counter() - started)


def _page(parser: argparse.ArgumentParser, path: Path, report: Report) -> str:
    """The page with the report."""
    try:
        return fill_page(path.read_text(encoding="utf-8"), report)
    except (OSError, ValueError) as error:
        parser.error(f"{path}: {error}")


def _summary(report: Report) -> str:
    """How many rows met their goal, and what all of it took."""
    goals = [row for row in report.all_rows if row.goal]
    missed = sum(not row.met for row in goals)
    minutes, seconds = divmod(round(report.seconds), 60)
    return f"{len(goals) - missed} of {len(goals)} goals met, {len(report.failed)} failed, {minutes} min {seconds} s"


if __name__ == "__main__":
    react_to_signals()
    sys.exit(main())
