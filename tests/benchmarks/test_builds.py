"""Builds to compare: out of git, and of the working tree."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.builds import Build, RevisionError, check_out, copy_tree
from benchmarks.names import NAMES, SLOW
from benchmarks.one import ROOT

PROJECT = '[project]\nname = "flownb"\n[project.scripts]\nflownb = "flownb.start:main"\n'
START = "def main():\n    print({!r})\n"
# A command that never ends by itself.
WAITING = "import signal\ndef main():\n    signal.pause()\n"
COMPARE = """
import sys
from pathlib import Path
from benchmarks.compare import main
sys.exit(main(sys.argv[2:], repository=Path(sys.argv[1])))
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a commit before the package, one with it, and a change that is not committed."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "README.md").write_text("Nothing yet.\n")
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _commit(folder, "empty")
    (folder / "flownb" / "widgets").mkdir(parents=True)
    (folder / "flownb" / "__init__.py").touch()
    (folder / "flownb" / "start.py").write_text(START.format("committed"))
    (folder / "pyproject.toml").write_text(PROJECT)
    _commit(folder, "package")
    (folder / "flownb" / "start.py").write_text(START.format("edited"))
    (folder / "flownb" / "widgets" / "dag.js").write_text("built")
    return folder


def _git(folder: Path, *words: str) -> str:
    who = {f"GIT_{role}_{what}": "bench@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        ["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def _commit(folder: Path, tag: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", tag)
    _git(folder, "tag", tag)


def _says(build: Build) -> str:
    """What a build's command prints, of the package beside it."""
    environment = {**os.environ, "PYTHONPATH": str(build.folder)}
    done = subprocess.run([str(build.command)], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_revision_and_the_working_tree(repository: Path, tmp_path: Path) -> None:
    """Each build has a command of its own that imports its own package, with what npm built and compiled modules."""
    builds = [check_out(repository, "package", tmp_path / "base"), copy_tree(repository, tmp_path / "new")]
    assert [_says(build) for build in builds] == ["committed", "edited"]
    assert [build.name for build in builds] == [_git(repository, "rev-parse", "--short=10", "HEAD").strip(), "new"]
    for build in builds:
        assert (build.folder / "flownb" / "widgets" / "dag.js").read_text() == "built"
        assert len(list((build.folder / "flownb" / "__pycache__").glob("start.*.pyc"))) == 1


def test_the_repository_is_left_as_it_was(repository: Path, tmp_path: Path) -> None:
    """A build out of git adds no work tree and no branch, and changes no file."""
    before = [_git(repository, *words) for words in (("worktree", "list"), ("branch",), ("status", "--short"))]
    check_out(repository, "package", tmp_path / "base")
    assert [_git(repository, *words) for words in (("worktree", "list"), ("branch",), ("status", "--short"))] == before


@pytest.mark.parametrize("revision", ["nowhere", "--all", "", "main:README.md"])
def test_what_is_not_a_commit(repository: Path, tmp_path: Path, revision: str) -> None:
    """A name that git does not know as a commit is refused with what to write."""
    with pytest.raises(RevisionError) as caught:
        check_out(repository, revision, tmp_path / "base")
    assert str(caught.value) == (
        f"`{revision}` is not a commit of this repository. Write a branch, a tag or a hash that `git log` shows."
    )


def test_a_commit_before_the_package(repository: Path, tmp_path: Path) -> None:
    """A commit that has nothing to measure is refused."""
    with pytest.raises(RevisionError) as caught:
        check_out(repository, "empty", tmp_path / "base")
    commit = _git(repository, "rev-parse", "--short=10", "empty").strip()
    assert str(caught.value) == f"The commit {commit} has no package flownb. Choose a later one."


def test_an_interrupted_comparison_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    """Ctrl-C while a benchmark runs ends it and removes the folders of both builds."""
    (repository / "flownb" / "start.py").write_text(WAITING)
    _commit(repository, "waiting")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", COMPARE, str(repository), "waiting", "start"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stderr.read(6) == b"start "
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert (process.returncode, said.decode()) == (
        130,
        "\nInterrupted; the folders of both builds were removed.\n",
    )
    assert list(scratch.iterdir()) == []


def test_every_benchmark_can_be_called() -> None:
    """Each name is a module that measures, and the slow ones are among them."""
    sources = {name: (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8") for name in NAMES}
    assert [name for name, source in sources.items() if "\ndef measure() -> list[Row]:" not in source] == []
    assert SLOW - NAMES.keys() == set()
