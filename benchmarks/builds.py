"""Builds of flownb to measure: a revision out of git, and the working tree as it is now.

Each is a folder of its own with the package and its command, so that what is edited meanwhile changes neither, and both
lie on the same disk with their bytecode beside them.
"""

from __future__ import annotations

import compileall
import io
import shutil
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Build", "RevisionError", "check_out", "copy_tree"]

PROJECT = "pyproject.toml"
# What npm builds, which git does not have; the same for both.
FRONT_END = ("widgets/dag.js", "widgets/dag.css")
COMMAND = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


class RevisionError(Exception):
    """A revision cannot be measured; the text says why and what to do."""


@dataclass(frozen=True)
class Build:
    """A build to measure.

    Attributes
    ----------
    name : str
    folder : Path
        It has the package `flownb` and its command, and nothing else that can be imported.
    """

    name: str
    folder: Path

    @property
    def command(self) -> Path:
        """Its command ``flownb``."""
        return self.folder / "bin" / "flownb"


def check_out(repository: Path, revision: str, folder: Path) -> Build:
    """Make the build of a revision.

    Parameters
    ----------
    repository : Path
    revision : str
        Whatever git understands as a commit.
    folder : Path
        To be made.

    Returns
    -------
    Build
        Named by the short hash of its commit.

    Raises
    ------
    RevisionError
        If it is not a commit, has no package `flownb`, or this is not a git repository.

    Notes
    -----
    ``git archive`` rather than ``git worktree``: it leaves nothing behind in the repository, however this ends.
    """
    try:
        commit = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        short = _git(repository, "rev-parse", "--short=10", commit.decode().strip()).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        raise RevisionError(
            f"`{revision}` is not a commit of this repository. Write a branch, a tag or a hash that `git log` shows."
        ) from None
    try:
        archive = _git(repository, "archive", "--format=tar", short, "flownb", PROJECT)
    except subprocess.CalledProcessError:
        raise RevisionError(f"The commit {short} has no package flownb. Choose a later one.") from None
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    for name in FRONT_END:
        built, wanted = repository / "flownb" / name, folder / "flownb" / name
        if built.exists() and not wanted.exists():
            wanted.parent.mkdir(exist_ok=True)
            shutil.copy(built, wanted)
    return _finished(Build(short, folder))


def copy_tree(repository: Path, folder: Path) -> Build:
    """Make the build of the working tree, changes that are not committed included."""
    ignored = shutil.ignore_patterns("__pycache__", "labextension")
    shutil.copytree(repository / "flownb", folder / "flownb", ignore=ignored)
    shutil.copy(repository / PROJECT, folder / PROJECT)
    return _finished(Build("new", folder))


def _finished(build: Build) -> Build:
    """Compile a build's modules and write its command, which is what pip would write."""
    scripts = tomllib.loads((build.folder / PROJECT).read_text(encoding="utf-8"))["project"]["scripts"]
    module, function = scripts["flownb"].split(":")
    build.command.parent.mkdir()
    build.command.write_text(COMMAND.format(python=sys.executable, module=module, function=function))
    build.command.chmod(0o755)
    compileall.compile_dir(build.folder / "flownb", quiet=2)
    return build


def _git(repository: Path, *words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=repository, capture_output=True, check=True).stdout
