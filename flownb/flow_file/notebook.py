"""Write a flow of a Metaflow file as a notebook: no statement is rewritten, and what has no place there is listed.

`notebook_of` makes ``%%shared`` cells of the module's code, a ``%%flow`` cell of the class body, and a ``%%step`` cell
of each step: its decorators and its body as they are. The docstrings of the module and of steps become markdown, as the
export makes docstrings of markdown. The first cell loads flownb and lists, as comments, what is not carried over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from flownb.cells.header import StepHeader, parse_flow_line
from flownb.errors import CellError, FlowFileError, nearest
from flownb.flow_file.left_out import Note, carried_blocks, notes_of
from flownb.flow_file.parts import Block, FlowClass, FlowFile, StepMethod

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
    cells = [_code("load", _opening(file, notes))]
    if file.docstring:
        cells.append(_markdown("about", file.docstring))
    shared = [
        "".join(block.text for block in carried if block.kind == "imports"),
        *_shared(carried),
        _alias_source(chosen),
    ]
    for number, text in enumerate(filter(None, shared), 1):
        cells.append(_code(f"shared-{number}", f"%%shared\n{text}".rstrip("\n")))
    cells.append(_code("flow", _flow_cell(chosen)))
    for step in chosen.steps:
        if chosen.step(step.name) is step:
            cells += _step_cells(step)
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
            f"The flow `{found.name}` of `{file.filename}` cannot be a notebook's.", error.why, "Give it another name."
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


def _step_cells(step: StepMethod) -> Iterator[dict[str, Any]]:
    """The cells of a step: its docstring as markdown, and the ``%%step`` cell."""
    body = step.body
    if step.docstring and step.bare_body and step.bare_body != step.body:
        yield _markdown(f"about-{step.name}", step.docstring)
        body = step.bare_body
    join = step.parameters[1] if len(step.parameters) > 1 else None
    plain = f"(self, {join})" if join else "(self)"
    signature = step.signature if step.signature != plain and step.parameters[:1] == ("self",) else ""
    header = StepHeader(step.name, join=join is not None, inputs=join or "inputs", signature=signature)
    text = _decorated(step.comments, step.decorators, body)
    yield _code(f"step-{step.name}", f"%%step {header.line}\n{text}".rstrip("\n"))


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
