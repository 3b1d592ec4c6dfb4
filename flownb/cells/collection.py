"""Python's garbage collector, paused while the cells of a flow are parsed and checked.

Syntax trees are hundreds of thousands of objects that are all kept. The collector looks through them again and again
while they are made, which is a third of the time to check a long flow.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


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
