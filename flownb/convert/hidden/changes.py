"""Values that a cell gets from another one and changes, so that it matters which cell was executed how often."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from flownb.convert.hidden.facts import Function
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.statements import Change
from flownb.convert.hidden.texts import at, finding, listed, numbered, verb
from flownb.convert.proposal import Finding, Place

__all__ = ["changes_by_name"]

NOTHING = "Nothing needs to be done for the flow."
HARMLESS = "In the flow this cannot happen: each step gets the value as the step before it has stored it."


def changes_by_name(notebook: Notebook) -> dict[str, list[tuple[int, Change]]]:
    """For each variable that an earlier cell has made, the cells that change it, with the statements."""
    found: dict[str, list[tuple[int, Change]]] = {}
    for facts in notebook.cells:
        for change in facts.changes:
            first = notebook.binders.get(change.name, [facts.number])[0]
            if first < facts.number and notebook.is_variable(change.name):
                found.setdefault(change.name, []).append((facts.number, change))
    return found


def check_changes_own_input(notebook: Notebook) -> Iterator[Finding]:
    """Report cells that do something else when they are executed twice: ``df = df.dropna()``, ``xs.append(1)``."""
    for name, changes in changes_by_name(notebook).items():
        growing = [(number, change) for number, change in changes if change.how != "set"]
        if not growing:
            continue
        number, change = growing[0]
        numbers = sorted({one for one, _ in growing})
        what = (
            f"{at(number, change.line).capitalize()} changes `{name}`, which an earlier cell has made: `{change.text}`"
        )
        what += f"; so {'does' if len(numbers) == 2 else 'do'} {numbered(numbers[1:])}." if len(numbers) > 1 else "."
        why = "Executed twice, such a cell begins with its own result"
        readers = _readers_before(notebook, name, numbers)
        why += f", and {numbered(readers)} would see it too." if readers else "."
        places = [Place(one, its.line, its.end_line) for one, its in growing]
        yield finding("hidden", "changes-own-input", places, what, f"{why} {HARMLESS}", NOTHING, harmless=True)


def _readers_before(notebook: Notebook, name: str, changed: list[int]) -> list[int]:
    """Cells that read a name between its first definition and its last change, and do not change it."""
    first = notebook.binders[name][0]
    return [one for one in notebook.readers.get(name, ()) if first < one < changed[-1] and one not in changed]


def check_changed_later(notebook: Notebook) -> Iterator[Finding]:
    """Report values that a cell reads and a later cell changes in place: ``df["a"] = 0``."""
    for name, changes in changes_by_name(notebook).items():
        if any(change.how != "set" for _, change in changes):
            continue  # `changes-own-input` says it
        numbers = sorted({number for number, _ in changes})
        readers = _readers_before(notebook, name, numbers)
        if not readers:
            continue
        number, change = next((number, change) for number, change in changes if number > readers[0])
        yield finding(
            "hidden",
            "changed-later",
            [Place(one, its.line, its.end_line) for one, its in changes],
            f"{at(number, change.line).capitalize()} changes `{name}` of cell {notebook.binders[name][0]}: "
            f"`{change.text}`.",
            f"If {numbered(readers)} {verb(readers, 'is', 'are')} executed again after it, "
            f"{verb(readers, 'it sees', 'they see')} the changed value. {HARMLESS}",
            NOTHING,
            harmless=True,
        )


def check_shared_object(notebook: Notebook) -> Iterator[Finding]:
    """Report two names of one object, if one cell changes it by one name and the other name is used after that."""
    aliases: dict[str, tuple[str, int, int]] = {}
    for facts in notebook.cells:
        for change in facts.changes:
            if change.in_place and change.name in aliases:
                other, number, line = aliases[change.name]
                reader = _reader_after(notebook, other, facts.number, change.line)
                if reader is not None and notebook.apart((number, line), (facts.number, change.line)):
                    yield _shared(notebook, change, facts.number, other, number, line, reader)
                    aliases.pop(change.name)
                    aliases.pop(other, None)
        for name in facts.names.assigned:
            if name in aliases:
                aliases.pop(aliases.pop(name)[0], None)
        for node in facts.tree.body if facts.tree is not None else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                old = node.value.id
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id != old and notebook.is_variable(old):
                        aliases[target.id] = (old, facts.number, node.lineno)
                        aliases[old] = (target.id, facts.number, node.lineno)


def _reader_after(notebook: Notebook, name: str, number: int, line: int) -> int | None:
    """The first cell that reads a name after a change and before it gets another value."""
    facts = notebook.by_number[number]
    if any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) and node.lineno > line
        for node in facts.nodes
    ):
        return number
    ends = [one for one in notebook.binders.get(name, ()) if one > number]
    for reader in notebook.readers.get(name, ()):
        if reader > number:
            return reader if not ends or reader <= ends[0] else None
    return None


def _shared(
    notebook: Notebook, change: Change, changer: int, other: str, number: int, line: int, reader: int
) -> Finding:
    """The finding for two names of one object."""
    new = min((change.name, other), key=lambda name: name == _value_at(notebook, number, line))
    old = other if new == change.name else change.name
    return finding(
        "hidden",
        "shared-object",
        [
            Place(number, line, line),
            Place(changer, change.line, change.end_line),
            *([Place(reader)] if reader != changer else []),
        ],
        f"After {at(number, line)}, `{new}` and `{old}` are one object; {at(changer, change.line)} changes it as "
        f"`{change.name}`, and cell {reader} uses it as `{other}`.",
        "In a flow, the next step gets them as two objects, so the change is not seen under the other name.",
        f"Write `{new} = {old}.copy()` if they are meant to be two, or use one name, or merge "
        f"cells {number} and {changer}.",
    )


def _value_at(notebook: Notebook, number: int, line: int) -> str:
    """The name on the right side of the assignment at a line."""
    for node in notebook.by_number[number].nodes:
        if isinstance(node, ast.Assign) and node.lineno == line and isinstance(node.value, ast.Name):
            return node.value.id
    return ""


def check_defined_twice(notebook: Notebook) -> Iterator[Finding]:
    """Report functions and classes that a later cell defines with other code, after a cell has used the first."""
    for name, functions in notebook.functions.items():
        for one, two in pairwise(functions):
            if one.cell == two.cell or _same(one, two):
                continue
            used = [number for number in notebook.used_in(name) if one.cell <= number < two.cell]
            if used:
                yield _twice(name, one, two, used)
                break


def _same(one: Function, two: Function) -> bool:
    """Whether two definitions have the same code."""
    return ast.dump(one.node) == ast.dump(two.node)


def _twice(name: str, one: Function, two: Function, used: list[int]) -> Finding:
    """The finding for a function that is defined again."""
    return finding(
        "hidden",
        "defined-twice",
        [Place(each.cell, each.node.lineno, each.node.end_lineno or each.node.lineno) for each in (one, two)],
        f"{at(two.cell, two.node.lineno).capitalize()} defines the {two.called} {listed([name])} again, with other "
        f"code than {at(one.cell, one.node.lineno)}, and {numbered(used)} {verb(used, 'uses', 'use')} the first one.",
        "The steps of a flow share their functions, and of two with one name they have the last one.",
        f"Give one of them another name, for example `{name}_2`, also where it is called.",
    )
