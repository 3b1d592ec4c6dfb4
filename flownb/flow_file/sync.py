"""Take the edits of a Metaflow file back into the cells of a notebook.

`take_back` gets the notebook, the units that its export should have, and the export as a function. It edits the cells
whose units differ, exports the result and compares: a step that cannot keep its short form (plain names, ``->``,
``--after``) gets the method's own text and transition. So what it returns exports to these units, or is refused.
Cells whose units are the same are not touched; outputs, ids and metadata of edited cells stay.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flownb.errors import FlownbError, SyncError
from flownb.flow_file.markdown_edits import edited_markdown, uncommented
from flownb.flow_file.module_cells import ModuleCells
from flownb.flow_file.statements import decorated, same_code, same_tree
from flownb.flow_file.step_cells import Form, StepCells, next_of, without_next
from flownb.flow_file.units import FlowUnits, Import, StepUnit

__all__ = ["Exported", "Synced", "take_back"]

# Each attempt lets more steps have a longer form; a few are enough, because the last form is the method's own text.
ATTEMPTS = 8


@dataclass(frozen=True)
class Exported:
    """What a notebook exports to.

    Attributes
    ----------
    units : FlowUnits
    loads : mapping of str to tuple of str
        The artifacts that each step loads for plain names.
    about : str
        The text of the module's docstring, which is a comment where code could see a docstring.
    """

    units: FlowUnits
    loads: Mapping[str, tuple[str, ...]]
    about: str = ""


@dataclass(frozen=True)
class Synced:
    """A notebook with the edits, and what of them it does not have: comments and layout of texts."""

    document: dict[str, Any]
    left_out: tuple[str, ...] = ()


@dataclass
class _Attempt:
    """Which steps need more than the shortest form."""

    verbatim: set[str] = field(default_factory=set)
    headers: set[str] = field(default_factory=set)
    explicit: set[str] = field(default_factory=set)
    cells: set[str] = field(default_factory=set)
    imports: set[Import] = field(default_factory=set)

    def form(self, step: str) -> Form:
        """The form of a step's cell."""
        return Form(step in self.verbatim, step in self.headers, step in self.explicit, step in self.cells)


def take_back(
    document: dict[str, Any],
    target: FlowUnits,
    export: Callable[[dict[str, Any]], Exported],
    renamed: Mapping[str, str] | None = None,
) -> Synced:
    """Edit a notebook so that it exports to some units.

    Parameters
    ----------
    document : dict
        nbformat JSON, each source one text.
    target : FlowUnits
    export : callable
        Exports a notebook.
    renamed : mapping of str to str, optional
        The new names of steps by their old ones.

    Raises
    ------
    SyncError
        If no edit of the cells gives these units.
    FlownbError
        What `export` raises for the last attempt: the edited flow has an error.
    """
    current = export(document)
    attempt = _Attempt()
    problem: FlownbError | None = None
    wrong: list[str] = []
    for _ in range(ATTEMPTS):
        made = _made(document, current, target, dict(renamed or {}), attempt)
        before = copy.deepcopy(attempt)
        try:
            got = export(made)
        except FlownbError as error:
            problem, wrong = error, []
            _need_more(attempt, current, target)
        else:
            problem = None
            wrong, left_out = _differences(got, target, attempt)
            if not wrong:
                return Synced(made, tuple(left_out))
        if attempt == before:
            break
    if problem is not None:
        raise problem
    raise SyncError(
        f"The notebook cannot have {' and '.join(wrong[:3])} as the file has it.",
        "No edit of its cells exports to the same code.",
        "Write it in another way in the file, or edit the cells and export again.",
    )


def _made(
    document: dict[str, Any], current: Exported, target: FlowUnits, renamed: dict[str, str], attempt: _Attempt
) -> dict[str, Any]:
    """The notebook with the edits in the forms of an attempt."""
    document = copy.deepcopy(document)
    # Texts first, where each is next to its cell.
    coded = edited_markdown(document, current.units, target, renamed)
    ModuleCells(document, current.units, target, coded).edit(attempt.imports)
    StepCells(document, current.units, current.loads, target, renamed, coded).edit(attempt.form)
    return document


def _need_more(attempt: _Attempt, current: Exported, target: FlowUnits) -> None:
    """Let steps have a longer form after an export that failed, first those that changed."""
    changed = {one.name for one in target.steps if not _is_same(one, current.units.step(one.name))}
    around = changed | {name for step in changed for name in _neighbours(target, step)}
    every = {one.name for one in target.steps}
    for wanted in (around, every):
        for kind in (attempt.headers, attempt.explicit, attempt.verbatim):
            if not wanted <= kind:
                kind |= wanted
                return


