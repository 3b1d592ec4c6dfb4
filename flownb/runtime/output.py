"""What an attempt shows while it runs: pieces of text, and rich outputs.

Takes what a step writes and displays; gives `Output` objects in the order they were made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["OnOutput", "Output", "OutputKind"]

OutputKind = Literal["stdout", "stderr", "display", "clear"]


@dataclass(frozen=True)
class Output:
    """One piece of what an attempt showed.

    Attributes
    ----------
    kind : {"stdout", "stderr", "display", "clear"}
        ``clear`` takes away all that was shown before, as IPython's `clear_output` does.
    text : str
        Of a stream: what was written, perhaps half a line; of a display its ``text/plain``.
    data, metadata : dict
        Of a display: its MIME bundle.
    display_id : str
        Names a display that can be updated, else empty.
    update : bool
        Whether it takes the place of what was displayed under that name; of a ``clear``, whether it waits until the
        next output.
    """

    kind: OutputKind
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    display_id: str = ""
    update: bool = False


OnOutput = Callable[[Output], None]
