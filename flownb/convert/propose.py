"""Propose a flow for a plain notebook, from the text of its cells alone: `propose`.

Cells are cut into pieces (`pieces`), each of which gets a role (`roles`). What only a process has keeps code together
(`together`); the rest is cut into steps (`grouping`), which get names (`naming`) and captures (`liveness`). The result
is written as a notebook (`document`) and has to pass the static checks of flows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import cached_property
from typing import Any

from flownb.cells.cell import DEFAULT_FLOW_NAME, Cell, read_any_cell
from flownb.collector import collector_paused
from flownb.convert.document import WrittenStep, write_document
from flownb.convert.grouping import Group, group_cells, prevented_cuts
from flownb.convert.hidden import find_hidden
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.texts import listed, numbered
from flownb.convert.liveness import captures_of, loads_of, needed_before
from flownb.convert.magics import magic_findings, names_needed
from flownb.convert.naming import name_step
from flownb.convert.offers import find_offers
from flownb.convert.parameters import FoundParameters, find_parameters
from flownb.convert.pieces import Piece, cut_cells, parts_of
from flownb.convert.plain import PlainCell, PlainFunction, read_plain
from flownb.convert.proposal import Constraints, Finding, Place, Proposal, ProposedStep
from flownb.convert.roles import Roles, decide_roles
from flownb.convert.together import Generators, Join, Ordered, order_steps
from flownb.errors import Message
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow, errors_of
from flownb.flow.module import METAFLOW_NAMES, requirements

__all__ = ["is_flow", "propose"]

# The tag of nbconvert, nbclient and papermill that lets a cell fail.
MAY_FAIL = "raises-exception"
# Findings that say why a name is not defined.
UNDEFINED = frozenset({"name-from-magic", "output-history", "undefined-name", "used-above-definition"})


@collector_paused()
def propose(
    document: dict[str, Any],
    *,
    parameters: Iterable[str] = (),
    flow_name: str = "",
    constraints: Constraints = Constraints(),  # noqa: B008  # it cannot be changed
) -> Proposal:
    """Propose a flow.

    Parameters
    ----------
    document : dict
        A notebook, as `flownb.cells.notebook.read_document` returns it; it is not modified.
    parameters : iterable of str
        Constants that become parameters.
    flow_name : str
        Empty means ``NotebookFlow``.
    constraints : Constraints
        What executing an earlier proposal has shown.

    Returns
    -------
    Proposal
        Its `findings` of the kind ``"refused"`` say why there is no flow, if there is none. If the notebook is a flow
        already, the document is the input and `changed` is false.
    """
    flow_name = flow_name or DEFAULT_FLOW_NAME
    marked = [cell for cell in _marked_cells(document) if cell.kind in ("flow", "step") or not cell.tags]
    if marked:
        named = next((cell.name for cell in marked if cell.kind == "flow" and cell.name), flow_name)
        return Proposal(named, document=document, changed=False, requirements=requirements(tuple(_cells(document))))
    if (other := _other_language(document)) is not None:
        return Proposal(flow_name, document=document, findings=(other,))
    return _Proposer(document, tuple(parameters), flow_name, constraints).proposal()


def is_flow(document: dict[str, Any]) -> bool:
    """Whether a notebook has marked cells, so that it is a flow already."""
    return any(cell.kind in ("flow", "step") or not cell.tags for cell in _marked_cells(document))


def _other_language(document: dict[str, Any]) -> Finding | None:
    """That a notebook is not in Python, if its metadata says so."""
    metadata = document.get("metadata")
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        part = metadata.get(key) if isinstance(metadata, dict) else None
        language = part.get(name) if isinstance(part, dict) else None
        if isinstance(language, str) and language and "python" not in language.lower():
            message = Message(f"It is a notebook in {language}.", "Steps are Python.", "Convert a Python notebook.")
            return Finding("refused", "not-python", (), message)
    return None


def _cells(document: dict[str, Any]) -> list[Cell]:
    """The code cells of a document, read as cells of a flow."""
    found: list[Cell] = []
    for cell in document["cells"]:
        if cell.get("cell_type") == "code":
            metadata = cell.get("metadata")
            tags = metadata.get("tags") if isinstance(metadata, dict) else None
            known = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
            found.append(read_any_cell(cell["source"], tags=known, number=len(found) + 1, cell_id=cell.get("id")))
    return found


def _marked_cells(document: dict[str, Any]) -> list[Cell]:
    """The code cells that a magic or a tag marks as part of a flow."""
    return [cell for cell in _cells(document) if cell.kind != "scratch"]


class _Proposer:
    """Makes the proposal for one notebook."""

    def __init__(
        self, document: dict[str, Any], parameters: Sequence[str], flow_name: str, constraints: Constraints
    ) -> None:
        self.document = document
        self.flow_name = flow_name
        self.constraints = constraints
        self.cells = read_plain(document)
        self.pieces = cut_cells(self.cells)
        self.functions: dict[str, PlainFunction] = {}
        for cell in self.cells:
            self.functions.update(cell.functions)
        self.parameters: FoundParameters = find_parameters(self.cells, self.pieces, parameters)
        self.generators = Generators(self.cells, self.pieces)
        self.roles: Roles = self.decided()
        if not self.roles.of("step"):
            self.roles = self.decided(constants=False)

    def decided(self, *, constants: bool = True) -> Roles:
        """The roles of all pieces."""
        chosen = [piece for piece in self.pieces if piece.number in self.parameters.pieces]
        return decide_roles(
            self.cells,
            self.pieces,
            chosen,
            steps=self.constraints.steps,
            must_run=self.generators.matters,
            scratch=self.parameters.injected | self.may_fail,
            constants=constants,
        )

    @cached_property
    def may_fail(self) -> frozenset[int]:
        """Numbers of the pieces of cells whose tag lets them fail and that make nothing which other cells need.

        They stay scratch, as an error ends a step.
        """
        numbers = {cell.number for cell in self.cells if MAY_FAIL in cell.tags and not self.needed_of(cell)}
        return frozenset(piece.number for piece in self.pieces if piece.cell.number in numbers)

    def needed_of(self, cell: PlainCell) -> list[str]:
        """Names that a cell binds and another one reads."""
        others = [other for other in self.cells if other is not cell]
        return [name for name in cell.names.assigned if any(name in other.names.reads for other in others)]

    def proposal(self) -> Proposal:
        """The whole proposal."""
        ordered = order_steps(self.roles, self.generators, self.functions, self.constraints.together)
        parameters = frozenset(self.parameters.lines)
        bound = frozenset(name for piece in ordered.pieces for name in piece.binds)
        values = bound | frozenset(name for names in ordered.changed for name in names) | parameters
        values -= self.roles.shared_names
        scratch = self.roles.of("scratch")
        needed = needed_before(ordered, scratch, values)
        live = [names - parameters for names in needed]
        groups = group_cells(ordered, self.document, live)
        shown = self.constraints.captures | _looked_at(groups, scratch)
        steps = self.steps(groups, ordered, needed, values, shown)
        displays = self.displays(steps)
        document = write_document(
            self.document,
            self.cells,
            self.roles,
            steps,
            self.parameters,
            flow_name=self.flow_name,
            displays=displays,
        )
        findings = [*self.parameters.findings, *self.left_out(steps), *self.global_statements(ordered.pieces)]
        findings += _joined(prevented_cuts(ordered, self.document, live, groups), ordered)
        if not steps:
            findings.append(_nothing_to_run(self.cells))
        else:
            findings += self.refusals(document, steps)
        proposal = Proposal(
            self.flow_name,
            tuple(written.step for written in steps),
            parts_of(self.roles.of("shared"), "shared"),
            tuple(self.parameters.lines.items()),
            parts_of([piece for piece in scratch if piece.text.strip()], "scratch"),
            requirements(tuple(_cells(document))),
            tuple(findings),
            (),
            document,
        )
        notebook = Notebook(self.cells, proposal)
        hidden = find_hidden(self.cells, proposal, notebook=notebook)
        offers = find_offers(proposal, self.cells, notebook=notebook)
        return replace(proposal, findings=_explained(findings, hidden), offers=offers)

    def steps(
        self, groups: list[Group], ordered: Any, needed: Any, values: frozenset[str], required: Set[tuple[int, str]]
    ) -> list[WrittenStep]:
        """The steps, with what each captures and loads."""
        parameters = frozenset(self.parameters.lines)
        inherited: set[str] = set(parameters)
        captured: list[tuple[str, ...]] = []
        later = _bound_later(groups)
        for group, bound in zip(groups, later, strict=True):
            names = captures_of(
                group,
                ordered,
                needed,
                inherited=frozenset(inherited),
                required=required,
                local=self.constraints.local,
                later=bound,
            )
            captured.append(tuple(name for name in names if name not in parameters and name in values))
            inherited.update(captured[-1])
        names_taken = self.names_taken()
        found: list[WrittenStep] = []
        available: set[str] = set(parameters)
        for number, (group, captures) in enumerate(zip(groups, captured, strict=True), 1):
            name = name_step(group.title, group.pieces, captures, names_taken, number)
            names_taken.add(name)
            repeated, own = self.with_definitions(group.pieces)
            loads = loads_of([*repeated, *own], frozenset(available))
            parts = parts_of([*repeated, *own], "step")
            cells = tuple(dict.fromkeys(ordered.cells[group.first : group.last + 1]))
            found.append(WrittenStep(ProposedStep(name, parts, captures, loads), tuple(own), tuple(repeated), cells))
            available.update(captures)
        return found

    def with_definitions(self, pieces: list[Piece]) -> tuple[list[Piece], list[Piece]]:
        """The local definitions that a step repeats, and its own code with those that are defined inside it."""
        local = self.local_definitions
        if not local and not self.local_settings:
            return [], pieces
        first = min((piece.number for piece in pieces if piece.cell is pieces[-1].cell), default=0)
        first = min(first, pieces[0].number)
        last = max(piece.number for piece in pieces)
        used = {piece.number: piece for piece in self.local_settings if piece.number < last}
        waiting = [(name, piece.number) for piece in pieces for name in piece.reads if name in local]
        seen: set[tuple[str, int]] = set()
        while waiting:
            name, number = waiting.pop()
            if (name, number) in seen:
                continue
            seen.add((name, number))
            above = [piece for piece in local[name] if piece.number < number]
            piece = above[-1] if above else local[name][0]
            if piece.number not in used:
                used[piece.number] = piece
                needs = set(piece.reads)
                for bound in piece.binds:
                    if bound in self.functions:
                        needs |= self.functions[bound].reads.keys()
                waiting += [(one, number) for one in needs if one in local]
        repeated = [piece for number, piece in sorted(used.items()) if number < first]
        own = list(pieces)
        for number, piece in sorted(used.items()):
            if number > first:
                own.insert(next((at for at, one in enumerate(own) if at and one.number > number), len(own)), piece)
        return repeated, own

    @cached_property
    def local_settings(self) -> list[Piece]:
        """Settings of the process that each step below them repeats."""
        return [piece for piece in self.roles.of("local") if not piece.binds]

    @cached_property
    def local_definitions(self) -> dict[str, list[Piece]]:
        """Definitions that each step repeats, by the name that they bind."""
        found: dict[str, list[Piece]] = {}
        for piece in self.roles.of("local"):
            for name in piece.binds:
                found.setdefault(name, []).append(piece)
        return found

    def names_taken(self) -> set[str]:
        """Names that no step can have: all names of the notebook, and those of Metaflow."""
        found = set(METAFLOW_NAMES) | set(self.parameters.lines)
        for cell in self.cells:
            found |= cell.names.assigned.keys() | cell.names.reads.keys()
        return found

    def displays(self, steps: Collection[WrittenStep]) -> bool:
        """Whether the flow calls `display` without importing it."""
        defined = self.roles.shared_names | {name for written in steps for one in written.own for name in one.binds}
        pieces = [*self.roles.of("shared", "local"), *(one for written in steps for one in written.own)]
        used = any("display" in statement.names.reads for piece in pieces for statement in piece.statements)
        return used and "display" not in defined

    def left_out(self, steps: Collection[WrittenStep]) -> list[Finding]:
        """What of the notebook is not part of the flow, although it may do something."""
        pieces = [*self.roles.of("shared", "local"), *(piece for written in steps for piece in written.own)]
        defined = frozenset(name for piece in pieces for name in piece.binds) | frozenset(self.parameters.lines)
        found = list(magic_findings(self.cells, self.roles, names_needed(pieces) - defined))
        found += self.failing_cells()
        kept = {written.step.cells[0] for written in steps if written.wrappers}
        in_steps = {piece.cell.number for piece in pieces if self.roles.role[piece.number] == "step"}
        for cell in self.cells:
            if cell.wrappers and cell.number in in_steps - kept:
                what = f"`{cell.wrappers[0]}` of cell {cell.number} is left out."
                why = "The cell became a part of a step, and a cell magic applies to a whole cell."
                fix = "Write it above the step's first line, if you want it there."
                found.append(Finding("left_out", "cell-magic", (Place(cell.number, 1, 1),), Message(what, why, fix)))
        return found

    def failing_cells(self) -> Iterator[Finding]:
        """What became of the cells whose tag lets them fail."""
        for cell in self.cells:
            if MAY_FAIL not in cell.tags or not cell.statements:
                continue
            why = "An error ends the step in which it is raised."
            fix = "Catch the error with `try` and `except`, if the flow needs the cell and the error is raised."
            if needed := self.needed_of(cell):
                what = f"Cell {cell.number} has the tag `{MAY_FAIL}`, and other cells need {listed(needed)}."
                yield Finding("hidden", MAY_FAIL, (Place(cell.number),), Message(what, why, fix))
                continue
            others = [other for other in self.cells if other is not cell]
            changed = [name for name in cell.mutated if any(name in other.names.reads for other in others)]
            what = f"Cell {cell.number} has the tag `{MAY_FAIL}`, so it is not part of the flow."
            if changed:
                why += f" Before the error, the cell may change {listed(changed)}."
            message = Message(what, why, fix)
            yield Finding("left_out", MAY_FAIL, (Place(cell.number),), message, harmless=not changed)

    def global_statements(self, pieces: Sequence[Piece]) -> list[Finding]:
        """Functions with ``global`` that are code of a step, where the statement means another namespace."""
        found: list[Finding] = []
        for piece in pieces:
            for name in piece.binds:
                function = piece.cell.functions.get(name)
                if function is None or not function.writes:
                    continue
                own = next(iter(function.writes))
                other = next((one for one in pieces if own in one.definite and one is not piece), None)
                what = f"Function `{name}` binds `{own}` with `global`, and other code of steps binds it, too."
                why = "In a step, `global` means the names of the shared cells, not those of the step."
                fix = f"Return the value from `{name}`, and assign it where the function is called."
                places = [Place(piece.cell.number, function.writes[own], function.writes[own])]
                if other is not None:
                    places.append(Place(other.cell.number, other.binds[own], other.binds[own]))
                found.append(Finding("refused", "global-statement", tuple(places), Message(what, why, fix)))
        return found

    def refusals(self, document: dict[str, Any], steps: Sequence[WrittenStep]) -> list[Finding]:
        """The errors that the checks find in the proposed flow, with their places in the plain notebook."""
        flow = define_flow(_cells(document), default_name=self.flow_name)
        by_name = {written.step.name: written for written in steps}
        found: list[Finding] = []
        for diagnostic in errors_of(check_flow(flow)):
            if diagnostic.here:
                continue  # this Python lacks a module, which may be installed where the flow runs
            if diagnostic.step in by_name:
                place = _plain_place(by_name[diagnostic.step], diagnostic.line - diagnostic.cell.body_line + 1)
            else:
                place = self.place_of_shared(diagnostic.cell.source.split("\n")[diagnostic.line - 1])
            places = (place,) if place is not None else ()
            found.append(Finding("refused", diagnostic.code, places, diagnostic.message))
        return found

    def place_of_shared(self, line: str) -> Place | None:
        """The place in the plain notebook of a line of shared code."""
        for piece in self.roles.of("shared"):
            for number, text in enumerate(piece.text.split("\n"), piece.first):
                if text == line:
                    return Place(piece.cell.number, number, number)
        return None


def _bound_later(groups: Sequence[Group]) -> list[frozenset[str]]:
    """For each group the names that groups after it bind."""
    found: list[frozenset[str]] = []
    names: frozenset[str] = frozenset()
    for group in reversed(groups):
        found.append(names)
        names = names.union(*(piece.binds for piece in group.pieces))
    return found[::-1]


def _explained(found: Sequence[Finding], hidden: Sequence[Finding]) -> tuple[Finding, ...]:
    """Findings without those that another one explains.

    The checks say that a name is not defined; why it is not, the search for hidden state often knows, or the finding on
    the magic that defines it.
    """
    undefined = {_named(one): one for one in found if one.code == "FN001"}
    explained = {_named(one, at) for one in found if one.code == "magic-makes-value" for at in (0, 1)}
    said: list[Finding] = []
    for one in hidden:
        error = undefined.get(_named(one)) if one.code in UNDEFINED else None
        lines = {(place.cell, place.line) for place in one.places}
        if error is not None and any((place.cell, place.line) in lines for place in error.places):
            explained.add(_named(error))
            one = replace(one, kind="refused")
        said.append(one)
    refused = {(place.cell, place.line) for one in said if one.kind == "refused" for place in one.places}
    kept = [
        one
        for one in found
        if not (one.code == "FN001" and _named(one) in explained)
        and not (one.code == "magic" and (one.places[0].cell, one.places[0].line) in refused)
    ]
    return (*kept, *said)


def _named(finding: Finding, place: int = 0) -> str:
    """The first name, or another one, that the first sentence of a finding quotes."""
    quoted = finding.message.what.split("`")[1::2]
    return quoted[place] if place < len(quoted) else ""


def _looked_at(groups: Sequence[Group], scratch: Sequence[Piece]) -> set[tuple[int, str]]:
    """Names that code between the cells of a step looks at, with the cell that makes them: it is below the step."""
    numbers = [piece.number for piece in scratch]
    found: set[tuple[int, str]] = set()
    for group in groups:
        made: dict[str, int] = {}
        place = bisect_left(numbers, min(piece.number for piece in group.pieces))
        for piece in sorted(group.pieces, key=lambda one: one.number):
            while place < len(numbers) and numbers[place] < piece.number:
                found.update((made[name], name) for name in scratch[place].reads if name in made)
                place += 1
            made.update(dict.fromkeys((*piece.binds, *piece.mutated), piece.cell.number))
    return found


def _plain_place(written: WrittenStep, line: int) -> Place | None:
    """The place in the plain notebook of a line of a step's body."""
    before = 0
    for number, part in enumerate(written.step.parts):
        count = part.text.count("\n") + 1
        if line <= before + count or number == len(written.step.parts) - 1:
            first = _first_line(written, part.place, part.text)
            at = first + max(line - before - 1, 0)
            return Place(part.place.cell, at, at)
        before += count + 1
    return None


