"""Images a card can hold: bytes of a picture format, data URLs, matplotlib and PIL objects.

Takes what a step has; gives ``(MIME type, bytes)`` or the error component that the card then shows. Nothing is ever
fetched, and a picture is only ever drawn in an ``<img>``, where an SVG cannot run scripts.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from flownb.cards.content import Plain, clean, failure

__all__ = ["Picture", "from_bytes", "from_figure", "from_pil", "from_url", "is_figure"]

Picture = tuple[str, bytes]

DATA_URL = re.compile(r"\s*data:(image/[a-z0-9.+-]{1,40})((?:;[^,;]{0,60})*),(.*)\Z", re.DOTALL | re.IGNORECASE)
NO_SOURCE = "Image: the source is neither bytes of a picture nor a data URL."


def from_bytes(content: Any) -> Picture | Plain:
    """A PNG, JPEG, GIF or WebP."""
    if type(content) is not bytes:
        return failure(NO_SOURCE, f"It is of type {type(content).__qualname__}.")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png", content
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", content
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif", content
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", content
    return failure("Image: the bytes are no picture.", "PNG, JPEG, GIF and WebP can be shown.")


def from_url(text: str) -> Picture | Plain:
    """A ``data:image/…`` URL."""
    found = DATA_URL.match(text)
    if found is None:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        return failure(NO_SOURCE, f"It is the text `{clean(shown)}`. A card loads nothing from outside.")
    kind, options, rest = found.groups()
    content = unquote_to_bytes(rest)
    if ";base64" in options.lower():
        try:
            content = base64.b64decode(content, validate=False)
        except binascii.Error as error:
            return failure("Image: the data URL cannot be decoded.", f"{error}.")
    return kind.lower(), content


def is_figure(value: Any) -> bool:
    """Whether a value is a matplotlib figure."""
    return any(base.__module__ == "matplotlib.figure" and base.__name__ == "Figure" for base in type(value).__mro__)


def from_figure(plot: Any) -> Picture | Plain:
    """A matplotlib figure, or the figure of axes, which is then closed as in Metaflow.

    The bytes are the same for the same figure: the version of matplotlib is not written into them.
    """
    figure = plot
    if not is_figure(plot):
        if getattr(plot, "get_figure", None) is None:
            return failure("Image: no matplotlib figure or axes.", f"It is of type {type(plot).__qualname__}.")
        figure = plot.get_figure()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
    return "image/png", buffer.getvalue()


def from_pil(image: Any) -> Picture | Plain:
    """A PIL image."""
    if not any(base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(image).__mro__):
        return failure("Image: no PIL image.", f"It is of type {type(image).__qualname__}.")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "image/png", buffer.getvalue()
