"""Names that no cell defines, that are defined too late, or that hide what they are called after."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from flownb.convert.hidden.facts import HISTORY, CellFacts
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.statements import KNOWN_NAMES
from flownb.convert.hidden.texts import at, finding, listed, numbered
from flownb.convert.proposal import Finding, Place
from flownb.errors import closest

__all__ = []

# Cell magics that bind no names, unless an option names them.
NAMELESS = frozenset(
    {"bash", "cmd", "file", "html", "HTML", "javascript", "js", "latex", "markdown", "perl", "ruby", "script", "sh"}
    | {"svg", "SVG", "system", "sx", "timeit", "writefile"}
)
# `%run` of a file that could be imported as a module.
RUN = re.compile(r"%run (?:-\w+ )*([^\W\d]\w*)\.py\s*$")


def check_undefined_name(notebook: Notebook) -> Iterator[Finding]:
    """Report names that no cell defines, or that a cell deletes, with the most similar name."""
    if notebook.defines_unseen:
        return
    for name, places in _missing(notebook).items():
        if _sources(notebook, places[0].cell):
            continue  # `name-from-magic` names the line that may define it
        yield _undefined(notebook, name, places)
    yield from _deleted(notebook)


def _undefined(notebook: Notebook, name: str, places: list[Place]) -> Finding:
    """The finding for a name that no cell defines."""
    first = places[0]
    facts = notebook.by_number[first.cell]
    function = next((one for one in facts.functions if name in one.reads), None)
    reader = f"{at(first.cell, first.line).capitalize()}"
    if name not in facts.names.reads and function is not None:
        reader = f"{function.called.capitalize()} `{function.name}` of {at(first.cell)}"
    others = sorted({one.cell for one in places} - {first.cell})
    also = f" ({numbered(others)} too)" if others else ""
    why = "Executed from top to bottom, the notebook stops there with a NameError."
    if function is not None and name not in facts.names.reads:
        why = "A call of it stops with a NameError."
    count = facts.cell.execution_count
    if count is not None and _gap_before(notebook, count):
        why += " The saved execution counts have gaps, so a cell that defined it was perhaps changed or deleted."
    near = closest(name, notebook.binders)
    fix = f"Write the line that defines `{name}` into a cell above, or correct the name."
    if near is not None:
        fix = f"Did you mean `{near}`? If not, write the line that defines `{name}` into a cell above."
    return finding(
        "hidden", "undefined-name", places, f"{reader} uses `{name}`, which no cell defines{also}.", why, fix
    )


def _missing(notebook: Notebook) -> dict[str, list[Place]]:
    """Names that cells or their functions read, and that no cell defines, with places."""
    found: dict[str, list[Place]] = {}
    for facts in notebook.cells:
        known = facts.guarded
        for name, line in _all_reads(facts).items():
            if name in KNOWN_NAMES or name in notebook.binders or name in known or HISTORY.fullmatch(name):
                continue
            if any(name in one.cell.source for one in notebook.cells if one.cell.problem is not None):
                continue  # the cell that cannot be read may define it
            found.setdefault(name, []).append(Place(facts.number, line, line))
    return found


def _all_reads(facts: CellFacts) -> dict[str, int]:
    """What a cell reads when it is executed, or when its functions are called."""
    reads = {name: line for function in facts.functions for name, line in function.reads.items()}
    return {**reads, **facts.names.reads}


def _gap_before(notebook: Notebook, count: int) -> bool:
    """Whether a cell that was executed before is not in the notebook as it was."""
    counts = {facts.cell.execution_count for facts in notebook.cells}
    return any(number not in counts for number in range(1, count))


def _deleted(notebook: Notebook) -> Iterator[Finding]:
    """Names that a cell reads after another one has deleted them."""
    gone: dict[str, tuple[int, int]] = {}
    for facts in notebook.cells:
        for name, line in facts.names.reads.items():
            if name in gone and name not in facts.guarded:
                number, where = gone.pop(name)
                yield finding(
                    "hidden",
                    "undefined-name",
                    [Place(number, where, where), Place(facts.number, line, line)],
                    f"{at(facts.number, line).capitalize()} uses `{name}`, which {at(number, where)} has deleted.",
                    "Executed from top to bottom, the notebook stops there with a NameError.",
                    f"Remove `del {name}`, or define `{name}` again above {at(facts.number)}.",
                )
        for name in facts.bound:
            gone.pop(name, None)
        gone.update({name: (facts.number, line) for name, line in facts.deleted.items()})


def check_used_above_definition(notebook: Notebook) -> Iterator[Finding]:
    """Report names that a cell uses and only later cells define."""
    known: set[str] = set()
    for facts in notebook.cells:
        late: dict[int, dict[str, int]] = {}
        guarded = facts.guarded | known | KNOWN_NAMES | notebook.imports_of_stars(facts.number)
        for name, line in facts.names.reads.items():
            below = notebook.binders.get(name, [])
            if name in guarded or not below:
                continue
            if facts.number not in below:
                late.setdefault(below[0], {})[name] = line
            elif name in facts.names.unbound and not any(line == one.line for one in facts.cell.magics):
                late.setdefault(facts.number, {})[name] = line
        available = known | set(facts.bound)
        for name in sorted(facts.called & notebook.functions.keys()):
            for needed in sorted(notebook.needs(name, facts.number) - available - guarded):
                below = notebook.binders.get(needed, [])
                if below and below[0] > facts.number:
                    late.setdefault(below[0], {})[needed] = facts.names.reads.get(name, 1)
        yield from (_late(notebook, facts, number, names) for number, names in late.items())
        known |= set(facts.bound)


def _late(notebook: Notebook, facts: CellFacts, below: int, names: dict[str, int]) -> Finding:
    """The finding for the names that one cell uses and one later cell, or a later line, defines."""
    shown, line = listed(names), min(names.values())
    other = notebook.by_number[below]
    places = [Place(facts.number, one, one) for one in names.values()]
    places += [Place(below, other.bound[name], other.bound[name]) for name in names]
    why = "Executed from top to bottom, the notebook stops there with a NameError."
    if below == facts.number:
        where, fix = "only further down in that cell", f"Define {shown} above that line."
    else:
        where = f"only {at(below)}, further down,"
        fix = f"Move {at(below)} above {at(facts.number)}; the flow is built from the order of the document."
        one, two = facts.cell.execution_count, other.cell.execution_count
        if one is not None and two is not None and two < one:
            why += f" It worked because {at(below)} was executed first."
    what = f"{at(facts.number, line).capitalize()} uses {shown}, which {where} defines."
    if below == facts.number:
        what = f"{at(facts.number, line).capitalize()} uses {shown}, which gets a value {where}."
    return finding("hidden", "used-above-definition", places, what, why, fix)


def check_shadowed_name(notebook: Notebook) -> Iterator[Finding]:
    """Report variables that have the name of an import or a builtin function which the notebook also uses."""
    for name, numbers in notebook.binders.items():
        if name in notebook.imports:
            yield from _shadowed_import(notebook, name, numbers)
        elif name in KNOWN_NAMES and name not in notebook.functions:
            yield from _shadowed_builtin(notebook, name, numbers)


def _shadowed_builtin(notebook: Notebook, name: str, numbers: list[int]) -> Iterator[Finding]:
    """A variable that is called ``sum`` or ``list``, if something calls the function of that name."""
    first = notebook.by_number[numbers[0]]
    if name.startswith("_") or name in first.from_magics or _holds_function(first, name):
        return
    line = first.bound[name]
    calls = [Place(number, where, where) for number, where in notebook.calls_by_name.get(name, ())]
    after = [one for one in calls if (one.cell, one.line) > (first.number, line)]
    if not calls:
        return
    what = f"{at(first.number, line).capitalize()} gives the name of Python's function `{name}` to a value"
    if after:
        what += f", and {at(after[0].cell, after[0].line)} calls `{name}(…)`."
        why = "The call gets the value instead of the function, and fails."
    else:
        what += f", and {at(calls[0].cell, calls[0].line)}, further up, calls `{name}(…)`."
        why = (
            f"If {at(calls[0].cell)} is executed again, the call fails. The flow is not affected, because it is built "
            "from the order of the document."
        )
    places = [Place(first.number, line, line), *(after or calls)]
    yield finding("hidden", "shadowed-name", places, what, why, f"Give the value another name, for example `{name}_`.")


def _holds_function(facts: CellFacts, name: str) -> bool:
    """Whether a cell gives a name something that can be called: ``print = partial(print, flush=True)``."""
    for node in facts.nodes:
        if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == name for one in node.targets):
            return isinstance(node.value, ast.Lambda | ast.Call | ast.Name | ast.Attribute)
    return False


def _shadowed_import(notebook: Notebook, name: str, numbers: list[int]) -> Iterator[Finding]:
    """A variable with the name of an import, or one name for a module and for something of it."""
    paths = notebook.imports[name]
    modules = [path for path in paths if any(other.startswith(f"{path}.") for other in paths)]
    inner = [path for path in paths if any(path == f"{module}.{name}" for module in modules)]
    if modules and inner:
        one, two = sorted((paths[modules[0]], paths[inner[0]]))
        if one != two:
            yield finding(
                "hidden",
                "shadowed-name",
                [Place(number, notebook.by_number[number].bound.get(name, 0)) for number in (one, two)],
                f"Cells {one} and {two} import two different things as `{name}`: `{modules[0]}` and `{inner[0]}`.",
                "Which one a line gets depends on the cell that was executed last; steps share their imports.",
                f"Import one of them under another name, for example `import {modules[0]} as {name}_module`.",
            )
        return
    first = min(paths.values())
    for number in numbers:
        facts = notebook.by_number[number]
        line = facts.names.variables.get(name)
        if line is None or number in paths.values() or number < first:
            continue
        later = [one for one in notebook.readers.get(name, ()) if one > number]
        inside = [
            function.cell
            for functions in notebook.functions.values()
            for function in functions
            if name in function.reads
        ]
        if later or inside:
            path = next(iter(paths))
            reader = numbered(later) if later else f"a function of {numbered(inside)}"
            yield finding(
                "hidden",
                "shadowed-name",
                [Place(first), Place(number, line, line), *map(Place, later or inside)],
                f"{at(number, line).capitalize()} gives the name of the import `{path}` to a value, and {reader} uses "
                f"`{name}`.",
                "Whether that is the import or the value depends on which cell was executed last.",
                f"Give the value another name, for example `{name}_value`.",
            )
            return


def check_name_from_magic(notebook: Notebook) -> Iterator[Finding]:
    """Report names that only a magic or a star import can define."""
    if notebook.defines_unseen:
        return
    found: dict[tuple[int, str, int], dict[str, Place]] = {}
    for name, places in _missing(notebook).items():
        sources = _sources(notebook, places[0].cell)
        if sources:
            found.setdefault(sources[-1], {})[name] = places[0]
    for facts in notebook.cells:
        for magic in facts.cell.magics:
            if magic.text.startswith("%store -r"):
                for name in facts.from_magics:
                    readers = [one for one in notebook.readers.get(name, ()) if one >= facts.number]
                    if readers and notebook.binders.get(name) == [facts.number]:
                        found.setdefault((facts.number, magic.text, magic.line), {})[name] = Place(readers[0])
    for (number, text, line), names in found.items():
        star = "import *" in text
        others = [one for one in _sources(notebook, number) if (one[0], one[2]) < (number, line)]
        of_several = " or from another such line above" if others else ""
        what = f"{listed(names)} can only come from `{text}` in {at(number, line)}{of_several}."
        why = "Which names that line defines cannot be seen in the notebook"
        why += "." if star else ", and a flow has no such lines."
        fix = f"Import the names: `{text.removesuffix('*')}{', '.join(list(names)[:6])}`."
        if star and others:
            fix = "Import the names that are used, each from its module."
        if text.startswith("%store"):
            fix = "Write the values to a file and read it in a cell, or make them parameters."
        elif text.startswith("%pylab"):
            fix = "Import what you use: `import numpy as np` and `import matplotlib.pyplot as plt`."
        elif not star:
            fix = "Put that code into a module beside the notebook and import the names, or copy it into a cell."
            if (script := RUN.match(text)) is not None:
                fix = f"Write `from {script[1]} import {', '.join(list(names)[:6])}`, or copy the code into a cell."
        yield finding("hidden", "name-from-magic", [Place(number, line, line), *names.values()], what, why, fix)


def _sources(notebook: Notebook, before: int) -> list[tuple[int, str, int]]:
    """Magics and star imports up to a cell that may define names: cell, text and line."""
    found = [(number, f"from {module} import *", line) for number, module, line in notebook.stars if number <= before]
    for facts in notebook.cells:
        if facts.number > before:
            break
        if facts.cell.magic and facts.cell.magic not in NAMELESS:
            found.append((facts.number, f"%%{facts.cell.magic}", 1))
        for magic in facts.cell.magics:
            if magic.text.startswith(("%run", "%pylab", "%load ")) or magic.text.strip() == "%store -r":
                found.append((facts.number, magic.text.split("\n")[0], magic.line))
    return sorted(found, key=lambda one: (one[0], one[2]))


def check_output_history(notebook: Notebook) -> Iterator[Finding]:
    """Report the use of ``Out[3]``, ``In``, ``_`` and ``_3``."""
    for facts in notebook.cells:
        used = {
            name: line
            for name, line in _all_reads(facts).items()
            if HISTORY.fullmatch(name) and name not in notebook.binders
        }
        if used:
            yield finding(
                "hidden",
                "output-history",
                [Place(facts.number, line, line) for line in used.values()],
                f"{at(facts.number, min(used.values())).capitalize()} uses {listed(used)}.",
                "These are outputs of cells in the order in which they were executed; a flow has no such names.",
                "Give the value a name in the cell that makes it, and use that name.",
            )
