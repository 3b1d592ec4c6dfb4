"""FN003: Magics and shell lines in a step."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN003"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report IPython magics and shell lines in steps and in the flow's header."""
    for step in context.steps:
        for magic in step.body.magics:
            yield context.at(
                CODE,
                step,
                magic.line,
                f"Step {step.name} has the line `{magic.text}`.",
                "Only IPython understands it; a step is plain Python.",
                "Move it to a scratch or %%shared cell, or write it in Python (subprocess.run for a shell line).",
            )
    header = context.flow.header
    if header is not None:
        for magic in header.parsed.magics:
            yield Diagnostic(
                CODE,
                f"The %%flow cell has the line `{magic.text}`.",
                "Only IPython understands it; a flow's class is plain Python.",
                "Move it to a scratch or %%shared cell.",
                header,
                header.body_line + magic.line - 1,
            )