def _first_line(written: WrittenStep, place: Place, text: str) -> int:
    """The line of a plain cell on which a part's text begins."""
    cell = next(piece.cell for piece in (*written.repeated, *written.own) if piece.cell.number == place.cell)
    lines = [line.removeprefix(cell.margin) for line in cell.source.split("\n")]
    wanted = text.split("\n")[0]
    start = max(place.line, 1)
    return next((number for number, line in enumerate(lines, 1) if number >= start and line == wanted), start)


def _joined(joins: Iterable[Join], ordered: Ordered) -> Iterator[Finding]:
    """Why cells that would be several steps are one."""
    for join in joins:
        cells = sorted(set(ordered.cells[join.first : join.last + 1]))
        what = f"{numbered(cells).capitalize()} are one step, because {join.why}."
        why = "Each step is a process of its own, and no artifact carries this from one to the next."
        fix = f"For several steps, {join.fix}."
        places = (Place(cells[0]), Place(cells[-1]))
        yield Finding("hidden", "one-process", places, Message(what, why, fix))


def _nothing_to_run(cells: Sequence[PlainCell]) -> Finding:
    """That a notebook has no code for a step."""
    return Finding(
        "refused",
        "no-steps",
        tuple(Place(cell.number) for cell in cells[:1]),
        Message(
            "The notebook has no code for a step.",
            "Its cells only define names, or look at values.",
            "Add a cell that computes something, then convert it again.",
        ),
    )
