"""Python's garbage collector: when it is paused, that it is on afterwards, and that code of the user's has it on."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flownb.collector import collector_paused, importing
from flownb.flow.lint import check_flow
from tests.flow.flows import define

pytestmark = pytest.mark.usefixtures("collector_restored")


@pytest.fixture
def collector_restored() -> Iterator[None]:
    """Leave the collector on, and what tests have frozen not frozen."""
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize("block", [collector_paused, importing])
@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_is_afterwards_as_before(block: Callable[[], Iterator[None]], is_on: bool) -> None:
    """In a block it is off; afterwards it is on if it was on, also when the block raises."""
    if not is_on:
        gc.disable()
    seen = []
    with block():
        seen.append(gc.isenabled())
    seen.append(gc.isenabled())
    with pytest.raises(ZeroDivisionError), block():
        raise ZeroDivisionError
    seen.append(gc.isenabled())
    assert seen == [False, is_on, is_on]


def test_the_collector_is_on_after_checks() -> None:
    """Checks leave it on, also those that raise."""

    def names() -> Iterator[str]:
        seen.append(gc.isenabled())
        yield "x"
        raise ZeroDivisionError

    seen: list[bool] = []
    flow = define("%%step a -> x\nx = 1", "%%step b\ny = nowhere")
    check_flow(flow)
    seen.append(gc.isenabled())
    with pytest.raises(ZeroDivisionError):
        check_flow(flow, kernel_names=names())
    seen.append(gc.isenabled())
    assert seen == [True, False, True]


def test_only_imports_are_kept_from_the_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that imports nothing freezes nothing: what others have left may be garbage."""
    (tmp_path / "imported_for_the_first_time.py").write_text("names = [[]]\n")
    monkeypatch.syspath_prepend(tmp_path)
    counts = [gc.get_freeze_count()]
    with importing():
        import json  # noqa: F401  # is imported already
    counts.append(gc.get_freeze_count())
    with importing():
        import imported_for_the_first_time  # type: ignore[import-not-found]  # noqa: F401
    counts.append(gc.get_freeze_count())
    assert counts[0] == counts[1] < counts[2]


def test_code_of_the_users_has_the_collector(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """For the help of a run, the user's configuration and the flow's cells are executed with the collector on."""
    says = "import gc, sys; print('{}', gc.isenabled(), file=sys.stderr)\n"
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(says.format("settings"))
    write_notebook(f'%%flow F\n{says.format("flow")}n = Parameter("n", default=len("ab"))', "%%step a\npass")
    done = subprocess.run(
        [sys.executable, "-m", "flownb.cli.main", "run", "nb.ipynb", "--help"],
        cwd=tmp_path,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, {*done.stderr.splitlines()}) == (0, {"settings True", "flow True"})
    assert "--n" in done.stdout
