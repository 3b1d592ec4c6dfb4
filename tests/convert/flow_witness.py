"""Whether a converted notebook, as a flow, has the values and prints the lines of the plain notebook.

A step of the flow corresponds to the plain cells whose statements its body has, one after another. After the last of
them the plain notebook must have the values that the step's task has.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager

from flownb.cells.notebook import read_notebook
from flownb.equality import same_value
from tests.convert.plain_witness import PlainRun

__all__ = ["ConvertedStep", "converted_steps", "lines_that_differ", "lost_results", "values_that_differ"]

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class ConvertedStep:
    """A step of a converted notebook and the plain cells that it is made of.

    Attributes
    ----------
    name : str
    captures : tuple of str
    cells : tuple of int
        Plain cells, counted from 0, in order.
    whole : bool
        Whether it has all statements of these cells, but for imports, definitions and values that are only shown.
    """

    name: str
    captures: tuple[str, ...]
    cells: tuple[int, ...]
    whole: bool


def converted_steps(notebook: Path, plain: PlainRun) -> list[ConvertedStep]:
    """Find for each step of a converted notebook the plain cells that it is made of.

    Parameters
    ----------
    notebook : Path
        The converted one.
    plain : PlainRun
    """
    wanted = [
        (number, text, shown) for number, cell in enumerate(plain.cells) for text, shown in _statements(cell.source)
    ]
    steps: list[ConvertedStep] = []
    taken: set[int] = set()
    position = 0
    for cell in read_notebook(notebook).cells:
        if cell.header is None:
            continue
        assert cell.parsed.tree is not None, f"step {cell.name} cannot be read"
        found: list[int] = []
        for statement in map(ast.dump, cell.parsed.tree.body):
            for index in range(position, len(wanted)):
                if wanted[index][1] == statement:
                    found.append(index)
                    position = index + 1
                    break
        taken.update(found)
        cells = tuple(dict.fromkeys(wanted[index][0] for index in found))
        whole = all(shown or index in taken for index, (number, _, shown) in enumerate(wanted) if number in cells)
        steps.append(ConvertedStep(cell.name, cell.header.captures, cells, whole))
    return steps


def _statements(source: str) -> Iterable[tuple[str, bool]]:
    """The top-level statements of a plain cell, each with whether a step may do without it."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(re.sub(r"\A(?:%%(?:time|capture)\b.*\n)+", "", source)))
    except SyntaxError:
        return
    for node in tree.body:
        last = node is tree.body[-1] and isinstance(node, ast.Expr) and not _prints(node)
        yield ast.dump(node), last or isinstance(node, DEFINITIONS)


def _prints(node: ast.AST) -> bool:
    """Whether a statement may write to stdout."""
    return any(isinstance(one, ast.Name) and one.id in ("print", "display") for one in ast.walk(node))


def values_that_differ(
    steps: Sequence[ConvertedStep],
    plain: PlainRun,
    artifacts: Mapping[str, Mapping[str, object]],
    find_class: Any,
    *,
    chance: Iterable[str] = (),
) -> list[str]:
    """Say for each captured value of each step how it differs from what the plain notebook had then.

    Parameters
    ----------
    steps : sequence of ConvertedStep
    plain : PlainRun
    artifacts : mapping of str to mapping of str to object
        The flow's, by step and name.
    find_class : callable
        Looks up a class that the notebook defines.
    chance : iterable of str
        Names whose values differ from run to run.
    """
    found: list[str] = []
    for step in steps:
        for name in step.captures:
            if name in chance:
                continue
            if not step.cells:
                found.append(f"step {step.name} has no code of the notebook")
                continue
            try:
                expected = plain.value(step.cells[-1], name, find_class)
                actual = artifacts[step.name][name]
            except LookupError as error:
                found.append(f"{step.name}.{name}: {error}")
                continue
            if not same_value(expected, actual):
                found.append(f"{step.name}.{name}: {_short(actual)} in the flow, {_short(expected)} in the notebook")
    return found


def lost_results(
    results: Iterable[str], last: Mapping[str, object], plain: PlainRun, find_class: Any, *, chance: Iterable[str] = ()
) -> list[str]:
    """Names whose last value the last step of the flow does not have."""
    found = []
    for name in results:
        if name not in last:
            found.append(name)
        elif name not in chance and not same_value(plain.value(-1, name, find_class), last[name]):
            found.append(f"{name} (is {_short(last[name])})")
    return found


def lines_that_differ(
    steps: Sequence[ConvertedStep],
    plain: PlainRun,
    printed: Mapping[str, str],
    *,
    chance: Iterable[str] = (),
    displays: bool = False,
) -> list[str]:
    """Say for each step how the lines that it prints differ from those of its plain cells.

    Parameters
    ----------
    steps : sequence of ConvertedStep
    plain : PlainRun
    printed : mapping of str to str
        What each step of the flow wrote to stdout.
    chance : iterable of str
        If a notebook has values that differ from run to run, digits are not compared.
    displays : bool
        Whether the flow ran where ``display`` prints a text.
    """
    found = []
    for step in steps:
        ours = _lines(printed.get(step.name, ""), bool(chance))
        theirs = [line for cell in step.cells for line in _lines(plain.cells[cell].printed, bool(chance))]
        cells = [plain.cells[cell] for cell in step.cells]
        if any((displays and cell.displayed) or cell.source.startswith("%%capture") for cell in cells):
            rest = iter(ours)
            found += [f"{step.name} does not print {line!r}" for line in theirs if line not in rest]
            continue
        if step.whole and ours != theirs:
            found.append(f"{step.name} prints {_short(ours)} in the flow, {_short(theirs)} in the notebook")
        elif not step.whole:
            rest = iter(theirs)
            found += [f"{step.name} prints {line!r}, the notebook does not" for line in ours if line not in rest]
    return found


def _lines(text: str, chance: bool) -> list[str]:
    """Lines as a log has them: what a carriage return overwrites is still there; addresses and timings are not.

    In flownb the notebook's classes have another module than in a notebook and on Metaflow.
    """
    text = re.sub(r"(?m)^(CPU times|Wall time): .*|^.* per loop \(mean .*", "", text)
    text = re.sub(r"\bflownb_flow_\w+\.", "__main__.", text)
    text = re.sub(r"0x[0-9a-f]+", "0x…", text).replace("\r", "\n")
    text = re.sub(r"[\d.]+", "#", text) if chance else text
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _short(value: object) -> str:
    """A value in a message."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 90 else f"{text[:87]}…"
