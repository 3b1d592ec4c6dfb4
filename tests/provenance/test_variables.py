"""Which reads of environment variables are seen."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from unittest import mock

import pytest

from flownb.provenance.variables import VariableReads, changed_variables, mentioned_variables, watched

SETUP = "import os, subprocess, sys, tempfile, threading\nfrom unittest import mock\n"


def reads(code: str) -> VariableReads:
    """What code of a cell reads."""
    with watched() as found:
        exec(compile(SETUP + textwrap.dedent(code), "<cell>", "exec"), {"__name__": "flownb_flow_F"})
    return found


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("os.environ['HOME']", ["HOME"]),
        ("os.environ.get('A'); os.getenv('B', '1'); 'C' in os.environ", ["A", "B", "C"]),
        ("os.getenvb(b'A'); os.environb.get(b'B')", ["A", "B"]),
        ("from os import environ\nenviron.get('A')", ["A"]),
        ("os.environ.setdefault('FLOWNB_TEST_A', '1'); os.environ.pop('FLOWNB_TEST_A')", ["FLOWNB_TEST_A"]),
        ("os.path.expanduser('~/a'); os.path.expandvars('$A/${B}')", ["HOME", "A", "B"]),
        ("t = threading.Thread(target=os.getenv, args=('A',)); t.start(); t.join()", ["A"]),
        ("os.environ['A'] = '1'; os.environ['A']; del os.environ['A']; os.getenv('A')", ["A"]),
        ("os.environ.update(A='1'); os.environ['A']; del os.environ['A']", []),
        ("with mock.patch.dict(os.environ, {'A': '1'}):\n    os.environ['A']\nos.getenv('B')", ["B"]),
        ("subprocess.run([sys.executable, '-c', ''], check=True)", []),
        ("tempfile.gettempdir()", []),
        ("import argparse\nargparse.ArgumentParser().parse_args([])", []),
    ],
)
def test_what_is_read(code: str, names: list[str]) -> None:
    """Reads by name are noted, in whatever way; what the code set itself, and what Python needs, is not."""
    found = reads(code)
    assert (list(found.read), found.everything) == (names, False)


@pytest.mark.parametrize(
    "code",
    [
        "dict(os.environ)",
        "{**os.environ}",
        "os.environ.copy()",
        "os.environ | {}",
        "{} | os.environ",
        "list(os.environ)",
        "len(os.environ)",
        "sorted(os.environ.items())",
        "list(os.environ.values())",
        "os.environ == {}",
        "str(os.environ)",
    ],
)
def test_all_are_read(code: str) -> None:
    """Code that looks at all variables depends on all of them, and on none by its name."""
    found = reads(code)
    assert (list(found.read), found.everything) == ([], True)


def test_the_environment_is_what_it_was() -> None:
    """While it is watched the environment is one that any code can use, and afterwards its type is as before."""
    before, kind = dict(os.environ), type(os.environ)
    with watched():
        assert isinstance(os.environ, kind)
        assert os.environ.copy() == dict(os.environ) == {**os.environ} == dict(copy.copy(os.environ)) == before
        assert (len(os.environ), set(os.environ.keys())) == (len(before), set(before))
        assert sorted(os.environ.items()) == sorted(before.items())
        with mock.patch.dict(os.environ, {"FLOWNB_TEST_A": "1"}):
            assert os.environ["FLOWNB_TEST_A"] == "1"
            code = "import os; print(os.environ['FLOWNB_TEST_A'])"
            done = subprocess.run(
                [sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True
            )
            assert done.stdout == "1\n"
        with pytest.raises(KeyError):
            os.environ["FLOWNB_TEST_A"]
        with pytest.raises((AttributeError, pickle.PicklingError)):  # as without us
            pickle.dumps(os.environ)
        with watched():
            pass
        assert type(os.environ) is not kind
    assert (type(os.environ), type(os.environb)) == (kind, kind)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(os.environ)
    assert dict(os.environ) == before


def test_other_threads() -> None:
    """What packages read in a thread that was there before does not count."""
    go, done = threading.Event(), threading.Event()
    module = {"__name__": "some_package", "os": os}
    place = str(Path(pytest.__file__).parent / "some.py")  # of an installed package
    exec(compile("def look(): os.getenv('OF_A_PACKAGE')", place, "exec"), module)

    def work() -> None:
        go.wait()
        module["look"]()  # type: ignore[operator]  # the function that was defined above
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with watched() as found:
        go.set()
        done.wait()
    thread.join()
    assert list(found.read) == []


def test_values_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record has names and hashes; it says which variables have another value, were set, or are gone."""
    monkeypatch.setenv("FLOWNB_TEST_SECRET", "hunter2")
    monkeypatch.delenv("FLOWNB_TEST_B", raising=False)
    text = reads("os.getenv('FLOWNB_TEST_SECRET'); os.getenv('FLOWNB_TEST_B')").text(own=(), added=(), zone=True)
    assert "hunter2" not in text
    assert changed_variables(text, same_command=False) == []
    monkeypatch.setenv("FLOWNB_TEST_B", "")
    assert changed_variables(text, same_command=False) == ["FLOWNB_TEST_B"]
    monkeypatch.delenv("FLOWNB_TEST_SECRET")
    assert changed_variables(text, same_command=False) == ["FLOWNB_TEST_B", "FLOWNB_TEST_SECRET"]
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    assert "@zone" in changed_variables(text, same_command=False)


def test_variables_that_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in FLOWNB_IGNORED_VARIABLES change no result, whether code names them or looks at all variables."""
    monkeypatch.setenv("OWN_BUILD", "1")
    monkeypatch.setenv("FLOWNB_IGNORED_VARIABLES", "OWN_BUILD, OTHER")
    one = reads("os.getenv('OWN_BUILD')").text(own=(), added=(), zone=False)
    whole = reads("dict(os.environ)").text(own=(), added=(), zone=False)
    monkeypatch.setenv("OWN_BUILD", "2")
    assert [changed_variables(text, same_command=False) for text in (one, whole)] == [[], []]
    monkeypatch.delenv("FLOWNB_IGNORED_VARIABLES")
    assert [changed_variables(text, same_command=False) for text in (one, whole)] == [["OWN_BUILD"], ["*"]]


def test_variables_that_are_ignored_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that comes to be ignored after a result was made does not make that result stale."""
    monkeypatch.setenv("OWN_BUILD", "1")
    whole = reads("dict(os.environ)").text(own=(), added=(), zone=False)
    monkeypatch.setenv("FLOWNB_IGNORED_VARIABLES", "OTHER")
    assert changed_variables(whole, same_command=False) == []


def test_all_variables_but_those_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that looks at all is held to all, except for what differs from one terminal to the next."""
    text = reads("dict(os.environ)").text(own=(), added=(), zone=False)
    monkeypatch.setenv("TERM_SESSION_ID", "2")
    monkeypatch.setenv("JPY_SESSION_NAME", "other.ipynb")
    assert changed_variables(text, same_command=False) == []
    monkeypatch.setenv("RATE", "2")
    assert changed_variables(text, same_command=False) == ["*"]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("A = os.environ['A']\nB = os.getenv('B', 'x')", ("A", "B")),
        ("from os import environ\nA = environ.get(\n    'A')", None),
        ("A = os.environ[name]", None),
        ("x = 1", ()),
    ],
)
def test_what_a_text_mentions(code: str, names: tuple[str, ...] | None) -> None:
    """Of a module that was imported unseen, all names count that its text has; where it has none, any may be read."""
    assert mentioned_variables(code) == names
