"""The ``%%step`` cells of a notebook, edited so that they export to the methods of a file.

The short form of a cell has plain names for artifacts, ``->`` for what is set, and a header that says what comes
before. The verbatim form has the method's own text; its transition may be a statement (`Form.explicit`) or follow from
headers, which can be derived from the file's transitions (`Form.headers`). A step that the export adds by itself needs
a cell where it does not (`Form.cell`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flownb.cells.assignment import analyse_names
from flownb.cells.body import Transition, is_next_call, read_transition
from flownb.cells.cell import Cell
from flownb.cells.header import INPUTS, StepHeader
from flownb.flow_file.document import Places, marked_cells, new_code, new_markdown, set_mark, texts_above
from flownb.flow_file.documentation import docstring
from flownb.flow_file.markdown_edits import is_markdown
from flownb.flow_file.source import cleaned_docstring
from flownb.flow_file.statements import Statement, decorated, join, rewritten, same_code, split
from flownb.flow_file.units import FlowUnits, StepUnit

__all__ = ["Form", "StepCells", "below_decorators", "next_of", "without_next", "written_text"]

_LOAD = re.compile(r'(?:if hasattr\(self, "(\w+)"\): )?(\w+) = self\.(\w+)')
_CAPTURE = re.compile(r"self\.(\w+) = (\w+)")


@dataclass(frozen=True)
class Form:
    """How a step is written; see the module."""

    verbatim: bool = False
    headers: bool = False
    explicit: bool = False
    cell: bool = False


def transition_of(step: StepUnit | None) -> Transition | None:
    """The transition that ends a step's body."""
    body = ast.parse(step.body).body if step is not None else []
    return read_transition(body[-1]) if body and is_next_call(body[-1]) else None


def next_of(step: StepUnit | None) -> tuple[str, ...]:
    """The steps that follow a step."""
    found = transition_of(step)
    return found.targets if found is not None else ()


