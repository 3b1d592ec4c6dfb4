"""What a worker does: run one attempt, show what it writes, record it, and report how it ended.

A worker is a process of one attempt: whatever a step does to it ends with it. It has no kernel, but `WorkerShell` gives
libraries a shell, so that they make the same rich representations as in a notebook.
"""

from __future__ import annotations

import atexit
import builtins
import codecs
import contextlib
import ctypes
import faulthandler
import io
import os
import pdb
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import PurePath
from typing import Any

from IPython.core import debugger
from IPython.core.displaypub import DisplayPublisher
from IPython.core.history import HistoryManager
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type

from flownb.errors import FlownbError, StoreError
from flownb.interrupts import set_handler
from flownb.runtime.attempt import AttemptOptions, run_attempt
from flownb.runtime.capture import flush_figures
from flownb.runtime.executor import Ended, Refused
from flownb.runtime.failure import StepError, describe, user_frames
from flownb.runtime.program import Program
from flownb.runtime.task import OnOutput, Output, OutputKind, TaskResult, TaskSpec
from flownb.runtime.workers.channel import Request, receive, send
from flownb.runtime.workers.randomness import reseed
from flownb.settings import user_name
from flownb.store.datastore import SPINS, Datastore
from flownb.store.records import learn_records

__all__ = ["WorkerShell", "prepare", "work"]

# How many writes are sent at once; later ones are collected for this many seconds.
PROMPT_WRITES = 1000
PAUSE = 0.05


class _Publisher(DisplayPublisher):
    """Passes on what is displayed."""

    on_output: OnOutput | None = None

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: Any = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **unknown: Any,
    ) -> None:
        """Take one MIME bundle."""
        if self.on_output is not None:
            name = str((transient or {}).get("display_id") or "")
            text = str(data.get("text/plain", ""))
            self.on_output(Output("display", text, dict(data), dict(metadata or {}), name, update))

    def clear_output(self, wait: bool = False) -> None:
        """Pass on that what was shown is to be removed."""
        if self.on_output is not None:
            self.on_output(Output("clear", update=wait))


class WorkerShell(InteractiveShell):
    """A shell that never reads a cell; made once, before workers are forked."""

    display_pub_class = Type(_Publisher)

    @classmethod
    def make(cls) -> None:
        """Make the one shell, without a history."""
        HistoryManager.enabled = False  # type: ignore[assignment]  # a class-wide default of the trait
        # It would take itself apart at the end of each worker, which takes as long as a small step.
        atexit.unregister(cls.instance().atexit_operations)

    @classmethod
    def connect(cls, on_output: OnOutput) -> None:
        """Set where outputs go."""
        publisher = cls.instance().display_pub
        assert isinstance(publisher, _Publisher)
        publisher.on_output = on_output

    @classmethod
    def show(cls, value: Any) -> None:
        """Display the value of a body's last expression."""
        if value is not None:
            from IPython.display import display

            display(value)  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    @classmethod
    def traceback(cls, error: BaseException) -> str:
        """An error with the user's frames as a notebook shows it; empty if there are none."""
        frames = user_frames(error)
        if frames is None:
            return ""
        try:
            lines = cls.instance().InteractiveTB.structured_traceback(type(error), error, frames, tb_offset=0)
        except Exception:  # an error that cannot be shown like that still has its plain traceback
            return ""
        return "\n".join(lines)


def prepare() -> None:
    """Import what every worker needs, before there is one."""
    WorkerShell.make()
    _refuse_questions(None)  # before code of the user's imports these names
    _import_store()
    learn_records()
    user_name()
    _flush_c()


def _import_store() -> None:
    """Import what reads and writes values, which is not imported before it is needed elsewhere."""
    from flownb.store.encodings import arrow, by_value, culprit, moved, pickle5, plain, rebuild, reducers  # noqa: F401
    from flownb.store.local import blobs, place, storage  # noqa: F401


