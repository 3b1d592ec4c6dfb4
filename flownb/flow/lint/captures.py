"""Checks of artifacts: who sets them, who captures them, and which path through the graph has them.

FN002 artifacts that no earlier step captures, FN012 parameters and constants that a step assigns, FN013 artifacts that
only some paths set, FN017 captures without a value or of what cannot be persisted, FN026 foreachs over a value that has
no order or can be iterated only once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Set
from dataclasses import replace

from flownb.errors import Message, closest, nearest
from flownb.flow.decorators import catches, written_names
from flownb.flow.definition import PYTHON_BUILTINS, Step
from flownb.flow.lint.diagnostic import Diagnostic, LintContext
from flownb.flow.lint.edits import Edit, Fix, header_fix, header_text, line_replaced, replaced, shared_cell
from flownb.flow.lint.fixes import can_be_artifact, shared_source_of, why_local
from flownb.flow.lint.names import holder, never_defined, undefined_reads
from flownb.flow.names import INTERNALS, SELF_ATTRIBUTES

__all__ = []


UNCAPTURED_ARTIFACT = "FN002"


def check_uncaptured_artifact(context: LintContext) -> Iterator[Diagnostic]:
    """Report plain names, `self.x`, foreachs and switches whose artifact an earlier step keeps local, or none sets."""
    for step in context.steps:
        yield from _plain(context, step)
        yield from _attributes(context, step)
        # If one step is checked alone, its parents have to have what its foreach or switch needs.
        for name in dict.fromkeys([step.name, *(context.graph[step.name].parents if not context.whole else ())]):
            if (other := context.flow.step(name)) is not None:
                yield from _transition(context, other)


def _plain(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Reads of a plain name that an earlier step assigns but keeps local."""
    joined = context.artifacts.joined.get(step.name, frozenset())
    for name, line in undefined_reads(context, step).items():
        if name in step.names.assigned or name in step.names.annotated or name in joined:
            continue  # FN001 or FN015 says more
        keeper = holder(context, step, name)
        if keeper is not None:
            what = f"Step {step.name} reads `{name}`, which no earlier step captures."
            proven = never_defined(context, step, name)
            yield context.at(
                UNCAPTURED_ARTIFACT,
                step,
                line,
                Message(what, *why_local(context, keeper, name, step, spelled="it")),
                proven=proven,
            )


def _attributes(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """Reads of `self.x` that no earlier step sets."""
    artifacts = context.artifacts.possible.get(step.name, frozenset())
    known: tuple[Set[str], ...] = (
        artifacts,
        context.artifacts.joined.get(step.name, frozenset()),
        context.graph.named,
        SELF_ATTRIBUTES,
        context.flow.class_names.keys(),
        step.names.self_writes.keys(),
        frozenset(step.captures),
    )
    for name, line in step.names.self_reads.items():
        if any(name in some for some in known) or name.startswith("__") or name in INTERNALS:
            continue
        what = f"Step {step.name} reads `self.{name}`, which no earlier step sets."
        seen = f"self.{name}" in step.names.definite and not name.startswith("_")
        proven = seen and context.fails(step) and step.name not in context.artifacts.unknown
        keeper = holder(context, step, name)
        fix: str
        if keeper is not None:
            why, fix = why_local(context, keeper, name, step)
        else:
            shown = ", ".join(f"`{one}`" for one in sorted(artifacts))
            why = f"It inherits {shown}." if artifacts else "It inherits no artifacts."
            fix = f"Assign self.{name} in an earlier step, or correct the name."
            if near := closest(name, artifacts):
                why += f" Did you mean `{near}`?"
                fix = Fix(f"Read self.{near}.", attribute_edits(step, name, f"self.{near}"))
            if step.name in context.artifacts.unknown:
                what = f"Step {step.name} reads `self.{name}`, which no earlier step visibly sets."
                why = "Other code may set it: a function that gets `self`, a decorator or a base class."
        yield context.at(
            UNCAPTURED_ARTIFACT,
            step,
            step.names.definite.get(f"self.{name}", line),
            Message(what, why, fix),
            proven=proven,
        )


def attribute_edits(step: Step, name: str, text: str) -> tuple[Edit, ...]:
    """Edits that write something else for each read of ``self.name`` in a step's body."""
    nodes = [
        node
        for node in (ast.walk(step.body.tree) if step.body.tree is not None else ())
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) == ("self", name)
        and isinstance(node.ctx, ast.Load)
    ]
    return replaced(step.cell, nodes, [text] * len(nodes))


