"""The worker's side of ``--executor dask``: attempts in worker processes, started by a dask worker.

A dask worker runs several tasks in threads of one process, which share standard output, environment and modules. So a
task of `distributed` only waits: its attempt runs in a process of its own, which the same `ProcessExecutor` starts and
watches as in a run without dask. Its notices are passed on to the driver, as events on the run's topic.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

from distributed import Status, Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.utils import sync

from flownb.errors import FlownbError, StoreError
from flownb.runtime.engines.parcels import Order, pack, unpack_spec
from flownb.runtime.executor import Ended, Lost, Message, Notice, Refused, Started
from flownb.runtime.shipping import load_program
from flownb.runtime.task import TaskSpec
from flownb.runtime.workers.pool import ProcessExecutor
from flownb.runtime.workers.server import ServerPool, Surroundings, surroundings
from flownb.store.datastore import Datastore

__all__ = ["OwnGroup", "attempt", "command", "require_store"]

Command = Literal["interrupt", "kill", "close"]

# States of dask's in which an attempt continues: of its task, and of its worker.
RUNS = ("executing", "long-running")
LIVES = (Status.running, Status.paused, Status.closing_gracefully)
# Seconds: between two looks whether an attempt is still wanted; that a host without attempts is kept.
LOOK = 0.2
IDLE = 60.0


class OwnGroup(WorkerPlugin):
    """Takes a worker out of the terminal's group: Ctrl-C is for the driver, which sends commands to its workers."""

    name = "flownb-own-group"

    def setup(self, worker: Worker) -> None:
        """Start a group of its own, unless it has one."""
        with contextlib.suppress(OSError):
            os.setsid()


def require_store(location: str, token: str) -> None:
    """Refuse a worker that sees another datastore than the driver, or none.

    Raises
    ------
    StoreError
        If the datastore at that location is another one.
    """
    if Datastore(location).token != token:
        place = "bucket" if location.startswith("s3://") else "folder"
        raise StoreError(
            f"A dask worker does not see the datastore `{location}`.",
            f"There is no such {place} on its machine, or it is another one.",
            "Use a folder that all machines share, or s3://bucket/prefix: set FLOWNB_DATASTORE.",
        )


def attempt(order: Order, number: int, key: str, packed: bytes, limit: float | None) -> None:
    """Run one attempt, unless a worker has begun it before: a task of `distributed`.

    Parameters
    ----------
    order : Order
    number : int
        What the driver calls it.
    key : str
        What dask calls it.
    packed : bytes
        Its `TaskSpec`, see `flownb.runtime.engines.parcels.pack_spec`.
    limit : float or None
        Seconds after which it is ended by force.
    """
    worker = get_worker()

    def send(message: Message, datastore: Datastore | None = None) -> None:
        worker.log_event(order.topic, pack(number, message, datastore))

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in RUNS and worker.status in LIVES

    # Dask gives a task whose worker died to another one, but only @retry decides whether a step may run twice.
    where = [order.topic, "begun", str(number)]
    before = sync(worker.loop, worker.scheduler.get_metadata, keys=where, default=None)
    if before is not None:
        send(Lost(f"The dask worker {before} that ran it is gone."))
        return
    sync(worker.loop, worker.scheduler.set_metadata, keys=where, value=worker.address)
    if not wanted():  # the run is over, and perhaps its mark was removed, too
        return
    send(Started(worker.address))
    try:
        with _Host.of(order, worker) as host:
            host.run(packed, limit, send, wanted)
    except FlownbError as error:
        send(Refused(str(error), isinstance(error, StoreError)))


def command(topic: str, what: Command) -> None:
    """Interrupt or kill all attempts of a run on this worker, or also forget the run; called in the event loop."""
    host = _Host.known.get(topic)
    if host is not None:
        host.ask(what)


@dataclass
class _Asked:
    """An attempt that was asked for."""

    packed: bytes
    limit: float | None
    send: Callable[[Message, Datastore | None], None]
    done: threading.Event = field(default_factory=threading.Event)


