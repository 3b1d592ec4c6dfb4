"""A comparison as text: sections with what differs, code as unified diffs; in colours where they are wanted."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flownb.diff.artifacts import ArtifactChange
    from flownb.diff.code import CodeChange
    from flownb.diff.compare import FlowDiff
    from flownb.diff.values import ValueChange

__all__ = ["diff_lines"]

RED, GREEN, CYAN, BOLD, RESET = "\x1b[31m", "\x1b[32m", "\x1b[36m", "\x1b[1m", "\x1b[0m"
# Tasks that ended in the same way and are named.
MOST_TASKS = 5
SIGNS = {"added": "+", "removed": "-", "changed": "~", "layout": "~", "renamed": "~"}
NOUNS = {
    "step": "step",
    "flow": "flow",
    "method": "method",
    "function": "shared function",
    "class": "shared class",
    "name": "shared name",
    "import": "import",
    "statement": "shared statements",
}


def diff_lines(diff: FlowDiff, *, brief: bool = False, coloured: bool = False) -> list[str]:
    """A comparison as lines.

    Parameters
    ----------
    diff : FlowDiff
    brief : bool, default False
        Whether to leave out the lines of code and the differences of values.
    coloured : bool, default False
        Whether a terminal will show them.
    """
    lines = [f"--- {diff.before}", f"+++ {diff.after}"]
    sections = {
        "graph": list(_graph(diff)),
        "code": list(_code(diff.code, brief=brief)),
        "parameters": list(_parameters(diff)),
        "artifacts": list(_results(diff, brief=brief)),
        "about the runs": [f"  {one.name}: {one.before or 'none'} → {one.after or 'none'}" for one in diff.run],
    }
    for heading, found in sections.items():
        if found:
            lines += ["", heading, *found]
    lines += [f"note: {note}" for note in diff.notes]
    if not diff.differs and not diff.notes:
        lines += ["", "no differences"]
    return [_coloured(line, line in sections) for line in lines] if coloured else lines


def _graph(diff: FlowDiff) -> Iterable[str]:
    for one in diff.graph:
        if one.change == "renamed":
            yield f"  ~ {one.before} is called {one.after}"
        elif one.change == "changed":
            yield f"  ~ {one.step}: was {one.before}; is {one.after}"
        else:
            yield f"  {SIGNS[one.change]} {one.step}: {one.before or one.after}"


def _code(changes: Iterable[CodeChange], *, brief: bool) -> Iterable[str]:
    for one in changes:
        name = f" {one.name}" if one.name else ""
        said = list(one.notes)
        if one.change == "layout":
            said.append("only comments or the layout differ")
        if brief and one.diff:
            added, removed = (sum(line.startswith(sign) for line in one.diff) for sign in "+-")
            said.append(f"+{added} -{removed} lines")
        noun = "" if one.kind == "import" else f"{NOUNS[one.kind]}"
        yield f"  {SIGNS[one.change]} {noun}{name if noun else one.name}{': ' if said else ''}{'; '.join(said)}"
        if not brief:
            yield from (f"      {line}".rstrip() for line in one.diff)


def _parameters(diff: FlowDiff) -> Iterable[str]:
    for one in diff.parameters:
        kind = f" ({one.kind})" if one.kind not in ("parameter", "") else ""
        values = [f"{change.path}{': ' if change.path else ''}{change.text}" for change in one.values]
        said = "; ".join([*values, *one.notes])
        yield f"  {SIGNS[one.change]} {one.name}{kind}: {said}"
        for change in one.values:
            yield from (f"      {line}" for line in change.lines)


def _results(diff: FlowDiff, *, brief: bool) -> Iterable[str]:
    for _, tasks in itertools.groupby(diff.tasks, lambda task: (task.step, task.before, task.after)):
        same = list(tasks)
        said = " → ".join(one for one in (same[0].before, same[0].after) if one)
        sign = "+" if not same[0].before else "-" if not same[0].after else "~"
        names = ", ".join(task.task for task in same[:MOST_TASKS])
        more = f", … ({len(same)})" if len(same) > MOST_TASKS else ""
        yield f"  {sign} task{'s' if len(same) > 1 else ''} {names}{more}: {said}"
    for one in diff.artifacts:
        yield from _artifact(one, brief=brief)


def _artifact(found: ArtifactChange, *, brief: bool) -> Iterable[str]:
    """An artifact: on one line if that is enough."""
    sign = "+" if not found.before else "-" if not found.after else "~"
    name = f"{found.step}.{found.name}"
    if found.tasks > 1:
        yield f"  {sign} {name}: differs in {found.differing} of {found.tasks} tasks"
    if brief:
        if found.tasks == 1:
            yield f"  {sign} {name}: {_types(found)}"
        return
    for label, changes, said in found.examples:
        head, indent = (f"  {sign} {name}", "      ") if found.tasks == 1 else (f"      {label}", "        ")
        if len(changes) == 1 and not changes[0].lines and not said:
            yield f"{head}: {_change(changes[0])}"
            continue
        yield f"{head}: {_types(found) if changes else said}"
        for one in changes:
            yield f"{indent}{_change(one)}"
            yield from (f"{indent}  {line}" for line in one.lines)
        if changes and said:
            yield f"{indent}{said}"


def _types(found: ArtifactChange) -> str:
    return " → ".join(dict.fromkeys(one for one in (found.before, found.after) if one))


def _change(change: ValueChange) -> str:
    return f"{change.path}{': ' if change.path else ''}{change.text}"


def _coloured(line: str, is_heading: bool) -> str:
    """A line as a terminal shows it."""
    text = line.lstrip()
    if is_heading or line.startswith(("--- ", "+++ ")):
        return f"{BOLD}{line}{RESET}"
    colour = {"+": GREEN, "-": RED}.get(text[:1]) or (CYAN if text.startswith("@@") else "")
    return f"{colour}{line}{RESET}" if colour else line
