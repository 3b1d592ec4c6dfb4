"""The imports that an exported file begins with: grouped and sorted as isort does, where that changes nothing.

Only imports that no other code precedes are sorted. They keep their order if sorting would move one across another
whose import may have an effect on it: an own module, which can do anything, or a package of `ORDER_MATTERS`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

__all__ = ["LINE_LENGTH", "LeadingImports", "import_from", "leading_imports", "sorted_imports"]

LINE_LENGTH = 88  # ruff's and black's default, so that formatting the file changes none of our lines
# Packages that load a native runtime, of which the first one counts, or that change other modules when imported.
ORDER_MATTERS = frozenset(
    {"beartype", "cudf", "cv2", "ddtrace", "eventlet", "faiss", "gevent", "jax", "lightgbm", "mpi4py", "newrelic"}
    | {"open3d", "sklearnex", "tensorflow", "torch", "truststore", "xgboost"}
)
# The standard library of each Python from 3.11 to 3.14, so that the file is the same with all of them.
_REMOVED = (
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib "
    "ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib"
)
STANDARD = frozenset(sys.stdlib_module_names) | frozenset(_REMOVED.split()) | {"annotationlib", "compression"}
# A comment with which a user or tool steers how imports are sorted, or that stands for an IPython magic.
_STEERS = re.compile(r"#\s*(?:isort|ruff|fmt|yapf)\s*:")
_MAGIC = re.compile(r"#\s*[%!]")


@dataclass(frozen=True)
class _Name:
    """One imported name: ``import module as asname``, or ``from module import name as asname``."""

    module: str
    name: str = ""
    asname: str = ""

    @property
    def bound(self) -> tuple[str, str]:
        """The name that it binds, and to what."""
        if self.name:
            return self.asname or self.name, f"{self.module}.{self.name}"
        return (self.asname, self.module) if self.asname else (self.top, self.top)

    @property
    def top(self) -> str:
        """The top-level package."""
        return self.module.partition(".")[0]


@dataclass
class _Line:
    """One statement as it will be written."""

    names: list[_Name]
    above: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    exploded: bool = False
    of_name: dict[_Name, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeadingImports:
    """The imports that a module begins with, and what is left of the texts they come from.

    Attributes
    ----------
    lines : tuple
        The statements in the order in which they are executed; None if they have to stay as they are.
    top : tuple of str
        Comments that belong to none of them.
    rests : tuple of str
        Each text without these imports.
    """

    lines: tuple[_Line, ...] | None
    top: tuple[str, ...]
    rests: tuple[str, ...]


def leading_imports(texts: Sequence[str]) -> LeadingImports:
    """Find the imports that some texts, executed one after the other, begin with.

    Parameters
    ----------
    texts : sequence of str
        Python without ``from __future__`` imports.
    """
    found: list[_Line] = []
    top: list[str] = []
    rests: list[str] = []
    leads = True
    for text in texts:
        rest = text
        if leads:
            taken = _taken(text, top)
            if taken is None:
                return LeadingImports(None, (), tuple(texts))
            lines, rest, leads = taken
            found += lines
        rests.append(rest)
    return LeadingImports(tuple(found), tuple(top), tuple(rests))


def _taken(text: str, top: list[str]) -> tuple[list[_Line], str, bool] | None:
    """The imports that a text begins with, the rest of it, and whether there is no other code; None for a refusal."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return None
    imports: list[ast.Import | ast.ImportFrom] = []
    for node in body:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            break
        imports.append(node)
    if not imports:
        return [], text, not body
    comments = _comments(text)
    end = imports[-1].end_lineno or 0
    if any(_STEERS.match(said) for line, said, _ in comments if line <= end):
        return None
    following = body[len(imports)] if len(imports) < len(body) else None
    if following is not None and following.lineno == end:
        return None  # `import os; x = 1`
    found: list[_Line] = []
    line = 0
    for node in imports:
        first, last = node.lineno, node.end_lineno or node.lineno
        if any(first <= number < last or (number == last and own) for number, _, own in comments):
            return None  # comments between the names
        if isinstance(node, ast.ImportFrom) and (node.level or any(alias.name == "*" for alias in node.names)):
            return None
        above = [(number, said) for number, said, _ in comments if line < number < first]
        behind = [said for number, said, _ in comments if number == last]
        own = _split_above(above, first, top)
        line = last
        if isinstance(node, ast.ImportFrom):
            names = [_Name(str(node.module), alias.name, alias.asname or "") for alias in node.names]
            exploded = re.search(r",\s*\)$", ast.get_source_segment(text, node) or "") is not None
            found.append(_Line(names, own, behind, exploded))
        else:
            parts = [_Line([_Name(alias.name, "", alias.asname or "")]) for alias in node.names]
            parts[0].above, parts[-1].behind = own, behind
            found += parts
    rest = "\n".join(text.split("\n")[end:]).strip("\n")
    return found, rest, following is None


def _split_above(comments: Sequence[tuple[int, str]], first: int, top: list[str]) -> list[str]:
    """The comments that belong to an import: those right above it. The others are added to `top`."""
    own: list[str] = []
    expected = first - 1
    for number, said in reversed(comments):
        if number != expected or _MAGIC.match(said):
            break
        own.insert(0, said)
        expected -= 1
    top += [said for _, said in comments[: len(comments) - len(own)]]
    return own


def _comments(text: str) -> list[tuple[int, str, bool]]:
    """Line, text, and whether there is nothing before it on its line, of each comment."""
    return [
        (token.start[0], token.string.rstrip(), not token.line[: token.start[1]].strip())
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    ]


