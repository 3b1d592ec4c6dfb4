"""The driver's side of ``--executor dask``: the `Executor` that runs attempts as tasks of `distributed`.

A run connects to the scheduler of a dask cluster, or starts a cluster of its own; workers that cannot run the flow are
refused before the first attempt. Dask decides where an attempt runs. Whether it is tried again is decided by flownb's
scheduler, so nothing runs twice because dask would repeat it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import pickle
import secrets
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from platform import python_version
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future, LocalCluster

from flownb.errors import ExecutorError, StoreError
from flownb.runtime.cards import CardUpdate
from flownb.runtime.engines.dask_host import OwnGroup, attempt, command, require_store
from flownb.runtime.engines.parcels import Order, Stored, pack_spec, unpack
from flownb.runtime.executor import Ended, Lost, Message, Notice, Refused, Started
from flownb.runtime.process import machine_memory
from flownb.runtime.program import Program
from flownb.runtime.shipping import dump_program
from flownb.runtime.task import Output, TaskSpec
from flownb.settings import user_name
from flownb.store.datastore import Datastore

__all__ = ["DaskExecutor", "connect", "require_able", "write_order"]

# Seconds for a scheduler to answer.
ANSWER = 5
# Variables that are taken along to workers elsewhere.
TAKEN_ALONG = ("METAFLOW_", "FLOWNB_S3_", "FLOWNB_IGNORED_VARIABLES", "FLOWNB_PAGE_MAP", "FLOWNB_INDEX_BITMAPS")
# Seconds: that a run waits for a cluster without workers; that workers have to close.
WORKERLESS = 120.0
CLOSING = 2.0


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
    """The order of a run, with those surroundings of this process that its workers can use.

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
    """What each worker returns for a call, by address; also an exception that it raised.

    A worker that cannot be reached has left meanwhile, and no attempt will run there.
    """
    answers = client.run(function, *arguments, on_error="return")
    return sorted((address, answer) for address, answer in answers.items() if not isinstance(answer, OSError))


