"""The cells that replace a step with a loop: one makes the list, one does an item, one joins the results.

The cell of an item has the loop's own text, on a list with that one item, so that ``continue`` and the targets stay as
they are. The join takes the results in the order of the loop, by the index of each task.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames
from flownb.convert.proposal import ProposedStep
from flownb.convert.trees import walk

__all__ = ["Loop", "StepText", "empty_values", "foreach_cells", "names_of"]

# Calls that show the progress of a loop and change nothing.
PROGRESS = frozenset({"tqdm", "track", "log_progress"})


@dataclass(frozen=True)
class Loop:
    """A loop at the top level of a step's body.

    Attributes
    ----------
    node : ast.For or ast.Assign
        The statement; an assignment has a comprehension as its value.
    sequence : ast.expr
        What it runs over.
    results : dict of str to str
        The names that collect its results, each with the text of its empty value.
    """

    node: ast.For | ast.Assign
    sequence: ast.expr
    results: dict[str, str]


@dataclass(frozen=True)
class StepText:
    """The body of a proposed step.

    Attributes
    ----------
    text : str
    tree : ast.Module
    places : list of (int, int)
        For each line of `text`, the number of its plain cell and the line there.
    mutated : dict of int to frozenset of str
        For the position of each statement, names whose object it may change.
    """

    text: str
    tree: ast.Module
    places: list[tuple[int, int]]
    mutated: dict[int, frozenset[str]]


def foreach_cells(
    step: ProposedStep,
    body: StepText,
    position: int,
    loop: Loop,
    *,
    artifacts: Collection[str],
    free_name: Callable[[str], str],
) -> tuple[tuple[str, str, str], frozenset[str]] | None:
    """Write the cells.

    Parameters
    ----------
    step : ProposedStep
    body : StepText
    position : int
        Of the loop among the statements of the body.
    loop : Loop
    artifacts : collection of str
        Names that steps capture, parameters left out.
    free_name : callable
        Returns a name like its argument that nothing in the notebook has.

    Returns
    -------
    (tuple of str, frozenset of str) or None
        The texts of the cells, and the names that the first one passes on besides the list. None if the loop shares a
        line with other code, or the step captures a function.
    """
    statements, lines = body.tree.body, body.text.split("\n")
    first, last = loop.node.lineno, loop.node.end_lineno or loop.node.lineno
    if any(node.end_lineno == first for node in statements[:position]):
        return None
    if any(node.lineno == last for node in statements[position + 1 :]):
        return None
    while first > 1 and lines[first - 2].startswith("#"):  # comments right above belong to the loop
        first -= 1
    above, below = names_of(statements[:position]), names_of(statements[position + 1 :])
    made = set(above.assigned) | _mutated(body, range(position))
    remade = set(below.assigned) | _mutated(body, range(position + 1, len(statements)))
    for_item, needed = _definitions_for(statements[:position], names_of([loop.node]))
    for_join, needed_late = _definitions_for(statements[:position], below)
    if any(name in above.definitions for name in step.captures):
        return None
    wanted = dict.fromkeys((*needed, *needed_late, *step.captures))
    passed = [name for name in wanted if name in made and name not in loop.results and name not in above.definitions]

    items = free_name("items")
    # A first step can be called start and a last one end, but the end cannot be a join.
    making = "start" if step.name == "start" else free_name(f"{step.name}_items")
    joining = step.name if step.name not in ("start", "end") else free_name(f"{step.name}_joined")
    used = {node.id for node in walk(body.tree) if isinstance(node, ast.Name)} | set(artifacts)
    task = next(name for name in ("one", "part", *map("one_{}".format, range(len(used) + 1))) if name not in used)
    results = list(loop.results)
    empty = "".join(f"{name} = {value}\n" for name, value in loop.results.items())

    dropped = _initial_lines(statements[:position], loop.results)
    before = "\n".join(line for number, line in enumerate(lines[: first - 1], 1) if number not in dropped).strip("\n")
    list_cell = f"{_header(making, '', [items, *passed])}\n"
    list_cell += f"{before}\n" if before else ""
    list_cell += f"{items} = list({ast.unparse(_without_progress(loop.sequence))})"

    item_cell = f"{_header(free_name(f'{step.name}_one'), f' --foreach {items}', results)}\n"
    item_cell += "".join(f"{_text_of(lines, node)}\n\n" for node in for_item)
    item_cell += empty if isinstance(loop.node, ast.For) else ""
    item_cell += _on_one_item("\n".join(lines[first - 1 : last]), loop, first)

    captured = [name for name in step.captures if name in loop.results or name in remade]
    join_cell = f"{_header(joining, ' --join', captured)}\n"
    join_cell += "".join(f"{_text_of(lines, node)}\n\n" for node in for_join)
    join_cell += f"{empty}for {task} in sorted(inputs, key=lambda {task}: {task}.index):\n"
    for name, value in loop.results.items():
        join_cell += f"    {name}.{'extend' if value == '[]' else 'update'}({task}.{name})\n"
    left_out = ", ".join(f'"{name}"' for name in [items, *results])
    join_cell += f"self.merge_artifacts(inputs, exclude=[{left_out}])\n"
    for name in needed_late:
        if (name in artifacts or name in passed) and name not in loop.results:
            join_cell += f"{name} = inputs[0].{name}\n"
    join_cell += "\n".join(lines[last:]).strip("\n")
    return (list_cell, item_cell, join_cell.rstrip("\n")), frozenset(passed)


def names_of(statements: list[ast.stmt]) -> BodyNames:
    """What statements read and bind."""
    return analyse_names(ast.Module(statements, []))


def _mutated(body: StepText, positions: Iterable[int]) -> set[str]:
    """Names whose object the statements at some positions may change."""
    return {name for position in positions for name in body.mutated.get(position, ())}


def _header(name: str, options: str, captures: Iterable[str]) -> str:
    """The first line of a step cell."""
    listed = ", ".join(captures)
    return f"%%step {name}{options}{f' -> {listed}' if listed else ''}"


def _defined_names(node: ast.stmt) -> set[str]:
    """Names that a statement gives functions, classes and modules, which no store can keep."""
    return set(names_of([node]).definitions) if not isinstance(node, ast.If | ast.Try | ast.For | ast.With) else set()


def _definitions_for(statements: list[ast.stmt], names: BodyNames) -> tuple[list[ast.stmt], list[str]]:
    """The definitions that code needs of some statements above it, and all names that both read."""
    definitions = {name: node for node in statements for name in _defined_names(node)}
    needed = dict.fromkeys((*names.reads, *names.mentions))
    used: set[int] = set()
    waiting = list(needed)
    while waiting:
        node = definitions.get(waiting.pop())
        if node is not None and id(node) not in used:
            used.add(id(node))
            more = [name for name in names_of([node]).reads if name not in needed]
            needed.update(dict.fromkeys(more))
            waiting += more
    return [node for node in statements if id(node) in used], list(needed)


def _text_of(lines: list[str], node: ast.stmt) -> str:
    """The text of a definition with its decorators."""
    first = min(one.lineno for one in (*getattr(node, "decorator_list", ()), node))
    return "\n".join(lines[first - 1 : node.end_lineno])


def empty_values(node: ast.stmt) -> Iterator[tuple[str, str]]:
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


def _initial_lines(statements: list[ast.stmt], results: Iterable[str]) -> set[int]:
    """Lines of statements that do nothing but make one of the results empty."""
    wanted = set(results)
    return {
        line
        for node in statements
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if (names := {name for name, _ in empty_values(node)}) and names <= wanted
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if sum(other.lineno <= line <= (other.end_lineno or line) for other in statements) == 1
    }


def _without_progress(node: ast.expr) -> ast.expr:
    """What a progress bar runs over: ``xs`` of ``tqdm(xs)``."""
    if isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in PROGRESS:
            return _without_progress(node.args[0])
    return node


def _on_one_item(text: str, loop: Loop, first: int) -> str:
    """The text of a loop, with a list of the task's item in place of what it runs over."""
    lines = text.split("\n")
    start, end = loop.sequence.lineno - first, (loop.sequence.end_lineno or loop.sequence.lineno) - first
    head = lines[start].encode()[: loop.sequence.col_offset].decode()
    tail = lines[end].encode()[loop.sequence.end_col_offset :].decode()
    return "\n".join([*lines[:start], f"{head}[self.input]{tail}", *lines[end + 1 :]])
