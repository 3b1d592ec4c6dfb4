"""Constants of a plain notebook that become parameters of the flow.

These are the assignments of a cell with the tag `parameters`, as papermill knows it, and the constants that
``--parameter`` names. A parameter keeps its value for a whole run, so a name that other code binds or changes cannot be
one.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.convert.pieces import Piece
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Finding, Place
from flownb.errors import Message, nearest
from flownb.flow.method import literal_source

__all__ = ["FoundParameters", "find_parameters"]

TAG, INJECTED = "parameters", "injected-parameters"


@dataclass
class FoundParameters:
    """The parameters of a notebook.

    Attributes
    ----------
    lines : dict of str to str
        For each name its line in the ``%%flow`` cell.
    pieces : dict of int to str
        For each piece that becomes a parameter, by its number, its text in the ``%%flow`` cell.
    injected : frozenset of int
        Numbers of the pieces of papermill's injected cells.
    findings : list of Finding
    """

    lines: dict[str, str] = field(default_factory=dict)
    pieces: dict[int, str] = field(default_factory=dict)
    injected: frozenset[int] = frozenset()
    findings: list[Finding] = field(default_factory=list)


def find_parameters(cells: Sequence[PlainCell], pieces: Sequence[Piece], names: Iterable[str]) -> FoundParameters:
    """Find what becomes a parameter.

    Parameters
    ----------
    cells : sequence of PlainCell
    pieces : sequence of Piece
    names : iterable of str
        Constants that a user named.
    """
    found = FoundParameters()
    wanted = dict.fromkeys(names)
    tagged = {cell.number for cell in cells if TAG in cell.tags}
    if not wanted and not tagged:
        return found
    injected = [piece for piece in pieces if INJECTED in piece.cell.tags]
    given: dict[str, ast.expr] = {}
    for piece in injected:
        for node in piece.nodes:
            if (name := _target(node)) and _is_literal(node):
                given[name] = node.value  # type: ignore[attr-defined]  # `_target` knows it as an assignment
    found.injected = frozenset(piece.number for piece in injected)
    if injected and given:
        places = tuple(dict.fromkeys(Place(piece.cell.number) for piece in injected))
        found.findings.append(
            Finding(
                "left_out",
                "injected-parameters",
                places,
                Message(
                    f"Cell {places[0].cell} holds the values that papermill injected.",
                    f"They are the defaults of the flow's parameters {_listed(given)}, and the cell stays as scratch.",
                    "Remove the cell if the values of the cell `parameters` should be the defaults.",
                ),
            )
        )
    others = _other_uses(pieces, found.injected)
    for piece in pieces:
        name = _target(piece.nodes[0]) if len(piece.nodes) == 1 else ""
        if not name or piece.number in found.injected or name in found.lines:
            continue
        if name not in wanted and piece.cell.number not in tagged:
            continue
        if name in wanted:
            wanted.pop(name)
        _add(found, piece, name, given.get(name), others)
    defined = {name for piece in pieces for name in piece.binds}
    for name in wanted:
        binder = next((piece for piece in pieces if name in piece.binds), None)
        place = (Place(binder.cell.number, binder.binds[name], binder.binds[name]),) if binder is not None else ()
        what = f"`{name}` cannot be a parameter."
        why = "It is not assigned once to a constant at the top level of a cell."
        fix = f"Write `{name} = VALUE` in a cell of its own, or leave out `--parameter {name}`."
        if binder is None:
            why, fix = f"No cell assigns it.{nearest(name, defined)}", f"Correct `--parameter {name}`, or leave it out."
        found.findings.append(Finding("refused", "not-a-parameter", place, Message(what, why, fix)))
    return found


def _add(
    found: FoundParameters, piece: Piece, name: str, given: ast.expr | None, others: dict[str, list[tuple[Place, str]]]
) -> None:
    """Add one parameter, or say why its name cannot be one."""
    node = piece.nodes[0]
    place = Place(piece.cell.number, piece.first, piece.last)
    value = given if given is not None else getattr(node, "value", None)
    written = _default(value) if _is_literal(node) and value is not None else None
    binders = [one for one in others.get(name, ()) if one[0] != Place(piece.cell.number, piece.binds[name], 0)]
    if written is None:
        why = "Its value is not a number, text, true or false, list or dictionary that is written out."
        code, where = "parameter-not-a-constant", [place]
        fix = f"Write the value out, if `{name}` should be a parameter."
    elif binders:
        other, verb = binders[0]
        why = f"Cell {other.cell}, line {other.line} {verb} it, and a parameter keeps its value for the whole run."
        code, where = "parameter-changes", [place, other]
        fix = f"Use another name from cell {other.cell} on, if `{name}` should be a parameter."
    else:
        comment = _trailing_comment(piece)
        help_text = f", help={literal_source(comment)}" if comment else ""
        line = f"{name} = Parameter({literal_source(name)}, {written}{help_text})"
        above = piece.text.split("\n")[: node.lineno - piece.first]
        found.lines[name] = line
        found.pieces[piece.number] = "\n".join([*above, line])
        return
    message = Message(f"`{name}` does not become a parameter.", why, fix)
    found.findings.append(Finding("left_out", code, tuple(where), message))


def _other_uses(pieces: Iterable[Piece], injected: frozenset[int]) -> dict[str, list[tuple[Place, str]]]:
    """Where names are bound, deleted or changed, and which of these it is."""
    found: dict[str, list[tuple[Place, str]]] = {}
    for piece in pieces:
        if piece.number in injected:
            continue
        for name, line in piece.binds.items():
            found.setdefault(name, []).append((Place(piece.cell.number, line, 0), "assigns"))
        for name, line in piece.mutated.items():
            found.setdefault(name, []).append((Place(piece.cell.number, line, 0), "changes"))
        for name in piece.deletes:
            found.setdefault(name, []).append((Place(piece.cell.number, piece.first, 0), "deletes"))
    return found


def _target(node: ast.AST) -> str:
    """The name that a plain assignment binds, if it binds one."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id
    return ""


def _is_literal(node: ast.AST) -> bool:
    """Whether the value of an assignment is written out."""
    try:
        ast.literal_eval(getattr(node, "value", node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _default(value: ast.expr) -> str | None:
    """The arguments of `Parameter` for a default; None if it cannot have that default."""
    literal: Any = ast.literal_eval(value)
    if literal is None or isinstance(literal, bool | int | float | str):
        return f"default={ast.unparse(value)}"
    if isinstance(literal, list | dict):
        try:
            text = json.dumps(literal, ensure_ascii=False)
        except (TypeError, ValueError):
            return None
        return f"type=JSONType, default={literal_source(text)}" if json.loads(text) == literal else None
    return None


def _trailing_comment(piece: Piece) -> str:
    """The comment behind the statement, on its last line."""
    text = piece.text
    last = piece.nodes[-1].end_lineno or 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and token.start[0] + piece.first - 1 == last:
                return token.string.lstrip("#").strip()
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return ""


def _listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(f"`{name}`" for name in names)
