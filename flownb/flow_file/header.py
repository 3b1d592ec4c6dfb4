"""The header of an exported file: which notebook it comes from, and whether somebody has edited it since.

The header is the comment that flow.py begins with. Its last line has a hash of the file's content, which formatters do
not change: it is made of the syntax tree and the comments, where imports that follow each other have no order and
docstrings no indentation. It does not depend on the version of Python either.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Header", "comments_of", "content_hash", "is_edited", "opening_line", "read_header", "renewed", "with_hash"]

_OPENING = re.compile(r"# (?P<flow>\w+): exported(?: from (?P<notebook>.+))? by flownb\.")
_HASH = re.compile(r"# Content (?P<hash>[0-9a-f]{16}); `flownb sync` ")
_EMPTY = "# Content 0000000000000000; `flownb sync` takes edits of this file back into the notebook."


@dataclass(frozen=True)
class Header:
    """What the header of an exported file says.

    Attributes
    ----------
    flow : str
        The name of the flow's class.
    notebook : str
        The notebook's path relative to the file's folder; empty if it was not known.
    hash : str
        The hash of the content when flownb wrote it; empty if the version that wrote it recorded none.
    """

    flow: str
    notebook: str
    hash: str


def opening_line(flow: str, notebook: str) -> str:
    """The first line of an exported file."""
    source = f" from {notebook}" if notebook else ""
    return f"# {flow}: exported{source} by flownb. The notebook is the source; export again to change this file."


def read_header(text: str) -> Header | None:
    """Read the header of a file.

    Parameters
    ----------
    text : str
        A Python file. A line such as ``#!/usr/bin/env python`` may have been added above the header.

    Returns
    -------
    Header or None
        None if flownb did not write the file.
    """
    opening = None
    for line in text.removeprefix("\ufeff").splitlines():
        if opening is None:
            opening = _OPENING.match(line)
        elif found := _HASH.match(line):
            return Header(opening["flow"], opening["notebook"] or "", found["hash"])
        if line.strip() and not line.startswith("#"):
            break
    return Header(opening["flow"], opening["notebook"] or "", "") if opening is not None else None


def is_edited(text: str) -> bool:
    """Whether a file has another content than flownb wrote, or was not written by flownb.

    Formatting a file and sorting its imports are not edits.
    """
    header = read_header(text)
    return header is None or header.hash != content_hash(text)


def with_hash(text: str) -> str:
    """A file whose header ends in an empty comment line, with the line of its hash behind it.

    Parameters
    ----------
    text : str
        The file; its header is the comment that it begins with.
    """
    lines = text.split("\n")
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    hashed = _EMPTY.replace("0" * 16, content_hash(text))
    return "\n".join([*lines[:end], "#", hashed, *lines[end:]])


def renewed(text: str) -> str:
    """An edited file with the hash of what it says now in its header."""
    lines = text.split("\n")
    place = next(place for place, line in enumerate(lines) if _HASH.match(line))
    lines[place] = _EMPTY.replace("0" * 16, content_hash(text)) + "\r" * lines[place].endswith("\r")
    return "\n".join(lines)


def content_hash(text: str) -> str:
    """Hash what a file says, whatever its layout, the order of its imports, and the version of Python.

    Parameters
    ----------
    text : str
        A Python file. The line of its header that has the hash does not count.

    Returns
    -------
    str
        16 hexadecimal digits. If the text is not valid Python, every character counts.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        said = "\n".join([*_node(tree), *_comments(text, tree)])
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        said = text
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _node(node: ast.AST) -> Iterator[str]:
    """What a node of the syntax tree says; what all nodes have, and what is empty, is left out."""
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(_plain(node)):
        if isinstance(node, ast.Constant):
            if name == "value":
                yield _constant(value)
        elif isinstance(value, list):
            if value:
                yield name
                yield from _items(value, isinstance(node, ast.Dict | ast.MatchMapping | ast.arguments))
        elif isinstance(value, ast.AST):
            if not isinstance(value, ast.expr_context):
                yield name
                yield from _node(value)
        elif value is not None and name != "type_comment":
            yield f"{name}={value}"
    yield ")"


