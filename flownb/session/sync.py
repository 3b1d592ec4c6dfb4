"""``flownb sync``: a notebook and its exported flow.py are brought into step, and no edit of either is lost.

The last export is the base of a three-way merge (`flownb.flow_file.exports` finds it). Conflicts are shown and nothing
is written, unless the user says which side to take. Otherwise the notebook gets the edits of the file, and the file
what the notebook then exports.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flownb.cells.cell import read_any_cell
from flownb.cells.notebook import document_text, read_document
from flownb.errors import ParameterError, SyncError
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import define_flow
from flownb.flow.names import default_flow_name
from flownb.flow_file.document import marked_cells
from flownb.flow_file.documentation import plain_text, read_documentation
from flownb.flow_file.exports import exported_before
from flownb.flow_file.header import comments_of, read_header
from flownb.flow_file.markdown_edits import MODULE as MODULE_WIDTH
from flownb.flow_file.merging import merge_units
from flownb.flow_file.sync import Exported, take_back
from flownb.flow_file.three_way import Conflict, Side
from flownb.flow_file.units import FlowUnits, read_units
from flownb.flow_file.writing import flow_code
from flownb.runtime.program import Program

__all__ = ["Sync", "conflict_lines", "exported_units", "lost_comments", "new_file_text", "plan_sync"]


@dataclass(frozen=True)
class Sync:
    """What bringing a notebook and a file into step means; nothing is written yet.

    Attributes
    ----------
    notebook, file : Path
    before, after : dict
        The notebook as it is, and with the edits of the file.
    read : str
        The text of the notebook's file, as it was read.
    text : str
        The text of the file.
    base : str
        Its last export; empty if that is not known.
    conflicts : tuple of Conflict
    left_out : tuple of str
        Comments and line breaks of the file that the notebook does not have.
    """

    notebook: Path
    file: Path
    before: dict[str, Any]
    after: dict[str, Any]
    read: bytes
    text: str
    base: str = ""
    conflicts: tuple[Conflict, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def changes_notebook(self) -> bool:
        """Whether a cell is edited, added or removed."""
        return self.before != self.after

    def changes(self) -> list[str]:
        """What happens to the cells, a line each."""
        old, new = _titles(self.before), _titles(self.after)
        found = [f"  {new[key][0]}: edited" for key in new if key in old and old[key][1] != new[key][1]]
        found += [f"  {new[key][0]}: added" for key in new if key not in old]
        found += [f"  {old[key][0]}: removed" for key in old if key not in new]
        common = [key for key in old if key in new]
        return found + ["  cells: moved"] * (common != [key for key in new if key in old])

    def diff(self) -> str:
        """What changes in the cells, as a unified diff of their texts."""
        before, after = (_texts(one) for one in (self.before, self.after))
        name = self.notebook.name
        return "".join(difflib.unified_diff(before, after, f"a/{name}", f"b/{name}", n=2))

    def write_notebook(self) -> None:
        """Write the notebook, if it changes.

        Raises
        ------
        SyncError
            If its file was changed in the meantime.
        ParameterError
            If it cannot be written.
        """
        from flownb.session.options import write_output

        if not self.changes_notebook:
            return
        text = document_text(self.after, self.notebook)
        if self.notebook.read_bytes() != self.read:
            raise SyncError(
                f"`{self.notebook.name}` was not written.",
                "It was saved by somebody else while the edits were merged.",
                "Run the command again.",
            )
        write_output(self.notebook, text)


def plan_sync(notebook: Path, file: Path, take: Side | None = None) -> Sync:
    """Work out what bringing a notebook and its exported file into step means.

    Parameters
    ----------
    notebook, file : Path
        Absolute.
    take : {"notebook", "flow"}, optional
        The side whose version counts where both changed the same.

    Raises
    ------
    SyncError
        If the file is of another notebook, or the last export is not known, or the edits cannot be written as cells.
    FlownbError
        If one of the files cannot be read, or has an error.
    """
    try:
        read = notebook.read_bytes()
    except OSError:
        read = b""
    document = read_document(notebook)
    text = _text(file)
    _require_own(notebook, file, text)

    def export(one: dict[str, Any]) -> Exported:
        return exported_units(notebook, one)

    current = export(document)
    ours, theirs = current.units, read_units(text, file.name, flow=current.units.name)
    base = exported_before(file, text, notebook.parent) or ""
    before = read_units(base, file.name, flow=ours.name) if base else _assumed(file, ours, theirs, take)
    merged = merge_units(before, ours, theirs, take)
    sync = Sync(notebook, file, document, document, read, text, base, merged.conflicts)
    if (merged.conflicts and take is None) or merged.units == ours:
        return sync
    synced = take_back(document, merged.units, export, merged.renamed)
    return replace(sync, after=synced.document, left_out=synced.left_out)


def _text(file: Path) -> str:
    """The text of the file."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "It is not UTF-8 text"
        raise ParameterError(
            f"`{file.name}` cannot be read.", f"{why}.", f"Name the exported file: flownb sync NOTEBOOK {file.name}"
        ) from error


