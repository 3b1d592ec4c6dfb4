"""Which modules a process has imported since it was last asked.

Takes nothing; gives names. A process that was just forked pays for each page of memory that it looks at, so the modules
that were known before, thousands with large libraries, are not looked at again.
"""

from __future__ import annotations

import sys

__all__ = ["NewModules"]

# How many modules that are known are looked at before all are compared at once.
MOST_PASSED = 50


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
        passed = 0
        try:
            for place, name in enumerate(reversed(sys.modules)):
                if name == self._last and len(sys.modules) - place == self._count:
                    break  # what was there before stands before it
                if name not in self._known:
                    new.append(name)
                    continue
                passed += 1
                if passed > MOST_PASSED:  # modules were taken out and put back: their order says nothing
                    unseen = sys.modules.keys() - self._known
                    new = [name for name in reversed(sys.modules) if name in unseen] if unseen else []
                    break
        except RuntimeError:  # another thread imports something
            new = [name for name in list(sys.modules) if name not in self._known]
        self._known.update(new)
        self._last, self._count = last, count
        return new
