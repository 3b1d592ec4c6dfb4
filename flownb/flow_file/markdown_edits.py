"""The markdown of a notebook, edited so that it exports to the docstrings and comments of a file.

The export makes plain text of markdown, which cannot be undone. So lines whose text stays are kept as they are written,
and of the others only the text changes: a heading stays a heading, and lines without text (images) stay. A docstring
that no markdown gives has to be in the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from flownb.flow_file.document import Places, marked_cells, new_markdown, texts_above
from flownb.flow_file.documentation import docstring, plain_text
from flownb.flow_file.imports import LINE_LENGTH
from flownb.flow_file.source import cleaned_docstring
from flownb.flow_file.units import FlowUnits

__all__ = ["ABOUT_FLOW", "ABOUT_MODULE", "edited_markdown", "edited_text", "is_markdown", "uncommented"]

_HEADING = re.compile(r"\s{0,3}#{1,6}\s+")
MODULE, CLASS, STEP = LINE_LENGTH - 3, LINE_LENGTH - 7, LINE_LENGTH - 11
STEP_COMMENT = LINE_LENGTH - 6
# No step has these names.
ABOUT_MODULE, ABOUT_FLOW = "the module", "the flow"


def edited_markdown(
    document: dict[str, Any], current: FlowUnits, target: FlowUnits, renamed: Mapping[str, str]
) -> frozenset[str]:
    """Edit the markdown cells of a document in place.

    Parameters
    ----------
    document : dict
    current, target : FlowUnits
        What the notebook exports to, and what it should export to.
    renamed : mapping of str to str
        New names of steps by their old ones.

    Returns
    -------
    frozenset of str
        `ABOUT_MODULE`, `ABOUT_FLOW` and the names of steps whose docstrings have to be in the code.
    """
    places = Places(document)
    coded: set[str] = set()
    marked = marked_cells(document, "flow", "step")
    first = next((at for at, one in enumerate(document["cells"]) if one.get("cell_type") == "code"), 0)
    leading = texts_above(document, first)
    is_marked = any(place == first for place, _ in marked)
    own = leading[1:][-1:] if is_marked else []
    above = leading[: len(leading) - len(own)]
    if not _edit(document, places, above, 0, "about", MODULE, current.docstring, target.docstring):
        coded.add(ABOUT_MODULE)
    for place, cell in marked:
        above = own if place == first else texts_above(document, place)
        if cell.kind == "flow":
            texts = (current.class_docstring, target.class_docstring)
            if not _edit(document, places, above, place, "about-flow", CLASS, *texts):
                coded.add(ABOUT_FLOW)
            comments = (uncommented(current.comments), uncommented(target.comments))
            if comments[0]:
                _edit(document, places, above, place, "about-flow", CLASS, *comments)
            continue
        before, after = current.step(cell.name), target.step(renamed.get(cell.name, cell.name))
        if before is not None and after is not None:
            name = f"about-{after.name}"
            if not _edit(document, places, above, place, name, STEP, before.docstring, after.docstring):
                coded.add(after.name)
            comments = (uncommented(before.comments), uncommented(after.comments))
            if comments[0]:
                _edit(document, places, above, place, name, STEP_COMMENT, *comments)
    places.apply()
    return frozenset(coded)


def _edit(
    document: dict[str, Any],
    places: Places,
    cells: Sequence[int],
    place: int,
    name: str,
    width: int,
    before: str,
    after: str,
) -> bool:
    """Edit the cells that one text was made of; make one, or remove them. False if no markdown gives the text."""
    if before.strip() == after.strip():
        return True
    texts = [document["cells"][one]["source"] for one in cells]
    if before.strip() not in (exported_text("\n\n".join(texts), width), plain_text("\n\n".join(texts), width)):
        return True  # the text is not made of them: it is in the code
    if not cells and is_markdown(after, width):
        places.before(place, [new_markdown(name, after)])
        return True
    if not cells:
        return False
    new = edited_text(texts, after, width)
    is_given = exported_text("\n\n".join(text for text in new if text is not None), width) == after.strip()
    for one, text in zip(cells, new if is_given else edited_text(texts, "", width), strict=True):
        if text is None:
            places.remove(one)
        elif text != document["cells"][one]["source"]:
            document["cells"][one]["source"] = text
    return is_given


def is_markdown(text: str, width: int = STEP) -> bool:
    """Whether a text, as markdown, gives itself."""
    return exported_text(text, width) == text.strip()


def exported_text(markdown: str, width: int) -> str:
    """The docstring that an export makes of markdown, without its indentation."""
    lines = docstring(plain_text(markdown, width), LINE_LENGTH - 3 - width)
    return cleaned_docstring(ast.literal_eval("\n".join(lines).strip())) if lines else ""


def edited_text(texts: Sequence[str], after: str, width: int) -> list[str | None]:
    """Markdown cells so that they become a text; None for a cell of which nothing is left.

    Parameters
    ----------
    texts : sequence of str
        The markdown of cells that follow each other.
    after : str
        The text that they should become.
    width : int
        As for `plain_text`.
    """
    made = _line_by_line(texts, after)
    # Lines that make no text stay, in their cells.
    silent = [[line for line in text.split("\n") if line.strip() and not plain_text(line, width)] for text in texts]
    whole: list[str | None] = ["\n".join(lines) if lines else None for lines in silent]
    whole[0] = "\n\n".join(filter(None, [after, whole[0]])) or None
    found = {exported_text("\n\n".join(text for text in one if text is not None), width): one for one in (whole, made)}
    if after.strip() in found:
        return found[after.strip()]
    return next((one for text, one in found.items() if text.split() == after.split()), whole)


def _line_by_line(texts: Sequence[str], after: str) -> list[str | None]:
    """The lines of markdown whose text stays, with what replaces the others."""
    lines = [(cell, line) for cell, text in enumerate(texts) for line in text.split("\n")]
    spoken = [place for place, (_, line) in enumerate(lines) if plain_text(line, 10**6)]
    parts: list[list[str]] = [[line] for _, line in lines]
    old = [plain_text(lines[place][1], 10**6) for place in spoken]
    new, gaps = _without_blank_lines(after)
    matcher = SequenceMatcher(None, old, [line.strip() for line in new], autojunk=False)
    for kind, first, end, new_first, new_end in matcher.get_opcodes():
        if kind == "equal":
            continue
        added = [(line, [""] * gap) for line, gap in zip(new[new_first:new_end], gaps[new_first:new_end], strict=True)]
        if first == end:
            said = [one for line, gap in added for one in (*gap, line)]
            if first:  # behind the line before
                parts[spoken[first - 1]] += said
            elif spoken:
                parts[spoken[0]] = [*said, *([""] * (new_end < len(gaps) and gaps[new_end])), *parts[spoken[0]]]
            else:
                parts[0] = [*said, *parts[0]]
            continue
        for number, place in enumerate(spoken[first:end]):
            mine = added[number:] if number == end - first - 1 else added[number : number + 1]
            heading = _HEADING.match(lines[place][1])
            said = [one for line, gap in mine for one in (*gap, line)]
            if mine and said[0] == "":
                del said[0]  # the blank line before it is there
            parts[place] = [heading[0] + said[0], *said[1:]] if heading and said else said
    found: list[str | None] = []
    for cell, _ in enumerate(texts):
        kept = [line for (owner, _), part in zip(lines, parts, strict=True) if owner == cell for line in part]
        found.append("\n".join(kept).strip("\n") or None)
    return found


def _without_blank_lines(text: str) -> tuple[list[str], list[bool]]:
    """The lines of a text, and whether there is a blank one before each."""
    lines: list[str] = []
    gaps: list[bool] = []
    is_gap = False
    for line in text.split("\n"):
        if line.strip():
            lines.append(line)
            gaps.append(is_gap)
        is_gap = not line.strip()
    return lines, gaps


def uncommented(comments: str) -> str:
    """The text of some comment lines."""
    return "\n".join(re.sub(r"^\s*# ?", "", line) for line in comments.rstrip("\n").split("\n")).strip()
