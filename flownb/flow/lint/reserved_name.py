"""FN009: Names that Metaflow or Python keep for themselves."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.flow.decorator_call import written_names
from flownb.flow.definition import Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, Severity
from flownb.flow.lint.rename import renamed_step
from flownb.flow.step_name import LONGEST, RESERVED, step_name_problem

CODE = "FN009"
# Properties, which cannot be assigned; and what no flow starts without.
READ_ONLY = frozenset({"index", "input", "script_name"})
NEEDED = frozenset({"cmd", "foreach_stack", "next", "script_name"})


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report names that cannot be a step's, an artifact's or a shared function's."""
    for step in context.steps:
        yield from _step_name(context, step)
        yield from _artifacts(context, step)
        yield from _private_shared(context, step)
    yield from _class_names(context)


def _step_name(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """A step's own name."""
    if found := step_name_problem(step.name, context.flow.class_names):
        what, why, better = found
        taken = {*context.graph.nodes, *context.flow.class_names}
        better = next((one for one in (better, f"{better}_step") if better and one not in taken), "")
        fix = renamed_step(context, step, better) if better else "Choose another name."
        yield context.at(CODE, step, 0, what, why, fix)


def _artifacts(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Names a step captures or assigns to self."""
    for name, line in written_names(step).items():
        why, fails = "", False
        written = f"self.{name}" in step.names.definite_writes or (name in step.captures and step.names.ends)
        if name in RESERVED:
            why = f"`self.{name}` is Metaflow's own."
            fails = name in READ_ONLY or (name == "next" and not context.is_last(step))
        elif name in context.graph.nodes or name in context.added_steps:
            # It is stored, and no later step can read it; only the step's own self.next needs it at once.
            why, fails = f"`self.{name}` is the step of that name.", name in context.next_of(step)
        elif context.flow.class_names.get(name) == "method":
            why = f"`self.{name}` is a method of the %%flow cell."
        elif name.startswith("__"):
            why = "Python changes names that begin with two underscores inside a class."
        elif name in ("self", step.header.inputs):
            why = f"`{name}` is given to the step by the runtime."
        if why:
            fix = f"Give it another name, for example `{name.strip('_')}_value`."
            what = f"Step {step.name} sets the artifact `{name}`."
            yield context.at(CODE, step, line, what, why, fix, proven=fails and written and context.fails(step))


def _private_shared(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Shared names that Python would spell differently inside the flow's class."""
    for name, line in step.names.reads.items():
        if name in context.flow.shared_names and name.startswith("__") and not name.endswith("__"):
            what = f"Step {step.name} reads `{name}` of the shared code."
            why = "Python changes names that begin with two underscores inside a class."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(CODE, step, line, what, why, f"Call it `{name[1:]}`.", proven=proven)


def _class_names(context: LintContext) -> Iterator[Diagnostic]:
    """Names in the class body of the flow."""
    header = context.flow.header
    if header is not None and len(header.name.encode()) > LONGEST:
        what = f"`{header.name[:20]}…` cannot be a flow's name."
        why = f"It has {len(header.name)} characters; it is the name of a folder, which has at most {LONGEST} bytes."
        yield Diagnostic(CODE, what, why, "Choose a shorter one.", header)
    # The only step of a flow calls no self.next.
    alone = len(context.graph.nodes) == 1 and all(map(context.is_last, context.flow.all_steps))
    for name in context.flow.class_names if header is not None else ():
        why = ""
        severity: Severity = "error"
        if name in RESERVED:
            why = f"`self.{name}` is Metaflow's own."
            severity = "error" if name in NEEDED and not alone else "warning"
        elif name in context.added_steps:
            why = f"Every flow has a step `{name}`."
        if why and header is not None:
            what = f"The %%flow cell defines `{name}`."
            fix = f"Give it another name, for example `{name}_value`."
            yield Diagnostic(CODE, what, why, fix, header, header.body_line, severity=severity)
