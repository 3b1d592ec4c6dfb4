"""The files about the project agree: the version, the supported Pythons, and the commands that the texts name."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import flownb

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
GUIDES = ("CONTRIBUTING.md", "SECURITY.md", "README.md", ".github/pull_request_template.md")


def texts() -> list[str]:
    """What guides and workflows say."""
    paths = [*(ROOT / name for name in GUIDES), *(ROOT / ".github" / "workflows").glob("*.yml")]
    return [path.read_text(encoding="utf-8") for path in paths]


@pytest.fixture
def version() -> ModuleType:
    """The script that writes the version."""
    spec = importlib.util.spec_from_file_location("version", ROOT / "scripts" / "version.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_is_the_same_everywhere(version: ModuleType) -> None:
    """Package, front end and changelog have one version, and the wheel takes it from the package."""
    npm = version.npm_version(flownb.__version__)
    assert {place: version.found(place) for place in version.PLACES} == {
        "flownb/version.py": [flownb.__version__],
        "labextension/package.json": [npm],
        "labextension/package-lock.json": [npm, npm],
    }
    assert PROJECT["dynamic"] == ["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.M)
    assert newest is not None
    assert re.sub(r"(a|b|rc)\d+$", "", flownb.__version__) == newest[1]


@pytest.mark.parametrize(
    ("given", "npm"),
    [("1.20.3", "1.20.3"), ("0.2.0rc1", "0.2.0-rc.1"), ("0.2.0a2", "0.2.0-alpha.2"), ("1.0.0b12", "1.0.0-beta.12")],
)
def test_a_version_is_written_everywhere(
    version: ModuleType, given: str, npm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script writes the version in each file in the spelling of its readers, and changes nothing else."""
    for place in version.PLACES:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    version.ROOT = tmp_path
    assert version.main([given]) == 0
    assert capsys.readouterr().out == f"{given}\n"
    assert [version.found(place) for place in version.PLACES] == [[given], [npm], [npm, npm]]
    assert version.main([flownb.__version__]) == 0
    assert [(tmp_path / place).read_bytes() for place in version.PLACES] == [
        (ROOT / place).read_bytes() for place in version.PLACES
    ]


@pytest.mark.parametrize("given", ["1.2", "v1.2.3", "1.2.3.dev1", "1.2.3-rc.1", ""])
def test_what_is_not_a_version_is_refused(version: ModuleType, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A version that Python and npm cannot both spell is refused before anything is written."""
    assert version.main([given]) == 2
    expected = f"`{given}` is not a version of flownb. Write MAJOR.MINOR.PATCH, such as 0.2.0 or 0.2.0rc1.\n"
    assert capsys.readouterr() == ("", expected)


def test_each_supported_python_is_tested_on_each_system() -> None:
    """The classifiers name the Pythons that continuous integration runs, from the oldest that can install flownb."""
    matrix = WORKFLOWS["ci"]["jobs"]["tests"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert matrix["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert matrix["os"] == ["ubuntu-latest", "macos-latest"]
    replaced = [{**one, "target": "headless"} for one in matrix["include"]]
    assert matrix["exclude"] == replaced


def test_actions_are_pinned() -> None:
    """Each action is pinned to a commit, so that nobody can change what a workflow runs by moving a tag."""
    jobs = [job for workflow in WORKFLOWS.values() for job in workflow["jobs"].values()]
    used = [step["uses"] for job in jobs for step in job.get("steps", ()) if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_make_targets_that_are_named_exist() -> None:
    """Each `make` target that a guide, a workflow or the matrix names is in the Makefile."""
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", rules, flags=re.M))
    matrix = WORKFLOWS["ci"]["jobs"]["tests"]["strategy"]["matrix"]
    named = {*matrix["target"], *(one["target"] for one in matrix["include"])}
    for text in texts():
        named.update(re.findall(r"(?:`|\$ |run: )make ([a-z-]+)", text))
    assert named - targets == set()
    phony = re.search(r"^\.PHONY: (.*)", rules, flags=re.M)
    assert phony is not None
    assert set(phony[1].split()) == targets


def test_files_that_are_named_exist() -> None:
    """Each script and folder that a guide or a workflow names is in the repository."""
    folders = "benchmarks|flownb|labextension|notebooks|scripts|tests"
    named = {path for text in texts() for path in re.findall(rf"(?<![\w./-])(?:{folders})/[\w./-]*\w", text)}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_repository_has_one_address() -> None:
    """Package, issue forms and guides name the same repository."""
    files = [ROOT / name for name in (*GUIDES, "pyproject.toml", "CODE_OF_CONDUCT.md")]
    files += sorted((ROOT / ".github").rglob("*.yml"))
    found = {
        address
        for path in files
        for address in re.findall(r"https://github\.com/[\w-]+/flownb", path.read_text(encoding="utf-8"))
    }
    assert found == {PROJECT["urls"]["Source"]}
