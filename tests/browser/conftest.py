"""One server and one browser for all browser tests of a process; a notebook's kernel ends with its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, chromium
from tests.browser.lab import INIT_SCRIPT, Lab
from tests.browser.server import LabServer, lab_server

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "browser"

_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Let the fixture know whether its test failed."""
    report = yield
    if report.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """JupyterLab with flownb's extension."""
    with lab_server(tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """A headless Chromium."""
    with chromium(init_script=INIT_SCRIPT) as made:
        yield made


@pytest.fixture
def lab(server: LabServer, browser: Chromium, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """JupyterLab in the browser; an error in the page fails the test, and a test that fails leaves a screenshot."""
    browser.errors.clear()
    made = Lab(server, browser)
    yield made
    if request.node.stash.get(_FAILED, True) or ours(browser.errors):
        picture = SCREENSHOTS / f"{request.node.name.replace('/', '-')}.png"
        browser.screenshot(picture)
        picture.with_suffix(".txt").write_text("\n".join(browser.errors), encoding="utf-8")
    made.close()
    assert ours(browser.errors) == []


def ours(errors: list[str]) -> list[str]:
    """Errors that are not others': JupyterLab's of requests to a kernel that was ended, other extensions'."""
    others = ("Canceled future", "/extensions/@jupyter-widgets/")
    return [
        error
        for error in errors
        if "/extensions/flownb/" in error
        or (error.startswith("uncaught") and not any(other in error for other in others))
    ]