def _python() -> tuple[str, ...]:
    """Folders of Python's own modules and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return (*map(sysconfig.get_path, names), sys.prefix, sys.base_prefix)


@dataclass
class _Attempt:
    """One attempt; `worker` is the address of the dask worker that has begun it."""

    spec: TaskSpec
    worker: str = ""


@dataclass(frozen=True)
class _Settled:
    """Dask has finished with an attempt."""

    number: int
    status: str | None
    error: BaseException | None


@dataclass(frozen=True)
class _WorkerChanged:
    """A worker came or went."""

    address: str
    here: bool


class DaskExecutor:
    """Executes attempts on the workers of a dask cluster.

    Parameters
    ----------
    program : Program
    datastore : Datastore
        A folder that all workers see under the same name, or a bucket.
    address : str, optional
        Of the scheduler, ``tcp://host:8786``; by default a cluster of its own on this machine is started, and ended
        with the executor.
    slots : int or None
        How many attempts run at once; None means as many as the cluster has threads.

    Raises
    ------
    ExecutorError
        If the scheduler cannot be reached, or its workers cannot run attempts.
    StoreError
        If a worker does not see the datastore.
    """

    def __init__(self, program: Program, datastore: Datastore, *, address: str = "", slots: int | None) -> None:
        location = datastore.location
        if not location.startswith("s3://"):
            location = str(Path(location).absolute())
        self._datastore = datastore
        self._flow = program.flow.name
        self._limit = slots
        self._topic = f"flownb-{secrets.token_hex(6)}"
        self._numbers = itertools.count(1)
        self._attempts: dict[int, _Attempt] = {}
        self._futures: dict[int, Future[Any]] = {}  # until dask has finished with them: it ends what nobody holds
        self._arrived: SimpleQueue[bytes | _Settled | _WorkerChanged] = SimpleQueue()
        self._notices: list[Notice] = []
        self._failure: ExecutorError | StoreError | None = None
        self._gone = ""
        self._room: dict[str, tuple[int, float]] = {}  # threads and MB of each worker
        self._workerless: float | None = None
        self._address = address
        self._client, self._cluster = connect(address, workers=slots or 1)
        try:
            self._order = write_order(self._topic, location, datastore.token, alike=not address)
            require_able(self._client, self._order)
            self._client.set_metadata([self._topic, "program"], dump_program(program))
            self._client.subscribe_topic("all", self._watch_cluster)
            self._client.subscribe_topic(self._topic, lambda event: self._arrived.put(event[1]))
            self._count()
        except BaseException:
            self.close()
            raise

    def submit(self, spec: TaskSpec, *, limit: float | None = None) -> None:
        """Hand an attempt to dask; see `Executor.submit`."""
        if self._gone:
            self._notices.append((spec, Lost(self._gone)))
            return
        number = next(self._numbers)
        key = f"{spec.step}-{self._topic}-{number}"
        packed = pack_spec(spec)
        future = self._client.submit(attempt, self._order, number, key, packed, limit, key=key, pure=False, retries=0)
        self._attempts[number], self._futures[number] = _Attempt(spec), future
        future.add_done_callback(self._settled(number))

    def wait(self, seconds: float) -> Sequence[Notice]:
        """What happened, in order; see `Executor.wait`.

        Raises
        ------
        ExecutorError
            If the cluster is gone, or a worker cannot run attempts.
        StoreError
            If an attempt could not be recorded.
        """
        until = time.monotonic() + (0.0 if self._notices else seconds)
        while True:
            try:
                arrived = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            self._take(arrived)
            until = 0.0
        self._look_at_cluster()
        if self._failure is not None:  # what was reported before that is returned by the next call
            failure, self._failure = self._failure, None
            raise failure
        notices, self._notices = self._notices, []
        return notices

    def interrupt(self) -> None:
        """Interrupt all attempts that have begun; the others never begin."""
        self._lose(
            [number for number, one in self._attempts.items() if not one.worker], "The run was stopped before it began."
        )
        self._command("interrupt")

    def kill(self) -> None:
        """End all attempts and what their steps started."""
        self._command("kill")

    def close(self) -> None:
        """End what still runs, and the cluster if it is this executor's own."""
        topic = self._topic
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._client.cancel(list(self._futures.values()))
                self._command("close").join(CLOSING)
                if self._cluster is None:  # a cluster of others keeps nothing of this run
                    self._client.run_on_scheduler(
                        lambda dask_scheduler: (
                            dask_scheduler.task_metadata.pop(topic, None),
                            dask_scheduler._broker._topics.pop(topic, None),
                        )
                    )
        with contextlib.suppress(Exception):
            self._client.unsubscribe_topic("all")
        with contextlib.suppress(Exception):
            self._client.close(CLOSING)
        if self._cluster is not None:
            with contextlib.suppress(Exception):
                self._cluster.close(CLOSING)

    # -- the cluster

    def _count(self) -> None:
        """Learn which workers there are."""
        workers: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1)["workers"]
        self._room = {
            address: (int(worker["nthreads"]), (worker.get("memory_limit") or math.inf) / 2**20)
            for address, worker in workers.items()
        }
        self._add_up()

    def _add_up(self) -> None:
        """Work out how much room they have; as long as there are none, one attempt waits for them."""
        threads = sum(threads for threads, _ in self._room.values())
        self.slots = max(1, min(threads, self._limit or threads))
        # Workers of an executor's own have no limits, for they share this machine.
        self.memory = sum(memory for _, memory in self._room.values()) if self._address else machine_memory()

    def _watch_cluster(self, event: tuple[float, Any]) -> None:
        """Take note of workers that come and go; called by dask."""
        message = event[1]
        if isinstance(message, dict) and message.get("action") in ("add-worker", "remove-worker"):
            self._arrived.put(_WorkerChanged(message["worker"], message["action"] == "add-worker"))

    def _look_at_cluster(self) -> None:
        """See whether it is still there, and has workers."""
        if self._gone:
            return
        if self._client.status != "running":
            self._end(
                ExecutorError(
                    f"The dask scheduler{f' at {self._address}' if self._address else ''} is gone.",
                    "The connection to it broke during the run.",
                    "Start it again; `resume` then continues from there.",
                )
            )
            return
        now = time.monotonic()
        if self._room or not self._attempts:
            self._workerless = None
        elif self._workerless is None:
            self._workerless = now
        elif now - self._workerless > WORKERLESS:
            self._end(
                ExecutorError(
                    "The dask cluster has no workers.",
                    f"None came within {WORKERLESS:.0f} seconds.",
                    "Start one with `dask worker`; `resume` then continues from there.",
                )
            )

    def _end(self, failure: ExecutorError | StoreError) -> None:
        """Give up: all attempts are lost, and no more are begun."""
        self._gone = failure.what
        self._failure = failure
        self._lose(list(self._attempts), self._gone)

    def _command(self, what: Any) -> threading.Thread:
        """Send a command to all workers that have attempts of this run, without waiting for them."""
        addresses = sorted({one.worker for one in self._attempts.values() if one.worker})
        workers = None if what == "close" else addresses

        def send() -> None:
            with contextlib.suppress(Exception):  # the cluster is gone: then there is nothing to do
                self._client.run(command, self._topic, what, workers=workers, on_error="ignore")

        thread = threading.Thread(target=send, daemon=True, name=f"flownb-dask-{what}")
        thread.start()
        return thread

    # -- attempts

    def _settled(self, number: int) -> Callable[[Future[Any]], None]:
        """What dask calls when it has finished with an attempt."""

        def settled(future: Future[Any]) -> None:
            error = future.exception(timeout=CLOSING) if future.status == "error" else None
            self._arrived.put(_Settled(number, future.status, error))

        return settled

    def _take(self, arrived: bytes | _Settled | _WorkerChanged) -> None:
        """Turn what arrived into notices."""
        match arrived:
            case bytes():
                self._take_message(*pickle.loads(arrived))
            case _WorkerChanged(address, here):
                if here:
                    with contextlib.suppress(OSError):
                        self._count()
                    return
                self._room.pop(address, None)
                self._add_up()
                lost = [number for number, one in self._attempts.items() if one.worker == address]
                self._lose(lost, f"The dask worker {address} that ran it is gone.")
            case _Settled(number, status, error):
                self._futures.pop(number, None)
                if number in self._attempts and self._client.status == "running":
                    self._take_end(number, status, error)

    def _take_message(self, number: int, sent: Message | Stored) -> None:
        """Take a host's message about an attempt; what is sent of one that was given up does not matter."""
        if isinstance(sent, Refused):
            kind = StoreError if sent.store else ExecutorError
            self._end(kind(sent.message))
            return
        one = self._attempts.get(number)
        if one is None:
            return
        match unpack(sent, one.spec, self._flow, self._datastore):
            case Started(where):
                one.worker = where
            case Output() | CardUpdate() as shown:
                self._notices.append((one.spec, shown))
            case Ended() as ended:
                self._notices.append((one.spec, ended))
                del self._attempts[number]
            case Lost(reason):
                self._lose([number], reason)

    def _take_end(self, number: int, status: str | None, error: BaseException | None) -> None:
        """An attempt of which dask says that it ended, but its host did not."""
        if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] == "flownb":
            self._end(
                ExecutorError(
                    "A dask worker cannot run this flow.",
                    "It joined the cluster later, and flownb is not installed there.",
                    "Run `pip install flownb` there; `resume` then continues from there.",
                )
            )
        elif error is not None:
            self._lose([number], f"Dask could not run it: {type(error).__name__}: {str(error).rstrip('.')}.")
        elif status == "finished":
            self._lose([number], "The dask worker that ran it did not say how it ended.")
        else:
            self._lose([number], f"It was {status} on the dask cluster.")

    def _lose(self, numbers: Sequence[int], reason: str) -> None:
        """Report that attempts are lost, and keep dask from running them."""
        futures = [self._futures[number] for number in numbers if number in self._futures]
        for number in numbers:
            self._notices.append((self._attempts.pop(number).spec, Lost(reason)))
        if futures and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.cancel(futures)
