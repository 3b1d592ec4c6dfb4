"""The body of a marked cell, parsed once: its decorators, syntax tree, magics and ``self.next``.

Syntax errors and magics are kept as facts, so that the checks can report them; nothing here raises.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames, Scope
from flownb.metaflow_decorators import STEP_DECORATORS

__all__ = [
    "Decorator",
    "MagicLine",
    "StepBody",
    "SyntaxProblem",
    "Transition",
    "is_next_call",
    "next_calls",
    "parse_body",
    "read_transition",
    "unindentable_lines",
]

# Spellings of the decorator that marks a step, such as `mf.step`; a body may have it although its header says the same.
STEP_MARK = re.compile(r"(?:\w+\.)?step")
MAGIC = re.compile(r"^\s*(?:%{1,2}[A-Za-z_]|!|\?[\w.]|[\w.]+\?{1,2}\s*$)")
# What a string with several lines has: three quotes, a backslash at a line's end, or (Python 3.12) a value in braces.
SEVERAL_LINES = re.compile(r"""'''|\"\"\"|\\\n|[FfTt][Rr]?['"]""")
ASSIGNED_MAGIC = re.compile(r"^\s*[\w.,\s\[\]'\"]+=\s*(?:%[A-Za-z_]|!)")


@dataclass(frozen=True)
class Decorator:
    """One leading decorator: its text, and its first line in the body (1-based)."""

    text: str
    line: int

    @property
    def name(self) -> str:
        """The dotted name after ``@``."""
        found = re.match(r"@\s*([\w.]+)", self.text)
        return found[1] if found else ""


@dataclass(frozen=True)
class MagicLine:
    """A line that only IPython understands, such as ``%time`` or ``!ls``; a final backslash joins the next one."""

    text: str
    line: int


@dataclass(frozen=True)
class SyntaxProblem:
    """What Python's parser said of the body; the line is 1-based in the body."""

    message: str
    line: int


@dataclass(frozen=True)
class Transition:
    """Where a step goes next.

    Attributes
    ----------
    kind : {"linear", "split", "foreach", "switch", "invalid"}
    targets : tuple of str
        Names of the next steps, in the order written.
    foreach : str or None
        The artifact whose items become tasks; None where it is known only when the step runs.
    condition : str or None
        The artifact a switch looks at.
    cases : tuple of (value, str)
        Value of the condition and the step it leads to.
    parallel : bool
        Whether the step starts Metaflow's ``@parallel`` tasks (``num_parallel=…``), a foreach without an artifact.
    line, end_line : int
        Lines of the statement in the body, 1-based; 0 when the transition was derived from headers.
    """

    kind: Literal["linear", "split", "foreach", "switch", "invalid"]
    targets: tuple[str, ...]
    foreach: str | None = None
    condition: str | None = None
    cases: tuple[tuple[str | int | float, str], ...] = ()
    parallel: bool = False
    line: int = 0
    end_line: int = 0


@dataclass(frozen=True)
class StepBody:
    """A parsed body; all line numbers are 1-based in `text`.

    Attributes
    ----------
    text : str
    decorators : tuple of Decorator
        Leading decorators of the step or flow.
    code : str
        `text` with the decorators' lines blanked, so that line numbers stay.
    tree : ast.Module or None
        None after a syntax error.
    problem : SyntaxProblem or None
    magics : tuple of MagicLine
        Searched for only if the text is not plain Python.
    mark : Decorator or None
        A ``@step`` line of the body's own, such as ``@step(start=True)``; it is not one of `decorators`.
    """

    text: str
    decorators: tuple[Decorator, ...]
    code: str
    tree: ast.Module | None
    problem: SyntaxProblem | None
    magics: tuple[MagicLine, ...]
    mark: Decorator | None = None

    @property
    def is_start(self) -> bool:
        """Whether the body says ``@step(start=True)``: the flow begins here, whatever the step is called."""
        return self._marked("start")

    @property
    def is_end(self) -> bool:
        """Whether the body says ``@step(end=True)``: the flow ends here, whatever the step is called."""
        return self._marked("end")

    def mentions(self, *words: str) -> bool:
        """Whether one of some words may be in the code; if not, a search of the tree for what they mean finds nothing.

        Python reads some letters that are not ASCII as others that are, so code with such letters may say any word.
        """
        return not self.code.isascii() or any(word in self.code for word in words)

    def _marked(self, setting: str) -> bool:
        """Whether a setting of the body's own ``@step`` is true."""
        return self.mark is not None and bool(re.search(rf"\b{setting}\s*=\s*True\b", self.mark.text))

    @cached_property
    def transition(self) -> Transition | None:
        """The ``self.next(...)`` that ends the body, if there is one."""
        if self.tree is None or not self.tree.body:
            return None
        last = self.tree.body[-1]
        return read_transition(last) if is_next_call(last) else None

    @cached_property
    def names(self) -> BodyNames:
        """What the body reads and binds, without captures."""
        return analyse_names(self.tree)


def is_next_call(node: ast.stmt) -> bool:
    """Whether a statement is ``self.next(...)``."""
    return isinstance(node, ast.Expr) and _calls_next(node.value)


def _calls_next(node: ast.AST) -> bool:
    """Whether an expression is ``self.next(...)``."""
    return isinstance(node, ast.Call) and _step_of(node.func) == "next"


def next_calls(node: ast.AST | None) -> Iterator[ast.Call]:
    """All calls of ``self.next`` in a body, except in functions with a ``self`` of their own."""
    for child in ast.iter_child_nodes(node) if node is not None else ():
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and "self" in Scope(child).bound:
            continue
        if isinstance(child, ast.Call) and _calls_next(child):
            yield child
        yield from next_calls(child)


def _step_of(node: ast.expr) -> str | None:
    """``self.train`` gives ``"train"``, anything else None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def read_transition(node: ast.stmt) -> Transition:
    """Read a ``self.next(...)`` statement as Metaflow's graph parser does (``metaflow/graph.py``, 2.19)."""
    assert isinstance(node, ast.Expr)
    assert isinstance(node.value, ast.Call)
    call = node.value
    found = _switch(call) if any(keyword.arg == "condition" for keyword in call.keywords) else _other(call)
    return replace(found or Transition("invalid", ()), line=node.lineno, end_line=node.end_lineno or node.lineno)


def _option(call: ast.Call, name: str) -> str | None:
    """The text of the call's only keyword argument, if it is `name`."""
    if len(call.keywords) == 1 and call.keywords[0].arg == name:
        value = call.keywords[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isidentifier():
            return value.value
    return None


def _switch(call: ast.Call) -> Transition | None:
    """Read ``self.next({"x": self.a, "y": self.b}, condition="kind")``."""
    condition = _option(call, "condition")
    if condition is None or len(call.args) != 1 or not isinstance(call.args[0], ast.Dict):
        return None
    cases: dict[str | int | float, str] = {}
    for key, target in zip(call.args[0].keys, call.args[0].values, strict=True):
        step = _step_of(target)
        if key is not None and ast.unparse(key).startswith("self.") and isinstance(key, ast.Attribute):
            value: str | int | float = ast.unparse(key)  # self.config.name, which is known when the flow runs
        elif isinstance(key, ast.Constant) and isinstance(key.value, str | int | float):
            value = key.value
        else:
            return None
        if step is None or value in cases:
            return None
        cases[value] = step
    if len(cases) < 2:
        return None
    targets = tuple(dict.fromkeys(cases.values()))
    return Transition("switch", targets, condition=condition, cases=tuple(cases.items()))


def _other(call: ast.Call) -> Transition | None:
    """Read every form of ``self.next`` without a condition."""
    targets = tuple(dict.fromkeys(step for step in map(_step_of, call.args) if step is not None))
    if not targets or len(targets) != len(call.args):
        return None
    if len(call.keywords) == 1 and call.keywords[0].arg == "num_parallel" and len(targets) == 1:
        return Transition("foreach", targets, parallel=True)
    if call.keywords:
        foreach = _option(call, "foreach")
        # Metaflow asks for the name of the artifact when the step runs, so it may be given by an expression.
        computed = len(call.keywords) == 1 and not isinstance(call.keywords[0].value, ast.Constant)
        named = foreach or (computed and call.keywords[0].arg == "foreach")
        return Transition("foreach", targets, foreach=foreach) if named and len(targets) == 1 else None
    return Transition("linear" if len(targets) == 1 else "split", targets)


def unindentable_lines(text: str) -> frozenset[int]:
    """Lines (1-based) that begin inside a string, where blanks at the beginning would change a value.

    An incomplete text gives the lines known so far.
    """
    if not SEVERAL_LINES.search(text):
        return frozenset()
    inside: set[int] = set()
    depth: list[int] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            kind = tokenize.tok_name[token.type]
            if kind in ("FSTRING_START", "TSTRING_START"):
                depth.append(token.start[0])
            elif kind in ("FSTRING_END", "TSTRING_END"):
                inside.update(range(depth.pop() + 1, token.end[0] + 1))
            elif token.type == tokenize.STRING:
                inside.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return frozenset(inside)


def _logical_lines(text: str) -> list[tuple[int, int, str]]:
    """(first line, last line, first token) of each logical line, until tokenizing fails."""
    found: list[tuple[int, int, str]] = []
    start: tuple[int, str] | None = None
    skipped = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                if start is not None:
                    found.append((start[0], token.start[0], start[1]))
                start = None
            elif start is None and token.type not in skipped:
                start = (token.start[0], token.string)
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return found


def _leading_decorators(text: str) -> list[Decorator]:
    """Decorator lines above the body that decorate the step rather than a def of the body."""
    if "@" not in text:
        return []
    lines = text.split("\n")
    found: list[tuple[Decorator, int]] = []
    following: tuple[int, str] | None = None
    for first, last, token in _logical_lines(text):
        if token != "@":
            following = (first, token)
            break
        found.append((Decorator("\n".join(lines[first - 1 : last]).strip(), first), last))
    if following and following[1] in ("def", "class", "async") and found:
        # `@lru_cache` right above `def` is the def's. With a blank line in between, or if only steps have it, it is the
        # step's.
        touching = following[0]
        while (
            found
            and all(lines[number].strip() for number in range(found[-1][1], touching - 1))
            and not (found[-1][0].name in STEP_DECORATORS or STEP_MARK.fullmatch(found[-1][0].name))
        ):
            touching = found[-1][0].line
            found.pop()
    return [decorator for decorator, _ in found]


def _magic_lines(code: str) -> tuple[MagicLine, ...]:
    """Lines that look like IPython's and do not begin inside a string."""
    lines = code.split("\n")
    found: list[MagicLine] = []
    inside: frozenset[int] | None = None
    number = 0
    while number < len(lines):
        number += 1
        line = lines[number - 1]
        if not (MAGIC.match(line) or ASSIGNED_MAGIC.match(line)):
            continue
        if inside is None:
            # Python's tokenizer stops at what it does not know, so the magics found so far are replaced before.
            inside = unindentable_lines("\n".join(lines))
        if number in inside:
            continue
        last = number
        while lines[last - 1].endswith("\\") and last < len(lines):
            last += 1
        found.append(MagicLine("\n".join(lines[number - 1 : last]).strip(), number))
        lines[number - 1 : last] = [f"{_blanks(line)}pass"] + [""] * (last - number)
        number, inside = last, None
    return tuple(found)


def _blanks(line: str) -> str:
    """The blanks a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def _without(code: str, magics: tuple[MagicLine, ...]) -> str:
    """Turn magic lines into comments; an indented one leaves a `pass`, as it may be the only line of its block."""
    lines = code.split("\n")
    for magic in magics:
        blanks = _blanks(lines[magic.line - 1])
        texts = magic.text.split("\n")
        for offset, text in enumerate(texts):
            lines[magic.line - 1 + offset] = f"{blanks}{'pass  ' if blanks and not offset else ''}# {text.strip()}"
    return "\n".join(lines)


def _parse(code: str) -> ast.Module | SyntaxProblem:
    """The syntax tree, or what is wrong; warnings are shown when the code is executed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except SyntaxError as error:
        return SyntaxProblem(error.msg or "invalid syntax", error.lineno or 1)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deep
        return SyntaxProblem(str(error) or "the code is nested too deep", 1)


def parse_body(text: str, kind: Literal["flow", "shared", "step", "scratch"]) -> StepBody:
    """Parse the body of a marked cell.

    Parameters
    ----------
    text : str
        Everything below the header line.
    kind : {"flow", "shared", "step", "scratch"}
        What the cell is. In a step or flow cell, leading decorators are those of the step or flow. In a shared cell,
        magics are commented out.

    Returns
    -------
    StepBody
    """
    decorators = _leading_decorators(text) if kind in ("step", "flow") else []
    lines = text.split("\n")
    for decorator in decorators:
        for offset in range(decorator.text.count("\n") + 1):
            lines[decorator.line - 1 + offset] = ""
    code = "\n".join(lines)
    marks = [decorator for decorator in decorators if STEP_MARK.fullmatch(decorator.name)] if kind == "step" else []
    decorators = [decorator for decorator in decorators if decorator not in marks]
    magics: tuple[MagicLine, ...] = ()
    parsed = _parse(code)
    if isinstance(parsed, SyntaxProblem) and (candidates := _magic_lines(code)):
        without = _without(code, candidates)
        reparsed = _parse(without)
        if not isinstance(reparsed, ast.Module):
            # There is a magic and a mistake: the magic is reported if Python stopped there.
            magics = tuple(magic for magic in candidates if magic.line == parsed.line)
        else:
            magics = candidates
            if kind == "shared":
                parsed, code = reparsed, without
    problem = parsed if isinstance(parsed, SyntaxProblem) else None
    tree = parsed if isinstance(parsed, ast.Module) else None
    return StepBody(text, tuple(decorators), code, tree, problem, magics, marks[0] if marks else None)
