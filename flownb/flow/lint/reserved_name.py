"""FN009: Names that Metaflow keeps for itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.self_attributes import SELF_ATTRIBUTES

CODE = "FN009"
RESERVED_STEPS = {"name", "next", "input", "index", "cmd"}
RESERVED_ARTIFACTS = {"next", "input", "index", "name", "cmd", "foreach_stack", "merge_artifacts"}


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report names that Metaflow keeps for itself, as step or as artifact."""
    flow = context.flow
    for step in flow.steps:
        if step.name in RESERVED_STEPS:
            yield context.at(
                CODE,
                step,
                0,
                f"`{step.name}` cannot be a step's name.",
                "Metaflow keeps it for itself.",
                "Choose another name.",
            )
        elif re.search("[^a-z0-9_]", step.name) or step.name[0] == "_" or not step.name.isidentifier():
            yield context.at(
                CODE,
                step,
                0,
                f"`{step.name}` cannot be a step's name.",
                "Metaflow takes lowercase letters, digits and `_`, not first a digit or `_`.",
                f"Call it `{re.sub('[^a-z0-9_]', '_', step.name.lower()).strip('_') or 'step_1'}`.",
            )
        elif step.name in flow.class_names:
            yield context.at(
                CODE,
                step,
                0,
                f"`{step.name}` is a step and a name in the %%flow cell.",
                "Both would be attributes of one class.",
                "Rename one of them.",
            )
        for name, line in [*((name, 0) for name in step.captures), *step.body.names.self_writes.items()]:
            why = ""
            if name in RESERVED_ARTIFACTS or name in SELF_ATTRIBUTES:
                why = f"`self.{name}` is Metaflow's own."
            elif name in context.graph.nodes:
                why = f"`self.{name}` is the step of that name."
            elif flow.class_names.get(name) == "method":
                why = f"`self.{name}` is a method of the %%flow cell."
            elif name.startswith("__"):
                why = "Python changes names that begin with two underscores inside a class."
            elif name == "self" or name == "inputs":
                why = f"`{name}` is given to the step by the runtime."
            if why:
                yield context.at(
                    CODE,
                    step,
                    line,
                    f"Step {step.name} sets the artifact `{name}`.",
                    why,
                    f"Call it otherwise, for example `{name.strip('_')}_value`.",
                )
