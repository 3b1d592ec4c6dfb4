"""The result of a run as JSON and as a page, and what happens to a benchmark that fails."""

from __future__ import annotations

import dataclasses
import platform
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main, measured
from benchmarks.one import ROOT, BenchmarkError
from benchmarks.report import BEGIN, END, Report, describe, fill_page, from_json, to_json
from benchmarks.table import Row

ROW = Row("a step", 0.002, "metaflow", 0.5, "<= 5 ms", True, limit="plain cell", at_best=0.001)
REPORT = Report(
    "2026-01-31",
    "0123456789",
    "2 cores",
    0.5,
    {"metaflow": "2.19.39", "pandas": "3.1.1"},
    90.0,
    {"spin": [ROW]},
    {"s3": "no"},
)
SECTION = """\
Measured on 2026-01-31, build 0123456789, in 2 minutes, on 2 cores; load when it began: 0.50.
Versions: metaflow 2.19.39, pandas 3.1.1.

### spin

|  | ours | peer | times better | machine's limit | × limit | goal |  |
|---|--:|---|--:|---|--:|---|---|
| a step | 2.00 ms | metaflow: 500 ms | 250× | plain cell: 1.00 ms | 2.00× | <= 5 ms | met |

`s3` failed and has no rows."""


def test_json_loses_nothing() -> None:
    """What is written as JSON is read as the same report."""
    assert from_json(to_json(REPORT)) == REPORT


def test_a_page_is_filled_between_its_markers() -> None:
    """The section is replaced, and the text around it stays."""
    page = f"# Speed\n\n{BEGIN}\nold\n{END}\n\nMore.\n"
    filled = f"# Speed\n\n{BEGIN}\n{SECTION}\n{END}\n\nMore.\n"
    assert fill_page(page, REPORT) == filled
    assert fill_page(filled, REPORT) == filled


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}\n{BEGIN}"])
def test_a_page_without_markers(page: str) -> None:
    """A page that does not say where the tables go is refused."""
    with pytest.raises(ValueError) as caught:
        fill_page(page, REPORT)
    assert str(caught.value) == f"the page needs the lines {BEGIN} and {END}; the table is written between them"


def test_the_machine_in_words() -> None:
    """A report says how many cores and how much memory there are, and names neither host nor folder."""
    found = describe(ROOT)
    assert re.fullmatch(r"\d+ cores?, \d+ GiB of memory, \w+ \w+, CPython [\d.]+\w*", found.machine)
    assert f"Python {platform.python_version()}" in found.machine
    written = to_json(found)
    assert [name for name in (str(ROOT), str(Path.home()), f'"{platform.node()}"') if name in written] == []
    assert "metaflow" in found.versions


def test_a_build_outside_of_git(tmp_path: Path) -> None:
    """Sources that git does not know have no commit."""
    assert describe(tmp_path).build == "unknown"


def test_the_others_run_when_one_fails() -> None:
    """A benchmark that fails is kept with its reason, and the next one is measured."""

    def measure(name: str) -> list[Row]:
        if name == "s3":
            raise BenchmarkError("boto3 is not installed")
        return [ROW]

    found = measured(["s3", "spin"], measure)
    assert (found.rows, found.failed) == ({"spin": [ROW]}, {"s3": "boto3 is not installed"})


def test_an_interruption_keeps_what_was_measured() -> None:
    """Ctrl-C ends the run, and the rows before it are printed all the same."""

    def measure(name: str) -> list[Row]:
        if name == "s3":
            raise KeyboardInterrupt
        return [ROW]

    found = measured(["spin", "s3", "memory"], measure)
    assert (found.rows, found.failed) == ({"spin": [ROW]}, {"s3": "interrupted"})


def test_the_command_reports_a_failure_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed, then what failed, and the status is not zero."""
    (tmp_path / "result.json").write_text(to_json(REPORT))
    (tmp_path / "page.md").write_text(f"{BEGIN}\n{END}\n")
    words = ["--from", str(tmp_path / "result.json"), "--write", str(tmp_path / "page.md")]
    assert main(words) == 1
    printed = capsys.readouterr()
    assert printed.err == "\ns3 failed:\nno\n"
    assert printed.out.splitlines()[-1] == "1 of 1 goals met, 1 failed, 1 min 30 s"
    assert (tmp_path / "page.md").read_text() == f"{BEGIN}\n{SECTION}\n{END}\n"


def test_the_command_writes_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A result without failures is status zero, and can be written again."""
    good = dataclasses.replace(REPORT, failed={})
    (tmp_path / "result.json").write_text(to_json(good))
    assert main(["--from", str(tmp_path / "result.json"), "--json", str(tmp_path / "again.json")]) == 0
    assert from_json((tmp_path / "again.json").read_text()) == good


def test_a_page_is_refused_before_anything_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A page without markers ends the command at once."""
    (tmp_path / "page.md").write_text("# Speed\n")
    with pytest.raises(SystemExit) as caught:
        main(["--write", str(tmp_path / "page.md")])
    assert caught.value.code == 2
    assert "the page needs the lines" in capsys.readouterr().err


def test_a_name_that_is_not_a_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the nearest one."""
    with pytest.raises(SystemExit) as caught:
        main(["forech"])
    assert caught.value.code == 2
    assert "`forech` is not a benchmark. Did you mean foreach? The benchmarks are start, " in capsys.readouterr().err
