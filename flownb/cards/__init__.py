"""Cards: what a step shows of its result.

Components have Metaflow's names and parameters; ``from flownb.cards import Markdown`` in a cell is
``from metaflow.cards import Markdown`` in flow.py. A name of ``metaflow.cards`` that is not drawn here comes from the
installed Metaflow, and the card shows one line in its place.
"""

from __future__ import annotations

import importlib
from typing import Any

from flownb.cards.components import Image, Markdown, Table
from flownb.client_access import client

__all__ = ["Image", "Markdown", "Table"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'flownb.cards' has no attribute {name!r}")
    if name == "get_cards":  # the client is above this package; Metaflow has the name here
        return client().get_cards
    try:
        theirs = importlib.import_module("metaflow.cards")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"`{name}` is not one of the card components flownb draws (Image, Markdown, Table), and Metaflow, which "
            "draws the others, is not installed. Use one of these, or install it with `pip install flownb[metaflow]`.",
            name=name,
        ) from error
    return getattr(theirs, name)
