"""Ctrl-C while the state of a process is put aside or back."""

from __future__ import annotations

import asyncio
import inspect
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CodeType, FrameType, ModuleType
from typing import Any

import pytest

from flownb.interrupts import uninterrupted
from flownb.provenance.module_copies import OwnModules, current_modules
from flownb.runtime import event_loops, process
from flownb.runtime.process import own_event_loops


def interrupted(code: CodeType, line: int, block: Callable[[], AbstractContextManager[Any]]) -> bool:
    """Enter and leave a block, with a Ctrl-C when a line of some code is reached; give whether one arrived."""
    sent: list[int] = []

    def each_line(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line" and frame.f_lineno == line and not sent:
            sent.append(line)
            signal.raise_signal(signal.SIGINT)
        return each_line

    def each_call(frame: FrameType, event: str, argument: object) -> Any:
        return each_line if frame.f_code is code else None

    before = sys.gettrace()
    sys.settrace(each_call)
    try:
        with block():
            pass
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def lines(code: CodeType) -> list[int]:
    """The lines of a function's body."""
    return sorted({line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno})


def test_an_interrupt_counts_at_the_end() -> None:
    """The block runs to its end; then the interrupt arrives, once."""
    done = []

    def block() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("after")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert (done, signal.getsignal(signal.SIGINT)) == (["after"], signal.default_int_handler)


@pytest.mark.parametrize("part", [OwnModules._put_aside, OwnModules._put_back])
def test_modules_are_put_back(part: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever an interrupt arrives, the process has its own modules afterwards."""
    mine = ModuleType("of_the_notebook")
    mine.__file__ = str(tmp_path / "of_the_notebook.py")
    monkeypatch.setitem(sys.modules, "of_the_notebook", mine)
    arrived = []
    for line in lines(part.__code__):
        arrived.append(interrupted(part.__code__, line, lambda: OwnModules(quiet=True).entered()))
        assert (sys.modules.get("of_the_notebook"), current_modules()) == (mine, None)
    assert any(arrived)


def test_event_loops_are_put_back() -> None:
    """Wherever an interrupt arrives, the thread has its policy and its hooks afterwards."""
    policy, hooks = asyncio.get_event_loop_policy(), sys.get_asyncgen_hooks()
    arrived = []
    for code in (
        process._put_aside.__code__,
        inspect.unwrap(event_loops._own_policy).__code__,
        event_loops._enter.__code__,
    ):
        for line in lines(code):
            arrived.append(interrupted(code, line, own_event_loops))
            assert (asyncio.get_event_loop_policy(), sys.get_asyncgen_hooks()) == (policy, hooks)
    assert any(arrived)
