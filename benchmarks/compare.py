"""Two builds in turn: ``make bench-compare REV=…``, or ``python -m benchmarks.compare REV [NAME …]``.

The code that measures is this one for both builds, in the same environment, so it may use only what both have: a
benchmark that fails in the older build is left out with a note. Rounds alternate (base, new, new, base …), so that
whatever else the machine does meets both alike. Peers are not run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from benchmarks.builds import Build, RevisionError, check_out, copy_tree
from benchmarks.change import MARKABLE, Change, change, table
from benchmarks.names import NAMES, SLOW, check_names, listed
from benchmarks.one import ROOT, BenchmarkError, call, has_ours, react_to_signals
from benchmarks.peer import COMMAND
from benchmarks.table import Figure

__all__ = ["changes", "main"]

ROUNDS, SLOW_ROUNDS = 9, 5
Rounds = list[list[Figure]]


class _BuildError(Exception):
    """A benchmark failed in a build."""

    def __init__(self, build: Build, text: str) -> None:
        super().__init__(text)
        self.build = build


def main(words: Sequence[str] | None = None, *, repository: Path = ROOT) -> int:
    """Compare, and print a table.

    Parameters
    ----------
    words : sequence of str, optional
        Of the command line; this process's, if None.
    repository : Path, optional
        Where the package and its commits are.

    Returns
    -------
    int
        0 if all is well, 1 if a benchmark failed in the new build, 2 if the call is wrong, 130 if it was interrupted.
    """
    parser = _parser()
    given = parser.parse_args(words)
    check_names(parser, given.names)
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds needs a number from 1 up.")
    react_to_signals()
    try:
        return _compare(parser, given, repository)
    except KeyboardInterrupt:
        print("\nInterrupted; the folders of both builds were removed.", file=sys.stderr)
        return 130


def changes(base: Rounds, new: Rounds) -> list[Change]:
    """The changes of one benchmark, in its order; of what only one build measured there is none."""
    before, after = _by_row(base), _by_row(new)
    units = {figure.what: figure.unit for figure in base[0]}
    return [change(what, units[what], values, after[what]) for what, values in before.items() if what in after]


def _by_row(rounds: Rounds) -> dict[str, list[float]]:
    """The values of all rounds, by what was measured."""
    return {figure.what: [figures[place].value for figures in rounds] for place, figure in enumerate(rounds[0])}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Measure the build of REV and the working tree's in turn.",
        epilog=f"Benchmarks:\n{listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revision", metavar="REV", help="the base: a commit, a branch or a tag")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a benchmark; all that can be compared, if none is named"
    )
    rounds = (
        f"of each build; default: {ROUNDS}, slow ones {SLOW_ROUNDS}; with fewer than {MARKABLE} no change is marked"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures of all rounds, for machines")
    return parser


def _compare(parser: argparse.ArgumentParser, given: argparse.Namespace, repository: Path) -> int:
    """Check out, measure and print."""
    started = perf_counter()
    names = [name for name in given.names or NAMES if has_ours(name)]
    notes = [f"{name} is not compared: it has no part that is ours alone." for name in given.names if name not in names]
    found: dict[str, tuple[Rounds, Rounds]] = {}
    status = 0
    with tempfile.TemporaryDirectory(prefix="flownb-compare-", ignore_cleanup_errors=True) as scratch:
        try:
            base = check_out(repository, given.revision, Path(scratch) / "base")
        except RevisionError as error:
            parser.error(str(error))
        new = copy_tree(repository, Path(scratch) / "new")
        for name in names:
            try:
                found[name] = _rounds(name, given.rounds or (SLOW_ROUNDS if name in SLOW else ROUNDS), base, new)
            except _BuildError as error:
                notes.append(f"{name} was left out: it fails in the build {error.build.name}:\n{error}")
                status = max(status, error.build is new)
    rows = [one for pair in found.values() for one in changes(*pair)]
    print("\n".join(table(rows, base.name)))
    for note in notes:
        print(f"\n{note}", file=sys.stderr)
    minutes, seconds = divmod(round(perf_counter() - started), 60)
    print(f"\n{len(rows)} rows, {minutes} min {seconds} s; load when it ended: {os.getloadavg()[0]:.2f}")
    if given.json:
        sides = {
            name: [[list(map(asdict, figures)) for figures in rounds] for rounds in pair]
            for name, pair in found.items()
        }
        given.json.write_text(json.dumps({"base": base.name, "figures": sides}, indent=1) + "\n")
    return status


def _rounds(name: str, count: int, base: Build, new: Build) -> tuple[Rounds, Rounds]:
    """All rounds of a benchmark in both builds."""
    found: dict[Build, Rounds] = {base: [], new: []}
    print(f"{name} ", end="", file=sys.stderr, flush=True)
    for number in range(count):
        for build in (base, new) if number % 2 == 0 else (new, base):
            try:
                variables, scratch = {COMMAND: str(build.command)}, build.folder.parent
                figures = call(name, "ours", folder=build.folder, variables=variables, scratch=scratch)
            except BenchmarkError as error:
                print(f" failed in {build.name}", file=sys.stderr, flush=True)
                raise _BuildError(build, str(error)) from None
            found[build].append([Figure(**figure) for figure in figures])
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr, flush=True)
    return found[base], found[new]


if __name__ == "__main__":
    sys.exit(main())
