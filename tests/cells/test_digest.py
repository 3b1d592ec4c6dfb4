"""Code that says the same has the same hash."""

from __future__ import annotations

import pytest

from flownb.cells.digest import code_digest, same_decorators


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("x = 1", "\n\nx = 1  # one\n", id="comments and blank lines"),
        pytest.param("x = f('a', 1)", 'x = f(\n    "a",\n    1,\n)', id="quotes, line breaks, a trailing comma"),
        pytest.param("if a:\n  b()", "if a:\n\tb()", id="indentation"),
        pytest.param("x = a + b; y = 1", "x = (a + b)\ny = 1", id="parentheses and semicolons"),
        pytest.param("x = 'a' 'b'", "x = 'ab'", id="joined texts"),
        pytest.param("x = 1000", "x = 1_000", id="underscores in numbers"),
        pytest.param("x = f'{a}'", "x = f'{ a }'", id="blanks in a formatted text"),
    ],
)
def test_what_looks_different(one: str, other: str) -> None:
    """Text that is another way to write the same code makes no difference, in a cell or in a file."""
    assert code_digest(one) == code_digest(other)
    assert code_digest(one.encode(), is_file=True) == code_digest(other.encode(), is_file=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("x = 1", "x = 1.0", id="a number's type"),
        pytest.param("x = 'a'", "x = b'a'", id="a text's type"),
        pytest.param("def f():\n 'one'", "def f():\n 'two'", id="docstrings"),
        pytest.param("x = '''a\n b'''", "x = '''a\n  b'''", id="indentation inside a text"),
        pytest.param("x = f'{a=}'", "x = f'{a = }'", id="a formatted text that shows its own code"),
        pytest.param("x = a  # type: int", "x = a  # type: str", id="type comments"),
        pytest.param("import inspect\nx = 1", "import inspect\nx = 1  # one", id="code that can see its text"),
        pytest.param("x = e.__traceback__.tb_lineno", "\nx = e.__traceback__.tb_lineno", id="code that sees its lines"),
        pytest.param("%time x", "%time  x", id="what is not Python"),
        pytest.param(f"x = 0x{'f' * 5000}", f"x = 0x{'f' * 5000}  # big", id="a number that cannot be shown"),
        pytest.param("x = 1\n" + "(" * 300, "(" * 301, id="what cannot be parsed"),
    ],
)
def test_what_is_different(one: str, other: str) -> None:
    """Code that may do something else has another hash; where that cannot be known, the text counts."""
    assert code_digest(one) != code_digest(other)


def test_a_file_that_may_read_itself() -> None:
    """A module that names its own file is compared by its text; a cell's ``__file__`` is not the cell."""
    one, other = "x = open(__file__)", "x = open(__file__)  # read"
    assert (
        code_digest(one, is_file=True) == code_digest(other, is_file=True),
        code_digest(one) == code_digest(other),
    ) == (False, True)


def test_encodings_of_a_file() -> None:
    """A byte order mark is not code; an encoding that is declared is followed."""
    assert code_digest(b"\xef\xbb\xbfx = '\xc3\xa9'", is_file=True) == code_digest(b"x = '\xc3\xa9'", is_file=True)
    latin = b"# -*- coding: latin-1 -*-\nx = '\xe9'"
    assert code_digest(latin, is_file=True) == code_digest(b"x = '\xc3\xa9'", is_file=True)
    assert code_digest(latin, is_file=True) != code_digest(latin.replace(b"\xe9", b"\xe8"), is_file=True)


def test_decorator_lines() -> None:
    """Decorators are compared as code, in their order."""
    assert same_decorators("@retry(times=3)\n@a", "@retry( times = 3 )  # three\n@a")
    assert not same_decorators("@retry(times=3)\n@a", "@a\n@retry(times=3)")
    assert not same_decorators("@retry(times=3)", "@retry(times=4)")
