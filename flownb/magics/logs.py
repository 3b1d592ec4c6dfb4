"""What steps wrote and displayed, shown again below a cell: ``%flow logs``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flownb.session.logs import StepLog

__all__ = ["show_logs"]

# A widget lives in the kernel that made it; elsewhere its text is what can be shown.
WIDGET = "application/vnd.jupyter.widget-view+json"


def show_logs(log: StepLog) -> None:
    """Write text to where it was written, and display what was displayed."""
    from IPython.display import display

    for task in log.tasks:
        if task.heading:
            print(f"{task.heading}:")
        open_lines: set[str] = set()
        for piece in task.pieces:
            if piece.kind == "display":
                data = {kind: content for kind, content in piece.data.items() if kind != WIDGET}
                display(data, raw=True, metadata=dict(piece.metadata))  # type: ignore[no-untyped-call]  # IPython leaves it untyped
            else:
                stream = "stderr" if piece.kind == "stderr" else "stdout"
                print(piece.text, end="", file=getattr(sys, stream))
                (open_lines.discard if piece.text.endswith("\n") else open_lines.add)(stream)
        for stream in sorted(open_lines):
            print(file=getattr(sys, stream))
    if log.note:
        print(f"note: {log.note}")
