"""The event loops that a step finds, and those that its thread gets back."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from flownb.runtime.process import own_event_loops


def test_a_thread_gets_its_loop_back() -> None:
    """A thread beside the main one that had set a loop has it again afterwards, open; the step had another one."""

    def use() -> tuple[bool, bool, bool]:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        with own_event_loops():
            other = asyncio.get_event_loop() is not loop
        same, is_open = asyncio.get_event_loop() is loop, not loop.is_closed()
        loop.close()
        asyncio.set_event_loop(None)
        return other, same, is_open

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(use).result() == (True, True, True)
