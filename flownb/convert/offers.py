"""Loops of proposed steps whose iterations could be tasks of a foreach, with the cells that would replace the step.

A loop is offered if each iteration does heavy work and none needs another one: iterations only append to lists or set
items of dicts that begin empty. The task of an item executes the loop's own text on a list with that one item, so
`continue` and the targets stay as they are; the join puts the results together in the order of the loop. Nothing is
changed: an offer is for the author to accept.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames
from flownb.convert.hidden.facts import path_of
from flownb.convert.hidden.notebook import Call, Notebook
from flownb.convert.hidden.randomness import draws_from
from flownb.convert.hidden.storing import bound_values
from flownb.convert.plain import PlainCell, Statement
from flownb.convert.proposal import Offer, Part, Place, Proposal, ProposedStep

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
LOOPS = (ast.For, ast.While, ast.ListComp, ast.DictComp, ast.SetComp)
COMPREHENSIONS = (ast.ListComp, ast.DictComp)


@dataclass(frozen=True)
class _Loop:
    """A loop at the top level of a step's body.

    `node` is the statement, `sequence` what it runs over, `results` the names that collect its results, each with the
    text of its empty value.
    """

    node: ast.For | ast.Assign
    sequence: ast.expr
    results: dict[str, str]


@dataclass(frozen=True)
class _Body:
    """The body of a step: its text, its statements, and for each line the cell and line that it comes from."""

    text: str
    tree: ast.Module
    places: list[tuple[int, int]]


def find_offers(proposal: Proposal, cells: tuple[PlainCell, ...]) -> tuple[Offer, ...]:
    """Find loops that could be a foreach and a join.

    Parameters
    ----------
    proposal : Proposal
    cells : tuple of PlainCell
        All code cells of the plain notebook.

    Returns
    -------
    tuple of Offer
        In the order of the document. Several of one step are alternatives: each has the whole step.
    """
    if not any(_may_loop(part) for step in proposal.steps for part in step.parts):
        return ()
    finder = _Finder(proposal, cells)
    return tuple(offer for step in proposal.steps for offer in finder.offers(step))


def _may_loop(part: Part) -> bool:
    """Whether the text of a part may have a loop, without parsing it."""
    return "for " in part.text


class _Finder:
    """Looks for loops in the steps of one proposal."""

    def __init__(self, proposal: Proposal, cells: tuple[PlainCell, ...]) -> None:
        self.proposal = proposal
        self.notebook = Notebook(cells, proposal)
        self.statements: dict[tuple[int, int], Statement] = {
            (statement.cell, statement.line): statement for cell in cells for statement in cell.statements
        }
        self.taken = {step.name for step in proposal.steps} | set(self.notebook.binders)
        self.taken |= {name for name, _ in proposal.parameters}
        self._heavy: dict[str, bool] = {}

    def offers(self, step: ProposedStep) -> Iterator[Offer]:
        """Offers for one step."""
        if not any(_may_loop(part) for part in step.parts) or (body := _body_of(step)) is None:
            return
        for position, node in enumerate(body.tree.body):
            loop = self._loop(body, position, node)
            if loop is not None and self._is_heavy(loop.node) and self._is_independent(step, body, position, loop):
                cells = self._cells(step, body, position, loop)
                if cells is not None:
                    yield self._offer(step, body, loop, cells)

    def _offer(self, step: ProposedStep, body: _Body, loop: _Loop, cells: tuple[str, ...]) -> Offer:
        """The offer for one loop."""
        cell, line = body.places[loop.node.lineno - 1]
        _, last = body.places[(loop.node.end_lineno or loop.node.lineno) - 1]
        what = "loop" if isinstance(loop.node, ast.For) else "comprehension"
        text = (
            f"The {what} in cell {cell}, line {line} (step {step.name}) could run as parallel tasks, one for each item "
            f"of `{ast.unparse(loop.sequence)}`, because no iteration needs another one. Replace the step by these "
            f"{len(cells)} cells to get the same values. The list must not be empty, and Metaflow starts at most 100 "
            "tasks unless --max-num-splits allows more."
        )
        return Offer(step.name, Place(cell, line, last), text, cells)

    # -- which loops

    def _loop(self, body: _Body, position: int, node: ast.stmt) -> _Loop | None:
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
            return _Loop(node, node.iter, found) if found else None
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, COMPREHENSIONS) and len(value.generators) == 1 and not value.generators[0].is_async:
                empty = "[]" if isinstance(value, ast.ListComp) else "{}"
                return _Loop(node, value.generators[0].iter, {node.targets[0].id: empty})
        return None

    def _is_heavy(self, node: ast.stmt) -> bool:
        """Whether a loop calls something that takes long: it trains, reads, fetches, or loops itself in a function."""
        inside: Iterable[ast.AST] = node.body if isinstance(node, ast.For) else [_element(node)]
        return any(self._calls_heavy(part) for part in inside)

    def _calls_heavy(self, node: ast.AST) -> bool:
        """Whether code calls something heavy."""
        for call in ast.walk(node):
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
                any(isinstance(node, LOOPS) for node in ast.walk(function.node)) or self._calls_heavy(function.node)
                for function in self.notebook.functions.get(name, ())
            )
        return self._heavy[name]

    def _is_independent(self, step: ProposedStep, body: _Body, position: int, loop: _Loop) -> bool:
        """Whether no iteration reads what another one wrote, and nothing but the results is used after the loop."""
        statement = self.statements.get(body.places[loop.node.lineno - 1])
        if statement is None or statement.writes or _leaves(loop.node) or self._draws(loop.node):
            return False
        inside = _names_of(loop.node.body) if isinstance(loop.node, ast.For) else BodyNames()
        targets = _target_names(loop)
        own = (set(inside.assigned) | targets) - set(loop.results)
        if (set(inside.reads) & own) - targets:
            return False  # carried over from one iteration to the next
        if (inside.definitions and isinstance(loop.node, ast.For)) or inside.globals_declared:
            return False
        after = body.tree.body[position + 1 :]
        late = set(_names_of(after).reads) | set(step.captures)
        if isinstance(loop.node, ast.For) and own & late:
            return False
        # An item that an iteration changes is changed in the list too, which nobody may look at later.
        changed = _with_aliases(statement) - own - set(loop.results)
        return changed <= _roots(loop.sequence) - late - set(inside.reads)

    def _draws(self, node: ast.stmt) -> bool:
        """Whether a loop draws from a global generator of random numbers, itself or in functions of the notebook."""
        seen: set[str] = set()
        waiting: list[ast.AST] = [node]
        while waiting:
            for call in ast.walk(waiting.pop()):
                if not isinstance(call, ast.Call):
                    continue
                if draws_from(Call(path_of(call.func, self.notebook.imports), call)):
                    return True
                name = call.func.id if isinstance(call.func, ast.Name) else ""
                if name and name not in seen:
                    seen.add(name)
                    waiting += [function.node for function in self.notebook.functions.get(name, ())]
        return False

    # -- the cells

    def _cells(self, step: ProposedStep, body: _Body, position: int, loop: _Loop) -> tuple[str, ...] | None:
        """The cells that make the list, do one item, and put the results together; None if that cannot be written."""
        statements = body.tree.body
        lines = body.text.split("\n")
        first, last = loop.node.lineno, loop.node.end_lineno or loop.node.lineno
        while first > 1 and lines[first - 2].startswith("#"):
            first -= 1
        if any(node.end_lineno == loop.node.lineno for node in statements[:position]) or any(
            node.lineno == last for node in statements[position + 1 :]
        ):
            return None
        dropped = _initial_lines(statements[:position], loop.results)
        before = "\n".join(line for number, line in enumerate(lines[: first - 1], 1) if number not in dropped)
        after = "\n".join(lines[last:]).strip("\n")
        above, below = _names_of(statements[:position]), _names_of(statements[position + 1 :])
        made = set(above.assigned) | self._mutated(body, statements[:position])
        remade = set(below.assigned) | self._mutated(body, statements[position + 1 :])
        read = [*_names_of([loop.node]).reads, *below.reads, *below.mentions]
        passed = [name for name in dict.fromkeys((*read, *step.captures)) if name in made and name not in loop.results]
        if any(name in above.definitions for name in (*passed, *read)) or not self._can_be_stored(step, passed):
            return None
        captured = [name for name in step.captures if name in loop.results or name in remade]
        items = self._free_name("items")
        # A first step can be called start and a last one end, but the end cannot be a join.
        making = "start" if step.name == "start" else self._free_name(f"{step.name}_items")
        joining = step.name if step.name not in ("start", "end") else self._free_name(f"{step.name}_joined")
        task = next(name for name in ("one", "part", "one_of_all", "one_of_them") if name not in body.text)
        results = list(loop.results)
        head = f"{before.strip(chr(10))}\n" if before.strip() else ""
        list_cell = (
            f"{_header(making, '', [items, *passed])}\n{head}{items} = list({ast.unparse(_shown(loop.sequence))})"
        )
        empty = "".join(f"{name} = {value}\n" for name, value in loop.results.items())
        start = empty if isinstance(loop.node, ast.For) else ""
        one_item = _on_one_item("\n".join(lines[first - 1 : last]), loop, first)
        item_cell = f"{_header(self._free_name(f'{step.name}_one'), f' --foreach {items}', results)}\n{start}{one_item}"
        joined = f"{empty}for {task} in sorted(inputs, key=lambda {task}: {task}.index):\n"
        for name, value in loop.results.items():
            joined += f"    {name}.{'extend' if value == '[]' else 'update'}({task}.{name})\n"
        left_out = ", ".join(f'"{name}"' for name in [items, *results])
        joined += f"self.merge_artifacts(inputs, exclude=[{left_out}])\n"
        artifacts = {name for other in self.proposal.steps for name in other.captures} | set(passed)
        for name in dict.fromkeys((*below.reads, *below.mentions)):
            if name in artifacts and name not in loop.results:
                joined += f"{name} = inputs[0].{name}\n"
        join_cell = f"{_header(joining, ' --join', captured)}\n{joined}{after}".rstrip("\n")
        return list_cell, item_cell, join_cell

    def _can_be_stored(self, step: ProposedStep, names: Iterable[str]) -> bool:
        """Whether no name is known to hold a value that cannot be stored."""
        held = [bound_values(self.notebook, self.notebook.by_number[number]) for number in step.cells]
        return not any(name in values for values in held for name in names)

    def _mutated(self, body: _Body, nodes: Iterable[ast.stmt]) -> set[str]:
        """Names whose object some statements of a body may change."""
        found = (self.statements.get(body.places[node.lineno - 1]) for node in nodes)
        return {name for statement in found if statement is not None for name in statement.mutated}

    def _free_name(self, name: str) -> str:
        """A name that nothing in the notebook has."""
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        return found


def _header(name: str, options: str, captures: Iterable[str]) -> str:
    """The first line of a step cell."""
    listed = ", ".join(captures)
    return f"%%step {name}{options}{f' -> {listed}' if listed else ''}"


def _body_of(step: ProposedStep) -> _Body | None:
    """The body of a step; None if it is not plain Python, or its parts have no lines."""
    texts: list[str] = []
    places: list[tuple[int, int]] = []
    for part in step.parts:
        lines = part.text.split("\n")
        texts += lines
        places += [(part.place.cell, max(part.place.line, 1) + offset) for offset in range(len(lines))]
        if part is not step.parts[-1]:
            texts.append("")
            places.append((part.place.cell, 0))
    text = "\n".join(texts)
    try:
        return _Body(text, ast.parse(text), places)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _names_of(statements: list[ast.stmt]) -> BodyNames:
    """What statements read and bind."""
    return analyse_names(ast.Module(statements, []))


def _element(node: ast.stmt) -> ast.expr:
    """What a comprehension evaluates for each item."""
    assert isinstance(node, ast.Assign)
    value = node.value
    if isinstance(value, ast.DictComp):
        return ast.Tuple([value.key, value.value], ast.Load())
    assert isinstance(value, ast.ListComp)
    return value.elt


def _target_names(loop: _Loop) -> set[str]:
    """The names that each iteration begins with."""
    target = loop.node.target if isinstance(loop.node, ast.For) else None
    return {one.id for one in ast.walk(target) if isinstance(one, ast.Name)} if target is not None else set()


def _roots(node: ast.expr) -> set[str]:
    """Names that an expression reads."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def _with_aliases(statement: Statement) -> set[str]:
    """Names whose object a statement may change, also by other names that it gives the object."""
    changed = set(statement.mutated)
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
    for node in (one for part in loop.body for one in ast.walk(part)):
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
    inside = _names_of(loop.body)
    found = {name: kind for name, kind in found.items() if name in inside.reads and name not in inside.assigned}
    for name in found:
        loads = sum(isinstance(node, ast.Name) and node.id == name for part in loop.body for node in ast.walk(part))
        if loads != uses[name] or _keeps_function(loop, name):
            return None
    return found


