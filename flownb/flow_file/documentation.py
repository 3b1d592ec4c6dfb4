"""The text between the cells of a notebook, as the docstrings and comments of an exported file.

Markdown is kept as it is written where it reads well as plain text. Headings lose their marks; images, HTML and rules
are left out; long paragraphs are wrapped.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.cells.cell import Cell
from flownb.cells.digest import sees_text
from flownb.flow.definition import FlowDefinition
from flownb.flow_file.imports import LINE_LENGTH

__all__ = [
    "Documentation",
    "comment",
    "docstring",
    "plain_text",
    "read_documentation",
    "sees_docstrings",
    "sees_documentation",
]

# With these, code can see a docstring, its own or that of a step, class or module.
_SEES_DOCSTRINGS = re.compile(r"\b(?:__doc__|getdoc|doctest|pydoc|_graph_info)\b|\bhelp\s*\(")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_RULE = re.compile(r"\s*(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,})$")
_HEADING = re.compile(r"\s{0,3}#{1,6}(?:\s+|$)")
_IMAGE = re.compile(r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])")
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>")
# Controls, and halves of surrogate pairs, which no file in UTF-8 can have.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# What begins something else than a paragraph.
_MARKER = re.compile(r"\s*(?:[-*+]\s|[>|#:]|\d+[.)]|`{3}|~{3}|\[\^?[^\]]*\]:|\$\$|\\begin)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s+")


@dataclass(frozen=True)
class Documentation:
    """The text of a notebook.

    Attributes
    ----------
    module : str
        The text that the notebook begins with, as markdown.
    above : mapping of str to str
        The markdown right above a cell of the flow, by the cell's id, or by its source if it has no id.
    """

    module: str = ""
    above: Mapping[str, str] = field(default_factory=dict)

    def of(self, cell: Cell) -> str:
        """The markdown right above a cell."""
        return self.above.get(_key(cell), "")


def _key(cell: Cell) -> str:
    """What a cell is known by; files of plain text have no ids."""
    return cell.cell_id or f"\n{cell.source}"


def read_documentation(document: Mapping[str, Any], flow: FlowDefinition) -> Documentation:
    """Find the text that documents a flow and its cells.

    Parameters
    ----------
    document : mapping
        The notebook as nbformat JSON, each source one text.
    flow : FlowDefinition

    Returns
    -------
    Documentation
        The markdown cells that the notebook begins with, up to the first code cell, document the module. If there are
        several and the code cell is a step or the flow's header, the last of them documents that.
    """
    ids = {cell.cell_id: cell for cell in flow.marked if cell.cell_id}
    sources = {cell.source: cell for cell in flow.marked}
    module, above, texts = "", {}, []
    leads = True
    for raw in document["cells"]:
        source = str(raw.get("source", "")).replace("\r\n", "\n").replace("\r", "\n")
        if raw.get("cell_type") == "markdown":
            texts.append(source)
        if raw.get("cell_type") != "code":
            continue
        cell = ids.get(raw.get("id")) or sources.get(source)
        if leads:
            own = texts[1:][-1:] if cell is not None and cell.kind in ("step", "flow") else []
            module, texts, leads = "\n\n".join(texts[: len(texts) - len(own)]), own, False
        if cell is not None and texts:
            above[_key(cell)] = "\n\n".join(texts)
        texts = []
    return Documentation(module, above)


def sees_documentation(flow: FlowDefinition) -> bool:
    """Whether code of the flow can see docstrings, so that one more could change a result."""
    return any(sees_docstrings(cell.source) for cell in flow.marked)


def sees_docstrings(source: str) -> bool:
    """Whether code may see its own text, or a docstring."""
    return sees_text(source) or bool(_SEES_DOCSTRINGS.search(source))


def plain_text(markdown: str, width: int) -> str:
    r"""Markdown as the text of a docstring or comment.

    Parameters
    ----------
    markdown : str
    width : int
        The number of columns of a line; code, tables and single long words may be longer.

    Returns
    -------
    str
        Without blanks at the ends of lines, and without blank lines at both ends or two in a row; empty if nothing
        remains.

    Examples
    --------
    >>> plain_text("# Load\n\n![a plot](attachment:a.png)\nReads **all** rows.<br>", 80)
    'Load\n\nReads **all** rows.'
    """
    text = _UNPRINTABLE.sub("", markdown.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    "))
    lines: list[tuple[str, bool]] = []
    fence = ""
    for line in _HTML_COMMENT.sub("", text).split("\n"):
        found = _FENCE.match(line)
        is_code = bool(found or fence)
        if found and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
        lines += [(line.rstrip(), True)] if is_code else [(one, False) for one in _said(line)]
    kept: list[str] = []
    for line in _filled(lines, width):
        if line or (kept and kept[-1]):
            kept.append(line)
    return textwrap.dedent("\n".join(kept).strip("\n")).strip()


def _filled(lines: Sequence[tuple[str, bool]], width: int) -> list[str]:
    """The lines, with paragraphs and items of lists that have a line which is too long filled again."""
    found: list[str] = []
    paragraph: list[str] = []
    for line, is_code in (*lines, ("", False)):
        text = line.rstrip()
        begins = not text or is_code or bool(_MARKER.match(line)) or (not paragraph and line.startswith("    "))
        if begins:
            found += _fill(paragraph, width)
            paragraph = []
        if text and not is_code and (not begins or _ITEM.match(line)):
            paragraph.append(text)
        else:
            found += [text] if begins else []
        if paragraph and line.endswith(("  ", "\\")):  # a line break
            found += _fill(paragraph, width)
            paragraph = []
    return found


def _fill(paragraph: Sequence[str], width: int) -> list[str]:
    """A paragraph in lines that are not too long, unless a line would then begin something else than text."""
    if all(len(line) <= width for line in paragraph):
        return list(paragraph)
    first = paragraph[0]
    item = _ITEM.match(first)
    indent = " " * (item.end() if item else len(first) - len(first.lstrip()))
    words = " ".join([first, *(line.strip() for line in paragraph[1:])])
    found = textwrap.wrap(
        words, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )
    return list(paragraph) if any(_MARKER.match(line) for line in found[1:]) else found


def _said(line: str) -> list[str]:
    """The lines of text that a line of markdown makes."""
    if _RULE.match(line):
        return [""]
    if heading := _HEADING.match(line):
        words = _without_html(line[heading.end() :]).rstrip("#").strip()
        return ["", words, ""] if words else [""]
    cleaned = _without_html(line)
    return [] if line.strip() and not cleaned.strip() else cleaned.split("\n")


def _without_html(line: str) -> str:
    """A line without images and tags, except in code."""
    parts = re.split(r"(`+[^`]+`+)", line)
    for place in range(0, len(parts), 2):
        parts[place] = _TAG.sub("", _BREAK.sub("\n", _IMAGE.sub("", parts[place])))
    return "".join(parts)


def docstring(text: str, indent: int) -> list[str]:
    """The lines of a docstring.

    Parameters
    ----------
    text : str
        As `plain_text` makes it.
    indent : int
        The number of blanks before it.

    Returns
    -------
    list of str
        Empty if there is no text. Backslashes make it a raw string; where that is not possible, they are escaped.
    """
    if not text:
        return []
    prefix = ""
    if '"""' in text:
        text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    elif "\\" in text:
        prefix = "r"
    blanks = " " * indent
    first, *rest = text.split("\n")
    if first.startswith('"'):
        first = f" {first}"
    end = " " if first.endswith(('"', "\\")) else ""  # as ruff writes it
    if not rest and indent + len(prefix) + len(first) + len(end) + 6 <= LINE_LENGTH:
        return [f'{blanks}{prefix}"""{first}{end}"""']
    return [f'{blanks}{prefix}"""{first}', *(f"{blanks}{line}" if line else "" for line in rest), f'{blanks}"""']


def comment(text: str, indent: int) -> list[str]:
    """The lines of a comment; none if there is no text."""
    blanks = " " * indent
    return [f"{blanks}# {line}".rstrip() for line in _lines(text)]


def _lines(text: str) -> Sequence[str]:
    """The lines of a text; an empty one has none."""
    return text.split("\n") if text else ()
