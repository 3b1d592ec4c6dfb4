"""The ``%%shared`` and ``%%flow`` cells of a notebook, edited so that they export to the module around the steps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flownb.cells.cell import Cell
from flownb.cells.header import FlowHeader
from flownb.flow.base_classes import ROOT
from flownb.flow.method import to_metaflow_imports
from flownb.flow.module import METAFLOW_NAMES
from flownb.flow_file.document import Places, marked_cells, new_code, set_mark, texts_above
from flownb.flow_file.markdown_edits import ABOUT_FLOW, ABOUT_MODULE
from flownb.flow_file.source import cleaned_docstring
from flownb.flow_file.statements import Statement, decorated, join, rewritten, same_code, split
from flownb.flow_file.step_cells import below_decorators, written_text
from flownb.flow_file.units import FlowUnits, Import, import_lines, imports_of

__all__ = ["ModuleCells"]

_MAGIC = re.compile(r"[ \t]*(?:%{1,2}[A-Za-z_]|!)")


@dataclass(frozen=True)
class _Shared:
    """A shared cell: the imports that the module begins with, its other statements, and what is below them."""

    place: int
    cell: Cell
    leading: list[Statement]
    code: list[Statement]
    below: list[Statement]


class ModuleCells:
    """The shared cells and the flow's header of a document that is edited in place.

    Parameters
    ----------
    document : dict
    current, target : FlowUnits
        What the notebook exports to, and what it should export to.
    coded : frozenset of str
        Which docstrings have to be in the cells; see `flownb.flow_file.markdown_edits`.
    """

    def __init__(self, document: dict[str, Any], current: FlowUnits, target: FlowUnits, coded: frozenset[str]) -> None:
        self.document = document
        self.current = current
        self.target = target
        self.coded = coded
        self.places = Places(document)
        self.shared = self._read_shared()
        self.header = next(iter(marked_cells(document, "flow")), None)

    def edit(self, more_imports: Iterable[Import]) -> None:
        """Edit the document; `more_imports` are those that the export turned out to lack."""
        removed = self.current.imports - self.target.imports
        added = {one for one in self.target.imports - self.current.imports if not _is_added(one)} | set(more_imports)
        code = self._code()
        self._write_shared(code, added, removed)
        self._write_header(removed)
        self.places.apply()

    def _read_shared(self) -> list[_Shared]:
        """The shared cells in document order."""
        found: list[_Shared] = []
        leads = True
        for place, cell in marked_cells(self.document, "shared"):
            if cell.parsed.tree is None:
                continue
            statements = split(cell.parsed.code, cell.body)
            leading: list[Statement] = []
            if not found and statements and self._is_about(statements[0]):
                leading.append(statements.pop(0))
            while leads and statements and statements[0].is_import:
                leading.append(statements.pop(0))
            below = [statements.pop()] if statements and not statements[-1].text else []
            leads = leads and not statements
            found.append(_Shared(place, cell, leading, statements, below))
        return found

    def _is_about(self, statement: Statement) -> bool:
        """Whether the docstring of the module comes from a statement."""
        about = self.current.docstring
        return (
            bool(about)
            and statement.is_text
            and cleaned_docstring(str(ast.literal_eval(statement.text.strip()))) == about
        )

    def _code(self) -> list[list[list[Statement]]]:
        """What each statement of each shared cell becomes; with the code that belongs to no cell at the end."""
        old = [statement for one in self.shared for statement in one.code]
        hoisted = self._hoisted() if len(old) < len(self.current.code) else []
        if same_code(*("".join(one.whole for one in units.code) for units in (self.current, self.target))):
            return [*([[statement] for statement in one.code] for one in self.shared), []]
        places = rewritten([*old, *hoisted], self.target.code, self.current.code)
        found: list[list[list[Statement]]] = []
        at = 0
        for one in self.shared:
            found.append(
                [_with_magics(statement, place) for statement, place in zip(one.code, places[at:], strict=False)]
            )
            at += len(one.code)
        rest = [statement for place in places[at:] for statement in place if statement not in hoisted]
        return [*found, [rest]]

    def _hoisted(self) -> list[Statement]:
        """The imports of the flow's header, which the export writes behind the shared code."""
        if self.header is None:
            return []
        tree = self.header[1].parsed.tree
        nodes = [node for node in (tree.body if tree else []) if isinstance(node, ast.Import | ast.ImportFrom)]
        return split("\n".join(to_metaflow_imports(ast.unparse(node)) for node in nodes))

    def _write_shared(self, code: list[list[list[Statement]]], added: set[Import], removed: frozenset[Import]) -> None:
        """Write the shared cells, and one more where there is no place."""
        rest = [statement for place in code[-1] for statement in place]
        home = next((one for one in self.shared if one.leading), self.shared[0] if self.shared else None)
        last = next((one for one in reversed(self.shared) if one.code), None)
        for one, places in zip(self.shared, code, strict=False):
            leading = [kept for statement in one.leading if (kept := _without_imports(statement, removed)) is not None]
            if leading and leading[0].is_text and self.target.docstring != self.current.docstring:
                leading[:1] = written_text(self.target.docstring)
            elif one is self.shared[0] and ABOUT_MODULE in self.coded:
                leading[:0] = written_text(self.target.docstring)
            if one is home and added:
                leading += [Statement("", f"{line}\n") for line in import_lines(added)]
            new = [statement for place in places for statement in place]
            if one is last:
                new += rest
            old = [*one.leading, *one.code]
            if new and leading and leading != one.leading and not new[0].leading.startswith("\n"):
                new[0] = replace(new[0], leading="\n" + new[0].leading)
            if [*leading, *new] == old:
                continue
            text = join([*leading, *new, *one.below])
            if text.strip():
                self._set(one, text)
            else:
                self.places.remove(one.place)
        lines = import_lines(added) if home is None else []
        about = written_text(self.target.docstring) if ABOUT_MODULE in self.coded and not self.shared else []
        text = "\n\n\n".join(filter(None, [join(about), "\n".join(lines), join(rest) if last is None else ""]))
        if text:
            self._add(f"%%shared\n{text}", "shared")

    def _set(self, one: _Shared, body: str) -> None:
        """Write the body of a shared cell."""
        above = [line.removeprefix(one.cell.margin) for line in one.cell.source.split("\n")[: one.cell.body_line - 1]]
        self.document["cells"][one.place]["source"] = "\n".join([*above, body])

    def _add(self, source: str, name: str) -> None:
        """Add a cell: code behind the shared cells, else before the first marked cell and the text above it."""
        cell = new_code(name, source)
        if self.shared and name == "shared":
            self.places.after(self.shared[-1].place, [cell])
            return
        marked = [place for place, _ in marked_cells(self.document, "flow", "step")]
        if not marked:
            self.places.before(len(self.document["cells"]), [cell])
            return
        above = texts_above(self.document, marked[0])
        is_about = not any(raw.get("cell_type") == "code" for raw in self.document["cells"][: marked[0]])
        self.places.before(min([marked[0], *(above[-1:] if is_about else above)]), [cell])

    def _write_header(self, removed: frozenset[Import]) -> None:
        """Write the flow's header, or make one."""
        bases = () if self.target.bases == (ROOT,) else self.target.bases
        mark = FlowHeader(self.target.name, bases)
        if self.header is None:
            own = (self.target.name, self.target.bases, self.target.decorators, self.target.class_docstring)
            if own != (self.current.name, self.current.bases, "", "") or self.target.body:
                text = below_decorators("", self.target.decorators, join(self.target.body))
                line = f"{mark.name}({', '.join(bases)})" if bases else mark.name
                self._add(f"%%flow {line}\n{text}".rstrip("\n"), "flow")
            return
        place, cell = self.header
        body = self._class_body(cell, removed)
        is_named = (self.target.name, self.target.bases) != (self.current.name, self.current.bases)
        if body != cell.body or is_named:
            header = mark if is_named else FlowHeader(cell.name, cell.bases)
            set_mark(self.document["cells"][place], cell, header, body)

    def _class_body(self, cell: Cell, removed: frozenset[Import]) -> str:
        """The text of the header's cell below its first line."""
        text, code = cell.body.split("\n"), cell.parsed.code.split("\n")
        is_decorator = [one != other for one, other in zip(text, code, strict=True)]
        decorators = "".join(f"{line}\n" for line, is_one in zip(text, is_decorator, strict=True) if is_one)
        old = split(
            cell.parsed.code, "\n".join("" if is_one else line for line, is_one in zip(text, is_decorator, strict=True))
        )
        is_same = same_code(*("".join(one.whole for one in units.body) for units in (self.current, self.target)))
        has_decorators = same_code(decorated(self.current.decorators), decorated(self.target.decorators))
        hoists = any(one.is_import and imports_of(ast.parse(one.text).body) for one in old) and removed
        own = self._own_docstring(old)
        if is_same and has_decorators and not hoists and own == old[: len(own)]:
            return cell.body
        below = [one for one in old if not one.text]
        rest = [one for one in old if one.text][len(self._docstring_of(old)) :]
        shown = [one for one in rest if not one.is_import]
        places = rewritten(shown, self.target.body, self.current.body)
        new = list(own)
        replacing = iter(places)
        for one in rest:
            if one.is_import:
                kept = _without_imports(one, removed)
                new += [kept] if kept is not None else []
            else:
                new += next(replacing)
        new += next(replacing)  # what follows them all
        return below_decorators("", decorators if has_decorators else self.target.decorators, join([*new, *below]))

    def _own_docstring(self, old: Sequence[Statement]) -> list[Statement]:
        """The docstring that the header's cell itself has, as it should be."""
        own = self._docstring_of(old)
        is_same = not own or self.current.class_docstring == self.target.class_docstring
        if is_same and ABOUT_FLOW not in self.coded:
            return own
        return written_text(self.target.class_docstring)

    def _docstring_of(self, old: Sequence[Statement]) -> list[Statement]:
        """The docstring that the header's cell itself has."""
        return [one for one in old[:1] if one.is_text]


