"""The commands that clear up and measure a datastore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flownb.cli.main import main

CELLS = ("%%flow F", "%%step load -> xs\nxs = list(range(30_000))", "%%step last -> n\nn = sum(xs)")


@pytest.fixture
def here(write_notebook: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with a notebook whose flow ran three times."""
    write_notebook(*CELLS)
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert main(["run", "nb.ipynb"]) == 0
    return tmp_path


def test_gc(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run says what would go, and then it goes."""
    capsys.readouterr()
    assert main(["gc", "--keep-last", "1", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would remove run F/2\nwould remove run F/1\nwould free 0 B (2 runs, 0 blobs)\n"
    assert main(["gc", "--keep-last", "1"]) == 0
    assert capsys.readouterr().out == "removed run F/2\nremoved run F/1\nfreed 0 B (2 runs, 0 blobs)\n"
    assert main(["gc", "--keep-last", "1", "--older-than", "30d"]) == 0
    assert capsys.readouterr().out == "freed 0 B (0 blobs)\n"


def test_gc_of_spins(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What spins kept goes with one command."""
    assert main(["spin", "nb.ipynb", "last", "--set", "xs=[1]", "--persist"]) == 0
    capsys.readouterr()
    assert main(["gc", "--spin"]) == 0
    assert "1 run" in capsys.readouterr().out
    assert main(["gc", "--spin", "--dry-run"]) == 2


def test_du(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes by flow, by run, and by artifact."""
    capsys.readouterr()
    assert main(["du"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines[:5]] == ["flow", "F", "", "artifact", "xs"]
    assert "storing equal values once saved" in lines[-1]
    assert main(["du", "F"]) == 0
    assert [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()[:4]] == ["run", "F/1", "F/2", "F/3"]
    assert main(["du", "F/2"]) == 0
    assert capsys.readouterr().out.split(" ")[0] == "artifact"


def test_rm(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run goes, and what was asked of it afterwards says so."""
    capsys.readouterr()
    assert main(["rm", "F/1", "F/2"]) == 0
    assert capsys.readouterr().out == "removed run F/2\nremoved run F/1\nfreed 0 B (2 runs, 0 blobs)\n"
    assert main(["rm", "F/1"]) == 1
    assert "Run F/1 was removed on" in capsys.readouterr().err


def test_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are listed from the newest, by tag, user, status and time, and a page leads to the next."""
    assert main(["run", "nb.ipynb", "--tag", "nightly"]) == 0

    def listed(*words: str) -> list[str]:
        capsys.readouterr()
        assert main(["runs", "F", *words]) == 0
        return [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()]

    assert listed() == ["F/4", "F/3", "F/2", "F/1"]
    assert listed("--tag", "nightly", "--status", "done", "--since", "1h") == ["F/4"]
    assert listed("--user", "nobody") == ["no"]
    assert listed("--until", "2020-01-31") == ["no"]
    assert listed("--before", "3", "--limit", "1") == ["F/2", "…"]


def test_timeline_and_index(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A timeline has a run's tasks by their start; the index is rebuilt from the manifests."""
    capsys.readouterr()
    assert main(["timeline", "F/2"]) == 0
    assert [line.split(" ")[-1] for line in capsys.readouterr().out.splitlines()] == [
        "start/1",
        "load/2",
        "last/3",
        "end/4",
    ]
    assert main(["index", "rebuild"]) == 0
    assert capsys.readouterr().out == "the index has 3 runs of 1 flow\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rm", "F"], "`F` does not name a run."),
        (["rm", "F/9"], "Run F/9 does not exist."),
        (["rm", "../F/1"], "is not the name of a flow, run, step or task"),
        (["du", "G"], "Flow `G` is not in"),
        (["runs", "G"], "Flow `G` is not in"),
        (["runs", "F", "--status", "fine"], "`fine` is not a status of a run."),
        (["runs", "F", "--since", "lately"], "`--since lately` is not a date."),
        (["timeline", "F"], "`F` does not name a run."),
        (["timeline", "F/9"], "Run F/9 does not exist."),
        (["index", "destroy"], "`destroy` is not an action of index."),
        (["du", "F/9"], "Run F/9 does not exist."),
        (["gc", "--keep-last", "many"], "`--keep-last many` is not accepted."),
        (["gc", "--older-than", "yesterday"], "`--older-than yesterday` is not an age."),
        (["gc", "--datastore", "elsewhere"], "There is no datastore in `elsewhere`."),
    ],
)
def test_wrong_words(here: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """A wrong word is reported, and nothing is removed."""
    assert main(words) in (1, 2)
    assert said in capsys.readouterr().err
    assert (here / ".flownb/flows/F/1/end.json").exists()