def _items(values: list[object], with_gaps: bool) -> Iterator[str]:
    """What a list of nodes says: imports that follow each other as one set."""
    run: list[ast.Import | ast.ImportFrom] = []
    for value in values:
        if isinstance(value, ast.Import | ast.ImportFrom):
            run.append(value)
            continue
        yield from _imported(run)
        run.clear()
        if isinstance(value, ast.AST):
            yield from _node(value)
        elif value is not None or with_gaps:
            yield str(value)
    yield from _imported(run)


def _imported(run: Sequence[ast.Import | ast.ImportFrom]) -> list[str]:
    """What some imports bind, sorted."""
    found = {
        f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', None) or ''} {alias.name} {alias.asname or ''}"
        for node in run
        for alias in node.names
    }
    return sorted(found)


def _plain(node: ast.AST) -> ast.AST:
    """A node as it is without what formatters and versions of Python write in different ways."""
    if isinstance(node, ast.Delete) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Tuple):
        return ast.Delete(node.targets[0].elts) if node.targets[0].elts else node
    if isinstance(node, ast.JoinedStr):
        return ast.JoinedStr(_joined(node.values))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            cleaned = ast.Expr(ast.Constant(_cleaned(first.value.value)))
            fields = {name: value for name, value in ast.iter_fields(node) if name != "body"}
            return type(node)(**fields, body=[cleaned, *node.body[1:]])
    return node


def _joined(values: Sequence[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, with neighbouring texts as one."""
    found: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant):
            if not value.value:
                continue
            if found and isinstance(last := found[-1], ast.Constant):
                found[-1] = ast.Constant(str(last.value) + str(value.value))
                continue
        found.append(value)
    return found


def _constant(value: object) -> str:
    """A constant; `ascii` does not depend on what a version of Python knows of Unicode."""
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else ascii(value)


def _cleaned(docstring: str) -> str:
    """A docstring without the indentation that it has in its place, and without blanks at the ends of lines."""
    first, *rest = [line.rstrip() for line in docstring.expandtabs().split("\n")]
    margin = min((len(line) - len(line.lstrip()) for line in rest if line), default=0)
    return "\n".join([first.lstrip(), *(line[margin:] for line in rest)]).strip()


def comments_of(text: str) -> list[str]:
    """The comments of a file, without the line of its header that has the hash."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    found = [token.string for token in tokens if token.type == tokenize.COMMENT and not _HASH.match(token.string)]
    return [said for one in found if (said := re.sub(r"^#[ \xa0]?", "", one).rstrip())]


def _comments(text: str, tree: ast.Module) -> list[str]:
    """The comments, in order; those of imports that follow each other are sorted, as they move with the imports."""
    runs = list(_import_runs(tree))
    found: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not _HASH.match(token.string):
            line = token.start[0]
            said = re.sub(r"^#[ \xa0]?", "", token.string).rstrip()
            if not said and token.line.lstrip().startswith("#"):
                continue  # an empty comment line separates paragraphs
            place = next((first for first, last in runs if first <= line <= last), 0)
            found.append((place, said))
    sorted_runs = {place: iter(sorted(said for other, said in found if other == place)) for place, _ in found if place}
    return [next(sorted_runs[place]) if place else said for place, said in found]


def _import_runs(node: ast.AST) -> Iterator[tuple[int, int]]:
    """First and last lines of imports that follow each other, with the comments above the first."""
    for child in ast.walk(node):
        for _, values in ast.iter_fields(child):
            if not isinstance(values, list):
                continue
            above, begun = getattr(child, "lineno", 0), False
            last = 0
            for value in values:
                if not isinstance(value, ast.stmt):
                    break
                end = value.end_lineno or value.lineno
                if isinstance(value, ast.Import | ast.ImportFrom):
                    begun, last = True, end
                    continue
                if begun:
                    yield above + 1, last
                    begun = False
                above = end
            if begun:
                yield above + 1, last
