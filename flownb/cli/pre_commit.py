"""``flownb-pre-commit FILE …``: the hook of pre-commit that exports notebooks again whose flow.py is in the repository.

It is given the files of a commit. A notebook that was never exported is left alone, as is any other Python file: an
exported file names its notebook in its header. Each notebook is exported in a process of its own, in its own folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from flownb.flow_file.header import read_header

__all__ = ["exported_pairs", "main"]

# A header is at the beginning of its file.
HEADER_SIZE = 16_384


def main(words: Sequence[str] | None = None) -> int:
    """Export again, or check, what belongs to some files.

    Parameters
    ----------
    words : sequence of str, optional
        Without the program's name; None takes them from ``sys.argv``.

    Returns
    -------
    int
        0 if each exported file is as its notebook, or was written; 1 if one is not, or could not be written.
    """
    parser = argparse.ArgumentParser("flownb-pre-commit", description="Export notebooks again that a commit changes.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is behind its notebook")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a notebook, or an exported file")
    given = parser.parse_args(words)
    status = 0
    for notebook, file in exported_pairs(given.files):
        options = ["--check"] if given.check else []
        call = [sys.executable, "-m", "flownb", "export", str(notebook), "-o", str(file), *options]
        status |= subprocess.run(call, check=False).returncode != 0
    return int(status)


def exported_pairs(files: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Notebooks and the files that they were exported to.

    Parameters
    ----------
    files : iterable of Path
        Notebooks and exported files.

    Returns
    -------
    list of (Path, Path)
        Sorted. Exported files are looked for in the repository, without one in the notebook's folder.
    """
    found: set[tuple[Path, Path]] = set()
    candidates: list[tuple[Path, Path]] | None = None
    for file in files:
        if (pair := _pair(file)) is not None:
            found.add(pair)
            continue
        if candidates is None:
            candidates = [pair for one in _python_files(file.parent) if (pair := _pair(one)) is not None]
        found.update(pair for pair in candidates if pair[0].resolve() == file.resolve())
    return sorted(found)


def _pair(file: Path) -> tuple[Path, Path] | None:
    """The notebook of an exported file, and the file."""
    if file.suffix != ".py":
        return None
    try:
        with file.open(encoding="utf-8") as opened:
            header = read_header(opened.read(HEADER_SIZE))
    except (OSError, UnicodeDecodeError):
        return None
    if header is None or not header.notebook:
        return None
    notebook = file.parent / header.notebook
    return (notebook, file) if notebook.is_file() else None


def _python_files(folder: Path) -> Iterator[Path]:
    """The Python files of the repository that this process works in; without one, those of a folder."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.py"]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except OSError:
        done = None
    if done is None or done.returncode != 0:
        yield from sorted(folder.glob("*.py"))
        return
    yield from (Path(name) for name in sorted(os.fsdecode(done.stdout).split("\0")) if name)


if __name__ == "__main__":
    sys.exit(main())
