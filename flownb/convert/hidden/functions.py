"""Functions that read or change the notebook's variables, and default arguments that keep values."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.convert.hidden.facts import Function
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.statements import GROWING, SETTLING, root_of
from flownb.convert.hidden.texts import at, finding, listed, numbered, verb
from flownb.convert.proposal import Finding, Place
from flownb.convert.trees import walk

__all__ = []


def check_reads_changing_name(notebook: Notebook) -> Iterator[Finding]:
    """Report functions that read variables which get values in more than one cell."""
    for function in _functions(notebook):
        changing = {
            name: writers
            for name in function.reads
            if notebook.is_variable(name) and len(writers := _writers(notebook, name)) > 1
        }
        if not changing or not notebook.used_in(function.name):
            continue
        places = [Place(function.cell, line, line) for name, line in function.reads.items() if name in changing]
        writers = sorted({number for numbers in changing.values() for number in numbers})
        parameters = ", ".join(changing)
        yield finding(
            "hidden",
            "function-reads-changing-name",
            [*places, *(Place(number) for number in writers)],
            f"{function.called.capitalize()} `{function.name}` of {at(function.cell, function.node.lineno)} reads "
            f"{listed(changing)}, which {numbered(writers)} assign or change.",
            "What a call of it gives depends on which of them was executed last before the call.",
            f"Pass {verb(changing, 'it as an argument', 'them as arguments')}: `def {function.name}(…, {parameters})`."
            if function.called == "function"
            else f"Pass {verb(changing, 'it', 'them')} to `__init__` as arguments.",
        )


def _functions(notebook: Notebook) -> Iterator[Function]:
    """All functions and classes, in order."""
    for facts in notebook.cells:
        yield from facts.functions


def _writers(notebook: Notebook, name: str) -> list[int]:
    """Cells that give a variable a value or certainly change it; the same constant twice counts once."""
    if name in notebook.writers:
        return notebook.writers[name]
    found: set[int] = set()
    values: set[str] = set()
    for number in notebook.binders.get(name, ()):
        facts = notebook.by_number[number]
        if name not in facts.names.variables:
            continue
        text = next(
            (
                ast.dump(node.value)
                for node in (facts.tree.body if facts.tree is not None else ())
                if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == name for one in node.targets)
                if isinstance(node.value, ast.Constant)
            ),
            f"cell {number}",
        )
        if text not in values:
            values.add(text)
            found.add(number)
    found.update(notebook.changers.get(name, ()))
    notebook.writers[name] = sorted(found)
    return notebook.writers[name]


def check_writes_name(notebook: Notebook) -> Iterator[Finding]:
    """Report functions that give the notebook's variables values, or change them, for other cells to see."""
    for function in _functions(notebook):
        written = dict(function.declared)
        for change in function.changes:
            if notebook.is_variable(change.name):
                written.setdefault(change.name, change.line)
        used = notebook.used_in(function.name)
        seen = {
            name: line
            for name, line in written.items()
            if used and _seen_outside(notebook, function, name, used, declared=name in function.declared)
        }
        if not seen:
            continue
        readers = sorted({number for name in seen for number in notebook.readers.get(name, ())} or set(used))
        does = "gives a value to" if set(seen) <= set(function.declared) else "changes"
        yield finding(
            "hidden",
            "function-writes-name",
            [*(Place(function.cell, line, line) for line in seen.values()), *map(Place, readers)],
            f"{function.called.capitalize()} `{function.name}` of {at(function.cell, function.node.lineno)} {does} "
            f"{listed(seen)}, which {numbered(readers)} {verb(readers, 'uses', 'use')}.",
            "Each step of a flow is a process of its own, so such a change is lost when the step ends.",
            f"Return the value and assign it where the function is called, or merge the cells that use {listed(seen)}.",
        )


def _seen_outside(notebook: Notebook, function: Function, name: str, used: list[int], *, declared: bool) -> bool:
    """Whether a cell may see what a call of a function in another cell did to a name."""
    first = (used[0], 0)
    if any(notebook.apart(first, (number, 0)) for number in notebook.readers.get(name, ()) if number >= used[0]):
        return True
    # A cache that only the function itself uses is empty at the beginning of each step, which changes no result.
    return declared and name in function.reads and any(notebook.apart(first, (number, 0)) for number in used[1:])


def check_default_keeps_value(notebook: Notebook) -> Iterator[Finding]:
    """Report defaults of parameters that keep an old value: of a variable that changes later, or of earlier calls."""
    for function in _functions(notebook):
        node = function.node
        if isinstance(node, ast.ClassDef):
            continue
        positional = [*node.args.posonlyargs, *node.args.args]
        pairs = [*zip(reversed(positional), reversed(node.args.defaults), strict=False)]
        pairs += [(one, value) for one, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value]
        for argument, value in pairs:
            yield from _default(notebook, function, argument, value)


def _default(notebook: Notebook, function: Function, argument: ast.arg, value: ast.expr) -> Iterator[Finding]:
    """What is wrong with one default."""
    line = value.lineno
    shown = f"`{argument.arg}={ast.unparse(value)}`"
    who = f"Function `{function.name}` of {at(function.cell, line)}"
    names = {one.id for one in walk(value) if isinstance(one, ast.Name)}
    for name in sorted(names):
        later = (
            [number for number in _writers(notebook, name) if number > function.cell]
            if notebook.is_variable(name)
            else []
        )
        if later:
            yield finding(
                "hidden",
                "default-keeps-value",
                [Place(function.cell, line, line), *map(Place, later)],
                f"{who} has the default {shown}, and {numbered(later)} {verb(later, 'changes', 'change')} `{name}`.",
                "A default is evaluated once, where the function is defined, so calls still get the old value.",
                f"Write `{argument.arg}=None`, or pass `{argument.arg}` in each call.",
            )
    empty = isinstance(value, ast.List | ast.Dict | ast.Set) or (
        isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("list", "dict", "set")
    )
    used = notebook.used_in(function.name)
    if empty and len(used) > 1 and _changes_parameter(function, argument.arg):
        yield finding(
            "hidden",
            "default-keeps-value",
            [Place(function.cell, line, line), *map(Place, used)],
            f"{who} has the default {shown} and changes it.",
            f"All calls share that one object, so calls in {numbered(used)} see what earlier calls have put into it; "
            "in a flow, each step begins with an empty one.",
            f"Write `{argument.arg}=None`, and make a new object in the function if it is None.",
        )


def _changes_parameter(function: Function, name: str) -> bool:
    """Whether a function changes the object of a parameter."""
    for node in walk(function.node):
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            changed = root_of(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            changed = getattr(node.func.value, "id", "") if node.func.attr in GROWING | SETTLING else ""
        else:
            continue
        if changed == name:
            return True
    return False
