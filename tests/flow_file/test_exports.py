"""The copies of exports, which are the base of a merge."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from flownb.flow_file import exports
from flownb.flow_file.exports import exported_before, exports_folder, keep_export
from flownb.flow_file.header import opening_line, with_hash

WRITTEN = with_hash(f"{opening_line('F', 'nb.ipynb')}\n\nx = 1\n")
EDITED = WRITTEN.replace("x = 1", "x = 2")


def test_an_export_is_found_by_the_hash_in_the_edited_file(tmp_path: Path) -> None:
    """A damaged copy is not taken for the export."""
    file = tmp_path / "flow.py"
    assert exported_before(file, EDITED, tmp_path) is None
    keep_export(tmp_path, WRITTEN)
    assert exported_before(file, EDITED, tmp_path) == WRITTEN
    [copy] = exports_folder(tmp_path).iterdir()
    copy.write_text(EDITED)
    assert exported_before(file, EDITED, tmp_path) is None


def test_a_file_that_nobody_edited_is_its_own_base(tmp_path: Path) -> None:
    """No copy is needed, and the layout is the file's."""
    text = WRITTEN.replace("x = 1", "x = (1)")
    assert exported_before(tmp_path / "flow.py", text, tmp_path) == text


def test_an_export_is_found_in_the_history_of_git(tmp_path: Path) -> None:
    """A colleague's clone does not have the datastore."""

    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "made" / "flow.py"
    file.parent.mkdir()
    git("init")
    for text in (WRITTEN, WRITTEN.replace("x = 1", "y = 3"), EDITED):
        file.write_text(text)
        git("add", ".")
        git("commit", "-m", "a version")
    assert exported_before(file, EDITED, tmp_path) == WRITTEN


def test_with_a_bucket_copies_are_beside_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that only writes flow.py does not connect to S3."""
    monkeypatch.setenv("FLOWNB_DATASTORE", "s3://bucket/prefix")
    assert exports_folder(tmp_path) == tmp_path / ".flownb" / "exports"


def test_nothing_outside_of_the_datastore_is_written(tmp_path: Path) -> None:
    """A link below its folder is not followed, and the folder is its user's, as the datastore makes it."""
    (tmp_path / "elsewhere").mkdir()
    keep_export(tmp_path, WRITTEN)
    folder = exports_folder(tmp_path)
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    [copy] = folder.iterdir()
    copy.unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere")
    keep_export(tmp_path, WRITTEN)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_export_without_a_folder_to_write_to_is_no_error(tmp_path: Path) -> None:
    """Then the history of git is all that a merge has."""
    (tmp_path / ".flownb").write_text("a file")
    keep_export(tmp_path, WRITTEN)
    assert exported_before(tmp_path / "flow.py", EDITED, tmp_path) is None


def test_only_the_newest_exports_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest copies are removed, by when they were last exported."""
    monkeypatch.setattr(exports, "KEPT", 2)
    texts = [with_hash(f"{opening_line('F', 'nb.ipynb')}\n\nx = {n}\n") for n in range(3)]
    for age, text in enumerate([*texts[:2], texts[0], texts[2]]):
        keep_export(tmp_path, text)
        new = {one for one in exports_folder(tmp_path).iterdir() if one.read_text() == text}
        os.utime(new.pop(), (age, age))
    assert sorted(one.read_text() for one in exports_folder(tmp_path).iterdir()) == [texts[0], texts[2]]