def _is_same(one: StepUnit, other: StepUnit | None) -> bool:
    return other is not None and one.same_as(other)


def _neighbours(units: FlowUnits, step: str) -> set[str]:
    """The steps before and after a step."""
    found = set(next_of(units.step(step)))
    return found | {one.name for one in units.steps if step in next_of(one)}


def _differences(exported: Exported, target: FlowUnits, attempt: _Attempt) -> tuple[list[str], list[str]]:
    """What of an export is not as it should be, and what of comments and texts; lets steps have longer forms."""
    wrong: list[str] = []
    left_out: list[str] = []
    got = exported.units
    _compare_texts("the module", target.docstring, "", got.docstring or exported.about, "", wrong, left_out)
    _compare_module(got, target, attempt, wrong, left_out)
    bodies: set[str] = set()
    ways: set[str] = set()
    for step in target.steps:
        other = got.step(step.name)
        if other is None:
            wrong.append(f"step `{step.name}`")
            attempt.cells.add(step.name)
            continue
        if step.same_as(other):
            continue
        texts = (step.docstring, step.comments, other.docstring, other.comments)
        _compare_texts(f"step `{step.name}`", *texts, wrong, left_out)
        if not same_tree(decorated(step.decorators), decorated(other.decorators)):
            wrong.append(f"the decorators of step `{step.name}`")
        if step.signature != other.signature or not same_tree(step.body, other.body):
            is_way = same_tree(without_next(step.body), without_next(other.body))
            (ways if is_way and step.signature == other.signature else bodies).add(step.name)
            wrong.append(f"step `{step.name}`")
        elif not _has_comments(step, other):
            if step.name in attempt.verbatim:
                left_out.append(f"comments of step `{step.name}`")
            else:
                bodies.add(step.name)
                wrong.append(f"step `{step.name}`")
    for step in got.steps:
        if target.step(step.name) is None:
            wrong.append(f"step `{step.name}`")
    attempt.verbatim |= bodies
    for name in ways:
        around = {name, *_neighbours(target, name), *next_of(got.step(name))}
        if not around <= attempt.headers:
            attempt.headers |= around
        else:
            attempt.explicit |= around if name in attempt.explicit else {name}
    return wrong, left_out


def _has_comments(step: StepUnit, other: StepUnit) -> bool:
    """Whether an exported step has the comments of a step; those above it may be in its body."""
    if same_code(step.body, other.body):
        return uncommented(step.comments) in uncommented(other.comments)
    return same_code(step.comments + step.body, other.comments + other.body)


def _compare_module(
    got: FlowUnits, target: FlowUnits, attempt: _Attempt, wrong: list[str], left_out: list[str]
) -> None:
    """Compare what is around the steps."""
    texts = (target.class_docstring, target.comments, got.class_docstring, got.comments)
    _compare_texts("the flow", *texts, wrong, left_out)
    missing = target.imports - got.imports
    if missing or got.imports - target.imports:
        wrong.append("the imports")
        attempt.imports |= missing
    for what, one, other in (
        ("the code above the flow", target.code, got.code),
        ("the body of the flow's class", target.body, got.body),
    ):
        text, exported = ("".join(part.whole for part in parts) for parts in (one, other))
        if not same_tree(text, exported):
            wrong.append(what)
        elif not same_code(text, exported):
            left_out.append(f"comments of {what}")
    if (target.name, target.bases, target.keywords) != (got.name, got.bases, got.keywords):
        wrong.append("the class of the flow")
    if not same_tree(decorated(target.decorators), decorated(got.decorators)):
        wrong.append("the decorators of the flow")
    if not same_code(target.rest, got.rest.replace(f"{got.name}()", f"{target.name}()")):
        wrong.append("the code below the flow")


def _compare_texts(
    what: str, docstring: str, comments: str, got: str, got_comments: str, wrong: list[str], left_out: list[str]
) -> None:
    """Compare docstrings and the comments above; line breaks alone are layout.

    A docstring of the file may be a comment in the export, which writes no docstring that code could see.
    """
    found = got or uncommented(got_comments)
    if docstring.split() not in (got.split(), found.split()) or (got and not docstring):
        wrong.append(f"the docstring of {what}")
    elif docstring.strip() not in (got.strip(), found.strip()):
        left_out.append(f"line breaks in the docstring of {what}")
    missing = [line for line in uncommented(comments).split("\n") if line not in uncommented(got_comments).split("\n")]
    if "".join(missing).strip() and what == "the flow":
        left_out.append("the comments above the flow")
