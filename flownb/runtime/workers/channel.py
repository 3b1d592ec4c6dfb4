"""How driver, zygote and workers talk to each other: frames on a Unix socket, each a length and a pickle.

Here are the messages about processes; those about an attempt are in `flownb.runtime.executor`. All
ends are flownb on one machine, of one user, connected before any code of the user's runs.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flownb.provenance.record import Distributions
    from flownb.runtime.task import TaskSpec

__all__ = [
    "Exited",
    "Fork",
    "Forked",
    "Frames",
    "Keeps",
    "Kill",
    "Load",
    "Request",
    "receive",
    "send",
]

Keeps = Literal["record", "spin", "values"]
LENGTH = struct.Struct("!Q")
CHUNK = 1 << 18


@dataclass(frozen=True)
class Load:
    """To the zygote: the program to run tasks of, where they are recorded, and, the first time, what is installed."""

    program: bytes
    location: str
    installed: Distributions | None


@dataclass(frozen=True)
class Fork:
    """To the zygote: start an attempt; its three file descriptors (channel, stdout, stderr) come with the frame."""

    number: int


@dataclass(frozen=True)
class Kill:
    """To the zygote: send a signal to an attempt's process group, or to its process alone."""

    number: int
    signal: int
    group: bool = True


@dataclass(frozen=True)
class Forked:
    """From the zygote: an attempt has a process; 0 if none could be made, for the reason given."""

    number: int
    pid: int
    error: str = ""


@dataclass(frozen=True)
class Exited:
    """From the zygote: an attempt's process has ended; `status` is an exit code, or minus the number of a signal."""

    number: int
    status: int


@dataclass(frozen=True)
class Request:
    """To a worker: the attempt to run, and what is kept of it.

    Attributes
    ----------
    spec : TaskSpec
    keeps : {"record", "spin", "values"}
        Whether it is recorded, recorded among persisted spins, or only what the step set is kept, in the datastore
        `values`, to be looked at.
    values : str
    decorated : bool
    """

    spec: TaskSpec
    keeps: Keeps
    values: str = ""
    decorated: bool = True


def send(end: socket.socket, value: Any, *, lock: threading.Lock | None = None, fds: tuple[int, ...] = ()) -> None:
    """Send one value, with file descriptors.

    Raises
    ------
    OSError
        If the other end is closed.
    """
    text = pickle.dumps(value, protocol=5)
    frame = LENGTH.pack(len(text)) + text
    if lock is not None:
        with lock:
            end.sendall(frame)
    elif fds:
        socket.send_fds(end, [frame], fds)  # a frame with descriptors is small and goes out whole
    else:
        end.sendall(frame)


def receive(end: socket.socket, *, fds: int = 0) -> tuple[Any, list[int]]:
    """Wait for one value, and up to `fds` file descriptors.

    Raises
    ------
    EOFError
        If the other end is closed.
    """
    head, received = b"", []
    while len(head) < LENGTH.size:
        if fds:
            some, new, _, _ = socket.recv_fds(end, LENGTH.size - len(head), fds)
            received += new
        else:
            some = end.recv(LENGTH.size - len(head))
        if not some:
            raise EOFError
        head += some
    (length,) = LENGTH.unpack(head)
    text = bytearray()
    while len(text) < length:
        some = end.recv(min(CHUNK, length - len(text)))
        if not some:
            raise EOFError
        text += some
    return pickle.loads(text), received


class Frames:
    """Frames that arrive in pieces on a socket that must not be waited for."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._buffer = bytearray()
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        """The values that have arrived."""
        while not self.closed:
            try:
                some = self._end.recv(CHUNK, socket.MSG_DONTWAIT)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                some = b""
            self.closed = not some
            self._buffer += some
            while len(self._buffer) >= LENGTH.size:
                (length,) = LENGTH.unpack_from(self._buffer)
                end = LENGTH.size + length
                if len(self._buffer) < end:
                    break
                with memoryview(self._buffer) as view:
                    try:
                        value = pickle.loads(view[LENGTH.size : end])
                    except Exception:  # the step wrote into our file, so nothing that follows can be understood
                        self.closed = True
                        with contextlib.suppress(OSError):
                            self._end.shutdown(socket.SHUT_RDWR)  # nor does the worker wait for a reader
                        return
                del self._buffer[:end]
                yield value
