"""How a magic's line becomes words, and words become options."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flownb.errors import ParameterError
from flownb.session.options import RunOptions, SpinOptions, literal, parse_card, parse_run, parse_spin, write_output
from flownb.session.parser import words


def test_words_are_a_shells() -> None:
    """Blanks separate words, except between quotes or after a backslash."""
    assert words(r"""run --tag 'a b' c\ d \" """) == ["run", "--tag", "a b", "c d", '"']
    assert words("") == []
    assert parse_run(words("--tag='a b'")) == RunOptions(tags=("a b",))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('a --id "x', '`a --id "x` has a quote that is not closed.'),
        ("a --set t=don't", "`a --set t=don't` has a quote that is not closed."),
        ("a \\", "`a \\` ends with a backslash."),
    ],
)
def test_a_forgotten_quote_is_reported(line: str, what: str) -> None:
    """A quote without a partner, and a backslash before nothing, are the user's mistakes, with what to do."""
    with pytest.raises(ParameterError) as caught:
        words(line)
    assert caught.value.what == what
    assert caught.value.fix


def test_configs_take_two_words() -> None:
    """A config is chosen by its name and a file or value; with `=` the option is a parameter that is called config."""
    given = words("""--config a x.json --config-value b '{"c": 1}' --config=v --config a y.json""")
    options = parse_run(given)
    assert (options.config_files, options.config_values) == ({"a": "y.json"}, {"b": '{"c": 1}'})
    assert options.parameters == {"config": "v"}
    for line in ("--config", "--config a", "--config-value a --tag x"):
        with pytest.raises(ParameterError, match="needs two words"):
            parse_run(words(line))


@pytest.mark.parametrize("number", ["-1", "1.0", "x", "²", "9" * 5000])
def test_what_is_not_a_whole_number_is_reported(number: str) -> None:
    """Whatever Python cannot read as a number from 0 is refused, also superscript digits."""
    with pytest.raises(ParameterError, match=r"is not accepted\. It has to be a whole number from 0"):
        parse_card(["a", f"--index={number}"])


@pytest.mark.parametrize("text", ["{[]: 1}", "[" * 5000, "\0", "{", "1 +", "-"])
def test_a_text_that_is_not_a_literal_is_itself(text: str) -> None:
    """What is neither Python's nor JSON's way to write a value is meant as a text."""
    assert literal(text) == text


def test_the_same_words_of_a_spin_are_options_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Words that were read before mean the same in another folder, and options that were changed stay apart."""
    given = words("train --set k=15 --config cfg a.json")
    parse_spin(given).overrides["other"] = "1"
    monkeypatch.chdir(tmp_path)
    expected = SpinOptions("train", overrides={"k": "15"}, config_files={"cfg": "a.json"}, folder=tmp_path)
    assert parse_spin(given) == expected


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A link leads to the file that is replaced, permissions stay, and a failed write leaves the file as it was."""
    file, link = tmp_path / "flow.py", tmp_path / "link.py"
    write_output(file, "one\n")
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask()
    file.chmod(0o755)
    link.symlink_to(file.name)
    write_output(link, "two ä\n")
    assert (link.is_symlink(), file.read_text(encoding="utf-8"), file.stat().st_mode & 0o777) == (
        True,
        "two ä\n",
        0o755,
    )
    with pytest.raises(UnicodeEncodeError):
        write_output(file, "three \ud800")
    with pytest.raises(ParameterError) as refused:
        write_output(tmp_path, "three")
    assert str(refused.value) == f"`{tmp_path}` cannot be written. Is a directory. Name a file in a folder that exists."
    assert (file.read_text(encoding="utf-8"), sorted(tmp_path.iterdir())) == ("two ä\n", [file, link])


def umask() -> int:
    """The permissions that new files do not have."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
