"""The file that an export is to become: what it says now, what writing would change, and whether that would lose edits.

A file is overwritten only if it says what flownb wrote, see `flownb.flow_file.header`.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flownb.errors import EditedExport, ParameterError
from flownb.flow_file.exports import exported_before, keep_export, other_notebook
from flownb.flow_file.header import content_hash, is_edited, read_header
from flownb.session.options import write_output
from flownb.session.session import Session

__all__ = ["Export", "compared", "print_check", "print_export", "print_requirements"]

# How many lines of a diff are shown: by a check, and before a file is written.
SHORT, LONG = 30, 200


@dataclass(frozen=True)
class Export:
    """An export and the file that it is to become.

    Attributes
    ----------
    path : Path
    text : str
        What the notebook says now.
    state : {"missing", "current", "behind", "edited", "other", "foreign"}
        Of the file: it does not exist; it says the same, whatever its layout; it is an earlier export; it is an export
        that was edited; it is an export of another notebook; or flownb did not write it.
    diff : str
        What writing would change in the file, as a unified diff.
    edits : str
        How an export was edited, as a unified diff; empty if it is not known.
    other : str
        The other notebook that the file was exported from.
    """

    path: Path
    text: str
    state: Literal["missing", "current", "behind", "edited", "other", "foreign"]
    diff: str = ""
    edits: str = ""
    other: str = ""

    def require_unedited(self) -> None:
        """Refuse a file whose edits would be lost.

        Raises
        ------
        EditedExport
        """
        fix = f"Export to another file, or replace `{self.path.name}` with --force."
        if self.state == "edited":
            raise EditedExport(
                f"`{self.path}` has edits that are not in the notebook.",
                "Somebody changed it after it was exported, and another export would lose that.",
                "Take the edits back with `flownb sync`. Or replace them: export with --force.",
            )
        if self.state == "other":
            raise EditedExport(f"`{self.path}` was exported from `{self.other}`.", "It is not of this notebook.", fix)
        if self.state == "foreign":
            raise EditedExport(f"`{self.path}` was not exported by flownb.", "It would be lost.", fix)


def compared(session: Session, path: Path, text: str) -> Export:
    """Compare an export with the file that is there.

    Parameters
    ----------
    session : Session
    path : Path
        The file.
    text : str
        What `export_flow` made.

    Raises
    ------
    ParameterError
        If there is a file that cannot be read, or it is a notebook.
    """
    _refuse_notebook(session.notebook, path)
    try:
        there = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return Export(path, text, "missing")
    except OSError as error:
        why = f"{error.strerror}."
        raise ParameterError(
            f"`{path}` cannot be read.", why, "Name a file, or one that does not exist yet."
        ) from error
    except UnicodeDecodeError:
        return Export(path, text, "foreign")
    header = read_header(there)
    if header is None and there.strip():
        return Export(path, text, "foreign")
    if session.notebook is not None and (other := other_notebook(path, there, session.notebook)):
        return Export(path, text, "other", _diff(path, there, text), other=other)
    if header is not None and content_hash(there) == content_hash(text):
        state: Literal["current", "behind"] = "behind" if is_edited(there) else "current"
        return Export(path, text, state, _diff(path, there, text))
    if header is not None and is_edited(there):
        folder = session.notebook.parent if session.notebook is not None else Path()
        before = exported_before(path, there, folder)
        edits = _diff(path, before, there) if before else ""
        return Export(path, text, "edited", _diff(path, there, text), edits)
    return Export(path, text, "behind", _diff(path, there, text))


def _refuse_notebook(notebook: Path | None, path: Path) -> None:
    """Refuse to replace a notebook, above all the one that is exported, which may be a script named flow.py."""
    fix = "Name another Python file; a terminal command does that with -o."
    if notebook is not None and path.exists() and notebook.exists() and path.samefile(notebook):
        raise ParameterError(f"`{path}` is the notebook that is exported.", "An export does not replace it.", fix)
    if path.suffix == ".ipynb":
        raise ParameterError(f"`{path}` is the name of a notebook.", "An export is a Python file.", fix)


def _diff(path: Path, before: str, after: str) -> str:
    """A unified diff."""
    import difflib

    name = path.name
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return "\n".join(lines)


def _shortened(diff: str, limit: int) -> str:
    """The first lines of a diff, and how many follow."""
    lines = diff.split("\n")
    if len(lines) <= limit:
        return diff
    return "\n".join([*lines[:limit], f"… and {len(lines) - limit} more lines"])


def print_check(export: Export, shown: Path) -> bool:
    """Say whether a file is what the notebook gives, and write nothing.

    Parameters
    ----------
    export : Export
    shown : Path
        The file as the user named it.

    Returns
    -------
    bool
        Whether it is.
    """
    said = {
        "missing": f"{shown} does not exist: export the notebook",
        "current": f"{shown} is up to date",
        "behind": f"{shown} is behind the notebook: export it again",
        "edited": f"{shown} has edits that are not in the notebook: take them back with `flownb sync`",
        "other": f"{shown} was exported from {export.other}: export this notebook to another file",
        "foreign": f"{shown} was not exported by flownb",
    }
    if export.state != "current" and export.diff:
        print(_shortened(export.edits or export.diff, SHORT))
    print(said[export.state])
    return export.state == "current"


def print_export(
    session: Session, export: Export, shown: Path, *, force: bool = False, is_headless: bool = False
) -> None:
    """Say what changes in a file, write it, and keep a copy for ``flownb sync``; a file that is up to date stays.

    Parameters
    ----------
    session : Session
    export : Export
    shown : Path
        The file as the user named it.
    force : bool, default False
        Whether to replace a file that was edited, is of another notebook, or that flownb did not write.
    is_headless : bool, default False
        Whether what is said has to be the same each time, whatever there was before.

    Raises
    ------
    EditedExport
        If there is such a file. Its edits have been printed.
    ParameterError
        If the file cannot be written.
    """
    folder = session.notebook.parent if session.notebook is not None else Path()
    is_current = export.state == "current"
    is_refused = export.state in ("edited", "other", "foreign") and not force
    if export.diff and not is_current and (is_refused or not is_headless):
        print(_shortened((is_refused and export.edits) or export.diff, LONG))
    if not force:
        export.require_unedited()
    if not is_current:
        write_output(export.path, export.text)
    keep_export(folder, export.text)
    if is_current and not is_headless:
        print(f"{shown} is up to date")
    else:
        said = "exported to" if is_headless else "wrote"
        run = f"python {shlex.quote(str(shown))} run"
        print(f"{said} {shown} ({len(export.text.splitlines())} lines); run it with: {run}")


def print_requirements(session: Session, path: Path, *, force: bool = False, is_headless: bool = False) -> None:
    """Write ``requirements.txt`` and ``pyproject.toml`` beside an exported file, and say what was written.

    Parameters
    ----------
    session : Session
    path : Path
        The exported file.
    force : bool, default False
        Whether to replace files that flownb wrote and somebody edited. A ``pyproject.toml`` of somebody else is never
        replaced, and none is written into a project that has one.
    is_headless : bool, default False
        Whether what is said has to be the same each time.

    Raises
    ------
    EditedExport
        If ``requirements.txt`` is not as flownb wrote it.
    """
    from flownb.flow.module import requirements
    from flownb.flow_file.requirements import find_requirements, pyproject_text, requirements_text

    folder = session.notebook.parent if session.notebook is not None else None
    found = find_requirements(session.flow, folder, requirements(session.all_cells()))
    place = path.resolve().parent
    for name in found.missing:
        print(f"note: `{name}` is not installed here, so requirements.txt does not have it")
    options = {"force": force, "is_headless": is_headless}
    _write_beside(place / "requirements.txt", requirements_text(found, path.name), **options)
    project = _project(place)
    if project is not None and not (project.parent == place and _state(project) != "foreign"):
        shown = os.path.relpath(project, place)
        print(f"note: {shown} is not flownb's and stays as it is; `uv add -r requirements.txt` adds the packages to it")
        return
    _write_beside(place / "pyproject.toml", pyproject_text(found, session.flow.name, path.name), **options)


def _project(folder: Path) -> Path | None:
    """The ``pyproject.toml`` of the project that a folder belongs to, as far up as its repository."""
    for one in (folder, *folder.parents):
        if (one / "pyproject.toml").exists():
            return one / "pyproject.toml"
        if (one / ".git").exists():
            return None
    return None


def _state(path: Path) -> str:
    """Whose a file of requirements is."""
    from flownb.flow_file.requirements import written_state

    try:
        return written_state(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return "foreign"


def _write_beside(path: Path, text: str, *, force: bool, is_headless: bool) -> None:
    """Write a file of requirements, unless it would lose what somebody wrote."""
    if path.exists():
        state = _state(path)
        if state != "foreign" and path.read_text(encoding="utf-8") == text:
            print(f"exported to {path.name}" if is_headless else f"{path.name} is up to date")
            return
        if state != "ours" and not force:
            why = "It has edits" if state == "edited" else "flownb did not write it"
            raise EditedExport(
                f"`{path.name}` was not overwritten.",
                f"{why}, which would be lost.",
                "Rename it, then export again. Or replace it: export with --force.",
            )
    write_output(path, text)
    print(f"{'exported to' if is_headless else 'wrote'} {path.name}")
