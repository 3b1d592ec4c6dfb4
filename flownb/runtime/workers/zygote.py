"""The process that workers are forked from: it has imported what they need and does nothing else.

Takes frames of `flownb.runtime.workers.channel` on the socket whose number is its argument; gives processes. It never
runs the user's code, starts no thread and makes no network request, so that forking it is safe and cheap. When the
socket closes, for whatever reason, its children are killed and it ends.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import selectors
import signal
import site
import socket
import sys
import sysconfig
from collections.abc import Iterable

from flownb.runtime.child_module import module_folder
from flownb.runtime.freshness import fingerprint
from flownb.runtime.local_modules import imported_names
from flownb.runtime.program import Program
from flownb.runtime.provenance import imported_distributions
from flownb.runtime.shipping import load_program
from flownb.runtime.workers.channel import Exited, Fork, Forked, Kill, Load, receive, send
from flownb.runtime.workers.worker import prepare, work

__all__ = ["look_ahead", "main", "preload"]

# What flow code means by these names is flownb's own, see `flownb.runtime.metaflow_names`.
OWN = frozenset({"flownb", "metaflow"})


def main() -> None:
    """Serve the driver until it is gone."""
    _Zygote(socket.socket(fileno=int(sys.argv[1]))).serve()


class _Zygote:
    """Forks workers and tells what becomes of them."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # attempt's number by process id
        self._program: Program | None = None
        self._location = ""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # so that the file below tells of it
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._waker = waker

    def serve(self) -> None:
        """Take one message after the other."""
        prepare()
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._woken, selectors.EVENT_READ)
        try:
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                    self._reap()
                if self._control in ready:
                    self._take()
        except (EOFError, OSError):
            for pid in self._children:
                _kill(pid, signal.SIGKILL, group=True)

    def _take(self) -> None:
        """Do what the driver asks for."""
        message, fds = receive(self._control, fds=3)
        match message:
            case Load():
                self._program, self._location = load_program(message.program), message.location
                flow = self._program.flow
                trees = [cell.parsed.tree for cell in flow.shared] + [step.body.tree for step in flow.steps]
                preload(dict.fromkeys(name for tree in trees for name in imported_names(tree)))
                self._program.compile()
                module_folder(self._program)
                look_ahead(self._program)
                gc.collect()
                gc.freeze()
            case Fork():
                self._fork(message.number, fds)
            case Kill():
                for pid in [pid for pid, number in self._children.items() if number == message.number]:
                    _kill(pid, message.signal, group=message.group)

    def _fork(self, number: int, fds: list[int]) -> None:
        """Start a worker."""
        assert self._program is not None
        try:
            pid = os.fork()
        except OSError as error:
            send(self._control, Forked(number, 0, str(error.strerror)))
        else:
            if not pid:
                self._become_worker(fds)
            self._children[pid] = number
            send(self._control, Forked(number, pid))
        for fd in fds:
            os.close(fd)

    def _become_worker(self, fds: list[int]) -> None:
        """What the forked process does; it never returns."""
        status = 1
        try:
            os.setsid()  # its own group: what it starts can be ended with it, and a terminal's Ctrl-C does not reach it
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._woken)
            os.close(self._waker)
            assert self._program is not None
            work(fds, self._program, self._location)
            status = 0
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Tell of children that have ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                send(self._control, Exited(number, os.waitstatus_to_exitcode(status)))


def _kill(pid: int, number: int, *, group: bool) -> None:
    """Send a signal to a child that was not reaped yet, so that the id is still its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if group and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def preload(names: Iterable[str]) -> None:
    """Import modules of installed packages and of the standard library.

    What lies elsewhere, beside the notebook above all, may be edited between two runs, so each worker imports it
    itself; one that fails to be imported fails in the worker, where the user sees it.
    """
    roots = tuple({*_paths(), *site.getsitepackages(), site.getusersitepackages()})
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):  # noqa: PTH123  # the null device
        for name in names:
            top = name.partition(".")[0]
            if top in OWN:
                continue
            with contextlib.suppress(BaseException):
                spec = importlib.util.find_spec(top)
                origin = spec.origin if spec is not None else None
                if origin is not None and (origin in ("built-in", "frozen") or origin.startswith(roots)):
                    importlib.import_module(name)


def look_ahead(program: Program) -> None:
    """Work out what every attempt records and is the same for all of them, so that no worker does it again."""
    for step in program.graph.nodes:
        fingerprint(program, step)
    imported_distributions()


def _paths() -> list[str]:
    """Where the standard library and installed packages are."""
    return [
        path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")
    ]


if __name__ == "__main__":
    main()
