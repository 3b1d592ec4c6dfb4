"""The one function that turns a step cell into the source of its method.

The runtime executes exactly this text, and the exporter writes exactly this text: what you run is what you ship.
"""

from __future__ import annotations

import ast
import hashlib
import re
import warnings
from dataclasses import dataclass
from functools import cached_property

from flownb.cells.body import StepBody, Transition, unindentable_lines
from flownb.cells.digest import code_digest
from flownb.cells.header import INPUTS
from flownb.flow.artifacts import ArtifactTrace
from flownb.flow.definition import FlowDefinition, Step
from flownb.flow.graph import Node
from flownb.metaflow_decorators import STEP_DECORATORS

__all__ = [
    "MethodSource",
    "SourceLine",
    "behind_semicolon",
    "indent_code",
    "literal_source",
    "method_source",
    "to_metaflow_imports",
    "transition_source",
]

# Modules with Metaflow's names, and what replaces `flownb` in `import flownb` and `import flownb.cards`.
MIRRORED = {"flownb": "metaflow as flownb", "flownb.cards": "metaflow as flownb, metaflow"}


@dataclass(frozen=True)
class SourceLine:
    """A line of generated source.

    `origin` is the 1-based line of the cell that it comes from, `added` the number of columns that were put before it.
    """

    text: str
    origin: int
    added: int


@dataclass(frozen=True)
class MethodSource:
    """The source of one ``@step`` method, indented by four blanks as in a class.

    Attributes
    ----------
    name : str
        The step's name.
    lines : tuple of SourceLine
    loads : tuple of str
        Artifacts read with ``x = self.x`` before the body.
    statements : int
        How many of the method's statements are the body's own, ``self.next`` not counted.
    code_hash : str
        Hash of the text of `content`.
    content : str
        The method without its decorators and its transition, as a function: what its result depends on.
    undecorated : tuple of SourceLine
        `lines` without those of decorators, ``@step`` not counted.
    """

    name: str
    lines: tuple[SourceLine, ...]
    loads: tuple[str, ...]
    statements: int
    code_hash: str
    content: str = ""
    undecorated: tuple[SourceLine, ...] = ()

    @cached_property
    def tree_hash(self) -> str:
        """Hash of `content` as code, which comments and line breaks do not change."""
        return code_digest(self.content)

    @property
    def text(self) -> str:
        """The source, ending in a newline."""
        return "".join(line.text + "\n" for line in self.lines)