def _keeps_function(loop: ast.For, name: str) -> bool:
    """Whether a lambda, which cannot be stored, may be among the results that a name collects."""
    return any(
        isinstance(node, ast.Call | ast.Assign)
        and any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))
        and any(isinstance(one, ast.Lambda) for one in ast.walk(node))
        for part in loop.body
        for node in ast.walk(part)
    )


def _empty_values(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Names that a statement gives an empty list or dict, each with ``[]`` or ``{}``."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return
    target, value = node.targets[0], node.value
    pairs: Iterable[tuple[ast.expr, ast.expr]] = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = zip(target.elts, value.elts, strict=True)
    for one, other in pairs:
        text = ast.unparse(other)
        if isinstance(one, ast.Name) and text in ("[]", "list()", "{}", "dict()"):
            yield one.id, "[]" if text in ("[]", "list()") else "{}"


def _begins_empty(statements: list[ast.stmt], name: str, empty: str) -> bool:
    """Whether the last statement that names `name` makes it an empty list or dict."""
    for node in reversed(statements):
        if any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node)):
            return (name, empty) in _empty_values(node)
    return False


def _initial_lines(statements: list[ast.stmt], results: Iterable[str]) -> set[int]:
    """Lines of statements that do nothing but make one of the results empty."""
    wanted = set(results)
    return {
        line
        for node in statements
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if (names := {name for name, _ in _empty_values(node)}) and names <= wanted
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if sum(other.lineno <= line <= (other.end_lineno or line) for other in statements) == 1
    }


def _leaves(node: ast.stmt) -> bool:
    """Whether a loop may end early, waits, or deletes names."""
    kinds = (ast.Return, ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.NamedExpr, ast.Global)
    if any(isinstance(one, (*kinds, ast.Delete)) for one in ast.walk(node)):
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


def _shown(node: ast.expr) -> ast.expr:
    """What a progress bar runs over: ``xs`` of ``tqdm(xs)``."""
    if isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in PROGRESS and name != "trange":
            return _shown(node.args[0])
    return node


def _on_one_item(text: str, loop: _Loop, first: int) -> str:
    """The text of a loop, with a list of the task's item in place of what it runs over."""
    lines = text.split("\n")
    start, end = loop.sequence.lineno - first, (loop.sequence.end_lineno or loop.sequence.lineno) - first
    head = lines[start].encode()[: loop.sequence.col_offset].decode()
    tail = lines[end].encode()[loop.sequence.end_col_offset :].decode()
    return "\n".join([*lines[:start], f"{head}[self.input]{tail}", *lines[end + 1 :]])
