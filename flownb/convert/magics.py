"""Lines and cells of a plain notebook that only IPython understands: which of them a flow misses.

They stay in scratch cells. What only displays or sets up the notebook is no loss. A line that makes a value which other
code needs has no place in a step, so its cell has to be rewritten; all others are named.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence

from flownb.convert.known import words
from flownb.convert.pieces import Piece
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Finding, Place
from flownb.convert.roles import Roles
from flownb.convert.trees import walk
from flownb.errors import Message
from flownb.flow.module import INSTALL

__all__ = ["magic_findings", "names_needed"]

ASSIGNED = re.compile(r"\s*(?P<names>[\w\s,]+?)\s*=\s*(?P<mark>!{1,2}|%)(?P<rest>.*)", re.DOTALL)
LINE = re.compile(r"\s*%(?P<name>\w+)\s*(?P<rest>.*)", re.DOTALL)
# Line magics without which a flow gives the same values.
NO_LOSS = words(
    """
    autoreload autosave automagic colors conda config debug doctest_mode edit history hist lprun ls lsmagic load
    load_ext logstart logstop magic matplotlib memit mprun notebook page pastebin pdb pdef pdoc pfile pinfo pinfo2 pip
    pprint precision profile prun psearch psource pwd pycat quickref recall reload_ext reset_selective save tb timeit
    unload_ext uv watermark who who_ls whos xmode flow
    """
)
# Cell magics whose cells only show something.
SHOWN = words("HTML SVG html javascript js latex markdown svg timeit")
# What replaces a line magic that sets something for the process.
INSTEAD = {
    "env": "Write `os.environ[…] = …` instead.",
    "set_env": "Write `os.environ[…] = …` instead.",
    "cd": "Write `os.chdir(…)` instead.",
    "pylab": "Import what you use from numpy and matplotlib.pyplot.",
    "run": "Import the names from the file as from a module, or copy its code into a cell.",
}


def magic_findings(cells: Sequence[PlainCell], roles: Roles, needed: frozenset[str]) -> Iterator[Finding]:
    """Say which magics a flow misses.

    Parameters
    ----------
    cells : sequence of PlainCell
    roles : Roles
    needed : frozenset of str
        Names that code of the flow reads.
    """
    for piece in roles.pieces:
        if piece.magic is not None:
            place = Place(piece.cell.number, piece.magic.line, piece.magic.line + piece.magic.text.count("\n"))
            yield from _line(piece.magic.text, place, needed)
    for cell in cells:
        if cell.magic and cell.magic not in SHOWN:
            what = f"Cell {cell.number} begins with `%%{cell.magic}`, so it is not part of the flow."
            why = "Steps are Python; what the cell does is done only where the notebook is executed."
            fix = "Write it in Python (subprocess.run for shell lines), if the flow needs it."
            yield Finding("left_out", "cell-magic", (Place(cell.number),), Message(what, why, fix))
        elif cell.problem is not None:
            place = Place(cell.number, cell.problem.line, cell.problem.line)
            what = f"Cell {cell.number} is not valid Python, so it is not part of the flow."
            why = f"Line {cell.problem.line}: {cell.problem.message}."
            yield Finding("left_out", "syntax-error", (place,), Message(what, why, "Correct the cell, or delete it."))


def _line(text: str, place: Place, needed: frozenset[str]) -> Iterator[Finding]:
    """The finding for one line, if there is one."""
    shown = text.split("\n")[0].strip()
    if (found := ASSIGNED.fullmatch(text)) is not None:
        names = [name.strip() for name in found["names"].split(",") if name.strip()]
        used = [name for name in names if name in needed]
        if not used:
            return
        fix = "Write it in Python."
        if found["mark"] != "%":
            fix = f"Write `{used[0]} = {_shell(found['rest'])}`, with `import subprocess`."
        yield _refused(f"`{used[0]}` gets its value from `{shown}`, which no step can execute.", place, fix)
        return
    if INSTALL.match(shown) or shown.startswith("?") or shown.endswith("?"):
        return
    line = LINE.fullmatch(text)
    name = line["name"] if line is not None else ""
    if line is not None and name == "time" and line["rest"].strip():
        changed = [one for one in _changed(line["rest"]) if one in needed]
        if changed:
            what = f"`{shown}` makes or changes `{changed[0]}`, and no step can execute `%time`."
            yield _refused(what, place, f"Write `{line['rest'].strip()}`; a run records how long each step takes.")
        return
    if name in NO_LOSS or name == "time":
        return
    what = f"`{shown}` is not part of the flow."
    why = "Steps are Python; what the line does is done only where the notebook is executed."
    fix = INSTEAD.get(name, "Write it in Python (subprocess.run for a shell line), if the flow needs it.")
    yield Finding("left_out", "magic", (place,), Message(what, why, fix))


def _refused(what: str, place: Place, fix: str) -> Finding:
    """The finding that code depends on a magic."""
    why = "Steps are Python, and other cells use the value."
    return Finding("refused", "magic-makes-value", (place,), Message(what, why, fix))


def _shell(command: str) -> str:
    """Python code that returns the lines which a shell line writes."""
    text = command.strip()
    quoted = repr(text)
    values = re.search(r"\$\w|\{\w+\}", text)
    mark = "f" if values else ""
    quoted = re.sub(r"\$(\w+)", r"{\1}", quoted) if values else quoted
    return f"subprocess.run({mark}{quoted}, shell=True, capture_output=True, text=True).stdout.splitlines()"


def _changed(code: str) -> Iterable[str]:
    """Names that a statement binds, or whose objects it uses as the first thing of an expression statement."""
    try:
        tree = ast.parse(code.strip())
    except SyntaxError:
        return
    for node in walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
    from flownb.convert.effects import effects_of

    yield from effects_of(tree.body).mutated


def names_needed(pieces: Iterable[Piece]) -> frozenset[str]:
    """Names that pieces read, now or in the functions that they define."""
    return frozenset(name for piece in pieces for statement in piece.statements for name in statement.names.reads)
