"""The browser does not get in the way of other tests."""

from __future__ import annotations

import asyncio

from tests.browser.lab import Lab


def test_asyncio_is_free_while_a_browser_is_open(lab: Lab) -> None:
    """A test after a browser test, in the same process, can run an event loop of its own."""
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"
