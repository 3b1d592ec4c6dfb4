"""Files that a user names to be written: ``flow.py``, a card's page."""

from __future__ import annotations

from pathlib import Path

from flownb.errors import ParameterError

__all__ = ["write_output"]


def write_output(path: Path, text: str) -> None:
    """Write a text file in UTF-8.

    Raises
    ------
    ParameterError
        If it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ParameterError(
            f"`{path}` cannot be written.", f"{error.strerror}.", "Name a file in a folder that exists."
        ) from error