def ahead_of_workers(location: str) -> Datastore | str:
    """The datastore of workers that are forked from now on, which knows nothing of what is there yet.

    One behind a network connection, and one that has to be looked for, is opened by each worker: then the location.
    """
    is_folder = "://" not in location and PurePath(location).name != SPINS
    return Datastore(location) if is_folder else location


def work(files: Callable[[], list[int]], program: Program, opened: Datastore | str) -> None:
    """Run the attempt that the channel asks for, in a process forked for it.

    Parameters
    ----------
    files : callable
        Waits for the three files of the attempt (channel, stdout, stderr); none are for a process that is not needed.
    program : Program
    opened : Datastore or str
        Where the attempt is recorded.
    """
    link = _Link()
    handlers = _exit_handlers()
    out, err = link.stream("stdout", 1), link.stream("stderr", 2)
    reseed()
    WorkerShell.connect(link.output)
    faulthandler.enable(2)
    if not (fds := files()):
        return
    channel = link.open(fds)
    sys.stdout, sys.stderr = out, err
    sys.__stdout__, sys.__stderr__ = out, err  # type: ignore[misc]  # the process's own from now on
    try:
        set_handler(signal.SIGINT, signal.default_int_handler)
        request, _ = receive(channel)
        _refuse_questions(request.spec)
        answer = _answer(request, program, opened, link)
        if isinstance(answer, Ended):
            answer = replace(answer, lingers=_exit_handlers() != handlers or _lingers())
    except KeyboardInterrupt:  # before the attempt began, or while it was being recorded
        return
    with contextlib.suppress(KeyboardInterrupt):
        link.settle()
        _flush_c()
        link.send(answer)
        _exit()


def _answer(request: Request, program: Program, opened: Datastore | str, link: _Link) -> Ended | Refused:
    """Run the attempt."""
    datastore = Datastore(opened) if isinstance(opened, str) else opened
    keep: Datastore | None = datastore
    if request.keeps != "record":
        keep = datastore.spins() if request.keeps == "spin" else None
    options = AttemptOptions(
        keep,
        display=WorkerShell.show,
        decorated=request.decorated,
        on_card=link.send,
        finish=flush_figures,
        alone=True,
    )
    try:
        result = run_attempt(program, request.spec, datastore, options)
    except StoreError as error:
        return Refused(str(error), store=True)
    values: dict[str, Any] = {}
    if request.keeps == "values":
        values = dict(Datastore(request.values).artifacts.save_all(result.values, before={}).refs)
    failure = result.error
    if failure is not None:
        facts = {**describe(failure), "shown": WorkerShell.traceback(failure)}
        failure = StepError(facts, final=isinstance(failure, FlownbError))
    cards = () if request.keeps == "record" else result.cards
    return Ended(TaskResult(result.record, values, failure, cards=cards))


