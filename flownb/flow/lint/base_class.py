"""FN029: Base classes that do not make a flow, and names that a flow needs and shared code replaces."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.cells.cell import Cell
from flownb.errors import closest
from flownb.flow.definition import PYTHON_BUILTINS
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Edit, Fix

CODE = "FN029"


def _with_bases(header: Cell, bases: tuple[str, ...], rest: str) -> Fix:
    """The fix that gives the flow other base classes."""
    text, line = f"%%flow {header.name}({', '.join(bases)})", header.body_line - 1
    edits = (Edit(header, line, line, header.margin + text),) if not header.tags else ()
    return Fix(f"Write {text}{rest}", edits)


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report base classes without Metaflow's FlowSpec among them, unknown ones, and a `step` that is not Metaflow's."""
    flow, header = context.flow, context.flow.header
    if header is not None and header.bases:
        line = max(header.body_line - 1, 1)
        for base in header.bases:
            first = base.partition(".")[0]
            if first != "FlowSpec" and first not in flow.shared_names | PYTHON_BUILTINS and not flow.has_star_import:
                what = f"The flow {flow.name} derives from `{base}`, which nothing defines."
                why = "A base class is looked up in shared code."
                said = f"Define or import `{first}` in a %%shared cell."
                fix: str | Fix = said
                if near := closest(base, (*flow.shared_names, "FlowSpec")):
                    bases = tuple(near if one == base else one for one in header.bases)
                    fix = _with_bases(header, bases, f", or {said[0].lower()}{said[1:]}")
                yield context.of(CODE, header, line, what, why, fix)
                return
        if not flow.has_root:
            listed = ", ".join(header.bases)
            what = f"The flow {flow.name} derives from {listed}, and none of these is a flow."
            why = "Steps run only in a class below Metaflow's FlowSpec."
            yield context.of(CODE, header, line, what, why, _with_bases(header, (*header.bases, "FlowSpec"), "."))
    for name in sorted({"step", "FlowSpec"} & flow.redefined):
        cell = next((one for one in flow.shared if name in one.source), None)
        if cell is not None and not flow.has_star_import:
            what = f"Shared code defines `{name}`."
            why = f"In flow.py `{name}` is Metaflow's, and every flow needs it."
            yield Diagnostic(CODE, what, why, "Give your own another name.", cell, cell.body_line)
