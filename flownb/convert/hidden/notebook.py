"""All code cells of a plain notebook: which cells bind, read and change a name, and which step has a line."""

from __future__ import annotations

import ast
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from flownb.convert.hidden.facts import CellFacts, Function, read_cell
from flownb.convert.hidden.statements import path_of
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Proposal
from flownb.convert.trees import walk

__all__ = ["Call", "Notebook"]


@dataclass(frozen=True)
class Call:
    """A call somewhere in a cell; `path` is the full name of what is called, ``?.name`` for a method of a value."""

    path: str
    node: ast.Call

    @property
    def method(self) -> str:
        """The last part of the name."""
        return self.path.rpartition(".")[2]


class Notebook:
    """All code cells of a plain notebook, with the steps that are proposed for them.

    Parameters
    ----------
    cells : tuple of PlainCell
        In document order.
    proposal : Proposal or None
    """

    def __init__(self, cells: tuple[PlainCell, ...], proposal: Proposal | None) -> None:
        self.proposal = proposal
        self.imports: dict[str, dict[str, int]] = {}
        self.stars: list[tuple[int, str, int]] = []
        for cell in cells:
            self._read_imports(cell.number, cell.tree)
        self.cells = tuple(read_cell(cell, self.imports) for cell in cells)
        self.by_number = {facts.number: facts for facts in self.cells}
        # Cells, in order, that bind a name; that read it when they are executed; whose functions read it.
        self.binders: dict[str, list[int]] = {}
        self.readers: dict[str, list[int]] = {}
        self.functions: dict[str, list[Function]] = {}
        for facts in self.cells:
            for name in facts.bound:
                self.binders.setdefault(name, []).append(facts.number)
            for name in facts.names.reads:
                self.readers.setdefault(name, []).append(facts.number)
            for function in facts.functions:
                self.functions.setdefault(function.name, []).append(function)
        # Cells that certainly change a value of another cell.
        self.changers: dict[str, set[int]] = {}
        for facts in self.cells:
            for change in facts.changes:
                self.changers.setdefault(change.name, set()).add(facts.number)
        self._calls: dict[int, list[Call]] = {}
        self._used: dict[str, list[int]] = {}
        self.writers: dict[str, list[int]] = {}
        self._places = _step_lines(proposal)

    def _read_imports(self, number: int, tree: ast.Module | None) -> None:
        """Note what the names that a cell imports are."""
        for node in walk(tree) if tree is not None else ():
            if isinstance(node, ast.Import):
                for alias in node.names:
                    path = alias.name if alias.asname else alias.name.split(".")[0]
                    self.imports.setdefault(alias.asname or path, {}).setdefault(path, number)
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append((number, module, node.lineno))
                    else:
                        path = f"{module}.{alias.name}"
                        self.imports.setdefault(alias.asname or alias.name, {}).setdefault(path, number)

    def calls(self, facts: CellFacts) -> list[Call]:
        """All calls of a cell, also in its functions."""
        found = self._calls.get(facts.number)
        if found is None:
            nodes = [node for node in facts.nodes if isinstance(node, ast.Call)]
            found = self._calls[facts.number] = [Call(path_of(node.func, self.imports), node) for node in nodes]
        return found

    def imports_of_stars(self, number: int) -> frozenset[str]:
        """All names that the notebook binds, if a star import up to a cell may bind any of them before."""
        return frozenset(self.binders) if any(cell <= number for cell, _, _ in self.stars) else frozenset()

    def needs(self, name: str, number: int) -> frozenset[str]:
        """Names that a call of a function reads, also through other functions, as defined up to a cell."""
        if name not in self.functions:
            return frozenset()
        found: set[str] = set()
        waiting, seen = [name], {name}
        while waiting:
            definitions = self.functions.get(waiting.pop(), [])
            last = bisect_right(definitions, number, key=lambda one: one.cell)
            for function in definitions[max(last - 1, 0) : last]:
                if function.called == "class":
                    continue
                found |= function.reads.keys()
                waiting += [one for one in function.reads if one in self.functions and one not in seen]
                seen |= function.reads.keys()
        return frozenset(found)

    @cached_property
    def defines_unseen(self) -> bool:
        """Whether a cell defines names that cannot be seen."""
        return any(facts.defines_unseen for facts in self.cells)

    @cached_property
    def calls_by_name(self) -> dict[str, list[tuple[int, int]]]:
        """For each plain name that is called somewhere, the cells and lines."""
        found: dict[str, list[tuple[int, int]]] = {}
        for facts in self.cells:
            for node in facts.nodes:
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    found.setdefault(node.func.id, []).append((facts.number, node.lineno))
        return found

    def step_at(self, number: int, line: int) -> str | None:
        """The step that has a line of a cell; None if no step has it, or nothing is proposed."""
        for first, last, name in self._places.get(number, ()):
            if not line or not first or first <= line <= last:
                return name
        return None

    def shares(self, number: int, line: int) -> bool:
        """Whether a line of a cell is proposed as shared code."""
        return self.proposal is not None and any(
            part.place.cell == number and (not part.place.line or part.place.line <= line <= part.place.end_line)
            for part in self.proposal.shared
        )

    def apart(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether two (cell, line) may become parts of different steps."""
        if one[0] == other[0]:
            return False
        if self.proposal is None:
            return True
        first, second = self.step_at(*one), self.step_at(*other)
        return first is not None and second is not None and first != second

    def is_variable(self, name: str) -> bool:
        """Whether a name holds a value in some cell, and is nowhere an import or a definition."""
        if name in self.imports or name in self.functions:
            return False
        return any(name in self.by_number[number].names.variables for number in self.binders.get(name, ()))

    def used_in(self, function: str) -> list[int]:
        """Cells that use a function when they are executed, also through other functions."""
        if function in self._used:
            return self._used[function]
        found: set[int] = set()
        waiting, seen = [function], {function}
        while waiting:
            name = waiting.pop()
            found.update(self.readers.get(name, ()))
            found.update(one.cell for one in self.functions.get(name, ()) if self._calls_itself(one.cell, name))
            for other in self._callers.get(name, ()):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        self._used[function] = sorted(found)
        return self._used[function]

    def _calls_itself(self, number: int, name: str) -> bool:
        """Whether a cell uses a function that it defines."""
        return name in self._uses_at_top.get(number, ())

    @cached_property
    def _uses_at_top(self) -> dict[int, set[str]]:
        """For each cell, names that it loads outside of functions."""
        return {
            facts.number: {
                node.id for node in facts.nodes_outside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
            }
            for facts in self.cells
            if facts.functions
        }

    @cached_property
    def _callers(self) -> dict[str, set[str]]:
        """For each function, the functions that read its name."""
        found: dict[str, set[str]] = {}
        for functions in self.functions.values():
            for function in functions:
                for name in function.reads:
                    if name in self.functions:
                        found.setdefault(name, set()).add(function.name)
        return found


def _step_lines(proposal: Proposal | None) -> dict[int, list[tuple[int, int, str]]]:
    """For each cell, the lines that steps have of it."""
    found: dict[int, list[tuple[int, int, str]]] = {}
    for step in proposal.steps if proposal is not None else ():
        for part in step.parts:
            found.setdefault(part.place.cell, []).append((part.place.line, part.place.end_line, step.name))
    return found
