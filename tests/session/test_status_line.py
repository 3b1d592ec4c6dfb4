"""One line of a terminal that says what is done now."""

from __future__ import annotations

import io
import os
import pty
import sys

import pytest

from flownb.session.status_line import status_line


def shown_until_an_error() -> None:
    """Show two texts, then fail."""
    with status_line() as notify:
        notify("one")
        notify("number two")
        _ = 1 / 0


def test_a_terminal_has_one_line_that_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text is written over the one before, cut to the width of the terminal; none is left, also after an error."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "9")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stderr", terminal)
        with pytest.raises(ZeroDivisionError):
            shown_until_an_error()
        assert shown.read(100) == b"\r\x1b[Kone\r\x1b[Knumber t\r\x1b[K"


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_nothing_is_shown_elsewhere(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, a file or a terminal without control codes gets no progress."""
    monkeypatch.setenv("TERM", kind)
    file = io.StringIO()
    monkeypatch.setattr(file, "isatty", lambda: kind == "dumb")
    monkeypatch.setattr(sys, "stderr", file)
    with status_line() as notify:
        notify("one")
    assert file.getvalue() == ""
