"""flownb: Metaflow flows written one notebook cell at a time.

``%load_ext flownb`` turns it on in a notebook; ``flownb run notebook.ipynb`` runs one without. Names are imported when
they are first used, so that loading the extension stays instant.
"""

from __future__ import annotations

import importlib
from typing import Any

from flownb.client_access import register_client
from flownb.version import __version__ as __version__

__all__ = [
    "Config",
    "Flow",
    "IncludeFile",
    "JSONType",
    "Parameter",
    "Run",
    "Step",
    "Task",
    "config_expr",
    "current",
    "load_ipython_extension",
]

HOMES = {
    "Flow": "flownb.client",
    "Metaflow": "flownb.client",
    "Run": "flownb.client",
    "Step": "flownb.client",
    "Task": "flownb.client",
    "DataArtifact": "flownb.client",
    "get_cards": "flownb.client",
    "default_metadata": "flownb.client",
    "get_metadata": "flownb.client",
    "inspect_spin": "flownb.client",
    "Config": "flownb.runtime.parameters.config",
    "IncludeFile": "flownb.runtime.parameters.parameter",
    "JSONType": "flownb.runtime.parameters.parameter",
    "Parameter": "flownb.runtime.parameters.parameter",
    "config_expr": "flownb.runtime.parameters.config_expr",
    "current": "flownb.runtime.current",
    "dag": "flownb.magics.dag",
    "register_encoding": "flownb.store.encoding",
}


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    raise AttributeError(f"module 'flownb' has no attribute {name!r}")


def _client() -> Any:
    """The client, imported when a lower layer first asks for it."""
    from flownb import client

    return client


register_client(_client)


def load_ipython_extension(shell: Any) -> None:
    """Register the magics; IPython calls this for ``%load_ext flownb``."""
    from flownb.magics import register

    register(shell)
