"""Which executors there are, by the names that users give them."""

from __future__ import annotations

import importlib.util

import pytest

from flownb.errors import ParameterError
from flownb.session.executors import executor_named
from flownb.session.options import parse_run


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("process", "process"),
        ("inline", "inline"),
        ("dask", "dask"),
        ("dask=tcp://host:8786", "dask=tcp://host:8786"),
        ("dask=tls://10.0.0.1:8786", "dask=tls://10.0.0.1:8786"),
        ("dask=host:8786", "dask=tcp://host:8786"),
        ("dask=tcp://[::1]:8786", "dask=tcp://[::1]:8786"),
    ],
)
def test_executors_have_names(text: str, name: str) -> None:
    """An executor is named by a word; dask's scheduler by its address, whose protocol can be left out."""
    assert parse_run(["--executor", text]).executor == name
    assert parse_run([f"--executor={text}"]).executor == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "proces",
            "`--executor proces` is not known. Did you mean `process`? "
            "The executors are process, inline, dask and dask=tcp://HOST:PORT. Correct it or leave it out.",
        ),
        (
            "inline=2",
            "`--executor inline=2` is not known. Did you mean `inline`? "
            "The executors are process, inline, dask and dask=tcp://HOST:PORT. Correct it or leave it out.",
        ),
        (
            "dask=host",
            "`--executor dask=host` does not name a dask scheduler. Its address has a host and a port. "
            "Write --executor dask=tcp://HOST:8786, as `dask scheduler` prints it.",
        ),
        (
            "dask=",
            "`--executor dask=` does not name a dask scheduler. Its address has a host and a port. "
            "Write --executor dask=tcp://HOST:8786, as `dask scheduler` prints it.",
        ),
    ],
)
def test_an_unknown_executor_is_refused(text: str, message: str) -> None:
    """What is not an executor is refused before anything runs, with the names that there are."""
    with pytest.raises(ParameterError) as caught:
        executor_named(text)
    assert str(caught.value) == message


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package that an executor needs, a run says how to install it, and nothing has run."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError) as caught:
        executor_named("dask")
    assert str(caught.value) == (
        "`--executor dask` needs the package distributed. It is not installed here. Run `pip install 'flownb[dask]'`."
    )
