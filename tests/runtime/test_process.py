"""What a step finds in its process, and what the process gets back: event loops, environment variables."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from flownb.runtime.process import own_event_loops, process_state


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


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that a step sets, changes or removes are as they were, also those that are not text in UTF-8."""
    monkeypatch.setenv("FLOWNB_TEST_KEPT", "before")
    monkeypatch.setenv("FLOWNB_TEST_BYTES", os.fsdecode(b"\xff\xfe"))
    before = dict(os.environ)
    with process_state():
        os.environ["FLOWNB_TEST_NEW"] = "1"
        os.environ["FLOWNB_TEST_KEPT"] = "after"
        del os.environ["FLOWNB_TEST_BYTES"]
    assert dict(os.environ) == before


def test_an_environment_that_was_replaced_has_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a step puts a dictionary in the place of ``os.environ``, that has the variables from before."""
    before = dict(os.environ)
    monkeypatch.setattr(os, "environ", os.environ)
    with process_state():
        setattr(os, "environ", {"FLOWNB_TEST_NEW": "1"})  # noqa: B010  # what code of a step may do
    assert dict(os.environ) == before
