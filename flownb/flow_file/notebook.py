"""Write a flow of a Metaflow file as a notebook: no statement is rewritten, and what has no place there is listed.

`notebook_of` makes ``%%shared`` cells of the module's code, a ``%%flow`` cell of the class body, and a ``%%step`` cell
of each step: its decorators and its body as they are. The docstrings of the module and of steps become markdown if an
export makes the same docstrings of it; others stay where they are. The cell that loads flownb lists, as comments, what
is not carried over.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from flownb.cells.header import StepHeader, parse_flow_line
from flownb.errors import CellError, FlowFileError, nearest
from flownb.flow_file.documentation import docstring, plain_text, sees_docstrings
from flownb.flow_file.imports import LINE_LENGTH
from flownb.flow_file.left_out import Note, carried_blocks, notes_of
from flownb.flow_file.parts import Block, FlowClass, FlowFile, StepMethod
from flownb.flow_file.source import cleaned_docstring

__all__ = ["Note", "chosen_flow", "notebook_of", "separate_flows"]

LOAD = "%load_ext flownb"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook_of(file: FlowFile, *, flow: str | None = None) -> tuple[dict[str, Any], tuple[Note, ...]]:
    """Write a flow as a notebook.

    Parameters
    ----------
    file : FlowFile
    flow : str, optional
        Which of its flows; default: the one that the file starts, or its only one.

    Returns
    -------
    (dict, tuple of Note)
        The notebook as nbformat JSON, equal for equal files; and what it does not have of the file, or has elsewhere.

    Raises
    ------
    FlowFileError
        If there is no such flow, or it is not said which of several is meant.
    """
    chosen = chosen_flow(file, flow)
    carried, left = carried_blocks(file, chosen)
    notes = notes_of(file, chosen, left)
    hidden = sees_docstrings(file.text)
    cells = [_code("load", _opening(file, notes))]
    about = next((block.text for block in file.blocks if block.kind == "docstring"), "")
    if file.docstring and not hidden and _survives(file.docstring, 3):
        cells.insert(0, _markdown("about", file.docstring))
        about = ""
    shared = [
        about + "".join(block.text for block in carried if block.kind == "imports"),
        *_shared(carried),
        _alias_source(chosen),
    ]
    for number, text in enumerate(filter(None, shared), 1):
        cells.append(_code(f"shared-{number}", f"%%shared\n{text}".rstrip("\n")))
    cells.append(_code("flow", _flow_cell(chosen)))
    for step in chosen.steps:
        if chosen.step(step.name) is step:
            cells += _step_cells(step, hidden)
    return {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}, notes


def chosen_flow(file: FlowFile, name: str | None = None) -> FlowClass:
    """The flow of a file that is meant.

    Raises
    ------
    FlowFileError
        If there is no such flow, or it is not said which of several is meant.
    """
    names = [one.name for one in file.flows]
    if name is None and file.started is None:
        raise FlowFileError(
            f"`{file.filename}` has several flows: {', '.join(names)}.",
            "The file does not start one of them alone, and a notebook has one flow.",
            f"Name it with --flow {names[-1]}, or give a folder with -o, which gets a notebook for each.",
        )
    found = file.flow(name or file.started or "")
    if found is None:
        raise FlowFileError(
            f"`{file.filename}` has no flow `{name}`.{nearest(name or '', names)}",
            f"Its flows are {', '.join(names)}.",
            "Correct --flow.",
        )
    try:
        parse_flow_line(found.name)
    except CellError as error:
        raise FlowFileError(
            f"The flow `{found.name}` of `{file.filename}` cannot be a notebook's.",
            "It has letters that are not ASCII, and the flow's name is also that of a folder.",
            "Give the class another name.",
        ) from error
    return found


def separate_flows(file: FlowFile) -> tuple[str, ...]:
    """Names of the flows that no notebook of another flow of the file has as a base class."""
    bases = {base for flow in file.flows for base in flow.bases}
    return tuple(flow.name for flow in file.flows if flow.name not in bases)


def _shared(blocks: Iterable[Block]) -> Iterator[str]:
    """The texts of shared cells: code as it follows in the file, and each class of another flow by itself."""
    texts: list[str] = []
    for block in blocks:
        if block.kind == "flow":
            yield from filter(None, [_text(texts)])
            yield _text([block.text])
            texts = []
        elif block.kind != "imports":
            texts.append(block.text)
    yield from filter(None, [_text(texts)])


def _text(texts: Iterable[str]) -> str:
    """Texts of module level as one, two blank lines between them."""
    return "\n\n\n".join(text.rstrip("\n") for text in texts)


def _opening(file: FlowFile, notes: Iterable[Note]) -> str:
    """The first cell: it loads flownb, and says what the notebook does not have of the file."""
    lines = [LOAD]
    for note in notes:
        lines.append(f"# {file.filename.rpartition('/')[2]}, {note}")
        lines += [f"#     {line}".rstrip() for line in note.text.rstrip("\n").split("\n") if note.text]
    return "\n".join(lines)


def _flow_cell(flow: FlowClass) -> str:
    """The ``%%flow`` cell: the decorators of the class, then its body without the steps."""
    bases = [_aliases(flow).get(base, base) for base in flow.bases]
    listed = "" if bases == ["FlowSpec"] else f"({', '.join(bases)})"
    return f"%%flow {flow.name}{listed}\n{_decorated(flow.comments, flow.decorators, flow.body)}".rstrip("\n")


def _aliases(flow: FlowClass) -> dict[str, str]:
    """A name for each base class that is an expression."""
    found = [base for base in flow.bases if not all(part.isidentifier() for part in base.split("."))]
    return {base: f"{flow.name}Base{number or ''}" for number, base in enumerate(found)}


def _alias_source(flow: FlowClass) -> str:
    """The statements that define these names."""
    return "\n".join(f"{name} = {base}" for base, name in _aliases(flow).items())


def _step_cells(step: StepMethod, hidden: bool) -> Iterator[dict[str, Any]]:
    """The cells of a step: its docstring as markdown, unless code may see it, and the ``%%step`` cell.

    A docstring from which an export would not make the same text stays in the body, and also one that is all there is.
    """
    body, about = step.body, step.docstring or ""
    if not hidden and step.bare_body and step.bare_body != step.body and _survives(about, 11):
        yield _markdown(f"about-{step.name}", about)
        body = step.bare_body
    join = step.parameters[1] if len(step.parameters) > 1 else None
    plain = f"(self, {join})" if join else "(self)"
    signature = step.signature if step.signature != plain and step.parameters[:1] == ("self",) else ""
    header = StepHeader(step.name, join=join is not None, inputs=join or "inputs", signature=signature)
    text = _decorated(step.comments, step.decorators, body)
    yield _code(f"step-{step.name}", f"%%step {header.line}\n{text}".rstrip("\n"))


def _survives(text: str, room: int) -> bool:
    """Whether an export makes the same docstring of a text; `room` is for its indentation and three quotes."""
    if not text or plain_text(text, LINE_LENGTH - room) != text:
        return False
    written = "\n".join(docstring(text, room - 3)).strip()
    return cleaned_docstring(ast.literal_eval(written)) == text


def _decorated(comments: str, decorators: str, body: str) -> str:
    """A cell's text; a blank line keeps its decorators from what a function in the body has."""
    first = next((line for line in body.split("\n") if line.strip() and not line.startswith("#")), "")
    is_definition = re.match(r"(?:def|class|async)\b|@", first)
    return comments + decorators + ("\n" if decorators and is_definition else "") + body


def _code(cell_id: str, source: str) -> dict[str, Any]:
    """A code cell."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": _id(cell_id),
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _markdown(cell_id: str, source: str) -> dict[str, Any]:
    """A markdown cell."""
    return {"cell_type": "markdown", "id": _id(cell_id), "metadata": {}, "source": source}


def _id(text: str) -> str:
    """A cell id: nbformat takes up to 64 letters and digits of ASCII, `-` and `_`."""
    if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", text):
        return text
    return f"cell-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
