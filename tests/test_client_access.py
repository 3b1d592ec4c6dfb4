"""The client, as lower layers get it."""

from __future__ import annotations

import subprocess
import sys

import flownb.client
from flownb.client_access import client


def test_the_package_registers_the_client() -> None:
    """Lower layers get the client package itself."""
    assert client() is flownb.client


def test_the_client_is_imported_when_it_is_asked_for() -> None:
    """A process that imports a lower layer has the client registered, but has not imported it."""
    code = (
        "import sys, flownb.runtime.current\nfrom flownb.client_access import client\n"
        "before = 'flownb.client' in sys.modules\nprint(before, client().Run.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False Run\n"
