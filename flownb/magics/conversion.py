"""Converts notebooks to flows from JupyterLab: ``%flow convert`` in a cell, and the command of the extension."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.errors import FlownbError, NotFound

if TYPE_CHECKING:
    from flownb.magics.frontend import Frontend

__all__ = ["CONVERSION", "convert_for_view", "convert_notebook", "publish_message"]

# The type of the messages that `convert_for_view` displays, which labextension/src/models/conversion.ts reads.
CONVERSION = "application/vnd.flownb.conversion+json"
# The cell that converts its own notebook is not part of the flow.
OWN = re.compile(r"\s*%flow\s+convert\b[^\n]*\s*")


def convert_notebook(frontend: Frontend, words: list[str]) -> list[str]:
    """Convert the saved document of the notebook in which this is executed, and return what is said of it.

    Parameters
    ----------
    frontend : Frontend
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
    notebook = frontend.session.notebook
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
    with _progress(frontend) as notify:
        converted = convert_file(notebook, options, without=_is_own, notify=notify)
    return [f"converted {notebook.name} as it was last saved", "", *converted.lines]


def convert_for_view(
    notebook: Path, output: Path | None, *, force: bool, verify: bool, publish: Callable[[dict[str, Any]], None]
) -> None:
    """Convert a notebook file, and publish messages for the view, each a JSON object.

    The key of a message says what it is: ``progress``, a text; then ``result``, the conversion as ``flownb convert
    --json`` prints it, or ``exists``, the name of the file that would be replaced, or ``error``, the sentences of an
    error.

    Parameters
    ----------
    notebook : Path
    output : Path or None
        None means the default.
    force : bool
        Whether to replace `output` if it exists.
    verify : bool
        Whether to prove the flow.
    publish : callable
        Called with each message, as `publish_message`.
    """
    from flownb.convert.files import ConvertOptions, convert_file, default_output

    target = output or default_output(notebook)
    try:
        if not notebook.exists():
            raise NotFound(
                f"`{notebook}` is not in the folder of the kernel, `{Path.cwd()}`.",
                "A conversion reads the notebook's file, and this kernel cannot see it.",
                "Convert a notebook on the machine where its kernels run.",
            )
        if target.exists() and not target.samefile(notebook) and not force:
            publish({"exists": target.name})
            return
        options = ConvertOptions(output, verify=verify, force=force)
        converted = convert_file(notebook, options, without=_is_own, notify=lambda text: publish({"progress": text}))
    except FlownbError as error:
        publish({"error": {"what": error.what, "why": error.why, "fix": error.fix}})
    else:
        publish({"result": converted.to_json()})


def publish_message(message: dict[str, Any]) -> None:
    """Display a message for the view."""
    from IPython.display import display

    display({CONVERSION: message}, raw=True)  # type: ignore[no-untyped-call]  # IPython leaves it untyped


def _is_own(source: str) -> bool:
    """Whether a cell does nothing but convert its notebook."""
    return OWN.fullmatch(source) is not None


@contextlib.contextmanager
def _progress(frontend: Frontend) -> Iterator[Callable[[str], None]]:
    """Return what shows a text in place of the one before, where somebody looks; none is left at the end."""
    from flownb.session.status_line import status_line
    from flownb.widgets.progress import UpdatedLine

    if frontend.is_terminal:
        with status_line() as write:
            yield write
    elif frontend.is_watched:
        line = UpdatedLine()
        try:
            yield line
        finally:
            line("")
    else:
        yield lambda text: None
