"""Imports of a command, which stay until its process ends: no collection of garbage is to look at them."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["importing"]


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import in this block what a command needs; nothing of the user's may be executed in it.

    Without that, a tenth of a short command's time is collections that find nothing, the last one at its end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
