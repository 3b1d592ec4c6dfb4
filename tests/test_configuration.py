"""The settings of flownb: Jupyter's configuration, the environment, and their table in the documents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from traitlets import TraitError
from traitlets.config import Config

from flownb.cli.configuration import configured, folders
from flownb.cli.main import main
from flownb.configuration import Flownb, table
from flownb.errors import ParameterError
from flownb.session.options import RunOptions, parse_run
from flownb.settings import datastore_root, ignored_variables, max_workers, shows_report_details

DOCUMENT = Path(__file__).parents[1] / "docs/settings.md"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are kept in environment variables, which are put back after each test."""
    for trait in Flownb.class_own_traits(config=True).values():
        monkeypatch.setenv(trait.metadata["variable"], "")


def test_the_document_has_the_table() -> None:
    """docs/settings.md lists every setting with its variable, option, meaning and default."""
    assert "\n".join(table()) in DOCUMENT.read_text(encoding="utf-8")


def test_a_change_is_kept_in_the_variable() -> None:
    """What `%config` sets is what everything reads; a value that is not accepted changes nothing."""
    settings = Flownb()
    settings.datastore, settings.max_workers = "s3://bucket/prefix", 3
    settings.report_details, settings.ignored_variables = True, ["HOST", "BUILD"]
    assert datastore_root() == "s3://bucket/prefix"
    assert (max_workers(), RunOptions().workers, parse_run(["--max-workers", "2"]).workers) == (3, 3, 2)
    assert (shows_report_details(), ignored_variables()) == (True, frozenset({"HOST", "BUILD"}))
    with pytest.raises(TraitError):
        settings.s3_compression = "zip"
    assert not os.environ.get("FLOWNB_S3_COMPRESSION")
    settings.max_workers = 0
    assert max_workers() is None


def test_the_environment_counts_more_than_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file sets what the environment does not; each setting shows what holds."""
    monkeypatch.setenv("FLOWNB_MAX_WORKERS", "5")
    monkeypatch.setenv("FLOWNB_IGNORED_VARIABLES", "A, B")
    settings = Flownb(config=Config({"Flownb": {"max_workers": 2, "cache_size": "1G"}}))
    assert (settings.max_workers, settings.cache_size, settings.ignored_variables) == (5, "1G", ["A", "B"])
    assert (max_workers(), os.environ["FLOWNB_CACHE_SIZE"]) == (5, "1G")


def test_the_command_line_reads_the_files_of_a_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ipython_config.py` and the kernel's own file count, the later folder more; one that cannot be read is named."""
    shared, own = tmp_path / "shared", tmp_path / "own"
    for folder in (shared, own):
        folder.mkdir()
    (shared / "ipython_config.py").write_text("c = get_config()\nc.Flownb.max_workers = 2\nc.Flownb.cache = '/c'")
    (own / "ipython_kernel_config.json").write_text('{"Flownb": {"max_workers": 4}}')
    (own / "ipython_config.py").write_text("1 / 0")
    configured([shared, own, tmp_path / "none"])
    assert (max_workers(), os.environ["FLOWNB_CACHE"]) == (4, "/c")
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_command_looks_where_a_kernel_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folders are those of IPython, the user's own last."""
    from IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    theirs = [*reversed(SYSTEM_CONFIG_DIRS), *reversed(ENV_CONFIG_DIRS)]
    assert folders() == [*map(Path, theirs), tmp_path / "profile_default"]


def test_a_wrong_setting_in_a_file_is_refused(tmp_path: Path) -> None:
    """The message says that it is in IPython's configuration, and what is accepted."""
    (tmp_path / "ipython_config.json").write_text('{"Flownb": {"s3_compression": "zip"}}')
    with pytest.raises(ParameterError, match="A setting of flownb in IPython's configuration is not accepted"):
        configured([tmp_path])


def test_a_setting_that_there_is_not_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt setting is one line with the nearest name, and the others hold."""
    made = Flownb.of(config=Config({"Flownb": {"max_worker": 2, "report_details": True}}))
    assert made.report_details
    noted = capsys.readouterr().err
    assert noted.startswith("note: Config option `max_worker` not recognized by `Flownb`.")
    assert "max_workers" in noted


def test_a_file_that_exits_or_prints_spoils_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the user's configuration prints is not part of a command's output; one that exits is named and left out."""
    (tmp_path / "ipython_config.py").write_text("print('said')\nimport sys\nsys.exit(4)\n")
    configured([tmp_path])
    out, noted = capsys.readouterr()
    assert out == ""
    assert "said" in noted
    assert f"note: `{tmp_path / 'ipython_config.py'}` cannot be read: SystemExit: 4" in noted


def test_a_command_uses_the_configured_datastore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`c.Flownb.datastore` holds for the command line, and `--datastore` counts more."""
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text("c = get_config()\nc.Flownb.datastore = '/none/configured'")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    assert main(["du"]) == 1
    assert "There is no datastore in `/none/configured`." in capsys.readouterr().err
    assert main(["du", "--datastore", "/none/given"]) == 1
    assert "There is no datastore in `/none/given`." in capsys.readouterr().err


def test_a_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with a value that is not accepted is an error where it is needed, not before."""
    monkeypatch.setenv("FLOWNB_MAX_WORKERS", "many")
    Flownb()
    with pytest.raises(ParameterError, match="FLOWNB_MAX_WORKERS is `many`"):
        parse_run([])
