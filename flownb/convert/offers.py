"""Loops of proposed steps whose iterations could be tasks of a foreach, with the cells that would replace the step.

A loop is offered if each iteration does heavy work and none needs another one: iterations only append to lists or set
items of dicts that begin empty. The task of an item executes the loop's own text on a list with that one item, so
`continue` and the targets stay as they are; the join puts the results together in the order of the loop. Nothing is
changed: an offer is for the author to accept.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from flownb.cells.names import BodyNames
from flownb.convert.foreach_cells import Loop, StepText, empty_values, foreach_cells, names_of
from flownb.convert.hidden.notebook import Call, Notebook
from flownb.convert.hidden.randomness import draws_from, seeded_generators
from flownb.convert.hidden.statements import path_of
from flownb.convert.hidden.storing import bound_values
from flownb.convert.plain import PlainCell, Statement
from flownb.convert.proposal import Offer, Part, Place, Proposal, ProposedStep
from flownb.convert.trees import walk

__all__ = ["find_offers"]

# Methods and functions that take long enough for a task of their own.
HEAVY = frozenset(
    {"cross_val_score", "cross_validate", "fit", "fit_predict", "fit_transform", "partial_fit", "train", "urlopen"}
    | {
        "urlretrieve",
        "check_call",
        "check_output",
        "Popen",
        "load_dataset",
        "minimize",
        "simulate",
        "optimize",
        "solve",
    }
)
HEAVY_BEGINNINGS = ("read_", "train_", "fit_", "fetch_", "download")
HEAVY_MODULES = ("requests.", "subprocess.", "urllib.", "httpx.")
# Calls that show the progress of a loop and change nothing.
PROGRESS = frozenset({"tqdm", "track", "trange", "log_progress"})
# Calls that make numbers, and calls that only put what they get into another order or form.
NUMBERS = frozenset({"arange", "geomspace", "linspace", "logspace", "range", "trange"})
REORDERING = frozenset({"enumerate", "list", "product", "reversed", "sorted", "tqdm", "track", "tuple", "zip"})
LOOPS = (ast.For, ast.While, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
# A loop, or the beginning of a list or dict that may be a comprehension, at the top level.
LOOP = re.compile(r"^(for\s|\w+\s*=\s*[\[{])", re.MULTILINE)
COMPREHENSIONS = (ast.ListComp, ast.DictComp)


def find_offers(
    proposal: Proposal, cells: tuple[PlainCell, ...], *, notebook: Notebook | None = None
) -> tuple[Offer, ...]:
    """Find loops that could be a foreach and a join.

    Parameters
    ----------
    proposal : Proposal
    cells : tuple of PlainCell
        All code cells of the plain notebook.
    notebook : Notebook, optional
        What is known of the cells with that proposal, if they have been read already.

    Returns
    -------
    tuple of Offer
        In the order of the document. Several of one step are alternatives: each has the whole step.
    """
    if not any(_may_loop(part) for step in proposal.steps for part in step.parts):
        return ()
    finder = _Finder(proposal, cells, notebook or Notebook(cells, proposal))
    return tuple(offer for step in proposal.steps for offer in finder.offers(step))


def _may_loop(part: Part) -> bool:
    """Whether the text of a part may have a loop that collects results, without parsing it."""
    return "for " in part.text and LOOP.search(part.text) is not None


class _Finder:
    """Looks for loops in the steps of one proposal."""

    def __init__(self, proposal: Proposal, cells: tuple[PlainCell, ...], notebook: Notebook) -> None:
        self.proposal = proposal
        self.notebook = notebook
        self.statements: dict[tuple[int, int], Statement] = {
            (statement.cell, statement.line): statement for cell in cells for statement in cell.statements
        }
        self.taken = {step.name for step in proposal.steps} | set(self.notebook.binders)
        self.taken |= {name for name, _ in proposal.parameters}
        self.seeded = seeded_generators(self.notebook)
        self.artifacts = {name for step in proposal.steps for name in step.captures}
        self.artifacts -= {name for name, _ in proposal.parameters}
        self._heavy: dict[str, bool] = {}

    def offers(self, step: ProposedStep) -> Iterator[Offer]:
        """Offers for one step."""
        if not any(_may_loop(part) for part in step.parts) or (body := self._body_of(step)) is None:
            return
        for position, node in enumerate(body.tree.body):
            loop = self._loop(body, position, node)
            if loop is not None and self._is_heavy(loop.node) and self._is_independent(step, body, position, loop):
                cells = self._cells(step, body, position, loop)
                if cells is not None:
                    yield self._offer(step, body, loop, cells)

    def _offer(self, step: ProposedStep, body: StepText, loop: Loop, cells: tuple[str, ...]) -> Offer:
        """The offer for one loop."""
        cell, line = body.places[loop.node.lineno - 1]
        _, last = body.places[(loop.node.end_lineno or loop.node.lineno) - 1]
        what = "loop" if isinstance(loop.node, ast.For) else "comprehension"
        text = (
            f"This {what} could run as parallel tasks, one for each item of `{ast.unparse(loop.sequence)}`, because no "
            f"iteration needs another one. Replace the step by these {len(cells)} cells to get the same values. The "
            "list must not be empty, and Metaflow starts at most 100 tasks unless --max-num-splits allows more."
        )
        return Offer(step.name, Place(cell, line, last), text, cells)

    def _body_of(self, step: ProposedStep) -> StepText | None:
        """The body of a step, as the converted notebook has it; None if it is not plain Python."""
        texts: list[str] = []
        places: list[tuple[int, int]] = []
        for part in step.parts:
            lines = part.text.split("\n")
            first = self._first_line(part, lines[0])
            texts += [*lines, ""]
            places += [(part.place.cell, first + offset) for offset in range(len(lines) + 1)]
        text = "\n".join(texts[:-1])
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return None
        found = {at: self.statements.get(places[node.lineno - 1]) for at, node in enumerate(tree.body)}
        mutated = {at: frozenset(one.mutated) for at, one in found.items() if one is not None}
        return StepText(text, tree, places, mutated)

    def _first_line(self, part: Part, text: str) -> int:
        """The line of its cell on which the text of a part begins."""
        facts = self.notebook.by_number.get(part.place.cell)
        if facts is None:
            return 1
        lines = [line.removeprefix(facts.cell.margin) for line in facts.cell.source.split("\n")]
        start = max(part.place.line, 1)
        return next((number for number, line in enumerate(lines, 1) if number >= start and line == text), start)

    # -- which loops

    def _loop(self, body: StepText, position: int, node: ast.stmt) -> Loop | None:
        """The loop that a statement is, with the names that collect its results."""
        if isinstance(node, ast.For) and not node.orelse:
            results = _collected(node)
            if results is None:
                return None
            found: dict[str, str] = {}
            for name, empty in results.items():
                if not _begins_empty(body.tree.body[:position], name, empty):
                    return None
                found[name] = empty
            return Loop(node, node.iter, found) if found else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, COMPREHENSIONS) and len(value.generators) == 1 and not value.generators[0].is_async:
                empty = "[]" if isinstance(value, ast.ListComp) else "{}"
                return Loop(node, value.generators[0].iter, {node.targets[0].id: empty})
        return None

    def _is_heavy(self, node: ast.stmt) -> bool:
        """Whether a loop calls something that takes long: it trains, reads, fetches, or loops itself in a function."""
        inside: Iterable[ast.AST] = node.body if isinstance(node, ast.For) else [_element(node)]
        return any(self._calls_heavy(part) for part in inside)

    def _calls_heavy(self, node: ast.AST) -> bool:
        """Whether code calls something heavy."""
        for call in walk(node):
            if not isinstance(call, ast.Call):
                continue
            path = path_of(call.func, self.notebook.imports)
            name = path.rpartition(".")[2].lstrip("?")
            if name in HEAVY or name.startswith(HEAVY_BEGINNINGS) or path.startswith(HEAVY_MODULES):
                return True
            if isinstance(call.func, ast.Name) and self._function_is_heavy(call.func.id):
                return True
        return False

    def _function_is_heavy(self, name: str) -> bool:
        """Whether a function of the notebook loops or calls something heavy."""
        if name not in self._heavy:
            self._heavy[name] = False  # while its own calls are looked at
            self._heavy[name] = any(
                any(isinstance(node, LOOPS) for node in walk(function.node)) or self._calls_heavy(function.node)
                for function in self.notebook.functions.get(name, ())
            )
        return self._heavy[name]

    def _is_independent(self, step: ProposedStep, body: StepText, position: int, loop: Loop) -> bool:
        """Whether no iteration reads what another one wrote, and nothing but the results is used after the loop."""
        statement = self.statements.get(body.places[loop.node.lineno - 1])
        if statement is None or statement.writes or _leaves(loop.node) or self._draws(loop.node):
            return False
        inside = names_of(loop.node.body) if isinstance(loop.node, ast.For) else BodyNames()
        targets = _target_names(loop)
        own = (set(inside.assigned) | targets) - set(loop.results)
        if (set(inside.reads) & own) - targets:
            return False  # carried over from one iteration to the next
        if (inside.definitions and isinstance(loop.node, ast.For)) or inside.globals_declared:
            return False
        after = body.tree.body[position + 1 :]
        late = set(names_of(after).reads) | set(step.captures)
        if isinstance(loop.node, ast.For) and own & late:
            return False
        # An item that an iteration changes is changed in the list too, which nobody may look at later.
        changed = _with_aliases(statement, set(loop.results)) - own - set(loop.results)
        if self._has_plain_items(loop.sequence):
            return changed <= _roots(loop.sequence)
        return changed <= _roots(loop.sequence) - late - set(inside.reads)

    def _has_plain_items(self, sequence: ast.expr, depth: int = 0) -> bool:
        """Whether a loop runs over numbers and texts, which nothing can change."""
        if isinstance(sequence, ast.List | ast.Tuple | ast.Set):
            return all(
                isinstance(one, ast.Constant | ast.UnaryOp) or self._has_plain_items(one) for one in sequence.elts
            )
        if isinstance(sequence, ast.Call):
            name = path_of(sequence.func, self.notebook.imports).rpartition(".")[2]
            return name in NUMBERS or (name in REORDERING and all(map(self._has_plain_items, sequence.args)))
        if isinstance(sequence, ast.Name) and depth < 3:
            values = [
                node.value if any(getattr(one, "id", "") == sequence.id for one in node.targets) else None
                for number in self.notebook.binders.get(sequence.id, ())
                for node in self.notebook.by_number[number].nodes
                if isinstance(node, ast.Assign) and any(sequence.id in _roots(one) for one in node.targets)
            ]
            return bool(values) and all(one is not None and self._has_plain_items(one, depth + 1) for one in values)
        return False

    def _draws(self, node: ast.stmt) -> bool:
        """Whether a loop draws from a global generator of random numbers, itself or in functions of the notebook."""
        seen: set[str] = set()
        waiting: list[ast.AST] = [node]
        while waiting:
            for call in walk(waiting.pop()):
                if not isinstance(call, ast.Call):
                    continue
                # Without a seed, the numbers are different in each execution anyway.
                if draws_from(Call(path_of(call.func, self.notebook.imports), call)) in self.seeded:
                    return True
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                if name and name not in seen:
                    seen.add(name)
                    waiting += [function.node for function in self.notebook.functions.get(name, ())]
        return False

    def _cells(self, step: ProposedStep, body: StepText, position: int, loop: Loop) -> tuple[str, ...] | None:
        """The cells that would replace a step; None if they would have to pass on what cannot be stored."""
        found = foreach_cells(step, body, position, loop, artifacts=self.artifacts, free_name=self._free_name)
        if found is None:
            return None
        held = [bound_values(self.notebook, self.notebook.by_number[number]) for number in step.cells]
        return None if any(name in values for values in held for name in found[1]) else found[0]

    def _free_name(self, name: str) -> str:
        """A name that nothing in the notebook has."""
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        return found


def _element(node: ast.stmt) -> ast.expr:
    """What a comprehension evaluates for each item."""
    assert isinstance(node, ast.Assign)
    value = node.value
    if isinstance(value, ast.DictComp):
        return ast.Tuple([value.key, value.value], ast.Load())
    assert isinstance(value, ast.ListComp)
    return value.elt


def _target_names(loop: Loop) -> set[str]:
    """The names that each iteration begins with."""
    value = loop.node.value if isinstance(loop.node, ast.Assign) else None
    target = value.generators[0].target if isinstance(value, COMPREHENSIONS) else getattr(loop.node, "target", None)
    return {one.id for one in walk(target) if isinstance(one, ast.Name)} if target is not None else set()


def _roots(node: ast.expr) -> set[str]:
    """Names that an expression reads."""
    return {one.id for one in walk(node) if isinstance(one, ast.Name)}


def _with_aliases(statement: Statement, results: set[str]) -> set[str]:
    """Names whose object a statement may change, also by other names that it gives the object.

    That something is added to `results` changes none of what is in them.
    """
    changed = set(statement.mutated) - results
    grown = True
    while grown:
        more = {old for new, old, *_ in statement.aliases if new in changed} - changed
        changed |= more
        grown = bool(more)
    return changed


def _collected(loop: ast.For) -> dict[str, str] | None:
    """Names to which a loop only appends, or whose items it only sets; None if another use makes that unsafe."""
    found: dict[str, str] = {}
    uses: dict[str, int] = {}
    for node in (one for part in loop.body for one in walk(part)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if (
                isinstance(function, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.attr == "append"
            ):
                kind = "[]"
                name = function.value.id
            else:
                continue
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript):
            target = node.targets[0].value
            if not isinstance(target, ast.Name):
                continue
            kind, name = "{}", target.id
        else:
            continue
        if found.setdefault(name, kind) != kind:
            return None
        uses[name] = uses.get(name, 0) + 1
    inside = names_of(loop.body)
    found = {name: kind for name, kind in found.items() if name in inside.reads and name not in inside.assigned}
    for name in found:
        loads = sum(isinstance(node, ast.Name) and node.id == name for part in loop.body for node in walk(part))
        if loads != uses[name] + _reads_own_result(loop, name, inside) or _keeps_function(loop, name):
            return None
    return found


def _reads_own_result(loop: ast.For, name: str, inside: BodyNames) -> int:
    """How often an iteration reads the result that it has just added: ``print(scores[-1])``, ``print(scores[key])``."""
    known: set[str] = set()
    count = 0
    for statement in loop.body:
        items = [node for node in walk(statement) if isinstance(node, ast.Subscript) and _is_name(node.value, name)]
        count += sum(isinstance(node.ctx, ast.Load) and ast.unparse(node.slice) in known for node in items)
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(target, ast.Subscript) and target in items:
            if not _roots(target.slice) & inside.assigned.keys():
                known.add(ast.unparse(target.slice))
        elif isinstance(statement, ast.Expr) and ast.unparse(statement.value).startswith(f"{name}.append("):
            known.add("-1")
    return count


def _is_name(node: ast.expr, name: str) -> bool:
    """Whether an expression is a plain name."""
    return isinstance(node, ast.Name) and node.id == name


def _keeps_function(loop: ast.For, name: str) -> bool:
    """Whether a lambda, which cannot be stored, may be among the results that a name collects."""
    return any(
        isinstance(node, ast.Call | ast.Assign)
        and any(isinstance(one, ast.Name) and one.id == name for one in walk(node))
        and any(isinstance(one, ast.Lambda) for one in walk(node))
        for part in loop.body
        for node in walk(part)
    )


def _begins_empty(statements: list[ast.stmt], name: str, empty: str) -> bool:
    """Whether the last statement that names `name` makes it an empty list or dict."""
    for node in reversed(statements):
        if any(isinstance(one, ast.Name) and one.id == name for one in walk(node)):
            return (name, empty) in empty_values(node)
    return False


def _leaves(node: ast.stmt) -> bool:
    """Whether a loop may end early, waits, or deletes names."""
    kinds = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.NamedExpr, ast.Global)
    if any(isinstance(one, (*kinds, ast.Delete)) for one in walk(node)):
        return True
    return isinstance(node, ast.For) and _breaks(node.body)


def _breaks(body: list[ast.stmt]) -> bool:
    """Whether statements have a `break` that belongs to the loop around them."""
    for node in body:
        if isinstance(node, ast.Break):
            return True
        if isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.ClassDef):
            if _breaks(getattr(node, "orelse", [])):
                return True
            continue
        parts = [getattr(node, part, []) for part in ("body", "orelse", "finalbody")]
        parts += [one.body for one in (*getattr(node, "handlers", ()), *getattr(node, "cases", ()))]
        if any(_breaks(part) for part in parts):
            return True
    return False
