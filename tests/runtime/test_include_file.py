"""Files that a run is started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flownb.errors import ParameterError
from flownb.runtime.parameters.config import Config
from flownb.runtime.parameters.config_value import ConfigValue
from flownb.runtime.parameters.parameter import IncludeFile, ParameterContext, RunInputs

CONTEXT = ParameterContext("F", "tester", "")


def value(include: IncludeFile, **inputs: Any) -> Any:
    """The artifact in a run with these inputs."""
    return include.value(RunInputs(**inputs), CONTEXT)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with files, entered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "t.txt").write_bytes(b"one\r\ntwo")
    (tmp_path / "raw.bin").write_bytes(b"\xff\x00")


@pytest.mark.parametrize(
    ("include", "inputs", "expected"),
    [
        (IncludeFile("f", default="t.txt"), {}, "one\ntwo"),
        (IncludeFile("f", default="~/t.txt"), {}, "one\ntwo"),
        (IncludeFile("f", default="t.txt", is_text=False), {}, b"one\r\ntwo"),
        (IncludeFile("f", default="raw.bin", encoding="latin-1"), {}, "ÿ\x00"),
        (IncludeFile("f", default=lambda context: "t.txt"), {}, "one\ntwo"),
        (IncludeFile("f", default="nowhere"), {"parameters": {"f": "t.txt"}}, "one\ntwo"),
        (IncludeFile("f"), {"environment": {"METAFLOW_RUN_F": "t.txt"}}, "one\ntwo"),
        (IncludeFile("f", True, default="t.txt"), {}, "one\ntwo"),
        (IncludeFile("f"), {}, None),
    ],
)
def test_the_artifact_is_the_content(include: IncludeFile, inputs: dict[str, Any], expected: object) -> None:
    """The file is read when the run starts, as a text with plain newlines or as bytes."""
    assert value(include, **inputs) == expected


def test_given_paths_start_where_the_command_was_given(tmp_path: Path) -> None:
    """A path that the user gives is not looked for in the notebook's folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "t.txt").write_text("sub")
    assert value(IncludeFile("f"), parameters={"f": "t.txt"}, folder=tmp_path / "sub") == "sub"


def test_steps_see_what_the_parser_makes() -> None:
    """The artifact stays the content; a parser, also one with a dotted name, is for those who read it."""
    for parser in (str.split, "shlex.split"):
        include = IncludeFile("f", default="t.txt", parser=parser)
        assert (value(include), include.load(value(include))) == ("one\ntwo", ["one", "two"])
    with pytest.raises(ParameterError, match=r"IncludeFile `f` cannot be parsed\. Its parser json\.loads raised JSON"):
        IncludeFile("f", parser="json.loads").load("{")


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (IncludeFile("f", default="nowhere"), "`nowhere` cannot be read. No such file or directory."),
        (IncludeFile("f", default="."), "`.` cannot be read. Is a directory."),
        (IncludeFile("f", default="raw.bin"), "`raw.bin` is not text in the encoding utf-8."),
        (IncludeFile("f", default="t.txt", encoding="utf-9"), "unknown encoding: utf-9."),
        (IncludeFile("f", default="s3://bucket/key"), "Metaflow includes local files only."),
        (IncludeFile("f", default=3), "Its value is a path."),
        (IncludeFile("f", required=True), "IncludeFile `f` has no value."),
    ],
)
def test_what_is_refused(include: IncludeFile, message: str) -> None:
    """A file that cannot be had stops a run before it starts, with what, why and what to do."""
    with pytest.raises(ParameterError) as caught:
        value(include)
    assert message in str(caught.value)
    assert caught.value.fix


def test_wrong_declarations() -> None:
    """Options of other parameters, and settings that Metaflow needs before it knows configs, are refused."""
    with pytest.raises(ParameterError, match="IncludeFile `f` has no option separator"):
        IncludeFile("f", separator=",")
    with pytest.raises(ParameterError, match="takes is_text, encoding or parser from a config"):
        IncludeFile("f", is_text=Config("cfg").text)
    configs = {"cfg": ConfigValue({"path": "t.txt"})}
    assert IncludeFile("f", default=Config("cfg").path).resolved(configs).default == "t.txt"
