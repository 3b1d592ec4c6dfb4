"""FN015: A join that reads what only its inputs have."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.self_attributes import SELF_ATTRIBUTES
from flownb.flow.lint.undefined_name import undefined_reads

CODE = "FN015"


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report joins that read an artifact of their inputs as if they had inherited it, and `inputs` outside of joins."""
    for step in context.flow.steps:
        joined = context.artifacts.joined.get(step.name)
        if joined is None:
            if "inputs" in step.names.unbound and "inputs" not in context.flow.shared_names:
                yield context.at(
                    CODE,
                    step,
                    step.names.unbound["inputs"],
                    f"Step {step.name} reads `inputs`, but is no join.",
                    "Only joins see the tasks they bring together.",
                    f"Write `%%step {step.name} --join`.",
                )
            continue
        if step.name in context.artifacts.unknown:
            continue
        reads = {name: (line, name) for name, line in undefined_reads(context, step).items()}
        if not step.names.merges:
            inherited = context.artifacts.certain.get(step.name, frozenset())
            hidden = set(inherited) | set(step.names.self_writes) | SELF_ATTRIBUTES | set(context.graph.nodes)
            reads.update(
                {name: (line, f"self.{name}") for name, line in step.names.self_reads.items() if name not in hidden}
            )
        for name, (line, spelled) in reads.items():
            if name in joined:
                why = "A join inherits nothing, for its tasks may have different values."
                fix = f"Read inputs[0].{name} or each task's own (`for task in inputs: task.{name}`)"
                fix += f', or call self.merge_artifacts(inputs, include=["{name}"]) first and read self.{name}.'
                yield context.at(
                    CODE, step, line, f"The join {step.name} reads `{spelled}`, which only its inputs have.", why, fix
                )