def _transition(context: LintContext, step: Step) -> Iterator[Diagnostic]:
    """The artifact that a foreach runs over or a switch looks at."""
    transition = context.graph[step.name].transition
    name = transition.foreach or transition.condition if transition is not None else None
    known = context.artifacts.leaving.get(step.name, frozenset())
    if transition is None or name is None or name in known:
        return
    certain = context.fails(step) or (context.only in transition.targets and catches(step) is None)
    proven = certain and step.names.ends and step.name not in context.artifacts.unknown
    use = "runs over" if transition.foreach else "switches on"
    if transition.line:
        at, line, who = step, transition.line, f"The self.next of step {step.name} {use}"
    else:
        children = list(context.flow.steps_named(transition.targets))
        at = next((one for one in children if context.only == one.name), children[0] if children else step)
        line, who = 0, f"Step {at.name} {use}" if transition.foreach else f"The --when of step {at.name} {use}"
    what = f"{who} `{name}`, which {step.name} does not pass on."
    if name in step.names.assigned:
        yield context.at(
            UNCAPTURED_ARTIFACT, at, line, Message(what, *why_local(context, step, name, None)), proven=proven
        )
        return
    shown = ", ".join(f"`{one}`" for one in sorted(known))
    local = [one for one in step.names.variables if can_be_artifact(context, step, one)]
    why = f"It has {shown}." if known else "It has no artifacts."
    fix = f"Assign `{name}` in {step.name} and capture it, or correct the name."
    if near := closest(name, [*known, *local]):
        why += f" Did you mean `{near}`?"
        fix = _with_artifact(context, step, near, known)
    yield context.at(UNCAPTURED_ARTIFACT, at, line, Message(what, why, fix), proven=proven)


def _with_artifact(context: LintContext, step: Step, near: str, known: frozenset[str]) -> Fix:
    """The fix that lets a transition use an artifact of nearly the same name, and captures that if it has to."""
    transition = context.graph[step.name].transition
    assert transition is not None
    old = transition.foreach or transition.condition or ""
    capture = header_fix(step, captures=(*step.captures, near)) if near not in known else Fix("")
    also = f", and {capture[0].lower()}{capture[1:]}" if capture.edits else "."
    if transition.line:
        place = step.cell.body_line + transition.line - 1
        last = step.cell.body_line + transition.end_line - 1
        written = line_replaced(step.cell, place, rf"(['\"]){old}\1", rf"\1{near}\1", last=last)
        return Fix(f'Write "{near}" instead{also}', (*written, *capture.edits) if written else ())
    fixes: list[Fix] = []
    texts: list[str] = []
    children = context.flow.steps_named(dict.fromkeys(transition.targets))
    for child in children:
        header = child.header
        if header.foreach == old or (header.when and header.when[0] == old):
            when = (near, header.when[1]) if header.when else None
            foreach = near if header.foreach else None
            fixes.append(header_fix(child, foreach=foreach, when=when))
            texts.append(header_text(child, replace(header, foreach=foreach, when=when)))
    advice = f"Write {' and '.join(f'`{text}`' for text in texts)}"
    if any(child.cell.tags for child in children):
        advice = " ".join(fixes).removesuffix(".")
    edits = [edit for fix in (*fixes, capture) for edit in fix.edits]
    return Fix(f"{advice}{also}", tuple(edits))


CAPTURE_NEVER_ASSIGNED = "FN017"
WHY_NOT = {
    "function": "Metaflow drops functions that are assigned to self.",
    "class": "The next step cannot read objects of a class that a step defines.",
    "module": "A module cannot be persisted.",
}


