"""FN022: A flow-level object of Metaflow that flownb does not run."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.cells.assignment import analyse_names
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN022"
NOT_RUN = ("Config", "IncludeFile", "config_expr")


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report `Config`, `IncludeFile` and `config_expr` in the ``%%flow`` cell."""
    header = context.flow.header
    if header is None:
        return
    reads = analyse_names(header.parsed.tree).reads
    for name in NOT_RUN:
        if name in reads and name not in context.flow.shared_names:
            yield Diagnostic(
                CODE,
                f"The %%flow cell uses `{name}`.",
                "flownb does not run it: steps here would not have its value.",
                "Use a Parameter, or read the file in a step.",
                header,
                header.body_line + reads[name] - 1,
            )
