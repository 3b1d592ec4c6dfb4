"""FN017: A capture of something that is not there, or that cannot be kept."""

from __future__ import annotations

from collections.abc import Iterator

from flownb.errors import closest, nearest
from flownb.flow.definition import PYTHON_BUILTINS, Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.fix import Fix, header_fix, shared_cell
from flownb.flow.lint.keep import can_be_artifact, shared_source_of
from flownb.flow.lint.undefined_name import never_defined

CODE = "FN017"
WHY_NOT = {
    "function": "Metaflow drops functions that are assigned to self.",
    "class": "Objects of a class that a step defines cannot be read by the next step.",
    "module": "A module cannot be persisted.",
}


def check(context: LintContext) -> Iterator[Diagnostic]:
    """Report captures of names the body never assigns, deletes, or binds to a function, class or module."""
    for step in context.steps:
        if step.body.tree is not None:
            yield from _kinds(context, step)
            yield from _captures(context, step)


def _kinds(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Functions, classes and modules that are captured or assigned to self."""
    for spelled, kind in step.names.definitions.items():
        name = spelled.removeprefix("self.")
        if spelled.startswith("self."):
            line, verb = step.names.self_writes[name], "assigns"
        elif name in step.captures:
            line, verb = 0, "captures"
        else:
            continue
        place = "Import" if kind == "module" else "Define"
        said = f"{place} `{name}` in a %%shared cell; every step can use it from there."
        text = shared_source_of(step, name)
        fix = Fix(said, ())
        if verb == "captures" and text is not None:
            without = header_fix(step, captures=tuple(one for one in step.captures if one != name))
            fix = Fix(said, (shared_cell(text, step.cell), *without.edits))
        what = f"Step {step.name} {verb} the {kind} `{name}`" + (" to self." if verb == "assigns" else ".")
        # A function is dropped without a word; what cannot be pickled fails.
        written = spelled in step.names.definite_writes or (not line and step.names.ends)
        proven = kind != "function" and written and context.fails(step) and name not in step.names.globals_declared
        yield context.at(CODE, step, line, what, WHY_NOT[kind], fix, proven=proven)


def _other_captures(context: LintContext, step: Step, name: str, near: str | None) -> Fix:
    """The header without a capture, or with another name in its place."""
    captures = tuple(near if one == name else one for one in step.captures)
    read = any(name in {**one.names.reads, **one.names.self_reads} for one in context.flow.steps)
    fix = header_fix(step, captures=tuple(one for one in captures if one is not None))
    if near is not None:
        return fix
    said = f"Assign `{name}`, or take it out of the header: {fix.sentence[0].lower()}{fix.sentence[1:]}"
    return Fix(said, () if read else fix.edits)


def _captures(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Captured names that have no value at the body's end."""
    names = step.names
    inherited = context.artifacts.possible.get(step.name, frozenset()) | context.flow.shared_names
    for name in step.captures:
        if name in names.definitions or name in names.globals_declared:
            continue
        if name not in names.assigned and name not in inherited:
            own = [one for one in names.assigned if can_be_artifact(context, step, one) and one not in step.captures]
            what = f"Step {step.name} captures `{name}`, which its body never assigns.{nearest(name, own)}"
            why, fix = "No earlier step has it either.", _other_captures(context, step, name, closest(name, own))
            proven = never_defined(context, step, name) and name not in PYTHON_BUILTINS
            yield context.at(CODE, step, 0, what, why, fix, proven=proven)
        elif name in names.unbound and name not in step.body.names.unbound and name in names.assigned:
            if name in inherited and name not in context.flow.shared_names and name not in step.body.names.assigned:
                continue
            what = f"Step {step.name} captures `{name}`, which has no value when the body ends."
            why = "The body deletes it, or it is the name of an `except … as`, which ends with its clause."
            said = f"Assign another name and capture that, or keep `{name}`."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(CODE, step, 0, what, why, said, proven=proven)
