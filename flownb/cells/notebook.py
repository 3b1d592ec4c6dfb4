"""Read the code cells of a notebook file, as they are in the file and as the cells of a flow.

A notebook is an ``.ipynb`` file or a text that jupytext reads (`flownb.cells.text_notebook`), such as a percent script.
`read_code` and `read_notebook` are for a file that a user named: whatever is wrong with the file becomes an error in
three sentences. `saved_cells` is for the file of a running kernel, which may be written at the same moment.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flownb.cells.cell import Cell, read_any_cell
from flownb.errors import NotFound
from flownb.settings import is_text_name

__all__ = [
    "CodeCell",
    "DocumentCell",
    "Notebook",
    "document_text",
    "read_code",
    "read_document",
    "read_notebook",
    "saved_cells",
    "saved_id",
]

# The notebook format that is read here; nbformat upgrades older ones.
FORMAT = 4
FIX = "Give the path of an .ipynb file."
REPAIR = "Open the notebook in JupyterLab and save it again, or restore the file."


@dataclass(frozen=True)
class CodeCell:
    """A code cell as it is in the file."""

    source: str
    tags: tuple[str, ...]
    id: str | None


def read_code(path: Path) -> list[CodeCell]:
    """Read the code cells of a notebook file.

    Parameters
    ----------
    path : Path
        An ``.ipynb`` file of nbformat 4 (older ones are upgraded in memory), or a text file of jupytext's.

    Returns
    -------
    list of CodeCell
        In document order.

    Raises
    ------
    NotFound
        If there is no such file, or it is not a notebook.
    """
    return [_code(path, number, cell) for number, cell in enumerate(_cells(path), 1) if _is_code(path, number, cell)]


def read_document(path: Path) -> dict[str, Any]:
    """Read a whole notebook: cells of all kinds, outputs and metadata.

    Parameters
    ----------
    path : Path
        As for `read_code`.

    Returns
    -------
    dict
        nbformat JSON of format 4, as it is in the file, except that each source is one text. The cells of a text file,
        which has no ids, get ids that are the same each time.

    Raises
    ------
    NotFound
        If there is no such file, or it is not a notebook.
    """
    document = _document(path)
    for number, cell in enumerate(document["cells"], 1):
        if _is_code(path, number, cell) or "source" in cell:
            cell["source"] = _source(path, number, cell)
    return _with_ids(document) if is_text_name(path.name) else document


def document_text(document: dict[str, Any], path: Path | None = None) -> str:
    """The text of a notebook's file, as JupyterLab writes it.

    Parameters
    ----------
    document : dict
        nbformat JSON whose sources may be texts or lists of lines.
    path : Path, optional
        The file that it is for, whose suffix says the format; None means an ``.ipynb`` file.

    Raises
    ------
    NotFound
        If a text file could not hold a cell.
    """
    if path is not None and is_text_name(path.name):
        from flownb.cells.text_notebook import written_text

        return written_text(document, path)
    cells = [{**cell, "source": _as_lines(cell["source"])} for cell in document["cells"]]
    return json.dumps({**document, "cells": cells}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _with_ids(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a text file with an id for each cell, made from its text and how often that was there before."""
    seen: dict[str, int] = {}
    for cell in document["cells"]:
        text = f"{cell['cell_type']}\0{cell['source']}"
        seen[text] = seen.get(text, 0) + 1
        digest = hashlib.sha256(f"{seen[text]}\0{text}".encode("utf-8", "surrogatepass"))
        cell["id"] = digest.hexdigest()[:8]
    document["nbformat_minor"] = max(document["nbformat_minor"], 5)  # the first with ids
    return document


def _as_lines(source: str | list[str]) -> list[str]:
    r"""A text as the list of lines that a file has; only ``\\n`` ends a line."""
    text = source if isinstance(source, str) else "".join(source)
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])


