"""A real kernel to time cells in.

Takes cell texts; gives the seconds from sending a cell to its reply, as a front end sees them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

__all__ = ["open_kernel", "round_trip"]


@contextlib.contextmanager
def open_kernel(folder: Path) -> Iterator[BlockingKernelClient]:
    """A kernel that has executed one cell, so that its own first-time costs are paid."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), extra_arguments=["--log-level=ERROR"])
    try:
        round_trip(client, "pass")
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def round_trip(client: BlockingKernelClient, code: str) -> float:
    """Seconds from sending a cell to its reply.

    Raises
    ------
    RuntimeError
        If the cell failed.
    """
    started = perf_counter()
    reply = client.execute(code, reply=True, timeout=600)
    seconds = perf_counter() - started
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{code!r} failed: {reply['content'].get('evalue')}")
    return seconds