class StepCells:
    """The step cells of a document that is edited in place.

    Parameters
    ----------
    document : dict
    current : FlowUnits
        What the notebook exports to.
    loads : mapping
        The artifacts that each step loads for plain names.
    target : FlowUnits
        What it should export to.
    renamed : mapping of str to str
        New names of steps by their old ones.
    coded : frozenset of str
        Steps whose docstrings have to be in their cells.
    """

    def __init__(
        self,
        document: dict[str, Any],
        current: FlowUnits,
        loads: Mapping[str, tuple[str, ...]],
        target: FlowUnits,
        renamed: Mapping[str, str],
        coded: frozenset[str],
    ) -> None:
        self.document = document
        self.current = current
        self.loads = loads
        self.target = target
        self.renamed = renamed
        self.coded = coded
        self.places = Places(document)
        self.cells: dict[str, tuple[int, Cell]] = {}
        for place, cell in marked_cells(document, "step"):
            if cell.name in renamed.values() and cell.name not in renamed:
                self.places.remove(place)  # it only passed on; a renamed step has its name now
            else:
                self.cells.setdefault(renamed.get(cell.name, cell.name), (place, cell))
        self.own = set(self.cells)

    def edit(self, form: Callable[[str], Form]) -> None:
        """Edit the document; `form` says how each step is to be written."""
        wanted = {step.name for step in self.target.steps}
        for name, (place, _) in self.cells.items():
            if name not in wanted:
                self._remove(place)
        self.own = {
            step.name
            for step in self.target.steps
            if step.name in self.cells or not self._is_added(step) or form(step.name).cell
        }
        # The export adds the last step only below one that does not name it.
        says = {step.name for step in self.target.steps if self.own.issuperset(next_of(step))}
        explicit = {
            step.name
            for step in self.target.steps
            if self._is_explicit(step.name, form(step.name)) and step.name in says
        }
        before: str | None = None
        added: list[dict[str, Any]] = []
        for step in self.target.steps:
            how = replace(form(step.name), explicit=step.name in explicit)
            if step.name in self.cells:
                self._insert(before, added)
                added, before = [], step.name
                self._edit(step, how, explicit)
            elif step.name in self.own:
                added += self._new_cells(step, how, explicit)
        self._insert(before, added)
        self._reorder()
        self.places.apply()

    def _remove(self, place: int) -> None:
        """Remove the cell of a step, and the text that documents it alone."""
        self.places.remove(place)
        for above in texts_above(self.document, place) if place and self._documents(place) else []:
            self.places.remove(above)

    def _documents(self, place: int) -> bool:
        """Whether the text above a cell is not that of the whole module."""
        return any(cell.get("cell_type") == "code" for cell in self.document["cells"][:place])

    def _is_explicit(self, name: str, form: Form) -> bool:
        """Whether the cell of a step, or one that is made of it, says what comes next."""
        return form.explicit or name not in self.cells or self.cells[name][1].parsed.transition is not None

    def _is_added(self, step: StepUnit) -> bool:
        """Whether the export adds a step by itself: one without a cell that only passes on."""
        own = self.current.step(step.name)
        is_empty = not (step.decorators or step.docstring or step.comments)
        return (
            own is not None and is_empty and without_next(step.body) == without_next(own.body) and "#" not in step.body
        )

    def _insert(self, before: str | None, made: Sequence[dict[str, Any]]) -> None:
        """Add cells of new steps behind the cell of a step; without one, before the first step."""
        if not made:
            return
        if before is not None:
            self.places.after(self.cells[before][0], made)
            return
        first = min((place for place, _ in self.cells.values()), default=len(self.document["cells"]))
        above = texts_above(self.document, first) if self.cells and self._documents(first) else []
        self.places.before(min([first, *above]), made)

    def _new_cells(self, step: StepUnit, form: Form, explicit: set[str]) -> list[dict[str, Any]]:
        """The cells of a new step: the method's own text."""
        header = _signed(StepHeader(step.name), step)
        if form.headers:
            header = self._derived(header, explicit)
        body = step.body.rstrip("\n")
        statements = split(body)
        if not form.explicit and statements and is_transition(statements[-1]) and not has_comment(statements[-1].whole):
            body = join(statements[:-1])
        is_text = is_markdown(step.docstring)
        if not is_text:
            body = join(written_text(step.docstring)) + "\n" + body
        text = below_decorators(step.comments, step.decorators, body)
        source = f"%%step {header.line}\n{text}".rstrip("\n")
        docs = [new_markdown(f"about-{step.name}", step.docstring)] if step.docstring and is_text else []
        return [*docs, new_code(f"step-{step.name}", source)]

    def _reorder(self) -> None:
        """Put step cells, each with the text above it, into the order of the file."""
        order = [step.name for step in self.target.steps if step.name in self.cells]
        here = sorted(order, key=lambda name: self.cells[name][0])
        old = [step.name for step in self.current.steps]
        known = [self.renamed.get(name, name) for name in old if self.renamed.get(name, name) in order]
        if [name for name in known if name in order] == order or here == order:
            return
        blocks = {name: [*texts_above(self.document, place), place] for name, (place, _) in self.cells.items()}
        if len({len(blocks[name]) for name in order}) == 1:
            for places in zip(*(blocks[name] for name in here), strict=True):
                wanted = [blocks[name][list(blocks[here[0]]).index(places[0])] for name in order]
                self.places.exchange(places, wanted)
        else:
            self.places.exchange([self.cells[name][0] for name in here], [self.cells[name][0] for name in order])

    def _edit(self, step: StepUnit, form: Form, explicit: set[str]) -> None:
        """Edit the cell of a step, if it has to change."""
        place, cell = self.cells[step.name]
        own = self.current.step(cell.name)
        assert cell.header is not None
        header = replace(cell.header, name=step.name)
        header = replace(header, after=tuple(self.renamed.get(name, name) for name in header.after))
        if form.headers:
            header = self._derived(header, explicit)
        tree = cell.parsed.tree
        has_text = step.name in self.coded or (tree is not None and ast.get_docstring(tree) is not None)
        texts = {} if has_text else {"docstring": step.docstring}
        if own is not None and own.comments:  # the text above the cell is a comment where code could see a docstring
            texts["comments"] = step.comments
        is_same = own is not None and replace(own, name=step.name, **texts).same_as(step)
        if is_same and not form.verbatim and not form.explicit:
            if header != cell.header:
                set_mark(self.document["cells"][place], cell, header, cell.body)
            return
        is_coded = step.name in self.coded
        how = replace(form, verbatim=form.verbatim or is_coded)
        header, body = _Body(cell, header, own, self.loads.get(cell.name, ()), step, how).written(is_coded)
        set_mark(self.document["cells"][place], cell, _signed(header, step), body)

    def _derived(self, header: StepHeader, explicit: set[str]) -> StepHeader:
        """A header that says what the transitions of the file say of a step."""
        parents = [step for step in self.target.steps if header.name in next_of(step)]
        bare = replace(header, after=(), foreach=None, when=None)
        known = [step for step in parents if step.name in self.own]
        if not known or all(step.name in explicit for step in parents):
            return bare
        way = transition_of(known[0])
        above = [step.name for step in self.target.steps if step.name in self.own]
        place = above.index(header.name)
        names = tuple(step.name for step in known)
        after = () if names == tuple(above[place - 1 : place]) and header.after != names else names
        if way is not None and way.kind == "foreach":
            return replace(bare, after=after, foreach=way.foreach)
        if way is not None and way.kind == "switch":
            value = next((value for value, name in way.cases if name == header.name), None)
            if value is not None and way.condition:
                return replace(bare, after=names, when=(way.condition, value))
        return replace(bare, after=after)


