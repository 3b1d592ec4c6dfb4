"""How code below the client gets it: for ``current.run``, ``from metaflow import Run``, ``get_cards`` and exit hooks.

The client reads what the runtime has recorded, so it is above the runtime and cannot be imported there. The package
registers it as soon as any of its modules is imported, which is so in every process; it is imported when a step first
asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["client", "register_client"]

_loaders: list[Callable[[], Any]] = []


def register_client(load: Callable[[], Any]) -> None:
    """Register what imports the client.

    Parameters
    ----------
    load : callable
        Returns the package `flownb.client`.
    """
    _loaders[:] = [load]


def client() -> Any:
    """The package `flownb.client`."""
    return _loaders[0]()
