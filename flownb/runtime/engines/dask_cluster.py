"""A dask cluster, as a run finds it or starts it.

Takes the address of a scheduler, or how many workers to start; gives a client of it, whose workers are known to be able
to run the flow, and what they are to take over from here.
"""

from __future__ import annotations

import logging
import os
import sys
import sysconfig
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from platform import python_version
from typing import Any

from distributed import Client, LocalCluster

from flownb.errors import ExecutorError
from flownb.runtime.engines.dask_host import OwnGroup, require_store
from flownb.runtime.engines.parcels import Order
from flownb.settings import user_name

__all__ = ["connect", "require_able", "write_order"]

# Seconds for a scheduler to answer.
ANSWER = 5
# Variables that are taken along to workers elsewhere.
TAKEN_ALONG = ("METAFLOW_", "FLOWNB_S3_")


def connect(address: str, *, workers: int) -> tuple[Client, LocalCluster | None]:
    """A client, which leaves the user's own default client alone, and the cluster if it was started for it.

    Parameters
    ----------
    address : str
        Of a scheduler; if it is empty, a cluster is started on this machine.
    workers : int
        How many processes such a cluster has.

    Raises
    ------
    ExecutorError
        If the scheduler cannot be reached.
    """
    if not address:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            # Without a dashboard it still serves its metrics: on a free port, for 8787 may be that of another cluster.
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
        client = Client(cluster, set_as_default=False)
        client.register_plugin(OwnGroup())
        return client, cluster
    try:
        return Client(address, timeout=ANSWER, set_as_default=False, name="flownb"), None
    except (OSError, ValueError) as error:
        raise ExecutorError(
            f"The dask scheduler at {address} cannot be reached.",
            f"{str(error).rstrip('.') or type(error).__name__}.",
            "Start one with `dask scheduler`, correct the address, or use --executor process.",
        ) from error


def require_able(client: Client, order: Order) -> None:
    """Refuse workers that cannot run attempts, before there is one.

    Raises
    ------
    ExecutorError
        If a worker has another version of flownb or Python.
    StoreError
        If it does not see the datastore.
    """
    ours, here = metadata.version("flownb"), python_version()
    for address, version in _ask(client, metadata.version, "flownb"):
        if version != ours:
            found = "it is not installed" if isinstance(version, Exception) else f"it has {version}"
            raise ExecutorError(
                f"The dask worker at {address} cannot run this flow.",
                f"It needs flownb {ours}, and {found}.",
                f"Run `pip install flownb=={ours}` there, and start it again.",
            )
    for address, version in _ask(client, python_version):
        if str(version).split(".")[:2] != here.split(".")[:2]:
            raise ExecutorError(
                f"The dask worker at {address} cannot run this flow.",
                f"It has Python {version} and this is {here}: they cannot read all of each other's artifacts.",
                "Start it with the same minor version of Python.",
            )
    for _, answer in _ask(client, require_store, order.location, order.token):
        if isinstance(answer, Exception):
            raise answer


def write_order(topic: str, location: str, token: str, *, alike: bool) -> Order:
    """The order of a run, with the surroundings of this process as far as they mean something to its workers.

    Parameters
    ----------
    topic : str
    location, token : str
    alike : bool
        Whether the workers are processes of this one's own.
    """
    path = tuple(entry for entry in sys.path if isinstance(entry, str))
    if alike:
        variables = dict(os.environ)
    else:
        path = tuple(entry for entry in path if not entry.startswith(_python()) and not entry.endswith(".zip"))
        variables = {name: value for name, value in os.environ.items() if name.startswith(TAKEN_ALONG)}
        variables["METAFLOW_USER"] = user_name()
    return Order(topic, location, token, str(Path.cwd()), path, variables, alike)


def _ask(client: Client, function: Callable[..., Any], *arguments: Any) -> list[tuple[str, Any]]:
    """What each worker gives for a call, by address; an exception that it raised is given too.

    A worker that cannot be reached has gone meanwhile, and no attempt will run there.
    """
    answers = client.run(function, *arguments, on_error="return")
    return sorted((address, answer) for address, answer in answers.items() if not isinstance(answer, OSError))


def _python() -> tuple[str, ...]:
    """Folders of Python's own modules and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*map(sysconfig.get_path, names), sys.prefix, sys.base_prefix)