class _Host:
    """Runs the attempts of one run on this dask worker; one thread of its own communicates with their processes.

    Parameters
    ----------
    order : Order
    worker : distributed.Worker

    Raises
    ------
    StoreError
        If the datastore cannot be seen from here.
    """

    known: dict[str, _Host] = {}  # noqa: RUF012  # one table for all threads
    _lock = threading.Lock()

    def __init__(self, order: Order, worker: Worker) -> None:
        require_store(order.location, order.token)
        self._program = sync(worker.loop, worker.scheduler.get_metadata, keys=[order.topic, "program"])
        self._order = order
        self._datastore = Datastore(order.location)
        self._asked: SimpleQueue[_Asked | Command] = SimpleQueue()
        self._running: dict[int, _Asked] = {}  # by the identity of the spec, which comes back with all notices
        self._specs: dict[int, TaskSpec] = {}
        self._users = 0
        self._used = time.monotonic()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._thread = threading.Thread(target=self._serve, daemon=True, name=f"flownb-host-{order.topic}")
        self._thread.start()

    @classmethod
    @contextlib.contextmanager
    def of(cls, order: Order, worker: Worker) -> Iterator[_Host]:
        """The host of a run, for as long as the block lasts."""
        with cls._lock:
            host = cls.known.get(order.topic)
            if host is None:
                host = cls.known[order.topic] = cls(order, worker)
            host._users += 1
        try:
            yield host
        finally:
            with cls._lock:
                host._users -= 1
                host._used = time.monotonic()

    def run(
        self,
        packed: bytes,
        limit: float | None,
        send: Callable[[Message, Datastore | None], None],
        wanted: Callable[[], bool],
    ) -> None:
        """Run an attempt, send its messages and wait for its end; all are killed as soon as nobody wants this one."""
        asked = _Asked(packed, limit, send)
        self.ask(asked)
        while not asked.done.wait(LOOK):
            if not self._thread.is_alive():
                return
            if not wanted():  # the driver is gone, or this worker is about to end
                self.ask("kill")

    def ask(self, what: _Asked | Command) -> None:
        """Hand something to the thread; may be called on any."""
        self._asked.put(what)
        with contextlib.suppress(OSError):  # full: it is awake; closed: it is gone
            self._waker.send(b".")

    def _serve(self) -> None:
        """Run attempts until nobody needs this host."""
        pool = ServerPool()
        try:
            with pool.server(_surroundings(self._order)) as server:
                program = load_program(self._program)
                executor = ProcessExecutor(program, self._order.location, slots=1, server=server)
                executor.listen(self._woken.fileno())
                try:
                    while self._take(executor):
                        for notice in executor.wait(IDLE):
                            self._pass_on(notice)
                finally:
                    executor.close()
        except Exception as error:
            self._refuse(error)
        finally:
            self._forget()
            pool.close()

    def _take(self, executor: ProcessExecutor) -> bool:
        """Do what was asked for; False if that was to close, or if nobody used this host for long."""
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(1 << 16)
        while True:
            try:
                asked = self._asked.get_nowait()
            except Empty:
                break
            match asked:
                case _Asked():
                    spec = unpack_spec(asked.packed, self._datastore)
                    self._running[id(spec)], self._specs[id(spec)] = asked, spec
                    executor.submit(spec, limit=asked.limit)
                case "interrupt":
                    executor.interrupt()
                case "kill":
                    executor.kill()
                case "close":
                    executor.kill()
                    return False
        with self._lock:
            return bool(self._users) or time.monotonic() - self._used < IDLE

    def _pass_on(self, notice: Notice) -> None:
        """Send the driver what happened to an attempt."""
        spec, message = notice
        asked = self._running.get(id(spec))
        if asked is None:
            return
        asked.send(message, self._datastore)
        if isinstance(message, Ended | Lost):
            del self._running[id(spec)], self._specs[id(spec)]
            asked.done.set()

    def _refuse(self, error: Exception) -> None:
        """Report that nothing runs here any more: the run ends."""
        text = str(error)
        if not isinstance(error, FlownbError):
            text = f"A dask worker failed: {type(error).__name__}: {text.rstrip('.')}."
        waiting = list(self._running.values())
        with contextlib.suppress(Empty):
            while True:
                asked = self._asked.get_nowait()
                if isinstance(asked, _Asked):
                    waiting.append(asked)
        for one in waiting[:1]:
            one.send(Refused(text, isinstance(error, StoreError)), None)
        for one in waiting:
            one.done.set()

    def _forget(self) -> None:
        """Release what is held; who asks from now on gets another host."""
        with self._lock:
            if self.known.get(self._order.topic) is self:
                del self.known[self._order.topic]
        for asked in self._running.values():
            asked.done.set()
        self._waker.close()
        self._woken.close()


def _surroundings(order: Order) -> Surroundings:
    """What attempts find around them on this worker."""
    here = surroundings()
    folder = Path(order.folder) if Path(order.folder).is_dir() else here.folder
    if order.alike:
        return Surroundings(folder, order.path, tuple(sorted(order.variables.items())), here.stamps)
    added = tuple(entry for entry in order.path if entry not in here.path and (not entry or Path(entry).is_dir()))
    variables = tuple(sorted({**dict(here.variables), **order.variables}.items()))
    return Surroundings(folder, added + here.path, variables, here.stamps)
