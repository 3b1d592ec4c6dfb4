"""Remedies that several checks share: another name for a step, and a way for a step's local name to reach later steps.

A name that a step keeps local reaches later steps as an artifact, or from shared code.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from flownb.cells.assignment import analyse_names
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import LintContext
from flownb.flow.lint.edits import Edit, Fix, NewCell, header_edit, header_fix, header_text, replaced, shared_cell
from flownb.flow.names import RESERVED

__all__ = ["can_be_artifact", "merge_edit", "renamed_step", "shared_source_of", "why_local"]


def renamed_step(context: LintContext, step: Step, name: str) -> Fix:
    """The fix that gives a step another name.

    Parameters
    ----------
    context : LintContext
    step : Step
    name : str
        One that no other step has.

    Returns
    -------
    Fix
        With edits of all cells that name the step: ``--after`` and ``self.next``.
    """
    edits: list[Edit | NewCell] = []
    for other in context.naming[step.name]:
        header = other.header
        if other is step:
            header = replace(header, name=name)
        if step.name in header.after:
            header = replace(header, after=tuple(name if one == step.name else one for one in header.after))
        if header != other.header:
            edits.append(header_edit(other, header))
        if other.body.transition is not None and step.name in other.body.transition.targets:
            assert other.body.tree is not None
            last = other.body.tree.body[-1]
            nodes = [one for one in ast.walk(last) if isinstance(one, ast.Attribute) and one.attr == step.name]
            written = replaced(other.cell, nodes, [f"self.{name}"] * len(nodes))
            if not written:
                return Fix(f"Call it `{name}`.")
            edits += written
    return Fix(f"Call it `{name}`.", tuple(edits))


def can_be_artifact(context: LintContext, step: Step, name: str) -> bool:
    """Whether nothing else of the flow has a name, so that a step can capture it."""
    taken = name in RESERVED or name == "self" or name in context.added_steps or context.is_taken(name)
    return not taken and name != step.header.inputs and not name.startswith("__")


def why_local(
    context: LintContext, keeper: Step, name: str, reader: Step | None, *, spelled: str = ""
) -> tuple[str, Fix]:
    """Say why a name does not leave the step that assigns it, and what to do about it.

    Parameters
    ----------
    context : LintContext
    keeper : Step
        The step that assigns the name.
    name : str
    reader : Step or None
        The step that reads it; None for the next step.
    spelled : str, optional
        How the first sentence calls the name; the name itself by default.

    Returns
    -------
    tuple of (str, Fix)
        Why, and what to do; what the fix says passes the checks.
    """
    called = spelled or f"`{name}`"
    kind = keeper.names.definitions.get(name)
    text = shared_source_of(keeper, name)
    if kind is None and text is not None and name not in keeper.names.variables:
        fix = Fix(f"Write `{text}` in a %%shared cell.", (shared_cell(text, keeper.cell),))
        return f"`{keeper.name}` imports {called} only for itself.", fix
    if kind is not None:
        verb = "imports" if kind == "module" else "defines"
        why = f"`{keeper.name}` {verb} {called}, and a {kind} cannot be an artifact."
        if text is None:
            place = "Import" if kind == "module" else "Define"
            return why, Fix(f"{place} `{name}` in a %%shared cell; every step can use it from there.")
        sentence = f"Write `{text}` in a %%shared cell." if "\n" not in text else f"Move `{name}` to a %%shared cell."
        return why, Fix(sentence, (shared_cell(text, keeper.cell),))
    why = f"`{keeper.name}` assigns {called} but keeps it local."
    if keeper.name in context.flow.inherited:
        return why, Fix(f"Assign self.{name} in `{keeper.name}`, which comes from a base class.")
    if not can_be_artifact(context, keeper, name):
        new = f"{name.strip('_')}_value"
        return why, Fix(f"Give it another name in `{keeper.name}`, for example `{new}`, and capture and read that.")
    captures = (*keeper.captures, name)
    analysed = analyse_names(keeper.body.tree, captures=captures, methods=keeper.methods)
    if name in analysed.unbound and name not in keeper.body.names.unbound:
        return why, Fix(f"Do not delete `{name}` in the body of `{keeper.name}`, and capture it.")
    # They pass on only what they merge or capture.
    joins = context.joins_between(keeper.name, reader.name) if reader is not None else []
    if not joins:
        return why, header_fix(keeper, captures=captures)
    merges = [merge_edit(join, name) for join in joins]
    header = header_text(keeper, replace(keeper.header, captures=captures))
    named = " and ".join(join.name for join in joins)
    sentence = f'Write `{header}`, and `self.merge_artifacts(inputs, include=["{name}"])` in {named}.'
    fix = header_fix(keeper, [one for one in merges if one is not None], captures=captures)
    return why, Fix(sentence, fix.edits if all(merges) else ())


def merge_edit(join: Step, name: str) -> Edit | None:
    """The edit that makes a join pass an artifact on; None if its body does not show a place for it."""
    tree, cell = join.body.tree, join.cell
    if tree is None or join.names.merges:
        return None
    lines = cell.source.count("\n") + 1
    place = cell.body_line + tree.body[0].lineno - 1 if tree.body else lines + 1
    return Edit(cell, place, place - 1, f'{cell.margin}self.merge_artifacts({join.header.inputs}, include=["{name}"])')


def shared_source_of(step: Step, name: str) -> str | None:
    """The import or definition of a name in a step, to be written at module level; None if it depends on other code."""
    tree = step.body.tree
    found: str | None = None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                if bound == name and getattr(node, "module", "") != "__future__":
                    found = ast.unparse(_only(node, alias))
    if found is not None or tree is None:
        return found
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and statement.name == name:
            lines = step.body.text.split("\n")
            first = min([statement.lineno, *(one.lineno for one in statement.decorator_list)])
            return "\n".join(lines[first - 1 : statement.end_lineno])
    return None


def _only(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    """An import of one name alone."""
    if isinstance(node, ast.Import):
        return ast.Import(names=[alias])
    return ast.ImportFrom(module=node.module, names=[alias], level=node.level)
