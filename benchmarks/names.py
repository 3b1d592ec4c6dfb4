"""The benchmarks by name, what each measures, and which are slow."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence

__all__ = ["NAMES", "SLOW", "check_names", "listed"]

# What each measures; the module of the same name has the details.
NAMES = {
    "start": "whole commands from a terminal: spin, run, check, --help, Tab",
    "load_ext": "%load_ext in a warm kernel",
    "check": "static checks of one step, and the command on 2,000 steps",
    "convert": "flownb convert of plain notebooks, without the proof",
    "long_flow": "static checks of 2,000 steps of many shapes, for each step",
    "spin": "%spin in a kernel",
    "isolate": "%spin in a process of its own",
    "persist": "storing and loading values of many kinds",
    "unchanged": "a step that inherits 5 GB",
    "index": "queries among 1,000,000 runs",
    "s3": "objects to and from S3",
    "dag_paint": "a change of state until it is painted in JupyterLab; needs Chromium",
    "run": "one more linear step of a run",
    "foreach": "one task of a foreach of 2,000, with and without heavy imports",
    "wide": "foreachs of 10 to 10,000 tasks, and a resume",
    "memory": "memory of runs: 10,000 tasks, artifacts of 2 GB",
}
# Minutes rather than seconds: Metaflow's side, large values, or many tasks.
SLOW = frozenset({"persist", "index", "s3", "run", "foreach", "wide", "memory"})


def listed() -> str:
    """All names with what they measure, for a help text."""
    width = max(map(len, NAMES))
    return "\n".join(f"  {name:{width}}  {text}{' (slow)' if name in SLOW else ''}" for name, text in NAMES.items())


def check_names(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """End the command with a message if a name is not a benchmark."""
    for name in names:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            parser.error(f"`{name}` is not a benchmark.{meant} The benchmarks are {', '.join(NAMES)}.")
