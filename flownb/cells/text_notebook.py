"""Notebooks in text files, read and written by jupytext: percent scripts, and the other formats whose header says so.

In a script a line ``# %%`` begins a cell, and magics are comments: ``# %%step train -> model``, without a blank behind
``%%``. Such a file has no ids of cells. Everything here imports jupytext, which takes longer than all of flownb.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.errors import FlownbError, NotFound

if TYPE_CHECKING:
    from nbformat import NotebookNode

__all__ = ["parse_text", "written_text"]

# Each with the format of a file that does not say which one it has.
FORMATS = {".py": "percent", ".md": "markdown", ".Rmd": "rmarkdown", ".qmd": "quarto"}
# Formats of scripts that are known by their cells, without a header.
WITH_CELLS = ("percent", "hydrogen")
# Jupytext reads lines with `str.splitlines`, which ends them here, too; Python's own do not. While jupytext
# works, private characters replace them.
INSIDE_LINES = {ord(character): 0xF0000 + ord(character) for character in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"}


def parse_text(path: Path, text: str) -> dict[str, Any]:
    """Read a notebook from the text of a file.

    Parameters
    ----------
    path : Path
        Its suffix says which formats are possible.
    text : str

    Returns
    -------
    dict
        nbformat JSON of format 4, whose cells have no ids.

    Raises
    ------
    NotFound
        If the text is not a notebook.
    """
    import jupytext
    from jupytext.formats import guess_format, read_format_from_metadata

    text = text.translate(INSIDE_LINES)
    try:
        name = read_format_from_metadata(text, path.suffix)
        if name is None:
            name, _ = guess_format(text, path.suffix)
            if path.suffix != ".py" or name not in WITH_CELLS:
                raise _not_a_notebook(path, text)
        found = jupytext.reads(text, {"extension": path.suffix, "format_name": name})
    except FlownbError:
        raise
    except Exception as error:  # whatever jupytext, PyYAML or pandoc raise for a text that they cannot read
        why = str(error).strip().split("\n")[0].rstrip(".")
        raise NotFound(
            f"`{path}` cannot be read as a notebook.",
            f"jupytext says: {why or type(error).__name__}.",
            "Correct its header, or give the path of an .ipynb file.",
        ) from error
    return _plain(found)


def _plain(found: NotebookNode) -> dict[str, Any]:
    """What jupytext read, as the JSON of a file; jupytext's ids of cells are other ones each time."""
    back = {into: chr(character) for character, into in INSIDE_LINES.items()}
    document: dict[str, Any] = json.loads(json.dumps(found))
    for cell in document["cells"]:
        cell["source"] = cell["source"].translate(back)
        cell.pop("id", None)
    document["nbformat_minor"] = min(document.get("nbformat_minor", 4), 4)  # format 4.5 requires ids
    return document


def _not_a_notebook(path: Path, text: str) -> NotFound:
    """The error that a file has no cells, with what the file is instead."""
    what = f"`{path}` is not a notebook."
    if path.suffix != ".py":
        return NotFound(
            what,
            "Its text does not begin with a header in which jupytext says that it is one.",
            f"Make a notebook of it: jupytext --to ipynb {path}",
        )
    flow = _flow_name(text)
    if flow:
        return NotFound(
            what,
            f"It is a Python module with the Metaflow flow `{flow}`.",
            f"Make a notebook of it: flownb import {path} -o {path.with_suffix('.ipynb')}",
        )
    return NotFound(
        what,
        "It is a Python module without cells.",
        "Begin each cell with a line `# %%`, or give the path of an .ipynb file.",
    )


def _flow_name(text: str) -> str:
    """The name of the first class of a module that is a Metaflow flow; empty if there is none."""
    try:
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError, RecursionError):
        return ""
    flows = (one.name for one in classes if any(ast.unparse(base).endswith("FlowSpec") for base in one.bases))
    return next(flows, "")


def written_text(document: dict[str, Any], path: Path) -> str:
    """The text of a notebook in the format that a file of this name has.

    Parameters
    ----------
    document : dict
        nbformat JSON of format 4. If it was read from a text, it is written with the same format and header.
    path : Path

    Raises
    ------
    NotFound
        If a cell would not be read as it is written: nothing is lost without a word.
    """
    import jupytext
    import nbformat

    source: dict[str, Any] = json.loads(json.dumps(document))
    for cell in source["cells"]:
        cell["source"] = _joined(cell["source"]).translate(INSIDE_LINES)
        cell.pop("id", None)
    source["nbformat_minor"] = min(source.get("nbformat_minor", 4), 4)
    options = source.setdefault("metadata", {}).setdefault("jupytext", {})
    written = options.get("text_representation", {})
    name = written.get("format_name") if written.get("extension") == path.suffix else None
    _keep_metadata(source, options)
    node = nbformat.from_dict(source)
    try:
        text = jupytext.writes(node, {"extension": path.suffix, "format_name": name or FORMATS[path.suffix]})
    except Exception as error:  # as for reading
        why = str(error).strip().split("\n")[0].rstrip(".")
        raise NotFound(
            f"The notebook cannot be written to `{path}`.",
            f"jupytext says: {why or type(error).__name__}.",
            "Write an .ipynb file.",
        ) from error
    text = str(text).translate({into: chr(character) for character, into in INSIDE_LINES.items()})
    _require_same(document, parse_text(path, text), path)
    return text


def _keep_metadata(source: dict[str, Any], options: dict[str, Any]) -> None:
    """Have jupytext write the tags of cells and flownb's own metadata, whatever its filters leave out."""
    if options.get("cell_metadata_filter") == "-all" and any(
        cell.get("metadata", {}).get("tags") for cell in source["cells"]
    ):
        options["cell_metadata_filter"] = "tags,-all"
    if "flownb" in source["metadata"]:
        kept = str(options.get("notebook_metadata_filter") or "")
        if "flownb" not in re.split(r"[\s,]+", kept):
            options["notebook_metadata_filter"] = f"flownb,{kept}".rstrip(",")


def _require_same(document: dict[str, Any], back: dict[str, Any], path: Path) -> None:
    """Raise unless a notebook is read from its text as it was: types, sources and tags of its cells."""
    before, after = ([_compared(cell) for cell in one["cells"]] for one in (document, back))
    if before == after:
        return
    pairs = zip(before, after, strict=False)
    place = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(after)))
    raise NotFound(
        f"The notebook cannot be written to `{path}`.",
        f"Cell {place + 1} would be read differently from there: a line such as `# %%` in a cell begins another cell.",
        "Change the cell, or write an .ipynb file.",
    )


def _compared(cell: dict[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """What of a cell a text file has to keep; blank lines around it are spacing."""
    tags = cell.get("metadata", {}).get("tags") or ()
    return cell["cell_type"], _joined(cell["source"]).strip("\n"), tuple(tags)


def _joined(source: str | list[str]) -> str:
    """The source of a cell as one text."""
    return source if isinstance(source, str) else "".join(source)