def saved_id(path: Path) -> str:
    """Read flownb's id of a notebook from its metadata; empty if it has none, or the file cannot be read."""
    try:
        found = _content(path)["metadata"]["flownb"]["id"]
    except (NotFound, LookupError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def _cells(path: Path) -> list[Any]:
    """The cells of a file, of any kind."""
    found: list[Any] = _document(path)["cells"]
    return found


def _document(path: Path) -> dict[str, Any]:
    """The notebook of a file in format 4."""
    raw = _content(path)
    found = raw.get("nbformat")
    if type(found) is not int or found < 1:
        raise _not_a_notebook(path, "It is JSON without the number `nbformat`, which every notebook has.")
    if found > FORMAT:
        raise NotFound(
            f"Notebook `{path}` cannot be read.",
            f"It has notebook format {found}, and this version of flownb reads formats up to {FORMAT}.",
            "Save it in format 4, or use a newer version of flownb.",
        )
    if found < FORMAT:
        raw = _upgraded(path, raw)
    if not isinstance(raw.get("cells"), list):
        raise _not_a_notebook(path, "It does not have a list of cells.")
    return raw


def _content(path: Path) -> dict[str, Any]:
    """The JSON object in a file, or the one that its text means."""
    text = _text(path)
    if is_text_name(path.name):
        from flownb.cells.text_notebook import parse_text

        return parse_text(path, text)
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_a_notebook(path, "It does not contain nbformat JSON.") from error
    if not isinstance(raw, dict):
        raise _not_a_notebook(path, "It does not contain nbformat JSON.")
    return raw


def _text(path: Path) -> str:
    """The text in a file."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        why = getattr(error, "strerror", None) or str(error)
        raise NotFound(f"Notebook `{path}` cannot be read.", f"{why}.", FIX) from error
    if not content.strip():
        raise _not_a_notebook(path, "The file is empty.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise NotFound(
            f"Notebook `{path}` cannot be read.",
            f"Notebooks are UTF-8 text, and byte {error.start} of this file is not: it may be in {encoding}.",
            "Save it as UTF-8.",
        ) from error


def _upgraded(path: Path, raw: dict[str, Any]) -> dict[str, Any]:
    """A notebook of an older format as one of format 4."""
    import nbformat

    try:
        upgraded: dict[str, Any] = nbformat.reads(json.dumps(raw), as_version=FORMAT)
    except Exception as error:  # nbformat hardly checks a notebook before it reads it
        raise _not_a_notebook(path, f"It cannot be upgraded from notebook format {raw['nbformat']}.") from error
    return upgraded


def _is_code(path: Path, number: int, cell: Any) -> bool:
    """Whether a cell is a code cell."""
    if not isinstance(cell, dict):
        raise _damaged(path, number, f"it is {_kind(cell)} instead of an object")
    return cell.get("cell_type") == "code"


def _code(path: Path, number: int, cell: dict[str, Any]) -> CodeCell:
    """One code cell; tags and an id of a wrong type are left out, as JupyterLab does."""
    source = _source(path, number, cell)
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    known = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    cell_id = cell.get("id")
    return CodeCell(source, known, cell_id if isinstance(cell_id, str) else None)


def _source(path: Path, number: int, cell: dict[str, Any]) -> str:
    """The text of a cell."""
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise _damaged(path, number, f"its source is {_kind(source)} instead of text")
    return source


def _kind(value: Any) -> str:
    """What a JSON value is, for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float):
        return "true or false" if isinstance(value, bool) else "a number"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"


def _damaged(path: Path, number: int, why: str) -> NotFound:
    return NotFound(f"Notebook `{path}` cannot be read.", f"Cell {number} is damaged: {why}.", REPAIR)


def _not_a_notebook(path: Path, why: str) -> NotFound:
    return NotFound(f"`{path}` is not a notebook.", why, FIX)


@dataclass(frozen=True)
class Notebook:
    """A notebook file: its path and its code cells in document order."""

    path: Path
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class DocumentCell:
    """A code cell as the notebook's view shows it, saved or not, executed or not."""

    id: str
    source: str
    tags: tuple[str, ...] = ()


def read_notebook(path: str | Path) -> Notebook:
    """Read a notebook file without a kernel.

    Parameters
    ----------
    path : str or Path
        An ``.ipynb`` file of nbformat 4 (older ones are upgraded in memory), or a text file of jupytext's.

    Returns
    -------
    Notebook

    Raises
    ------
    NotFound
        If there is no such file, or it is not a notebook.
    """
    path = Path(path)
    return Notebook(path, tuple(_read_cells(read_code(path))))


def saved_cells(path: Path) -> list[Cell]:
    """Read the code cells of a notebook that a kernel runs.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, for example because it is being written.
    """
    try:
        cells = read_code(path)
    except NotFound as error:
        raise ValueError(str(error)) from error
    return _read_cells(cells)


def _read_cells(cells: list[CodeCell]) -> list[Cell]:
    """Code cells of a file, read as the cells of a flow."""
    return [
        read_any_cell(cell.source, tags=cell.tags, number=number, cell_id=cell.id)
        for number, cell in enumerate(cells, 1)
    ]
