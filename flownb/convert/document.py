"""The converted notebook: the cells of the plain one, in their order, with the marks that make them a flow.

One step is one cell. Markdown and shared cells between the cells of a step are above it, scratch cells below it. A cell
keeps its id, its metadata and, if its text is unchanged, its outputs.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flownb.cells.header import StepHeader
from flownb.convert.parameters import FoundParameters
from flownb.convert.pieces import Piece, without_blank_ends
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import ProposedStep
from flownb.convert.roles import Roles

__all__ = ["WrittenStep", "step_body", "write_document"]

LOAD = "%load_ext flownb"
DISPLAY = "from IPython.display import display"
# The notebook format whose cells have ids.
WITH_IDS = (4, 5)


@dataclass(frozen=True)
class WrittenStep:
    """A step with the pieces that its cell is made of.

    Attributes
    ----------
    step : ProposedStep
    own : tuple of Piece
    repeated : tuple of Piece
        Definitions that other steps have, too; they are above the own pieces.
    cells : tuple of int
        Numbers of the cells that it replaces; a seed that was moved down comes from another one.
    """

    step: ProposedStep
    own: tuple[Piece, ...]
    repeated: tuple[Piece, ...]
    cells: tuple[int, ...]

    @property
    def wrappers(self) -> tuple[str, ...]:
        """Cell magics above its only cell."""
        cells = {piece.cell.number: piece.cell for piece in (*self.repeated, *self.own)}
        return next(iter(cells.values())).wrappers if len(cells) == 1 else ()


def step_body(pieces: Sequence[Piece]) -> str:
    """The texts of pieces as one body: a blank line between those of different cells."""
    found: list[str] = []
    before: Piece | None = None
    for piece in pieces:
        if before is not None and piece.cell is before.cell and piece.number == before.number + 1:
            found[-1] += f"\n{piece.text}"
        else:
            found.append(piece.text)
        before = piece
    texts = [without_blank_ends(text) for text in found]
    return "\n\n".join(text for text in texts if text)


def write_document(
    document: dict[str, Any],
    cells: Sequence[PlainCell],
    roles: Roles,
    steps: Sequence[WrittenStep],
    parameters: FoundParameters,
    *,
    flow_name: str,
    displays: bool,
) -> dict[str, Any]:
    """Write the converted notebook.

    Parameters
    ----------
    document : dict
        The plain notebook; it stays as it is.
    cells : sequence of PlainCell
    roles : Roles
    steps : sequence of WrittenStep
    parameters : FoundParameters
    flow_name : str
    displays : bool
        Whether code of the flow calls `display`, which only a notebook has without an import.
    """
    writer = _Writer(document, cells, roles, steps, parameters, flow_name)
    return {**copy.deepcopy({k: v for k, v in document.items() if k != "cells"}), "cells": writer.write(displays)}


@dataclass
class _Pending:
    """What is written for one step when its last cell is reached."""

    step: WrittenStep
    cell: PlainCell
    last: int
    scratch: list[dict[str, Any]] = field(default_factory=list)


class _Writer:
    """Writes the cells of one notebook."""

    def __init__(
        self,
        document: dict[str, Any],
        cells: Sequence[PlainCell],
        roles: Roles,
        steps: Sequence[WrittenStep],
        parameters: FoundParameters,
        flow_name: str,
    ) -> None:
        self.document = document
        self.roles = roles
        self.parameters = parameters
        self.flow_name = flow_name
        self.plain = {cell.position: cell for cell in cells}
        self.of_cell: dict[int, list[Piece]] = {}
        for piece in roles.pieces:
            self.of_cell.setdefault(piece.cell.number, []).append(piece)
        self.has_ids = (document.get("nbformat", 4), document.get("nbformat_minor", 0)) >= WITH_IDS
        self.used_ids = {cell.get("id") for cell in document["cells"]}
        places = {cell.number: cell.position for cell in cells}
        self.begins: dict[int, WrittenStep] = {}
        self.lasts: dict[int, int] = {}
        for written in steps:
            first, last = places[written.cells[0]], places[written.cells[-1]]
            self.begins[first] = written
            self.lasts[first] = last
        self.in_steps = {piece.number for written in steps for piece in (*written.own, *written.repeated)}
        self.has_flow = False

    def write(self, displays: bool) -> list[dict[str, Any]]:
        """All cells."""
        top: list[dict[str, Any]] = []
        first = next(iter(self.plain.values()), None)
        begin = first.position + 1 if first is not None and first.source.strip() == LOAD else 0
        if not begin:
            top.append(self.new_cell(LOAD, "load-flownb"))
        if not self.parameters.pieces:
            top.append(self.new_cell(f"%%flow {self.flow_name}", "flow"))
        if displays:
            top.append(self.new_cell(f"%%shared\n{DISPLAY}", "display"))
        found: list[dict[str, Any]] = []
        open_step: _Pending | None = None
        for position, cell in enumerate(self.document["cells"]):
            plain = self.plain.get(position)
            if plain is None:
                found.append(copy.deepcopy(cell))
                continue
            if position in self.begins:
                open_step = _Pending(self.begins[position], plain, self.lasts[position])
            above, scratch = self.without_step(cell, plain, begins=position in self.begins)
            found += above
            if open_step is None:
                found += scratch
                continue
            # A scratch line of the first cell, such as %matplotlib inline, was above the code.
            if open_step.cell is plain and any(self.role(piece) == "step" for piece in self.of_cell[plain.number][-1:]):
                found += scratch
            else:
                open_step.scratch += scratch
            if position == open_step.last:
                found += [self.step_cell(open_step), *open_step.scratch]
                open_step = None
        return [*found[:begin], *top, *found[begin:]]

    def role(self, piece: Piece) -> str:
        """What a piece is."""
        return self.roles.role[piece.number]

    def without_step(
        self, cell: dict[str, Any], plain: PlainCell, *, begins: bool
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The cells for what belongs to no step: shared and flow cells, and scratch cells."""
        some = self.of_cell[plain.number]
        kinds = {self.role(piece) for piece in some}
        if kinds == {"scratch"}:
            return [], [copy.deepcopy(cell)]
        free = not begins  # whether the cell's own id can be given
        above: list[dict[str, Any]] = []
        shared = step_body([piece for piece in some if self.role(piece) == "shared"])
        if shared:
            wrappers = plain.wrappers if kinds == {"shared"} else ()
            text = "\n".join([*wrappers, "%%shared", shared])
            above.append(self.changed(cell, text) if free else self.new_cell(text, f"{plain.number}-shared"))
            free = False
        if "parameter" in kinds:
            above.append(self.flow_cell(cell, plain, keeps_id=free))
            free = False
        left = [replace(piece, text=piece.plain_text) for piece in some if self.is_left(piece)]
        text = step_body(left)
        scratch = []
        if text:
            scratch.append(self.changed(cell, text) if free else self.new_cell(text, f"{plain.number}-scratch"))
        return above, scratch

    def is_left(self, piece: Piece) -> bool:
        """Whether a piece is in no other cell: a magic line, or a function that nothing uses."""
        role = self.role(piece)
        return role == "scratch" or (role == "local" and piece.number not in self.in_steps)

    def flow_cell(self, cell: dict[str, Any], plain: PlainCell, *, keeps_id: bool) -> dict[str, Any]:
        """The ``%%flow`` cell, at the first cell with parameters, with the parameters of all cells."""
        own = [piece for piece in self.of_cell[plain.number] if piece.number in self.parameters.pieces]
        if self.has_flow:
            raise AssertionError("the pieces of later cells are in the first one")
        self.has_flow = True
        numbers = sorted(self.parameters.pieces)
        texts = [self.parameters.pieces[number] for number in numbers]
        body = "\n".join(
            without_blank_ends(text) if own and number == numbers[0] else text
            for number, text in zip(numbers, texts, strict=True)
        )
        text = f"%%flow {self.flow_name}\n{body}"
        return self.changed(cell, text) if keeps_id else self.new_cell(text, f"{plain.number}-flow")

    def step_cell(self, pending: _Pending) -> dict[str, Any]:
        """The cell of a step, with the id and metadata of its first cell."""
        written = pending.step
        header = StepHeader(written.step.name, captures=written.step.captures)
        body = step_body([*written.repeated, *written.own])
        cell = self.document["cells"][pending.cell.position]
        return self.changed(cell, "\n".join([*written.wrappers, f"%%step {header.line}", body]))

    def changed(self, cell: dict[str, Any], text: str) -> dict[str, Any]:
        """A cell with another text, so that its outputs are no longer those of the text."""
        return {
            **copy.deepcopy({k: v for k, v in cell.items() if k != "outputs"}),
            "source": text,
            "outputs": [],
            "execution_count": None,
        }

    def new_cell(self, text: str, purpose: str) -> dict[str, Any]:
        """A code cell that the plain notebook does not have; its id depends on nothing but its text and purpose."""
        cell: dict[str, Any] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": text,
        }
        if self.has_ids:
            count = 0
            while True:
                digest = hashlib.blake2b(f"{purpose}\n{text}\n{count}".encode(), digest_size=4).hexdigest()
                if digest not in self.used_ids:
                    break
                count += 1
            self.used_ids.add(digest)
            cell["id"] = digest
        return cell


def displays_itself(reads: Mapping[str, int], defined: frozenset[str]) -> bool:
    """Whether code calls `display` without an import."""
    return "display" in reads and "display" not in defined
