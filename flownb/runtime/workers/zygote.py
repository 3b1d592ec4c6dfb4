"""The process that workers are forked from: it has imported what they need and does nothing else.

It obeys the frames of `flownb.runtime.workers.channel` on the socket whose number is its argument. It never runs the
user's code, starts no thread and makes no network request, so that forking it is safe and cheap. When the socket
closes, for whatever reason, its children are killed and it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from flownb.interrupts import set_handler
from flownb.library import library_first
from flownb.provenance.dependencies import look_at_modules
from flownb.provenance.imported_text import watch_imports
from flownb.provenance.module_copies import loaded_texts
from flownb.provenance.module_hashes import imported_names, is_own_module
from flownb.provenance.record import adopt_distributions, imported_distributions, used_distributions
from flownb.runtime.failure import EXCEPTION_MODULES
from flownb.runtime.freshness import fingerprint
from flownb.runtime.metaflow_names import builtins_ahead, own_imports
from flownb.runtime.program import Program
from flownb.runtime.shipping import load_program, module_folder
from flownb.runtime.workers.channel import Exited, Fork, Forked, Kill, Load, receive, send
from flownb.runtime.workers.randomness import reseed, watched_imports
from flownb.runtime.workers.worker import ahead_of_workers, prepare, work
from flownb.store.datastore import Datastore

__all__ = ["look_ahead", "main", "preload", "silence"]

# Seconds without anything to do, or workers, after which it pays to rehearse.
IDLE, MANY = 0.3, 16
# What flow code means by these names is flownb's own, see `flownb.runtime.metaflow_names`.
OWN = frozenset({"flownb", "metaflow"})


def main(path: list[str]) -> None:
    """Serve the driver until it has ended; `path` is where workers import from."""
    _Zygote(socket.socket(fileno=int(sys.argv[1]))).serve(path)
    atexit._run_exitfuncs()
    os._exit(0)  # the driver waits; taking apart all that was imported takes as long as a task


class _Waiting(NamedTuple):
    """A worker that waits for its first message, on the other end of a socket."""

    pid: int
    end: socket.socket


class _Zygote:
    """Forks workers and reports when they end."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # attempt's number by process id
        self._next: _Waiting | None = None
        self._full = False
        self._program: Program | None = None
        self._datastore: Datastore | str = ""
        self._unusable = ""  # why there is no program
        self._forked = 0
        self._rehearsed = False
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # so that the file below becomes readable
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self._waker = waker

    def serve(self, path: list[str]) -> None:
        """Obey one message after the other, once all is imported that is needed here and in every worker."""
        watch_imports(one_task=True)
        prepare()
        library_first()
        sys.path[:] = path
        selector = selectors.DefaultSelector()
        selector.register(self._control, selectors.EVENT_READ)
        selector.register(self._woken, selectors.EVENT_READ)
        try:
            while True:
                ready = [key.fileobj for key, _ in selector.select(self._patience)]
                if not ready and self._may_fork_ahead:
                    self._fork_ahead()
                elif self._may_rehearse and (not ready or self._forked >= MANY):
                    self._rehearse()
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
                self._forget_next()
                self._program, self._unusable = None, ""
                try:
                    self._load(message)
                except Exception as error:
                    self._unusable = f"{type(error).__name__}: {error}"
            case Fork():
                self._fork(message.number, fds)
            case Kill():
                for pid in [pid for pid, number in self._children.items() if number == message.number]:
                    _kill(pid, message.signal, group=message.group)

    def _load(self, message: Load) -> None:
        """Make everything ready that workers of a program need."""
        if message.installed is not None:
            adopt_distributions(message.installed)
            imported_distributions()  # before the packages that the program needs
        program = load_program(message.program)
        trees = [cell.parsed.tree for cell in program.flow.shared] + [step.body.tree for step in program.flow.all_steps]
        preload(dict.fromkeys(name for tree in trees for name in imported_names(tree)))
        program.code.compile()
        module_folder(program)
        look_ahead(program)
        self._program, self._datastore = program, ahead_of_workers(message.location)
        gc.collect()
        gc.freeze()

    @property
    def _may_rehearse(self) -> bool:
        """Whether there is a program, and it was not done yet."""
        return not self._rehearsed and self._program is not None

    @property
    def _patience(self) -> float | None:
        """Seconds to wait for messages until there is something else to do."""
        if self._may_fork_ahead:
            return 0
        return IDLE if self._may_rehearse else None

    def _rehearse(self) -> None:
        """Execute what every worker executes, for it is faster then; once, where it delays nothing or pays soon."""
        self._rehearsed = True
        assert self._program is not None
        with contextlib.suppress(Exception), silence():
            from flownb.runtime.workers.rehearsal import rehearse  # no earlier: the first worker does not wait for it

            rehearse()
            reseed()
            look_ahead(self._program)  # the last modules that it saw are no longer there
        gc.collect()
        gc.freeze()
        self._reap()  # an attempt has the process's signals to itself, so it may have missed one

    # -- workers, of which one is forked before it is needed: forking takes longer than a small step

    @property
    def _may_fork_ahead(self) -> bool:
        """Whether a worker is to be forked as soon as there is nothing else to do."""
        return self._program is not None and self._next is None and not self._full

    def _fork_ahead(self) -> None:
        """Let a worker wait for the next attempt."""
        try:
            ours, theirs = socket.socketpair()
            with theirs:
                pid = os.fork()
                if not pid:
                    ours.close()
                    self._become_worker(lambda: _awaited(theirs))
        except OSError:  # too many processes or files; it is tried again when a worker is needed
            self._full = True
        else:
            self._next = _Waiting(pid, ours)

    def _forget_next(self) -> None:
        """Let the worker end that waits, for it has another program."""
        if self._next is not None:
            self._next.end.close()
        self._next, self._full = None, False

    def _fork(self, number: int, fds: list[int]) -> None:
        """Give an attempt to the worker that waits, or to a new one."""
        try:
            if self._unusable:
                raise OSError(0, self._unusable)
            pid = self._hand_over(fds)
        except OSError as error:
            send(self._control, Forked(number, 0, str(error.strerror)))
        else:
            self._children[pid] = number
            self._forked += 1
            send(self._control, Forked(number, pid))
        for fd in fds:
            os.close(fd)

    def _hand_over(self, fds: list[int]) -> int:
        """Give a worker its files; returns its process id."""
        waiting = self._next
        self._next, self._full = None, False
        if waiting is not None:
            with contextlib.suppress(OSError), waiting.end:  # something may have killed it while it waited
                socket.send_fds(waiting.end, [b"."], fds)
                return waiting.pid
        pid = os.fork()
        if not pid:
            self._become_worker(lambda: fds)
        return pid

    def _become_worker(self, files: Callable[[], list[int]]) -> None:
        """What the forked process does, given its files or none, if it is not needed; it never returns."""
        status = 1
        try:
            os.setsid()  # its own group: what it starts can be ended with it, and a terminal's Ctrl-C does not reach it
            signal.set_wakeup_fd(-1)
            set_handler(signal.SIGCHLD, int(signal.SIG_DFL))
            self._control.close()
            os.close(self._woken)
            os.close(self._waker)
            assert self._program is not None
            work(files, self._program, self._datastore)
            status = 0
        except BaseException:
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
        finally:
            os._exit(status)

    def _reap(self) -> None:
        """Report children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            number = self._children.pop(pid, None)
            if number is not None:
                send(self._control, Exited(number, os.waitstatus_to_exitcode(status)))


def _awaited(end: socket.socket) -> list[int]:
    """The files that a worker gets when it is needed; none if the zygote has ended, or has another program."""
    with end:
        return socket.recv_fds(end, 1, 3)[1]


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
    itself; a module that cannot be imported fails in the worker, where the user sees it.
    """
    with silence(), watched_imports():
        for name in names:
            top = name.partition(".")[0]
            with contextlib.suppress(BaseException):
                if name in EXCEPTION_MODULES or (top not in OWN and not is_own_module(top)):
                    importlib.import_module(name)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Discard what is written; a module may keep the streams, which therefore stay the same objects."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # a module may have put something else in their place
            sys.stdout.flush()
            sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def look_ahead(program: Program) -> None:
    """Work out what every attempt records and what is the same for all of them, so that no worker repeats it."""
    with own_imports():  # which is part of what decides where modules are found
        for step in program.graph.nodes:
            fingerprint(program, step)
    if program.known_parameters is None and not program.flow.is_dynamic:
        _ = program.parameter_names
    _ = program.has_custom, program.code.adopted, program.code.step_names, program.code.texts
    builtins_ahead()
    imported_distributions()
    used_distributions((), everything=True)  # reads what each of them requires
    loaded_texts(0)
    look_at_modules()