class _Link:
    """The worker's end of the channel; what is shown goes out in the order in which it was made.

    Processes that the step forks have it too, and leave it alone: what they print comes through the pipes.
    """

    _channel: socket.socket

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: list[tuple[OutputKind, str]] = []
        self._writes = 0
        self._sent = 0.0
        self._flusher: threading.Thread | None = None
        self._streams: list[io.TextIOWrapper] = []

    def open(self, fds: list[int]) -> socket.socket:
        """Take the attempt's files: its channel, which is returned, and what the process writes to."""
        os.set_inheritable(fds[0], False)  # programs that the step starts must not write here
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fds[0])
        for fd, number in ((fds[1], 1), (fds[2], 2)):
            os.dup2(fd, number)
            os.close(fd)
        return self._channel

    def send(self, value: Any) -> None:
        """Send a value; the driver may have ended."""
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):
                send(self._channel, value, lock=self._lock)

    def output(self, output: Output) -> None:
        """Send a rich output, after the text before it."""
        if os.getpid() == self._pid:
            self.settle()
            self.send(output)
        elif output.text:
            os.write(1, f"{output.text}\n".encode())

    def stream(self, kind: OutputKind, number: int) -> io.TextIOWrapper:
        """A text stream whose lines are sent."""
        raw: Any = _Raw(self, kind, number)
        made = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._streams.append(made)
        return made

    def settle(self) -> None:
        """Send all text there is, half lines too."""
        for stream in self._streams:
            with contextlib.suppress(ValueError):  # the step closed it
                stream.flush()
        self.flush()

    def write(self, kind: OutputKind, text: str) -> None:
        """Send text, or collect it if there is much of it."""
        self._writes += 1
        with self._lock:
            if self._waiting and self._waiting[-1][0] == kind:
                self._waiting[-1] = (kind, self._waiting[-1][1] + text)
            else:
                self._waiting.append((kind, text))
        if self._writes <= PROMPT_WRITES or time.monotonic() - self._sent > PAUSE:
            self.flush()
        elif self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_later, daemon=True, name="flownb-output")
            self._flusher.start()

    def flush(self) -> None:
        """Send what was collected."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._sent = time.monotonic()
            with contextlib.suppress(OSError):
                for kind, text in waiting:
                    send(self._channel, Output(kind, text))

    def _flush_later(self) -> None:
        while True:
            time.sleep(PAUSE)
            self.flush()


class _Raw(io.RawIOBase):
    """The bytes of a stream, as text that is sent."""

    def __init__(self, link: _Link, kind: OutputKind, number: int) -> None:
        self._link, self._kind, self._number = link, kind, number
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pid = os.getpid()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        """The file that subprocesses write to."""
        return self._number

    def write(self, data: Any) -> int:
        if os.getpid() != self._pid:  # a process the step forked; its text comes through the pipe
            return os.write(self._number, data)
        text = self._decoder.decode(bytes(data))
        if text:
            self._link.write(self._kind, text)
        return len(data)


def _refuse_questions(spec: TaskSpec | None) -> None:
    """Let functions that ask the user raise an error that says where they work: for a task, or before there is one."""
    again = "%spin STEP"
    builtins.input = _nobody_to_ask("input", "")
    if spec is not None:
        again = f"%spin {spec.step}" + (f" --from {spec.run}/{spec.step}/{spec.task}" if spec.task else "")
        if not os.environ.get("PYTHONBREAKPOINT"):  # else a debugger that the user chose, such as one behind a socket
            sys.breakpointhook = _nobody_to_ask("breakpoint", again)
    for module in (pdb, debugger):
        module.set_trace = _nobody_to_ask("set_trace", again)  # type: ignore[attr-defined]  # replaced on purpose


def _nobody_to_ask(name: str, again: str) -> Callable[..., Any]:
    """A replacement of a function that asks the user; `again` runs the same task where it works."""
    if name == "input":
        fix = "It works where a step cell is executed and in `%spin`; for input to a run declare a Parameter."
    else:
        fix = f"`{again}` runs it in the notebook, where it stops at this line; with --pdb also at an error."

    def ask(*args: Any, **options: Any) -> Any:
        raise EOFError(
            f"{name}() has nobody to talk to: this task runs in a process of its own, which no front end is connected "
            f"to. {fix}"
        )

    return ask


def _flush_c() -> None:
    """Write out what C libraries hold back."""
    with contextlib.suppress(OSError, AttributeError):
        _c_library().fflush(None)


@cache
def _c_library() -> ctypes.CDLL:
    """What this process was linked with."""
    return ctypes.CDLL(None)


def _exit_handlers() -> int:
    """How many functions are registered to be called at the process's end."""
    return atexit._ncallbacks()


def _lingers() -> bool:
    """Whether a process cannot end at once."""
    main = threading.main_thread()
    if any(not thread.daemon for thread in threading.enumerate() if thread is not main):
        return True
    started = sys.modules.get("multiprocessing.process")
    return bool(getattr(started, "_children", None))


def _exit() -> None:
    """End as an interpreter does: wait for threads, call what was registered to be called."""
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter itself calls
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    _flush_c()
