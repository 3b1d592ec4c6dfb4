"""Python's garbage collector, kept from looking at what stays anyway.

It looks through all objects again and again while many are made. Syntax trees, and what modules consist of, are
hundreds of thousands that are all kept: it finds nothing, and takes a third of the time to check a long flow, a tenth
of a short command's.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused", "importing"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from starting; a collector that is off stays off."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def importing() -> Iterator[None]:
    """Import in this block what a command needs until its process ends; no code of the user's may be executed in it.

    Later collections, of which the last one is at the end of the process, do not look at what was imported.
    """
    before = len(sys.modules)
    with collector_paused():
        yield
        if len(sys.modules) != before:  # else there is nothing but what others have left, which may be garbage
            gc.freeze()
