"""IPython's display machinery in a worker, which has no kernel.

Takes what a step displays (`display(x)`, the value of its last expression, figures); gives it as `Output`. Libraries
find a shell and make rich representations as they do in a notebook.
"""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type

from flownb.runtime.failure import user_frames
from flownb.runtime.output import OnOutput, Output

__all__ = ["WorkerShell", "flush_figures"]


class _Publisher(DisplayPublisher):
    """Hands on what is displayed."""

    on_output: OnOutput | None = None

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: Any = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **unknown: Any,
    ) -> None:
        """Take one MIME bundle."""
        if self.on_output is not None:
            name = str((transient or {}).get("display_id") or "")
            text = str(data.get("text/plain", ""))
            self.on_output(Output("display", text, dict(data), dict(metadata or {}), name, update))

    def clear_output(self, wait: bool = False) -> None:
        """Hand on that what was shown is to go."""
        if self.on_output is not None:
            self.on_output(Output("clear", update=wait))


class WorkerShell(InteractiveShell):
    """A shell that never reads a cell; made once, before workers are forked."""

    display_pub_class = Type(_Publisher)

    @classmethod
    def make(cls) -> None:
        """Make the one shell, without a history."""
        HistoryManager.enabled = False  # type: ignore[assignment]  # a class-wide default of the trait
        # It would take itself apart at the end of each worker, which takes as long as a small step.
        atexit.unregister(cls.instance().atexit_operations)

    @classmethod
    def tell(cls, on_output: OnOutput) -> None:
        """Say where outputs go."""
        publisher = cls.instance().display_pub
        assert isinstance(publisher, _Publisher)
        publisher.on_output = on_output

    @classmethod
    def show(cls, value: Any) -> None:
        """Display the value of a body's last expression."""
        if value is not None:
            from IPython.display import display

            display(value)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    @classmethod
    def traceback(cls, error: BaseException) -> str:
        """An error with the user's frames as a notebook shows it; empty if there are none."""
        frames = user_frames(error)
        if frames is None:
            return ""
        try:
            lines = cls.instance().InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=0)
        except Exception:  # an error that cannot be shown like that still has its plain traceback
            return ""
        return "\n".join(lines)


def flush_figures() -> None:
    """Display the figures that a step left open, as the end of a cell does."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and "matplotlib.pyplot" in sys.modules:
        with contextlib.suppress(Exception):
            inline.flush_figures()
