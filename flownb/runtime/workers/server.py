"""The zygote as its driver sees it: started when it is needed, kept for the next run.

A server can be used only in the surroundings it was started in: with other environment variables, another folder,
import path or other installed packages, a new one is needed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flownb.errors import FlownbError
from flownb.provenance.record import current_distributions, install_stamps
from flownb.runtime.workers.channel import Exited, Fork, Forked, Frames, Kill, Load, send

__all__ = ["ServerPool", "Surroundings", "WorkerServer", "surroundings"]

# Plots are kept with the attempt that made them; "agg", which the command line sets, would drop them.
INLINE = "module://matplotlib_inline.backend_inline"


@dataclass(frozen=True)
class Surroundings:
    """What a worker inherits: equal as long as a server started before can be used.

    Attributes
    ----------
    folder : Path
        Where it works.
    path : tuple of str
        Where it imports from.
    variables : tuple of (str, str)
        Its environment, sorted.
    stamps : tuple of (str, int)
        When packages were last installed, by folder.
    """

    folder: Path
    path: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    stamps: tuple[tuple[str, int], ...]


def surroundings(folder: Path | None = None, path: Iterable[str] | None = None) -> Surroundings:
    """Those of this process, or those it will have in another folder and with another import path."""
    entries = tuple(entry for entry in (sys.path if path is None else path) if isinstance(entry, str))
    return Surroundings(folder or Path.cwd(), entries, tuple(sorted(os.environ.items())), install_stamps())


class WorkerServer:
    """A process that forks workers.

    Parameters
    ----------
    given : Surroundings, optional
        What it is started in; by default, what this process is in.

    Attributes
    ----------
    alive : bool
    surroundings : Surroundings
    """

    def __init__(self, given: Surroundings | None = None) -> None:
        self.surroundings = given or surroundings()
        self._numbers = itertools.count(1)
        self._loaded: tuple[bytes, str] | None = None
        self._workers: dict[int, int] = {}  # process ids of those that have not ended, by number
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it can be asked for workers."""
        return self._process is not None and not self._frames.closed and self._process.poll() is None

    def start(self) -> None:
        """Start the process, which imports while this one continues."""
        self.close()  # the rest of one that died
        ours, theirs = socket.socketpair()
        variables = dict(self.surroundings.variables)
        if variables.get("MPLBACKEND", "agg").lower() == "agg":
            variables["MPLBACKEND"] = INLINE
        path = list(self.surroundings.path)
        # What it needs itself is not to come from the user's folder, where a file may have any name.
        own = sorted(path, key=lambda entry: not entry)
        code = f"import sys; sys.path[:] = {own!r}; from flownb.runtime.workers.zygote import main; main({path!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=variables,
            cwd=self.surroundings.folder,
            start_new_session=True,
        )
        theirs.close()
        self._control, self._frames, self._loaded, self._workers = ours, Frames(ours), None, {}
        self._close: weakref.finalize[..., WorkerServer] = weakref.finalize(self, _kill, ours, self._process)

    def load(self, program: bytes, location: str) -> None:
        """Make it ready for the tasks of a program."""
        if not self.alive:
            self.start()
        if self._loaded != (program, location):
            self._close.detach()
            assert self._process is not None
            self._close = weakref.finalize(self, _end, self._control, self._process, self._workers)
            installed = current_distributions() if self._loaded is None else None
            self._send(Load(program, location, installed))
            self._loaded = (program, location)

    def fork(self, fds: tuple[int, ...]) -> int:
        """Start a worker with three file descriptors; returns the number that messages have for it."""
        number = next(self._numbers)
        self._send(Fork(number), fds)
        return number

    def kill(self, number: int, sent: int, *, group: bool = True) -> None:
        """Send a signal to a worker, and to all it started."""
        self._send(Kill(number, sent, group))

    def messages(self) -> Iterator[Forked | Exited]:
        """What happened to workers since the last call."""
        for message in self._frames:
            match message:
                case Forked():
                    if message.pid:
                        self._workers[message.number] = message.pid
                case Exited():
                    self._workers.pop(message.number, None)
            yield message

    def forget(self) -> None:
        """Discard messages about workers that nobody asks for any more."""
        if self._process is not None:
            for _ in self.messages():
                pass

    def fileno(self) -> int:
        """The file on which its messages arrive."""
        return self._control.fileno()

    def close(self) -> None:
        """End it and all its workers."""
        if self._process is not None:
            self._close()

    def kill_at_once(self) -> None:
        """Kill it, even if it does not react; it must have no workers yet."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _send(self, message: object, fds: tuple[int, ...] = ()) -> None:
        """Send a message; that the server has ended is seen where its messages are read."""
        with contextlib.suppress(OSError):
            send(self._control, message, fds=fds)


def _kill(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End a zygote that was given no program, and therefore has no workers."""
    control.close()
    process.kill()
    process.wait()


def _end(control: socket.socket, process: subprocess.Popen[bytes], workers: dict[int, int]) -> None:
    """Let the zygote end its workers and itself; if it does not react, since it imports or rehearses, kill them all."""
    control.close()
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        for pid in workers.values():  # which are its children until it is killed, so that the ids are still theirs
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.wait()


class ServerPool:
    """Servers that nobody uses just now, kept for the next run."""

    def __init__(self) -> None:
        self._idle: list[WorkerServer] = []
        self._lock = threading.Lock()

    def start(self, given: Surroundings) -> None:
        """Start a server that imports while this process continues; the next run in these surroundings takes it."""
        if hasattr(os, "fork"):
            with self.server(given) as server:
                if not server.alive:
                    server.start()

    def warm(self, program: bytes, location: str) -> None:
        """Let a server import what a program needs, while this process continues; the next run takes it."""
        if hasattr(os, "fork"):
            with self.server() as server:
                server.load(program, location)

    @contextlib.contextmanager
    def server(self, given: Surroundings | None = None) -> Iterator[WorkerServer]:
        """One that fits the surroundings given, or this process as it is now, for as long as the block lasts.

        Raises
        ------
        FlownbError
            Where processes cannot be forked.
        """
        if not hasattr(os, "fork"):
            raise FlownbError(
                "Worker processes cannot be started here.",
                "They are forked, which this system cannot do.",
                "Run with --executor inline.",
            )
        server = self._take(given or surroundings())
        try:
            yield server
        finally:
            with self._lock:
                keep = server.alive and not self._idle
                if keep:
                    self._idle.append(server)
            if not keep:
                server.close()

    def _take(self, now: Surroundings) -> WorkerServer:
        """An idle server that fits, or a new one; those that do not fit any more are ended."""
        with self._lock:
            usable = [one for one in self._idle if one.alive and one.surroundings == now]
            others = [one for one in self._idle if one not in usable]
            server = usable.pop() if usable else WorkerServer(now)
            self._idle = usable
        for one in others:
            one.close()
        return server

    def close(self) -> None:
        """End all of them."""
        for one in self._idle:
            one.close()
        self._idle.clear()
