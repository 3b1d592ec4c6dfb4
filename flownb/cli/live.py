"""Lines that rich keeps at the bottom of a terminal, as `flownb.cli.progress` says them.

rich is imported here alone, and this module only where there is a terminal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderResult
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType, Segment
from rich.text import Text

from flownb.session.progress import columns

__all__ = ["Line", "Lines", "live_lines"]


@dataclass(frozen=True)
class Line:
    """A line that is drawn.

    Attributes
    ----------
    glyph, style, text : str
    is_whole : bool
        Whether all of it has the style, and not the glyph alone.
    """

    glyph: str
    style: str
    text: str
    is_whole: bool


class _Terminal:
    """A terminal, written to by its number: what is written to the stream may be taken for a task's."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.encoding = file.encoding

    def write(self, text: str) -> int:
        """Write all of a text."""
        self._file.flush()
        left = text.encode(self.encoding, "replace")
        while left:
            left = left[os.write(self._file.fileno(), left) :]
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True

    def fileno(self) -> int:
        """Its number."""
        return self._file.fileno()


class _Console(Console):
    """A console whose cursor stays visible: a process that is killed could not show it again."""

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor as it is."""
        return False


class _Verbatim:
    """Text that a task wrote, with whatever it has for the terminal."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Segment(self._text)


class _Live(Live):
    """rich's live display, also in a window that became narrower: there the lines take more rows than before."""

    widths: Sequence[int] = ()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Go up by the rows that rich does not know of, and then as rich does."""
        wide = self.console.size.width
        more = sum(max(0, -(-width // wide) - 1) for width in self.widths)
        self.widths = [min(width, wide) for width in self.widths]
        up = Control(*((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)) * more)
        return [up, *super().process_renderables(renderables)]


class Lines:
    """The lines at the bottom of one terminal.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = _Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )

    def paint(self, text: str, lines: Sequence[Line], size: os.terminal_size, *, last: bool) -> None:
        """Write a text above the lines, and the lines again.

        Parameters
        ----------
        text : str
        lines : sequence of Line
            Empty while nothing may be drawn.
        size : os.terminal_size
            Of the terminal, now.
        last : bool
            Whether the lines are to go.
        """
        self._console.size = (size.columns, size.lines)
        if not lines and not self._live.widths:
            if text:  # a process in the background clears no line: somebody may be typing on it
                self._console.file.write(text)
        else:
            if not self._live.is_started:
                self._live.start()
            with self._console:  # all of it in one piece
                if text:
                    self._console.print(_Verbatim(text), end="", soft_wrap=True)
                # The last line is empty: the cursor is below the others.
                shown = Group(*(_painted(line) for line in lines), Text()) if lines else Text()
                self._live.update(shown, refresh=True)
            self._live.widths = [columns(line.text) + 2 for line in lines]
        if last and self._live.is_started:
            self._live.stop()


def _painted(line: Line) -> Text:
    """A line with its glyph, in colour."""
    whole = line.style if line.is_whole else ""
    found = Text(no_wrap=True, overflow="crop", style=whole)
    return found.append(line.glyph, style="" if whole else line.style).append(f" {line.text}")


def live_lines(file: TextIO, *, colours: bool) -> Lines:
    """Lines at the bottom of a terminal.

    Parameters
    ----------
    file : text stream
        Of the terminal.
    colours : bool
    """
    console = _Console(
        file=cast(TextIO, _Terminal(file)),
        color_system="standard" if colours else None,
        force_terminal=True,
        force_interactive=True,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return Lines(console)
