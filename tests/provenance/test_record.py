"""What a run was made by."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import flownb
from flownb.provenance import record
from flownb.provenance.record import git_state, run_environment


def git(folder: Path, *words: str) -> str:
    """What git says, with nothing of the developer's own settings."""
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=trunk")
    return subprocess.run(
        ["git", "-C", str(folder), *who, *words], env=settings, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    git(tmp_path, "init")
    (tmp_path / "nb.ipynb").write_text("{}")
    git(tmp_path, "add", "nb.ipynb")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_the_commit_of_the_notebooks_folder(repository: Path) -> None:
    """Commit and branch are named; a file that git does not know leaves the tree clean, a changed one does not."""
    commit = git(repository, "rev-parse", "HEAD")
    below = repository / "notebooks"
    below.mkdir()
    (below / "scratch.txt").write_text("new")
    assert git_state(below) == {"commit": commit, "branch": "trunk", "dirty": False}
    (repository / "nb.ipynb").write_text("[]")
    assert git_state(below) == {"commit": commit, "branch": "trunk", "dirty": True}
    git(repository, "checkout", "--detach", "--force")
    assert git_state(repository) == {"commit": commit, "branch": None, "dirty": False}


def test_before_the_first_commit(tmp_path: Path) -> None:
    """There is a branch, and no commit."""
    git(tmp_path, "init")
    assert git_state(tmp_path) == {"commit": None, "branch": "trunk", "dirty": False}


@pytest.mark.parametrize("why", ["no repository", "no git", "no folder"])
def test_without_git_nothing_is_said(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is in no repository or not there, and a machine without git, are not errors."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if why == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    folder = tmp_path / "gone" if why == "no folder" else tmp_path
    assert git_state(folder) == {}
    assert "git" not in run_environment(folder)


def test_a_slow_status_leaves_the_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If git takes too long to compare the work tree, whether it is dirty is not known; the commit is."""
    commit, real = git(repository, "rev-parse", "HEAD"), subprocess.run

    def run(words: list[str], **options: object) -> object:
        if "status" in words:
            raise subprocess.TimeoutExpired(words, 1.0)
        return real(words, **options)  # type: ignore[call-overload]  # as it was called

    monkeypatch.setattr(record.subprocess, "run", run)
    assert git_state(repository) == {"commit": commit, "branch": "trunk", "dirty": None}


def test_where_and_by_what_a_run_is_started(tmp_path: Path) -> None:
    """Python, machine, versions and command are plain values."""
    found = run_environment(tmp_path, command="flownb run nb.ipynb")
    assert found == json.loads(json.dumps(found))
    assert (found["python"], found["implementation"]) == (platform.python_version(), "CPython")
    assert (found["pid"], found["flownb"], found["command"]) == (os.getpid(), flownb.__version__, "flownb run nb.ipynb")
    assert found["host"]


def install(folder: Path, name: str, version: str, files: dict[str, str], *, direct_url: str = "") -> None:
    """Put a distribution into a folder as pip does."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: other\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in (*files, f"{info.name}/METADATA")))
    if direct_url:
        (info / "direct_url.json").write_text(direct_url)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


PROGRAM = """
    import json, os, sys, threading
    from flownb.provenance.record import imported_distributions, known_distributions
    known_distributions()
    before = set(imported_distributions())
    {code}
    print(json.dumps({{name: version for name, version in imported_distributions().items() if name not in before}}))
"""


def imported(folder: Path, code: str) -> dict[str, str]:
    """What a new process that imported something says; `folder` is where its distributions are."""
    program = textwrap.dedent(PROGRAM).format(code=code)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True, cwd=folder.parent
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with distributions of every kind."""
    folder = tmp_path / "site-packages"
    install(folder, "plain-name", "1.0", {"plain/__init__.py": "", "plain/part.py": ""})
    install(folder, "single", "2.0", {"single.py": ""})
    install(folder, "space-a", "3.0", {"space/a/__init__.py": "", "space/a/deep.py": ""})
    install(folder, "space-b", "4.0", {"space/b/__init__.py": ""})
    install(folder, "space-c", "5.0", {"space/c.py": ""})
    project = tmp_path / "a project"
    (project / "src" / "mine").mkdir(parents=True)
    (project / "src" / "mine" / "__init__.py").write_text("")
    url = json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}})
    install(folder, "my-project", "6.0", {"_my_project.pth": str(project / "src")}, direct_url=url)
    return folder


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("import plain.part", {"plain-name": "1.0"}, id="package"),
        pytest.param("import single", {"single": "2.0"}, id="module"),
        pytest.param("import space.a.deep", {"space-a": "3.0"}, id="one part of a namespace"),
        pytest.param("import space.b, space.c", {"space-b": "4.0", "space-c": "5.0"}, id="two parts"),
        pytest.param("sys.path.append('a project/src'); import mine", {"my-project": "6.0"}, id="editable"),
        pytest.param("import json.tool, wave", {}, id="Python's own"),
        pytest.param("import beside", {}, id="a file that was not installed"),
        pytest.param("import types; sys.modules['made'] = types.ModuleType('made')", {}, id="made by a program"),
        pytest.param("sys.modules['odd'] = 3", {}, id="no module at all"),
    ],
)
def test_imported_distributions(code: str, expected: dict[str, str], installed: Path) -> None:
    """Each distribution that a module was imported of is named, and no other."""
    (installed.parent / "beside.py").write_text("")
    assert imported(installed, f"sys.path.append('.'); {code}") == expected


def test_what_is_installed_while_the_process_runs(installed: Path) -> None:
    """A distribution that is installed later (`%pip install` in a cell) is found, by its version if it was looked for.

    A task looks when it begins; what is installed and imported without a look between may be of another version.
    """
    install(installed.parent / "later", "later", "7.0", {"later.py": ""})
    code = f"import shutil; shutil.copytree('later', {str(installed)!r}, dirs_exist_ok=True); "
    # Times of files may be behind the clock by some hundredths of a second.
    looks = "import time; time.sleep(0.1); from flownb.provenance.record import *; imported_distributions(); "
    assert imported(installed, code + looks + "import later")["later"] == "7.0"
    assert imported(installed, code + "import later") == {"later": "?"}


def test_a_fork_need_not_read_again(installed: Path) -> None:
    """A forked process knows what its parent read, and looks only at what it imported itself."""
    code = (
        "import importlib.metadata; importlib.metadata.distributions = None\n"
        "pid = os.fork()\n"
        "if pid:\n    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
        "import single"
    )
    assert imported(installed, code) == {"single": "2.0"}