def check_capture_never_assigned(context: LintContext) -> Iterator[Diagnostic]:
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
        advice = f"{place} `{name}` in a %%shared cell; every step can use it from there."
        text = shared_source_of(step, name)
        fix = Fix(advice)
        if verb == "captures" and text is not None:
            without = header_fix(step, captures=tuple(one for one in step.captures if one != name))
            fix = Fix(advice, (shared_cell(text, step.cell), *without.edits))
        what = f"Step {step.name} {verb} the {kind} `{name}`" + (" to self." if verb == "assigns" else ".")
        # Metaflow drops a function silently; a class or a module fails.
        written = spelled in step.names.definite_writes or (not line and step.names.ends)
        proven = kind != "function" and written and context.fails(step) and name not in step.names.globals_declared
        yield context.at(CAPTURE_NEVER_ASSIGNED, step, line, Message(what, WHY_NOT[kind], fix), proven=proven)


def _other_captures(context: LintContext, step: Step, name: str, near: str | None) -> Fix:
    """The header without a capture, or with another name in its place."""
    captures = tuple(near if one == name else one for one in step.captures)
    read = name in context.read_names
    fix = header_fix(step, captures=tuple(one for one in captures if one is not None))
    if near is not None:
        return fix
    return Fix(f"Assign `{name}`, or remove it from the header: {fix[0].lower()}{fix[1:]}", () if read else fix.edits)


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
            why = "No earlier step has it either."
            fix: str = _other_captures(context, step, name, closest(name, own))
            proven = never_defined(context, step, name) and name not in PYTHON_BUILTINS
            yield context.at(CAPTURE_NEVER_ASSIGNED, step, 0, Message(what, why, fix), proven=proven)
        elif name in names.unbound and name not in step.body.names.unbound and name in names.assigned:
            if name in inherited and name not in context.flow.shared_names and name not in step.body.names.assigned:
                continue
            what = f"Step {step.name} captures `{name}`, which has no value when the body ends."
            why = "The body deletes it, or it is the name of an `except … as`, which has a value only in its clause."
            fix = f"Assign another name and capture that, or keep the value of `{name}`."
            proven = context.fails(step) and name in step.names.definite
            yield context.at(CAPTURE_NEVER_ASSIGNED, step, 0, Message(what, why, fix), proven=proven)


# A warning always: the case of a switch that does not set an artifact may also leave out the read.
PARTIAL_ARTIFACT = "FN013"


def check_partial_artifact(context: LintContext) -> Iterator[Diagnostic]:
    """Report reads of artifacts that are set only on some of the paths to a step."""
    for step in context.steps:
        certain = context.artifacts.certain.get(step.name, frozenset())
        possible = context.artifacts.possible.get(step.name, frozenset())
        loads = {name: step.names.reads[name] for name in context.artifacts.loads(step, context.flow)}
        for name, line in {**step.names.self_reads, **loads}.items():
            if name in possible and name not in certain and name not in step.names.self_writes:
                parents = context.graph[step.name].parents
                lacking = [one for one in parents if name not in context.artifacts.leaving.get(one, ())]
                yield context.at(
                    PARTIAL_ARTIFACT,
                    step,
                    line,
                    Message(
                        f"Step {step.name} reads `{name}`, which is set only on some of the paths to it.",
                        f"On the path through {' and '.join(lacking or parents)} it may not be set.",
                        f"Set `{name}` on every path, or before the switch.",
                    ),
                    proven=False,
                )


ASSIGNED_PARAMETER = "FN012"
UNCHANGED = {
    "parameter": "A parameter keeps the value that the run was started with.",
    "constant": "What the flow's class defines is the same in all steps.",
}


def check_assigned_parameter(context: LintContext) -> Iterator[Diagnostic]:
    """Report steps that assign or capture a name which the %%flow cell defines."""
    for step in context.steps:
        for name, line in written_names(step).items():
            kind = context.flow.class_names.get(name, "")
            if kind in UNCHANGED and not name.startswith("_"):  # Metaflow does not persist such names of the class
                what = f"Step {step.name} assigns the {kind} `{name}`."
                fix = f"Use another name, for example `{name}_used`."
                written = f"self.{name}" in step.names.definite_writes or (name in step.captures and step.names.ends)
                proven = written and context.fails(step) and context.flow.keeps(name)
                yield context.at(ASSIGNED_PARAMETER, step, line, Message(what, UNCHANGED[kind], fix), proven=proven)


