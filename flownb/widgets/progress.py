"""Progress in a cell's output, for front ends that show only text and HTML: a line for each step, a line of text.

Each is one output that is updated in place; the outcome of the run replaces the lines of steps, a line of text ends
empty.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Mapping
from time import monotonic
from typing import Any

from IPython.display import display, update_display

from flownb.session.progress import LineState, Tally, texts

__all__ = ["StepLines", "UpdatedLine"]


# Seconds between two updates, each of which the front end keeps in the notebook; lines of steps.
INTERVAL = 0.5
MOST = 20

# Legible on light and on dark, like the colours of the DAG.
GLYPHS: Mapping[LineState, tuple[str, str]] = {
    "waiting": ("○", "#8a8f98"),
    "running": ("◐", "#2f7fd6"),
    "done": ("✓", "#2e9e5b"),
    "failed": ("✗", "#d6453d"),
    "interrupted": ("✗", "#c98a1b"),
    "untaken": ("⊘", "#8a8f98"),
}


class StepLines:
    """The lines of a run's steps.

    Parameters
    ----------
    tally : Tally
    display_id : str
        The id under which the output is updated.
    """

    def __init__(self, tally: Tally, display_id: str) -> None:
        self._tally, self._id = tally, display_id
        self._shown = monotonic()
        display(self._bundle(), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def refresh(self) -> None:
        """Show the lines as they are now, if they were not shown just before."""
        if monotonic() - self._shown >= INTERVAL:
            self._shown = monotonic()
            update_display(self._bundle(), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # as above

    def _bundle(self) -> dict[str, Any]:
        lines = self._tally.lines(MOST)
        plain, rich = [self._tally.head()], [html.escape(self._tally.head())]
        for line, text in zip(lines, texts(lines), strict=True):
            glyph, colour = GLYPHS[line.state]
            plain.append(f"{glyph} {text}")
            rich.append(f'<span style="color:{colour}">{glyph}</span> {html.escape(text)}')
        return {"text/plain": "\n".join(plain), "text/html": "<pre>{}</pre>".format("\n".join(rich))}


class UpdatedLine:
    """A line that says what is done now, such as a bar of transfers; a new output each time that it begins."""

    def __init__(self) -> None:
        self._id = ""

    def __call__(self, text: str) -> None:
        """Replace the text; an empty one ends the output."""
        bundle: dict[str, Any] = {"text/plain": text}
        if not self._id:
            self._id = f"flownb-line-{secrets.token_hex(8)}"
            display(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        else:
            update_display(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # as above
        if not text:
            self._id = ""
