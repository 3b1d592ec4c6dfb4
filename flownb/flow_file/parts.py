"""The parts of a Metaflow file, as `flownb.flow_file.reading` finds them; positions are 1-based, inclusive lines."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

from flownb.flow_file.source import Function

__all__ = ["Block", "BlockKind", "FlowClass", "FlowFile", "StepMethod"]

BlockKind = Literal["docstring", "imports", "code", "late", "flow", "start"]


@dataclass(frozen=True)
class StepMethod:
    r"""A step of a flow.

    Attributes
    ----------
    name : str
    first, last : int
        Lines of the file, from the comments right above the decorators to the comments at the end of the body.
    comments : str
        The comments right above the decorators.
    decorators : str
        Lines of decorators with the comments between them, without a bare ``@step`` that comes last. Empty, or lines
        that each end in ``\n``.
    signature : str
        What is between the name and the colon, on one line: ``"(self, inputs: list[int]) -> None"``.
    parameters : tuple of str
        Names of the parameters.
    docstring : str or None
        Without indentation.
    body : str
        The text below the ``def`` line, its docstring included.
    bare_body : str
        The same without the docstring. If the docstring shares a line with other code, it is still there.
    body_line : int
        Line of the file on which `body` begins.
    node : ast.FunctionDef or ast.AsyncFunctionDef
    """

    name: str
    first: int
    last: int
    comments: str
    decorators: str
    signature: str
    parameters: tuple[str, ...]
    docstring: str | None
    body: str
    bare_body: str
    body_line: int
    node: Function = field(compare=False, repr=False)

    @property
    def is_async(self) -> bool:
        """Whether it is written as ``async def``."""
        return isinstance(self.node, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class FlowClass:
    r"""A class that is a flow.

    Attributes
    ----------
    name : str
    first, last : int
        Lines of the file, from the comments right above the decorators to the comments at the end of the class.
    comments : str
        Comments right above the decorators and behind the class's own line.
    decorators : str
        Lines of decorators with the comments between them.
    bases : tuple of str
        Base classes as written.
    keywords : tuple of str
        What else the class's line has in its parentheses, such as ``"metaclass=Meta"``.
    docstring : str or None
        Without indentation.
    body : str
        The class body without its steps, the docstring included.
    steps : tuple of StepMethod
        In the order of the file; two may have one name.
    node : ast.ClassDef
    """

    name: str
    first: int
    last: int
    comments: str
    decorators: str
    bases: tuple[str, ...]
    keywords: tuple[str, ...]
    docstring: str | None
    body: str
    steps: tuple[StepMethod, ...]
    node: ast.ClassDef = field(compare=False, repr=False)

    def step(self, name: str) -> StepMethod | None:
        """The step of a name; of several the last one, as in Python."""
        return next((one for one in reversed(self.steps) if one.name == name), None)


@dataclass(frozen=True)
class Block:
    """Consecutive lines of a module that belong together.

    Attributes
    ----------
    kind : {"docstring", "imports", "code", "late", "flow", "start"}
        The module's docstring, its first imports, other code, code that uses the class of a flow when the module is
        imported, such a class, or the code that starts a flow.
    text : str
        The lines without blank ones around them.
    first, last : int
    nodes : tuple of ast.stmt
        The statements, without comments.
    name : str
        Of a flow.
    """

    kind: BlockKind
    text: str
    first: int
    last: int
    nodes: tuple[ast.stmt, ...] = field(compare=False, repr=False)
    name: str = ""


@dataclass(frozen=True)
class FlowFile:
    r"""A Metaflow file.

    Attributes
    ----------
    filename : str
        As messages name it.
    text : str
        With ``\n`` line ends.
    docstring : str or None
        Without indentation.
    opening : tuple of str
        Lines that mean something only at the very beginning of a file: ``#!…`` and the one that names its encoding.
    blocks : tuple of Block
        In the order of the file.
    flows : tuple of FlowClass
        In the order of the file.
    started : str or None
        The flow that the file starts; None if it starts none, or one of several.
    """

    filename: str
    text: str
    docstring: str | None
    opening: tuple[str, ...]
    blocks: tuple[Block, ...]
    flows: tuple[FlowClass, ...]
    started: str | None

    def flow(self, name: str) -> FlowClass | None:
        """The flow of a name."""
        return next((one for one in self.flows if one.name == name), None)
