"""A Chromium and one page in it, driven from a thread of its own.

Playwright's own synchronous API leaves an event loop running in the thread that uses it, in which no other test of the
process could then use asyncio; here the loop is in a thread beside the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Frame, Locator, Page, async_playwright

__all__ = ["Chromium", "chromium", "find_browser"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# How long a condition may take to come true on a busy machine. No test waits for this long unless it fails.
TIMEOUT_SECONDS = 40


def find_browser() -> str:
    """Path of the browser.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    for name in (os.environ.get("FLOWNB_BROWSER"),) if os.environ.get("FLOWNB_BROWSER") else NAMES:
        found = shutil.which(str(name))
        if found:
            return found
    raise RuntimeError("There is no Chromium for the browser tests. Run scripts/install_browser.sh.")


class Chromium:
    """A page, used from any thread.

    Attributes
    ----------
    errors : list of str
        Uncaught errors and console errors of the page, since they were last cleared.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, page: Page) -> None:
        self._loop = loop
        self.page = page
        self.errors: list[str] = []
        self.do(self._listen())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine of Playwright's in the browser's thread and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(4 * TIMEOUT_SECONDS)

    @contextlib.contextmanager
    def tab(self) -> Iterator[Chromium]:
        """One more page beside this one; its errors are its own."""
        page = self.do(self.page.context.new_page())
        try:
            yield Chromium(self._loop, page)
        finally:
            self.do(page.close())

    def goto(self, url: str) -> None:
        """Load an address."""
        self.do(self.page.goto(url))

    def reload(self) -> None:
        """Reload the page, as F5 does."""
        self.do(self.page.reload())

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Value of a JavaScript function (of one argument) in the page; a promise is awaited."""
        return self.do(self.page.evaluate(script, argument))

    def wait_for(self, script: str, argument: Any = None) -> Any:
        """Wait until a JavaScript function gives something true, and give that."""

        async def wait() -> Any:
            handle = await self.page.wait_for_function(script, arg=argument, timeout=TIMEOUT_SECONDS * 1000)
            return await handle.json_value()

        return self.do(wait())

    def press(self, keys: str) -> None:
        """Press a key or a chord such as ``Control+Alt+s``."""
        self.do(self.page.keyboard.press(keys))

    def type(self, text: str) -> None:
        """Press one key after the other."""
        self.do(self.page.keyboard.type(text))

    def screenshot(self, path: Path, **options: Any) -> None:
        """Write what is seen as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.do(self.page.screenshot(path=path, **options))

    def frame_of(self, selector: str) -> Frame | None:
        """The frame inside an iframe element."""

        async def find() -> Frame | None:
            element = await self.page.wait_for_selector(selector, timeout=TIMEOUT_SECONDS * 1000)
            return await element.content_frame() if element else None

        found: Frame | None = self.do(find())
        return found

    def locator(self, selector: str) -> Locator:
        """Playwright's locator, whose coroutines `do` runs."""
        return self.page.locator(selector)

    async def _listen(self) -> None:
        """Note errors; listening to an event of the page is for the browser's thread, too."""
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error.stack or error.message}"))
        self.page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text} ({message.location.get('url', '')})")


@contextlib.contextmanager
def chromium(*, width: int = 1280, height: int = 900, scale: float = 1, init_script: str = "") -> Iterator[Chromium]:
    """Start a browser with one page, and close it.

    Parameters
    ----------
    width, height : int
        Of the page, in CSS pixels.
    scale : float
        Device pixels for each CSS pixel.
    init_script : str
        JavaScript to run in each document before its own.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chromium", daemon=True)
    thread.start()

    def do(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(TIMEOUT_SECONDS)

    async def start() -> tuple[Any, Any, Page]:
        playwright = await async_playwright().start()
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=list(ARGUMENTS))
        context = await browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        if init_script:
            await context.add_init_script(init_script)
        return playwright, browser, await context.new_page()

    try:
        playwright, browser, page = do(start())
        try:
            yield Chromium(loop, page)
        finally:
            do(browser.close())
            do(playwright.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT_SECONDS)
        loop.close()