def sorted_imports(
    leading: LeadingImports, added: Sequence[str], features: Sequence[str], is_own: Callable[[str], bool]
) -> list[str] | None:
    """The block of imports a file begins with.

    Parameters
    ----------
    leading : LeadingImports
    added : sequence of str
        Names that are imported from metaflow as well.
    features : sequence of str
        Names that are imported from ``__future__``.
    is_own : callable
        Whether a top-level name is a module of the user's own.

    Returns
    -------
    list of str or None
        Lines; None if the imports have to keep their order.
    """
    if leading.lines is None:
        return None
    lines = leading.lines
    mine = [_Line([_Name("metaflow", name) for name in added])] if added else []
    targets: dict[str, str] = {}
    for name in (name for line in (*mine, *lines) for name in line.names):
        bound, target = name.bound
        if targets.setdefault(bound, target) != target:
            return None  # the last one counts

    def group(line: _Line) -> int:
        top = line.names[0].top
        return 0 if top in STANDARD else 2 if is_own(top) else 1

    merged = _merged([*mine, *lines])
    if merged is None:
        return None
    ordered = sorted(merged, key=lambda line: (group(line), *_key(line)))
    place = {name: number for number, line in enumerate(ordered) for name in line.names}
    for one, other in combinations(lines, 2):
        moved = any(place[first] > place[second] for first in one.names for second in other.names)
        if moved and not _may_swap(one.names[0].top, group(one), other.names[0].top, group(other)):
            return None
    found = [*leading.top, *[""] * bool(leading.top), *import_from("__future__", sorted(set(features)))]
    before = -1
    for line in ordered:
        if found and found[-1] and (group(line) != before or line.above):
            found.append("")
        before = group(line)
        found += _written(line)
    return found


def _may_swap(one: str, group: int, other: str, other_group: int) -> bool:
    """Whether two imports do the same in either order, as far as that can be known."""
    if one == other or 0 in (group, other_group):
        return True
    return group == other_group == 1 and not {one, other} & ORDER_MATTERS


def _merged(lines: Iterable[_Line]) -> list[_Line] | None:
    """The statements, those of one module as one except for names with `as`; None if comments forbid it."""
    parts: dict[object, list[_Line]] = {}
    for line in lines:
        own: dict[object, _Line] = {}
        for name in line.names:
            key: object = name if name.asname or not name.name else name.module
            own.setdefault(key, _Line([], exploded=line.exploded)).names.append(name)
        if len(own) > 1 and (line.behind or line.exploded):
            return None  # whose they are cannot be known
        for place, (key, part) in enumerate(own.items()):
            part.above = line.above if place == 0 else []
            part.behind = line.behind
            parts.setdefault(key, []).append(part)
    found = []
    for some in parts.values():
        merged = _Line(sorted({name for part in some for name in part.names}, key=_name_key))
        merged.above = [said for part in some for said in part.above]
        merged.exploded = any(part.exploded for part in some)
        behind = [part for part in some if part.behind]
        if len(some) == 1:
            merged.behind = some[0].behind
        elif len({*(part.names[0] for part in behind)}) < len(behind) or any(len(part.names) > 1 for part in behind):
            return None
        else:
            merged.of_name = {part.names[0]: "  ".join(part.behind) for part in behind}
            if len(merged.names) == 1 and behind:
                merged.behind, merged.of_name = behind[0].behind, {}
        found.append(merged)
    return found


def _written(line: _Line) -> list[str]:
    """The lines of a statement."""
    first = line.names[0]
    behind = "".join(f"  {said}" for said in line.behind)
    if not first.name:
        return [*line.above, f"import {first.module}{f' as {first.asname}' if first.asname else ''}{behind}"]
    names = [f"{name.name} as {name.asname}" if name.asname else name.name for name in line.names]
    comments = [line.of_name.get(name, "") for name in line.names]
    return [*line.above, *import_from(first.module, names, exploded=line.exploded, behind=behind, comments=comments)]


def import_from(
    module: str, names: Sequence[str], *, exploded: bool = False, behind: str = "", comments: Sequence[str] = ()
) -> list[str]:
    """The lines of ``from module import names``, broken as formatters do.

    Parameters
    ----------
    module : str
    names : sequence of str
        If there are none, there are no lines.
    exploded : bool, default False
        Whether each name has a line of its own, however short the statement is.
    behind : str
        A comment behind the statement.
    comments : sequence of str
        A comment for each name, or an empty text.
    """
    if not names:
        return []
    line = f"from {module} import {', '.join(names)}"
    if not exploded and not any(comments) and (len(line) <= LINE_LENGTH or (len(names) == 1 and behind)):
        return [f"{line}{behind}"]
    said = [f"  {comment}" if comment else "" for comment in (*comments, *[""] * len(names))]
    return [
        f"from {module} import ({behind}",
        *(f"    {name},{comment}" for name, comment in zip(names, said, strict=False)),
        ")",
    ]


def _key(line: _Line) -> tuple[object, ...]:
    """How isort orders statements: ``import`` first, then by module."""
    first = line.names[0]
    return bool(first.name), _natural(first.module.lower()), _natural(first.module), *_name_key(first)


def _name_key(name: _Name) -> tuple[object, ...]:
    """How isort orders names: constants, classes, then all others."""
    text = name.name
    kind = 0 if len(text) > 1 and text.isupper() else 1 if text[:1].isupper() else 2
    return kind, _natural(text.lower()), _natural(text), name.asname


def _natural(text: str) -> list[tuple[int, int]]:
    """A key by which ``a2`` is before ``a10``."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """The characters of a text, with each number as one."""
    for found in re.finditer(r"(\d+)|.", text, re.ASCII | re.DOTALL):
        yield (ord("0"), int(found[1])) if found[1] else (ord(found[0]), 0)
