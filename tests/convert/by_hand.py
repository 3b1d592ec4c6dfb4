"""Proposals made by hand: a cell is a step, unless its first line says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flownb.convert.plain import PlainCell, read_plain
from flownb.convert.proposal import Constraints, Part, Place, Proposal, ProposedStep, Role

__all__ = ["by_hand", "plain_document"]

ROLES: dict[str, Role] = {"# shared": "shared", "# scratch": "scratch"}


def plain_document(cells: Sequence[str]) -> dict[str, Any]:
    """A notebook of code cells."""
    made = [
        {"cell_type": "code", "id": f"c{n}", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
        for n, source in enumerate(cells, 1)
    ]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def by_hand(document: dict[str, Any], constraints: Constraints = Constraints()) -> Proposal:  # noqa: B008 # frozen
    """A proposal in which each cell is a step, unless its first line is ``# shared`` or ``# scratch``."""
    cells = read_plain(document)
    roles = [_role(cell, constraints) for cell in cells]
    groups: list[list[PlainCell]] = []
    for cell, role in zip(cells, roles, strict=True):
        if role != "step":
            continue
        joined = any(groups and a <= groups[-1][-1].number < cell.number <= b for a, b in constraints.together)
        groups[-1].append(cell) if joined else groups.append([cell])
    steps = []
    for position, group in enumerate(groups):
        made = [name for cell in group for name in cell.names.assigned]
        later = {name for other in groups[position + 1 :] for cell in other for name in cell.names.reads}
        added = [name for number, name in constraints.captures if number in {cell.number for cell in group}]
        last = position == len(groups) - 1
        captures = tuple(dict.fromkeys([name for name in made if name in later or last] + added))
        bound: set[str] = set()
        loads: list[str] = []
        for cell in group:
            loads += [name for name in cell.names.reads if name not in bound]
            bound |= set(cell.names.assigned)
        available = {name for step in steps for name in step.captures}
        parts = tuple(Part(Place(cell.number), cell.source, "step") for cell in group)
        steps.append(ProposedStep(f"s{position + 1}", parts, captures, tuple(n for n in loads if n in available)))
    return Proposal(
        "Hand",
        tuple(steps),
        shared=_parts(cells, roles, "shared"),
        scratch=_parts(cells, roles, "scratch"),
        document=_converted(cells, roles, steps),
    )


def _role(cell: PlainCell, constraints: Constraints) -> Role:
    role = ROLES.get(cell.source.split("\n")[0], "step")
    return "step" if cell.number in constraints.steps else role


def _parts(cells: Sequence[PlainCell], roles: Sequence[Role], wanted: Role) -> tuple[Part, ...]:
    return tuple(
        Part(Place(cell.number), cell.source, role) for cell, role in zip(cells, roles, strict=True) if role == wanted
    )


def _converted(cells: Sequence[PlainCell], roles: Sequence[Role], steps: Sequence[ProposedStep]) -> dict[str, Any]:
    texts = ["%%flow Hand"]
    texts += [f"%%shared\n{cell.source}" for cell, role in zip(cells, roles, strict=True) if role == "shared"]
    for step in steps:
        captures = f" -> {', '.join(step.captures)}" if step.captures else ""
        body = "\n".join(part.text for part in step.parts)
        texts.append(f"%%step {step.name}{captures}\n{body}")
    return plain_document(texts)