def _require_own(notebook: Path, file: Path, text: str) -> None:
    """Refuse a file that was exported from another notebook, or not at all."""
    header = read_header(text)
    if header is None:
        raise SyncError(
            f"`{file.name}` was not exported by flownb.",
            "Its header does not say which notebook it comes from.",
            f"Make a notebook of it: flownb import {file.name}",
        )
    other = file.parent / header.notebook if header.notebook else None
    if other is not None and other.name != notebook.name and other.exists():
        raise SyncError(
            f"`{file.name}` was exported from `{header.notebook}`.",
            f"Its edits would be lost in `{notebook.name}`.",
            f"Name that notebook: flownb sync {header.notebook} {file.name}",
        )


def exported_units(notebook: Path, document: Mapping[str, Any]) -> Exported:
    """What a notebook exports to."""
    codes = [raw for raw in document["cells"] if raw.get("cell_type") == "code"]
    cells = [
        read_any_cell(
            raw["source"], tags=raw.get("metadata", {}).get("tags") or (), number=number, cell_id=raw.get("id")
        )
        for number, raw in enumerate(codes, 1)
    ]
    flow = define_flow(cells, default_name=default_flow_name(notebook))
    for cell in flow.refused:
        if cell.refusal is not None:
            raise SyncError(cell.refusal.what, cell.refusal.why, cell.refusal.fix)
    for cell in flow.marked:
        if cell.parsed.problem is not None:
            raise SyncError(
                f"{cell.title} is not valid Python.", f"{cell.parsed.problem.message}.", "Correct it in the notebook."
            )
    graph = build_graph(flow)
    if graph.problems:
        raise SyncError(*_sentences(graph.problems[0].message))
    program = Program(flow, complete_graph(graph))
    documentation = read_documentation(document, flow)
    text = flow_code(program, documentation, notebook.parent)
    loads = {name: method.loads for name, method in program.methods.items()}
    about = plain_text(documentation.module, MODULE_WIDTH)
    return Exported(read_units(text, "the export", flow=flow.name), loads, about)


def _sentences(message: Any) -> tuple[str, str, str]:
    return message.what, message.why, message.fix


def _assumed(file: Path, ours: FlowUnits, theirs: FlowUnits, take: Side | None) -> FlowUnits:
    """What counts as the last export if that is not known: the side that the user does not take."""
    if take is not None:
        return ours if take == "flow" else theirs
    if merge_units(ours, ours, theirs).units == ours:
        return ours
    raise SyncError(
        f"The last export of `{file.name}` is not known.",
        "Neither `.flownb/exports` nor the history of git has it, so it cannot be said which side was edited.",
        "Say which side counts where they differ: --take flow or --take notebook.",
    )


def _titles(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Cells by id, or by kind and text where there are no ids: how a message names each, and its text."""
    found: dict[str, tuple[str, str]] = {}
    number = 0
    for place, raw in enumerate(document["cells"]):
        tags = raw.get("metadata", {}).get("tags") or ()
        title = "text"
        if raw.get("cell_type") == "code":
            number += 1
            title = read_any_cell(raw["source"], tags=tags, number=number).title
        elif place + 1 < len(document["cells"]):
            title = f"{raw.get('cell_type')} above cell {number + 1}"
        found[str(raw.get("id") or f"{title}{place}")] = (title, f"{tags}\n{raw['source']}")
    return found


def _texts(document: Mapping[str, Any]) -> list[str]:
    """The lines of all cells, each below a line that names it."""
    found: list[str] = []
    for title, text in _titles(document).values():
        found.append(f"--- {title}\n")
        found += [f"{line}\n" for line in text.split("\n")[1:]]
    return found


def conflict_lines(sync: Sync) -> Iterator[str]:
    """Each conflict as a message with both edits as diffs."""
    for one in sync.conflicts:
        here, there = _in_cells(sync, one.name), sync.file.name
        if line := _line(sync.text, one.name):
            there = f"{there}, line {line}"
        yield f"conflict: {one.what} was changed in {here} and in {there}"
        for name, text in ((here, one.notebook), (there, one.flow)):
            before, after = one.base.strip("\n").splitlines(), text.strip("\n").splitlines()
            found = difflib.unified_diff(before, after, "last export", name, n=2, lineterm="")
            yield from (f"  {line}" for line in found)


def _in_cells(sync: Sync, name: str) -> str:
    """The cell that defines a name, or a step of that name, and its line."""
    for _, cell in marked_cells(sync.before, "step", "flow", "shared"):
        if name and cell.kind == "step" and cell.name == name:
            return cell.title
        if cell.kind != "step" and (line := _line(cell.source, name)):
            return f"{cell.title}, line {line}"
    return sync.notebook.name


def _line(text: str, name: str) -> int:
    """The line of a text that defines a name; 0 if none does."""
    word = re.escape(name)
    defines = re.compile(rf"\s*(?:async\s+)?(?:def|class)\s+{word}\b|\s*{word}\s*[:=]")
    lines = text.split("\n") if name else []
    return next((number for number, line in enumerate(lines, 1) if defines.match(line)), 0)


def new_file_text(sync: Sync, exported: str) -> str:
    """What the file is to have: what it has, with the header's hash renewed, if it says the same as the export."""
    from flownb.flow_file.header import content_hash, renewed

    return renewed(sync.text) if content_hash(sync.text) == content_hash(exported) else exported


def lost_comments(sync: Sync, exported: str) -> list[str]:
    """The comments that were added to the file, and that its next export would not have."""
    kept = {*comments_of(sync.base), *comments_of(exported)}
    return [one for one in dict.fromkeys(comments_of(sync.text)) if one not in kept]
