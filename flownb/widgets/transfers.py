"""A bar in the cell's output while artifacts travel to or from S3.

Takes texts; shows the newest in one output, which is empty when nothing is under way.
"""

from __future__ import annotations

import secrets
from typing import Any

from IPython.display import display, update_display

__all__ = ["TransferOutput"]


class TransferOutput:
    """One updating output; a new one for each time that transfers begin."""

    def __init__(self) -> None:
        self._id = ""

    def __call__(self, text: str) -> None:
        """Show a text in place of the one before; an empty one ends the output."""
        bundle: dict[str, Any] = {"text/plain": text}
        if not self._id:
            self._id = f"flownb-transfers-{secrets.token_hex(8)}"
            display(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        else:
            update_display(bundle, raw=True, display_id=self._id)  # type: ignore[no-untyped-call]  # as above
        if not text:
            self._id = ""
