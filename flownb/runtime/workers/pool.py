"""The driver's side of worker processes: the `Executor` that runs attempts in processes of this machine.

If a process dies, for whatever reason, its attempt is lost.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.errors import StoreError
from flownb.runtime.cards import CardUpdate
from flownb.runtime.executor import Ended, Lost, Notice, Refused
from flownb.runtime.process import machine_memory
from flownb.runtime.program import Program
from flownb.runtime.shipping import dump_program
from flownb.runtime.task import Output, OutputKind, TaskSpec
from flownb.runtime.workers.channel import Exited, Forked, Frames, Keeps, Request, send
from flownb.runtime.workers.server import WorkerServer

__all__ = ["ProcessExecutor"]

# How long a worker that has ended its attempt may take to end its process, in seconds: threads, exit handlers.
LINGER = 30.0
CHUNK = 1 << 16


@dataclass
class _Attempt:
    """One worker."""

    spec: TaskSpec
    channel: socket.socket
    frames: Frames
    pipes: dict[int, OutputKind]
    pid: int = 0
    limit: float | None = None  # counts from when it has a process
    deadline: float = float("inf")
    ended: bool = False
    held: Ended | None = None
    stopped: str = ""
    decoders: dict[int, Any] = field(default_factory=dict)


class ProcessExecutor:
    """Executes attempts in processes forked from a `WorkerServer`.

    Parameters
    ----------
    program : Program
    location : str
        Where the datastore is.
    slots : int
        How many attempts run at once.
    server : WorkerServer
        Used by nobody else meanwhile; closing the executor does not end it.
    keeps : {"record", "spin", "values"}
        What is kept of an attempt, see `flownb.runtime.workers.channel.Request`.
    values : str
        Where values are kept that are not recorded.
    decorated : bool, default True
        Whether decorator lines are executed.
    """

    def __init__(
        self,
        program: Program,
        location: str,
        *,
        slots: int,
        server: WorkerServer,
        keeps: Keeps = "record",
        values: str = "",
        decorated: bool = True,
    ) -> None:
        self.slots, self.memory = slots, machine_memory()
        self._server = server
        self._keeps, self._values, self._decorated = keeps, values, decorated
        self._attempts: dict[int, _Attempt] = {}
        self._selector = selectors.DefaultSelector()
        self._control: int | None = None
        self._waiting: list[Notice] = []
        self._text, self._location = dump_program(program), location

    def submit(self, spec: TaskSpec, *, limit: float | None = None) -> None:
        """Start an attempt in a process of its own; see `Executor.submit`."""
        if self._control is None or not self._server.alive:  # a run that clones all its tasks needs no server
            self._connect()
        ours, theirs = socket.socketpair()
        out, their_out = os.pipe()
        err, their_err = os.pipe()
        pipes: dict[int, OutputKind] = {out: "stdout", err: "stderr"}
        for end in pipes:
            os.set_blocking(end, False)
        attempt = _Attempt(spec, ours, Frames(ours), pipes, limit=limit)
        fds = (theirs.fileno(), their_out, their_err)
        number = self._server.fork(fds)
        theirs.close()
        os.close(their_out)
        os.close(their_err)
        self._attempts[number] = attempt
        self._selector.register(ours, selectors.EVENT_READ, number)
        for end in pipes:
            self._selector.register(end, selectors.EVENT_READ, number)
        with contextlib.suppress(OSError):  # of a process that has ended already the server reports
            send(ours, Request(spec, self._keeps, self._values, self._decorated))

    def wait(self, seconds: float) -> Sequence[Notice]:
        """What happened, in order; see `Executor.wait`."""
        deadline = min((one.deadline for one in self._attempts.values()), default=float("inf"))
        notices, self._waiting = self._waiting, []
        seconds = 0.0 if notices else max(0.0, min(seconds, deadline - time.monotonic()))
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                notices += self._read_server()
            elif key.data in self._attempts:
                notices += self._read(self._attempts[key.data], key.fd)
        now = time.monotonic()
        for number, attempt in self._attempts.items():
            if attempt.deadline <= now:
                attempt.deadline = float("inf")
                attempt.stopped = "It ran longer than its @timeout and did not react to it, so its process was ended."
                self._server.kill(number, signal.SIGKILL)
        return notices

    def interrupt(self) -> None:
        """Interrupt all attempts; what their steps started is left to them."""
        if self._attempts and not any(attempt.pid for attempt in self._attempts.values()):
            self._server.kill_at_once()  # it is still importing, perhaps for long, and would not react
            return
        self._stop_all(signal.SIGINT, group=False)

    def kill(self) -> None:
        """End all attempts and what their steps started."""
        self._stop_all(signal.SIGKILL, group=True)

    def _stop_all(self, sent: int, *, group: bool) -> None:
        """Send a signal to all attempts, and note why they ended if they leave no result."""
        for number, attempt in self._attempts.items():
            attempt.stopped = attempt.stopped or "The run was stopped, and it did not react."
            self._server.kill(number, sent, group=group)

    def listen(self, fd: int) -> None:
        """Let `wait` return as soon as something can be read from a file."""
        self._selector.register(fd, selectors.EVENT_READ, 0)  # no attempt has this number

    def close(self) -> None:
        """End what still runs, but not the server."""
        self.kill()
        for attempt in self._attempts.values():
            self._release(attempt)
        self._attempts.clear()
        self._selector.close()
        self._server.forget()

    # -- what arrives

    def _connect(self) -> None:
        """Give the server, or a new one, the program, and watch it."""
        self._waiting += self._read_server()  # of a server that died meanwhile
        self._server.load(self._text, self._location)
        self._control = self._server.fileno()
        self._selector.register(self._control, selectors.EVENT_READ, None)

    def _read_server(self) -> Iterator[Notice]:
        """Processes that were made and that ended; if the server is dead, all are lost."""
        for message in self._server.messages() if self._control is not None else ():
            attempt = self._attempts.get(message.number)
            if attempt is None:
                continue
            match message:
                case Forked(pid=0):
                    yield from self._gone(message.number, f"No process could be started for it: {message.error}.")
                case Forked():
                    attempt.pid = message.pid
                    if attempt.limit is not None and not attempt.ended:
                        attempt.deadline = time.monotonic() + attempt.limit
                case Exited():
                    yield from self._gone(message.number, attempt.stopped or _reason(message.status))
        if not self._server.alive:
            if self._control is not None:
                self._selector.unregister(self._control)
                self._control = None
            for number, attempt in list(self._attempts.items()):
                if attempt.pid:
                    with contextlib.suppress(OSError):
                        os.killpg(attempt.pid, signal.SIGKILL)
                yield from self._gone(number, "The process that starts workers was killed.")

    def _read(self, attempt: _Attempt, fd: int) -> Iterator[Notice]:
        """What an attempt sent on one of its files."""
        if fd in attempt.pipes:
            yield from self._text_of(attempt, fd)
            return
        for message in attempt.frames:
            match message:
                case Output() | CardUpdate():
                    yield attempt.spec, message
                case Refused():
                    attempt.ended = True
                    raise StoreError(message.message)
                case Ended():
                    for pipe in attempt.pipes:
                        yield from self._text_of(attempt, pipe)
                    attempt.ended = True
                    attempt.deadline = time.monotonic() + LINGER
                    if message.lingers:  # the attempt is over when its process is, as on Metaflow
                        attempt.held = message
                    else:
                        yield attempt.spec, message
        if attempt.frames.closed:
            with contextlib.suppress(KeyError):
                self._selector.unregister(attempt.channel)

    def _text_of(self, attempt: _Attempt, fd: int) -> Iterator[Notice]:
        """Text that did not come through Python: C libraries, subprocesses."""
        while True:
            try:
                data = os.read(fd, CHUNK)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(fd)
                return
            decoder = attempt.decoders.setdefault(fd, getincrementaldecoder("utf-8")("replace"))
            text = decoder.decode(data)
            if text:
                yield attempt.spec, Output(attempt.pipes[fd], text)
            if len(data) < CHUNK:
                return

    def _gone(self, number: int, reason: str) -> Iterator[Notice]:
        """A process ended: read what it sent last, then report the attempt as lost unless it reported its end."""
        attempt = self._attempts[number]
        try:
            for fd in (attempt.channel.fileno(), *attempt.pipes):
                yield from self._read(attempt, fd)
            if attempt.held is not None:
                yield attempt.spec, attempt.held
            elif not attempt.ended:
                yield attempt.spec, Lost(reason)
        finally:
            self._release(attempt)
            self._attempts.pop(number, None)

    def _release(self, attempt: _Attempt) -> None:
        """Close an attempt's files."""
        for fd in (attempt.channel.fileno(), *attempt.pipes):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(fd)
        attempt.channel.close()
        for fd in attempt.pipes:
            os.close(fd)


def _reason(status: int) -> str:
    """Why a process ended that did not say so itself."""
    if status >= 0:
        why = "os._exit, a library, or an error that its output shows"
        return f"Its process ended with exit status {status} before the step was done: {why}."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    what = f"Its process was ended by {name}"
    if -status == signal.SIGKILL:
        return f"{what}: by hand, or by the system because memory ran out."
    if -status in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE):
        return f"{what}: a library crashed; its message is in the attempt's output."
    return f"{what}."