FOREACH_ITEMS = "FN026"
# Each child makes its own copy of what the foreach runs over and takes the item at its position from it
# (`metaflow/flowspec.py`, _get_foreach_item_value, 2.19.39).
SET = "Each task iterates over the set again, in its own order, so some items are repeated and others are lost."
ONCE = "It can be iterated only once, and its items are counted before the first task takes one."
KEYS = "Each task takes the item at its position, and a dict has no positions."
UNSTORED = "It cannot be pickled, so the step cannot pass it on."
CALLS = {
    **dict.fromkeys(("set", "frozenset"), ("a set", SET)),
    **{name: (f"{name}(…)", ONCE) for name in ("enumerate", "filter", "iter", "map", "reversed", "zip")},
    "dict": ("a dict", KEYS),
}
VIEWS = frozenset({"items", "keys", "values"})


def check_foreach_items(context: LintContext) -> Iterator[Diagnostic]:
    """Report foreachs over a value that is visibly a set, a dict, a generator or another iterator."""
    for step in context.steps:
        transition = context.graph[step.name].transition
        if transition is None or transition.kind != "foreach" or transition.foreach is None:
            continue
        name = transition.foreach
        for spelled, value in _assigned(step, name):
            found = _unordered_kind(value)
            called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
            if found is None or called in context.flow.shared_names or called in step.names.assigned:
                continue
            kind, why = found
            # A missing item does no harm if no task reads it.
            child = context.flow.step(transition.targets[0])
            asked = child is not None and "self.input" in child.names.definite and context.fails(child)
            certain = why == UNSTORED or (asked and (why == ONCE or (why == KEYS and _has_texts_as_keys(value))))
            proven = certain and spelled in step.names.definite_writes and step.names.ends and context.fails(step)
            what = f"The foreach of step {step.name} runs over `{name}`, which is {kind}."
            text = f"{'sorted' if why == SET else 'list'}({ast.unparse(value)})"
            if isinstance(value, ast.GeneratorExp):
                text = f"list{ast.unparse(value)}"
            advice = f"Write {spelled} = {text}."
            if why == KEYS:
                advice = f"Write {spelled} = {text}, whose items are the keys, or make a list of its items()."
            fix = Fix(advice, replaced(step.cell, [value], [text]))
            yield context.at(FOREACH_ITEMS, step, value.lineno, Message(what, why, fix), proven=proven)


def _assigned(step: Step, name: str) -> Iterator[tuple[str, ast.expr]]:
    """The name as it is written and the value, if the body assigns an artifact once and at its top level."""
    tree = step.body.tree
    spellings = [f"self.{name}", *([name] if name in step.captures else [])]
    stores = [
        ast.unparse(node)
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Name | ast.Attribute) and not isinstance(node.ctx, ast.Load)
    ]
    if tree is None or sum(stores.count(one) for one in spellings) != 1:
        return
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if ast.unparse(target) in spellings:
                    yield ast.unparse(target), statement.value


def _unordered_kind(value: ast.expr) -> tuple[str, str] | None:
    """What an expression visibly is, and why a foreach cannot run over it; None if it may be all right."""
    if isinstance(value, ast.Set | ast.SetComp):
        return "a set", SET
    if isinstance(value, ast.Dict | ast.DictComp):
        keys = value.keys if isinstance(value, ast.Dict) else [value.key]
        numbered = isinstance(value, ast.Dict) and all(isinstance(getattr(key, "value", None), int) for key in keys)
        return None if numbered else ("a dict", KEYS)
    if isinstance(value, ast.GeneratorExp):
        return "a generator", UNSTORED
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return CALLS.get(value.func.id)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and isinstance(value.func.value, ast.Dict):
        return (f"a dict's {value.func.attr}()", UNSTORED) if value.func.attr in VIEWS else None
    return None


def _has_texts_as_keys(value: ast.expr) -> bool:
    """Whether all keys of a dict are strings, so that none of them is a position."""
    keys = value.keys if isinstance(value, ast.Dict) else []
    return bool(keys) and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in keys)