def _signed(header: StepHeader, step: StepUnit) -> StepHeader:
    """A header with the parameters of a method."""
    found = ast.parse(f"def step{step.signature}: pass").body[0]
    assert isinstance(found, ast.FunctionDef)
    names = [one.arg for one in (*found.args.posonlyargs, *found.args.args)]
    join = names[1] if len(names) > 1 else None
    plain = f"(self, {join})" if join else "(self)"
    signature = step.signature if step.signature != plain else ""
    return replace(header, join=join is not None, inputs=join or INPUTS, signature=signature)


def without_next(body: str) -> str:
    """A body without its transition, as code."""
    nodes = ast.parse(body).body
    return "\n".join(ast.unparse(node) for node in nodes if not is_next_call(node) and not isinstance(node, ast.Pass))


def below_decorators(comments: str, decorators: str, body: str) -> str:
    """Decorators above a body; a blank line keeps them from what a function in the body has."""
    first = next((line for line in body.split("\n") if line.strip() and not line.startswith("#")), "")
    is_definition = re.match(r"(?:def|class|async)\b|@", first)
    return comments + decorators + ("\n" if decorators and is_definition else "") + body


class _Body:
    """The body of a step's cell, rewritten to that of a method."""

    def __init__(
        self,
        cell: Cell,
        header: StepHeader,
        own: StepUnit | None,
        loads: Sequence[str],
        step: StepUnit,
        form: Form,
    ) -> None:
        self.cell, self.header, self.own, self.step, self.form = cell, header, own, step, form
        text, code = cell.body.split("\n"), cell.parsed.code.split("\n")
        is_decorator = [one != other for one, other in zip(text, code, strict=True)]
        self.decorators = "".join(f"{line}\n" for line, is_one in zip(text, is_decorator, strict=True) if is_one)
        bare = "\n".join("" if is_one else line for line, is_one in zip(text, is_decorator, strict=True))
        self.old = split(cell.parsed.code, bare)
        self.has_next = cell.parsed.transition is not None
        self.shown = self._shown(loads)

    def _shown(self, loads: Sequence[str]) -> list[Statement]:
        """The statements of the exported method that are the cell's own."""
        found = split(self.own.body) if self.own is not None else []
        captures = len(self.cell.header.captures) if self.cell.header is not None else 0
        last = [found.pop()] if found and is_transition(found[-1]) else []
        found = found[len(loads) : len(found) - captures]
        return [*found, *last] if self.has_next else found

    def written(self, is_coded: bool) -> tuple[StepHeader, str]:
        """The header with the captures, and the text below it; `is_coded` adds the docstring."""
        new = split(self.step.body)
        tail: list[str] = []
        has_next = self.has_next or self.form.explicit
        last = [new.pop()] if new and is_transition(new[-1]) else []
        if last and not has_next:
            if has_comment(last[0].text):
                has_next = True
            else:
                tail, last = [last[0].leading], []
        captures: list[str] = []
        if not self.form.verbatim:
            new = self._without_loads(new)
            captures = self._take_captures(new, tail)
        old = [one for one in self.old if one.text]
        below = [one for one in self.old if not one.text]
        own_docstring = old[:1] if old and old[0].is_text and len(old) == len(self.shown) + 1 else []
        old = old[len(own_docstring) :]
        if own_docstring and old:  # comments above it are comments of the body
            old[0] = replace(old[0], leading=own_docstring[0].leading + old[0].leading)
            own_docstring = [replace(own_docstring[0], leading="")]
        if not old and [one.text.strip() for one in new] == ["pass"] and not has_comment(new[0].whole):
            new = []
        is_other = self.own is not None and self.own.docstring != self.step.docstring
        if is_coded or (own_docstring and is_other):
            own_docstring = written_text(self.step.docstring)
        found = [one for place in rewritten(old, [*new, *last], self.shown) for one in place]
        if self.step.comments and (self.own is None or not self.own.comments):
            found.insert(0, Statement(self.step.comments, ""))  # the method's body has them
        comments = "".join(reversed(tail))
        if comments.strip():
            is_known = below and same_code(below[0].leading, comments)
            at = len(found) - (1 if found and is_transition(found[-1]) else 0)
            found.insert(at, below[0] if is_known else Statement(comments.rstrip("\n") + "\n", ""))
        elif below and last and not same_code(below[0].leading, ""):
            pass  # they are in the file above what follows, and so in `new`
        decorators = self.decorators
        if self.own is None or not same_code(decorated(self.own.decorators), decorated(self.step.decorators)):
            decorators = self.step.decorators
        header = replace(self.header, captures=tuple(captures))
        return header, below_decorators("", decorators, join([*own_docstring, *found]))

    def _without_loads(self, new: list[Statement]) -> list[Statement]:
        """Statements without the loads that the export adds by itself."""
        own = {one.text.strip() for one in self.shown}
        above = ""
        for place, one in enumerate(new):
            load = _LOAD.fullmatch(one.text.strip())
            if load is None or load[2] != load[3] or one.text.strip() in own:
                return [replace(new[place], leading=above + new[place].leading), *new[place + 1 :]]
            above += one.leading
        return [Statement(above, "")] if above.strip() else []

    def _take_captures(self, new: list[Statement], tail: list[str]) -> list[str]:
        """Remove the captures that end a body; their names."""
        own = {one.text.strip() for one in self.shown}
        known = set(self.cell.header.captures) if self.cell.header is not None else set()
        found: list[str] = []
        while new:
            capture = _CAPTURE.fullmatch(new[-1].text.strip())
            if capture is None or capture[1] != capture[2] or new[-1].text.strip() in own:
                break
            bound = analyse_names(ast.parse("".join(one.whole for one in new[:-1]))).assigned
            if capture[1] in found or (capture[1] not in known and capture[1] not in bound):
                break
            found.insert(0, capture[1])
            tail.append(new.pop().leading)
        return found


def is_transition(statement: Statement) -> bool:
    """Whether a statement is ``self.next(…)``, alone on its lines."""
    nodes = ast.parse(statement.text).body
    return len(nodes) == 1 and is_next_call(nodes[0])


def written_text(text: str) -> list[Statement]:
    """A docstring as a statement; none if there is no text."""
    lines = docstring(text, 0)
    if lines and cleaned_docstring(ast.literal_eval("\n".join(lines))) != text:
        lines = docstring(f"\n{text}", 0)  # its first line is not indented as the others are
    return [Statement("", "".join(f"{line}\n" for line in lines))] if text else []


def has_comment(text: str) -> bool:
    """Whether some code has a comment."""
    return not same_code(text, ast.unparse(ast.parse(text)))
