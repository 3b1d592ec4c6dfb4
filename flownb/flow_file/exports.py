"""What was exported before: the base of a three-way merge of a notebook with its edited flow.py.

Each export is kept under the hash in its header, in the folder ``exports`` of the datastore; for a datastore in S3 in
``.flownb`` beside the notebook. Only the newest are kept, which need so little that ``flownb du`` does not count them
and ``flownb gc`` leaves them alone. A clone of the repository does not have that folder, but its history has the file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from flownb.flow_file.header import is_edited, read_header
from flownb.settings import datastore_root

__all__ = ["exported_before", "exports_folder", "keep_export", "other_notebook"]


# How many exports are kept in a folder.
KEPT = 200


def exports_folder(notebook_folder: Path) -> Path:
    """Where the exports of the notebooks of a folder are kept."""
    root = datastore_root(notebook_folder)
    return (root if isinstance(root, Path) else notebook_folder / ".flownb") / "exports"


def keep_export(notebook_folder: Path, text: str) -> None:
    """Keep a copy of an exported file; where nothing can be written, the history of git is all there is.

    Parameters
    ----------
    notebook_folder : Path
    text : str
        The file as flownb wrote it.
    """
    header = read_header(text)
    if header is None or not header.hash:
        return
    place = exports_folder(notebook_folder) / f"{header.hash}.py"
    try:
        place.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # as the datastore makes it
        place.parent.mkdir(exist_ok=True)
        if place.parent.is_symlink():
            return  # nothing outside the datastore is written
        handle, name = tempfile.mkstemp(dir=place.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
        Path(name).replace(place)
        ages = sorted((one.stat().st_mtime_ns, one.path) for one in os.scandir(place.parent))
        for _, old in ages[:-KEPT]:
            Path(old).unlink(missing_ok=True)
    except OSError:
        return


def exported_before(file: Path, text: str, notebook_folder: Path) -> str | None:
    """The file as flownb wrote it, before it was edited.

    Parameters
    ----------
    file : Path
        The exported file, as edited.
    text : str
        Its content.
    notebook_folder : Path

    Returns
    -------
    str or None
        None if its header has no hash, or neither the datastore nor git has that export.
    """
    header = read_header(text)
    if header is None or not header.hash:
        return None
    if not is_edited(text):
        return text
    try:
        kept = (exports_folder(notebook_folder) / f"{header.hash}.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        kept = ""
    return kept if _is_export(kept, header.hash) else _in_history(file, header.hash)


def other_notebook(file: Path, text: str, notebook: Path) -> str:
    """The notebook that a file was exported from, as its header names it, if that is another one that still exists.

    Parameters
    ----------
    file : Path
    text : str
        Its content.
    notebook : Path
        The notebook that is to be exported to the file. One that was moved, renamed, or paired with a text notebook
        of the same name is not another one.

    Returns
    -------
    str
        Empty if there is none.
    """
    header = read_header(text)
    if header is None or not header.notebook:
        return ""
    named, own = file.parent.resolve() / header.notebook, notebook.resolve()
    if named.name == header.notebook and named.stem == own.stem:
        return ""  # outside a repository, a header has the name alone
    is_same = named.resolve().with_suffix("") == own.with_suffix("")
    return header.notebook if named.exists() and not is_same else ""


def _is_export(text: str, content: str) -> bool:
    """Whether a text is the export with a hash, unedited."""
    header = read_header(text)
    return header is not None and header.hash == content and not is_edited(text)


def _in_history(file: Path, content: str) -> str | None:
    """The newest version of a file in git's history that is the export with a hash."""
    file = file.absolute()
    commits = _git(file.parent, "log", "--format=%H", f"-S# Content {content};", "--", file.name)
    for commit in (commits or "").split():
        for version in (commit, f"{commit}^"):  # the search finds where the hash came and where it went
            text = _git(file.parent, "show", f"{version}:./{file.name}")
            if text is not None and _is_export(text, content):
                return text
    return None


def _git(folder: Path, *words: str) -> str | None:
    """What a command of git prints; None if it fails, or there is no git."""
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
