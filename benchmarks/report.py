"""The result of a run of benchmarks: as JSON, and as the table of the page ``docs/benchmarks.md``.

It says what was measured with which machine and which versions, in words that name no path and no host.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.table import Row, markdown

__all__ = ["BEGIN", "END", "Report", "describe", "fill_page", "from_json", "to_json"]

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
# What rows are compared with, and what the values that they store come from.
PACKAGES = ("metaflow", "jupyterlab", "ipykernel", "numpy", "pandas", "pyarrow", "polars", "scikit-learn", "boto3")


@dataclasses.dataclass(frozen=True)
class Report:
    """A run of benchmarks.

    Attributes
    ----------
    date : str
        The day, in UTC.
    build : str
        The commit; with a ``+`` behind it if files differed from it.
    machine : str
        In words.
    load : float
        How many processes wanted a processor when it began, over the last minute.
    versions : dict of str to str
        Of the packages that rows are compared with.
    seconds : float
        What it took.
    rows : dict of str to list of Row
        By benchmark.
    failed : dict of str to str
        What went wrong, by benchmark.
    """

    date: str
    build: str
    machine: str
    load: float
    versions: dict[str, str]
    seconds: float = 0.0
    rows: dict[str, list[Row]] = dataclasses.field(default_factory=dict)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def all_rows(self) -> list[Row]:
        """The rows of all benchmarks."""
        return [row for rows in self.rows.values() for row in rows]


def describe(folder: Path) -> Report:
    """A report without rows, on this machine now and the sources in a folder."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    now = datetime.now(UTC).date().isoformat()
    return Report(now, _build(folder), _machine(), round(os.getloadavg()[0], 2), versions)


def to_json(report: Report) -> str:
    """The report as JSON."""
    return json.dumps(dataclasses.asdict(report), indent=1) + "\n"


def from_json(text: str) -> Report:
    """The report that `to_json` wrote."""
    found: dict[str, Any] = json.loads(text)
    rows = {name: [Row(**row) for row in rows] for name, rows in found.pop("rows").items()}
    return Report(**found, rows=rows)


def fill_page(page: str, report: Report) -> str:
    """The text of a page with the report between its two markers.

    Raises
    ------
    ValueError
        If the page does not have both markers, in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN} and {END}; the table is written between them")
    return f"{before}{BEGIN}\n{_section(report)}\n{END}{after}"


def _section(report: Report) -> str:
    """What is written between the markers."""
    peers = ", ".join(f"{name} {number}" for name, number in report.versions.items())
    minutes = max(1, round(report.seconds / 60))
    text = (
        f"Measured on {report.date}, build {report.build}, in {minutes} minutes, on {report.machine}; "
        f"load when it began: {report.load:.2f}.\nVersions: {peers}."
    )
    tables = [f"### {name}\n\n{markdown(rows)}" for name, rows in report.rows.items()]
    failed = [f"`{name}` failed and has no rows." for name in report.failed]
    return "\n\n".join([text, *tables, *failed])


def _machine() -> str:
    """Processors, memory, system and Python."""
    # macOS has no affinity; there every processor may be used.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{_count(cores, 'core')}, {memory:.0f} GiB of memory, {platform.system()} {platform.machine()}, {python}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def _build(folder: Path) -> str:
    """The commit of a folder's sources, if git knows it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + "+" * bool(git("status", "--porcelain", "--", "flownb"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