def to_metaflow_imports(code: str) -> str:
    """Make ``from flownb import …`` read ``from metaflow import …``, also of ``flownb.cards``; no line moves.

    ``import flownb`` becomes ``import metaflow as flownb``, and ``import flownb.cards`` ``import metaflow as flownb,
    metaflow.cards``. Text that is not valid Python is returned unchanged.
    """
    if "flownb" not in code:
        return code
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return code
    # Each place as (line, column in UTF-8 bytes, what replaces `flownb` there).
    places: list[tuple[int, int, str]] = []
    lines = [line.encode() for line in code.split("\n")]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in MIRRORED and not node.level:
            line, column = node.lineno, node.col_offset
            while (found := lines[line - 1].find(b"flownb", column)) < 0:
                line, column = line + 1, 0  # the name is on a continuation line
            places.append((line, found, "metaflow"))
        elif isinstance(node, ast.Import):
            places += [
                (alias.lineno, alias.col_offset, "metaflow" if alias.asname else MIRRORED[alias.name])
                for alias in node.names
                if alias.name in MIRRORED
            ]
    for line, column, name in sorted(places, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + name.encode() + text[column + len(b"flownb") :]
    return b"\n".join(lines).decode()


def indent_code(code: str, width: int, *, first_line: int = 1) -> list[SourceLine]:
    """Indent code without changing the value of any string in it.

    Parameters
    ----------
    code : str
    width : int
        Blanks to put before each line that is not blank and does not begin inside a string.
    first_line : int
        Origin of the code's first line.

    Returns
    -------
    list of SourceLine
    """
    inside = unindentable_lines(code)
    lines = []
    for number, line in enumerate(code.split("\n"), 1):
        origin = first_line + number - 1
        if number in inside:
            lines.append(SourceLine(line, origin, 0))
        elif not line.strip():
            lines.append(SourceLine("", origin, 0))
        else:
            # A form feed resets Python's column count to zero, and Metaflow cannot dedent a method with a form feed in
            # its indentation (`metaflow/graph.py`, deindent_docstring). It has no meaning there, so it is left out.
            code = line.lstrip(" \t\f")
            blanks = line[: len(line) - len(code)].rpartition("\f")
            lines.append(SourceLine(" " * width + blanks[2] + code, origin, width - len(blanks[0] + blanks[1])))
    return lines


def transition_source(transition: Transition) -> str:
    """The ``self.next(...)`` statement of a transition that headers describe."""
    if transition.kind == "switch":
        cases = ", ".join(f"{literal_source(value)}: self.{step}" for value, step in transition.cases)
        return f'self.next({{{cases}}}, condition="{transition.condition}")'
    targets = ", ".join(f"self.{target}" for target in transition.targets)
    if transition.kind == "foreach":
        return f'self.next({targets}, foreach="{transition.foreach}")'
    return f"self.next({targets})"


def literal_source(value: str | int | float) -> str:
    """A value as Python writes it, a string in double quotes unless that needs a backslash."""
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def method_source(flow: FlowDefinition, node: Node, artifacts: ArtifactTrace) -> MethodSource:
    """Write the source of a step's method.

    Parameters
    ----------
    flow : FlowDefinition
    node : Node
        The step's place in the graph; a node without a step gives a method that only passes on.
    artifacts : ArtifactTrace
        What can be read where; it decides which plain names are artifacts.

    Returns
    -------
    MethodSource
        Decorators, ``@step``, the def, loads (``x = self.x``), the body as written, captures (``self.x = x``) and the
        transition.
    """
    step = node.step
    inputs = step.header.inputs if step is not None else INPUTS
    arguments = f"(self, {inputs})" if node.is_join else "(self)"
    if step is None:
        lines = [SourceLine("    @step", 1, 4), SourceLine(f"    def {node.name}{arguments}:", 1, 4)]
        last = transition_source(node.transition) if node.transition else "pass"
        lines.append(SourceLine(f"        {last}", 1, 8))
        return MethodSource(node.name, tuple(lines), (), 0, _hash("pass"), "pass", tuple(lines))
    cell, body = step.cell, step.body
    signature = step.header.signature or arguments
    header_line = max(cell.body_line - 1, 1)
    to_cell = cell.body_line - 1
    above, mark, below = _decorators(flow, step)
    own = _guarded_loads(body)
    loads = tuple(name for name in artifacts.loads(step, flow) if name not in own)
    reads = {**step.names.mentions, **step.names.reads}
    # An artifact that only another case of a switch sets, or that a caught exception prevented, fails only when used.
    guards = {name: f'if hasattr(self, "{name}"): ' for name in loads if artifacts.may_lack(node.name, name)}
    before = [
        SourceLine(f"        {guards.get(name, '')}{name} = self.{name}", reads[name] + to_cell, 8) for name in loads
    ]
    written = indent_code(to_metaflow_imports(body.code), 8, first_line=cell.body_line)
    maybe = set(step.captures) - step.body.names.bound_at_end if step.is_throw_away else set()
    captured = [
        SourceLine(f"        {_if_set(name) if name in maybe else ''}self.{name} = {name}", header_line, 8)
        for name in step.captures
    ]
    explicit = body.transition
    after: list[SourceLine] = []
    if explicit is not None and not behind_semicolon(body):
        after = written[explicit.line - 1 :]
        written = written[: explicit.line - 1]
    elif explicit is None and node.transition is not None:
        after = [SourceLine(f"        {transition_source(node.transition)}", header_line, 8)]
    written, after = _trim(written), _trim(after)
    statements = len(body.tree.body) - (explicit is not None) if body.tree else 0
    # Not part of `content`: whether a step without code is the last one does not change its result.
    filler = [] if statements or before or captured or after else [SourceLine("        pass", header_line, 8)]
    lines = [
        *above,
        *mark,
        *below,
        SourceLine(f"    def {node.name}{signature}:", header_line, 4),
        *before,
        *written,
        *filler,
        *captured,
        *after,
    ]
    content = "\n".join(line.text for line in (*before, *written, *captured))
    # In a class, because that changes the meaning of `__x`; a body with only comments needs a statement.
    function = f"class Flow:\n    def step{arguments}:\n{content}\n        pass\n"
    undecorated = (*mark, *lines[len(above) + len(mark) + len(below) :])
    code_hash = _hash(f"{arguments}\n{content}")
    return MethodSource(node.name, tuple(lines), loads, statements, code_hash, function, undecorated)


def _guarded_loads(body: StepBody) -> set[str]:
    """Names that a body of an exported file loads by its first statements, if they have a value, as written here."""
    found: set[str] = set()
    for node in body.tree.body if body.tree is not None and body.mentions("hasattr") else []:
        name = getattr(getattr(node, "body", [None])[0], "targets", [None])[0]
        if not isinstance(name, ast.Name):
            break
        if ast.unparse(node) != f"if hasattr(self, {name.id!r}):\n    {name.id} = self.{name.id}":
            break
        found.add(name.id)
    return found


def _if_set(name: str) -> str:
    """A condition that a local name has a value."""
    return f'if "{name}" in locals(): '


def _decorators(flow: FlowDefinition, step: Step) -> tuple[list[SourceLine], list[SourceLine], list[SourceLine]]:
    """The lines of the decorators above ``@step``, of ``@step`` with its settings, and of those below it.

    Only what is not Metaflow's stays below it, where the body has it: Metaflow decorates steps alone.
    """
    mark, to_cell = step.body.mark, step.cell.body_line - 1
    above: list[SourceLine] = []
    below: list[SourceLine] = []
    for decorator in step.body.decorators:
        is_plain = decorator.name.rpartition(".")[2] not in STEP_DECORATORS - flow.redefined
        place = below if mark is not None and decorator.line > mark.line and is_plain else above
        place += indent_code(decorator.text, 4, first_line=decorator.line + to_cell)
    if mark is None:
        return above, [SourceLine("    @step", max(to_cell, 1), 4)], below
    text = mark.text
    if mark.name.partition(".")[0] not in flow.shared_names:
        text = re.sub(r"^@\s*(?:\w+\.)?step", "@step", text)
    return above, indent_code(text, 4, first_line=mark.line + to_cell), below


def behind_semicolon(body: StepBody) -> bool:
    """Whether the body's last statement begins on the line that the one before it ends on."""
    statements = body.tree.body if body.tree is not None else []
    return len(statements) > 1 and statements[-2].end_lineno == statements[-1].lineno


def _trim(lines: list[SourceLine]) -> list[SourceLine]:
    """Drop blank lines at both ends."""
    start, end = 0, len(lines)
    while start < end and not lines[start].text:
        start += 1
    while end > start and not lines[end - 1].text:
        end -= 1
    return lines[start:end]


def _hash(text: str) -> str:
    """A short content hash; the transition is not part of it, so a step stays fresh when a step is added after it."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
