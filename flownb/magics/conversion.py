"""``%flow convert``: turn the notebook in which it is executed into a flow in a new file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from flownb.errors import NotFound

if TYPE_CHECKING:
    from flownb.convert.files import Converted

__all__ = ["convert_notebook"]

# The cell that converts its own notebook is not part of the flow.
OWN = re.compile(r"\s*%flow\s+convert\b[^\n]*\s*")


def convert_notebook(notebook: Path | None, words: list[str]) -> tuple[Converted, list[str]]:
    """Convert the saved document of a notebook, and return what is said of it too.

    Parameters
    ----------
    notebook : Path or None
        None if nobody says which file the kernel executes.
    words : list of str
        What follows ``%flow convert``.

    Raises
    ------
    NotFound
        If the notebook is not known, or was never saved.
    ParameterError
        If a word is not accepted, or the file to write exists.
    """
    from flownb.convert.files import ConvertOptions, convert_file
    from flownb.session.commands import read

    values = read("convert", words)
    if notebook is None or not notebook.exists():
        raise NotFound(
            "The file of this notebook is not known.",
            "A conversion reads the saved document, and nothing says which one this kernel executes.",
            "Save the notebook, or use `flownb convert NOTEBOOK` in a terminal.",
        )
    options = ConvertOptions(
        values["output"],
        values["parameters"],
        values["flow_name"],
        verify=not values["no_verify"],
        force=values["force"],
    )
    converted = convert_file(notebook, options, without=lambda source: OWN.fullmatch(source) is not None, notify=print)
    return converted, [f"converted {notebook.name} as it was last saved", "", *converted.lines]