def _is_added(one: Import) -> bool:
    """Whether the export imports a name by itself where it is needed."""
    return one.module == "metaflow" and one.name in METAFLOW_NAMES and not one.alias


def _without_imports(statement: Statement, removed: Iterable[Import]) -> Statement | None:
    """A statement without some imports; None if nothing is left."""
    nodes = ast.parse(to_metaflow_imports(statement.text)).body
    gone = set(removed)
    found = imports_of(nodes)
    if not gone & set(found):
        return statement
    kept = [one for one in found if one not in gone]
    comment = re.search(r"\s*#.*$", statement.text.rstrip("\n").split("\n")[-1])
    lines = import_lines(kept)
    if not lines:
        return Statement(statement.leading, "") if "#" in statement.leading else None
    lines[-1] += comment[0] if comment else ""
    return replace(statement, text="\n".join(lines) + "\n")


def _with_magics(old: Statement, new: list[Statement]) -> list[Statement]:
    """What replaces a statement, with the magics that were above it: they are comments in the file."""
    if old in new:
        return new
    magics = [line for line in old.leading.split("\n") if _MAGIC.match(line)]
    found = list(new)
    for line in magics:
        shown = f"# {line.strip()}\n"
        at = next((at for at, one in enumerate(found) if shown in one.leading), None)
        if at is None:
            found.insert(0, Statement(f"{line}\n", ""))
        else:
            found[at] = replace(found[at], leading=found[at].leading.replace(shown, f"{line}\n", 1))
    return found
