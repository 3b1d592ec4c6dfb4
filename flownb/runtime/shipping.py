"""A program as bytes, for processes that run its tasks.

Takes a `Program`; gives bytes that `load_program` makes the same program of elsewhere. What was worked out from the
cells (trees, code) stays behind, and cells get names that mean something outside of the kernel.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import fields, replace
from typing import Any

from flownb.cells.cell import Cell
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import FlowGraph
from flownb.runtime.program import Program

__all__ = ["dump_program", "load_program", "readable_name"]

LEAN = (Program, FlowDefinition, FlowGraph, Step)


def dump_program(program: Program) -> bytes:
    """Everything that defines a program."""
    file = io.BytesIO()
    _Pickler(file, protocol=5).dump(program)
    return file.getvalue()


def load_program(text: bytes) -> Program:
    """The program that `dump_program` was given."""
    program = pickle.loads(text)
    assert isinstance(program, Program)
    return program


class _Pickler(pickle.Pickler):
    """Leaves out what dataclasses have cached."""

    def reducer_override(self, thing: Any) -> Any:
        """Rebuild a dataclass from its fields."""
        if isinstance(thing, Cell):
            thing = replace(thing, filename=readable_name(thing))
        elif not isinstance(thing, LEAN):
            return NotImplemented
        return type(thing), tuple(getattr(thing, one.name) for one in fields(thing))


def readable_name(cell: Cell) -> str:
    """The name a traceback of another process shows for a cell: a kernel's is a temporary file there."""
    if cell.filename.startswith("<"):
        return cell.filename
    place = f"cell {cell.number}" if cell.number else "cell"
    return f"<{place}: {cell.kind} {cell.name}>" if cell.name else f"<{place}: {cell.kind}>"
