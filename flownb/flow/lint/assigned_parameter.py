"""FN012: A parameter or constant of the flow that a step assigns."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.decorator_call import written_names
from flownb.flow.lint.diagnostic import Diagnostic, LintContext

CODE = "FN012"
WHY = {
    "parameter": "Parameters stay as the run was started with.",
    "constant": "Metaflow keeps what the flow's class defines as it is, for all steps.",
}


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that assign or capture a name which the %%flow cell defines."""
    for step in context.steps:
        for name, line in written_names(step).items():
            kind = context.flow.class_names.get(name, "")
            if kind in WHY and not name.startswith("_"):  # Metaflow leaves those alone
                what = f"Step {step.name} assigns the {kind} `{name}`."
                fix = f"Use another name, for example `{name}_used`."
                written = f"self.{name}" in step.names.definite_writes or (name in step.captures and step.names.ends)
                proven = written and context.fails(step) and context.flow.keeps(name)
                yield context.at(CODE, step, line, what, WHY[kind], fix, proven=proven)
