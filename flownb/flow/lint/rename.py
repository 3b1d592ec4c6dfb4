"""Another name for a step, in its own header and where other cells name it."""

from __future__ import annotations

import ast
from dataclasses import replace

from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import LintContext
from flownb.flow.lint.fix import Edit, Fix, NewCell, header_edit, replaced

__all__ = ["renamed_step"]


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
    for other in context.flow.steps:
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
                return Fix(f"Call it `{name}`.", ())
            edits += written
    return Fix(f"Call it `{name}`.", tuple(edits))
