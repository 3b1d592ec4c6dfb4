"""Which modules a process has imported since it was last asked.

Takes nothing; gives names. A process that was just forked pays for each page of memory that it looks at, so the modules
that were known before, thousands with large libraries, are not looked at again.
"""

from __future__ import annotations

import sys

__all__ = ["NewModules"]


class NewModules:
    """Modules that were not told of yet; a process that is forked goes on where its parent was."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        # Of `sys.modules` at the last look: its last name, and how many there were.
        self._last = ""
        self._count = 0

    def take(self) -> list[str]:
        """Names of those imported since the last call, newest first; all at the first."""
        last, count = next(reversed(sys.modules)), len(sys.modules)
        new = []
        try:
            for place, name in enumerate(reversed(sys.modules)):
                if name == self._last and len(sys.modules) - place == self._count:
                    break  # what was there before stands before it
                if name not in self._known:
                    new.append(name)
        except RuntimeError:  # another thread imports something
            new = [name for name in list(sys.modules) if name not in self._known]
        self._known.update(new)
        self._last, self._count = last, count
        return new
