"""The header of an exported file: what it says, and what counts as an edit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flownb.flow_file.header import Header, content_hash, is_edited, opening_line, read_header, with_hash

TEXT = f'''{opening_line("F", "train.ipynb")}
#
#   python flow.py run

"""What it is for.

Two   paragraphs.
"""

import os
import re  # for patterns
from metaflow import FlowSpec, step


class F(FlowSpec):
    @step
    def start(self):
        """Begin.

        In two lines.
        """
        # one
        x = {{"a": 1, **os.environ}}
        self.text = f"{{x=}} {{len(x):>{{1 + 2}}}}" "and more"
        self.next(self.end)

    @step
    def end(self):
        del self.text, x  # two
'''
FILE = with_hash(TEXT)


def test_a_file_says_where_it_comes_from() -> None:
    """The header names flow and notebook, and has the hash of the content."""
    assert read_header(FILE) == Header("F", "train.ipynb", content_hash(TEXT))
    assert read_header(f"#!/usr/bin/env python\n{FILE}") == Header("F", "train.ipynb", content_hash(TEXT))
    assert read_header(FILE.replace(" from train.ipynb", "")) == Header("F", "", content_hash(TEXT))
    assert is_edited(FILE) is False


def test_a_file_of_an_older_version_has_no_hash() -> None:
    """Whether it was edited cannot be known, so it counts as edited."""
    assert read_header(TEXT) == Header("F", "train.ipynb", "")
    assert is_edited(TEXT) is True


@pytest.mark.parametrize("text", ["", "import os\n", "# F: exported by hand\n", f"import os\n{FILE}"])
def test_a_file_of_somebody_else_has_no_header(text: str) -> None:
    """It counts as edited, so that it is never overwritten."""
    assert (read_header(text), is_edited(text)) == (None, True)


def test_the_hash_is_the_same_with_every_python() -> None:
    """The value is pinned, so that a file exported on one machine is unedited on another."""
    assert content_hash(TEXT) == "6d995867b9ed38bb"


LAYOUTS = {
    "windows": FILE.replace("\n", "\r\n"),
    "a byte order mark": f"\ufeff{FILE}",
    "blank lines": FILE.replace("\nclass", "\n\nclass").replace("step\n\n\n", "step\n"),
    "sorted imports": FILE.replace("import os\nimport re  # for patterns\n", "import re  # for patterns\nimport os\n"),
    "imports on a line": FILE.replace("import FlowSpec, step", "import (\n    step,\n    FlowSpec,\n)"),
    "quotes": FILE.replace('"a"', "'a'"),
    "line breaks": FILE.replace("1, **os.environ}", "1,\n   **os.environ,\n  }"),
    "a docstring elsewhere": FILE.replace("Begin.\n\n        In two", "Begin.  \n\n            In two"),
    "the comment's blank": FILE.replace("# one", "#one"),
    "parentheses": FILE.replace("del self.text, x", "del (self.text, x)"),
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=list(LAYOUTS))
def test_another_layout_is_not_an_edit(text: str) -> None:
    """What formatters change leaves the file as flownb wrote it."""
    assert text != FILE
    assert is_edited(text) is False


EDITS = {
    "a value": FILE.replace('"a": 1', '"a": 2'),
    "a type": FILE.replace('"a": 1', '"a": 1.0'),
    "a comment": FILE.replace("# one", "# another"),
    "a comment moved": FILE.replace("# one", "# two", 1).replace("x  # two", "x  # one"),
    "an import": FILE.replace("import os\n", ""),
    "a docstring": FILE.replace("Two   paragraphs", "Two paragraphs"),
    "a text": FILE.replace("and more", "and less"),
    "the order of statements": FILE.replace("@step\n    def start", "@step\n    @step\n    def start"),
    "a syntax error": f"{FILE}x = (",
    "the comment of an import": FILE.replace("for patterns", "unused"),
}


@pytest.mark.parametrize("text", EDITS.values(), ids=list(EDITS))
def test_a_change_of_what_the_file_says_is_an_edit(text: str) -> None:
    """Code, comments and docstrings count."""
    assert text != FILE
    assert is_edited(text) is True


def test_ruff_edits_nothing(tmp_path: Path) -> None:
    """Our own modules, formatted in another way and with their imports sorted, keep their hashes."""
    files = {path.name: path.read_text("utf-8") for path in Path("flownb").glob("*/[a-m]*.py")}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    settings = ["--config", 'format.quote-style="single"', "--line-length", "60"]
    subprocess.run([*ruff, "format", "-q", "--isolated", *settings, tmp_path], check=True)
    sort = ["--select", "I", "--config", "lint.isort.force-single-line=true"]
    subprocess.run([*ruff, "check", "-q", "--isolated", "--fix", *sort, tmp_path], check=True)
    after = {name: (tmp_path / name).read_text("utf-8") for name in files}
    assert sum(after[name] != text for name, text in files.items()) > 50
    assert {name: content_hash(text) for name, text in after.items()} == {
        name: content_hash(text) for name, text in files.items()
    }
