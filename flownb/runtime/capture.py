"""What an attempt shows that runs in the kernel's or the command's own process, and its logs.

What it writes to ``sys.stdout`` and ``sys.stderr`` and displays through IPython is also given to a function as
`Output`. The streams stay the objects they are, for a logging handler made long ago writes to them too: only their
``write`` is replaced.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from flownb.runtime.task import OnOutput, Output, TaskSpec
from flownb.store.datastore import Datastore

__all__ = ["captured", "flush_figures", "logged"]


# Seconds that text waits for more, and characters that wait at most.
EVERY = 0.2
WAITING = 1 << 16
# Seconds between two ticks while nothing is shown.
IDLE = 5.0

Take = Callable[..., None]


@contextlib.contextmanager
def captured(on_output: OnOutput, on_tick: Callable[[], None] = lambda: None) -> Iterator[Callable[[], None]]:
    """Pass on what a block shows.

    Figures that it left open are displayed at its end, so that they are its own.

    Parameters
    ----------
    on_output : callable
        Given each `Output`, in order and one at a time, on any thread; pieces of text that follow each other within
        0.2 seconds come as one. What it raises is dropped.
    on_tick : callable, optional
        Called after outputs were passed on, and every 5 seconds from the first one on.

    Yields
    ------
    callable
        Passes on what waits, figures too, at once: an attempt has ended and the next one begins.

    Notes
    -----
    Threads that the block starts belong to it, those that ran before do not. What other processes and C code write is
    taken where the kernel reads it, a moment later: the last of it may come too late.
    """
    capture = _Capture(on_output, on_tick)
    taps = _taps(capture)

    def settle() -> None:
        flush_figures()
        capture.drain()

    try:
        for tap, take in taps:
            tap.add(take)
        yield settle
    finally:
        try:
            flush_figures()
        finally:
            for tap, take in taps:
                tap.remove(take)
            capture.close()


def _taps(capture: _Capture) -> list[tuple[_Tap, Take]]:
    """The methods to watch, each with the function to call."""
    found: list[tuple[_Tap, Take]] = []
    if sys.stdout is not None:
        found.append((_tap(sys.stdout, "write"), capture.taker("stdout")))
    if sys.stderr is not None and sys.stderr is not sys.stdout:
        found.append((_tap(sys.stderr, "write"), capture.taker("stderr")))
    interactive = sys.modules.get("IPython.core.interactiveshell")
    if interactive is not None and interactive.InteractiveShell.initialized():
        publisher = interactive.InteractiveShell.instance().display_pub
        plain = sys.modules["IPython.core.displaypub"].DisplayPublisher
        for name, take in (("publish", capture.display), ("clear_output", capture.clear)):
            # A terminal's publisher writes texts instead, which are taken as such.
            if getattr(type(publisher), name) is not getattr(plain, name):
                found.append((_tap(publisher, name), take))
    return found


class _Tap:
    """A method of one object; functions are called after each of its calls."""

    def __init__(self, owner: object, name: str) -> None:
        self.owner, self.name = owner, name
        self.takers: tuple[Take, ...] = ()
        self._original: Callable[..., Any] | None = None
        self._call: Callable[..., Any] | None = None

    def add(self, take: Take) -> None:
        """Begin to call a function."""
        with _lock:
            if not self.takers:
                self._install()
            self.takers = (*self.takers, take)

    def remove(self, take: Take) -> None:
        """Stop calling a function; after the last one the object is as it was."""
        with _lock:
            self.takers = tuple(one for one in self.takers if one is not take)
            if not self.takers:
                _known.pop((id(self.owner), self.name), None)
                # Another may have put its own over ours meanwhile; then ours stays below, and calls nothing.
                if getattr(self.owner, "__dict__", {}).get(self.name) is self._call:
                    with contextlib.suppress(Exception):
                        delattr(self.owner, self.name)
                        if getattr(self.owner, self.name) != self._original:
                            setattr(self.owner, self.name, self._original)

    def _install(self) -> None:
        original = self._original = getattr(self.owner, self.name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = original(*arguments, **named)
            for take in self.takers:
                try:  # noqa: SIM105 # a context manager would cost more than all the rest
                    take(*arguments, **named)
                except Exception:  # nothing of this may reach the step
                    pass
            return result

        self._call = call
        # An object without attributes of its own is not watched.
        with contextlib.suppress(AttributeError, TypeError):
            setattr(self.owner, self.name, call)


_known: dict[tuple[int, str], _Tap] = {}
_lock = threading.Lock()


def _tap(owner: object, name: str) -> _Tap:
    """The one tap of a method; captures may overlap."""
    with _lock:
        return _known.setdefault((id(owner), name), _Tap(owner, name))


def _after_fork() -> None:
    """Call nothing in a forked process: what it shows reaches its parent, or nobody."""
    global _lock
    _lock = threading.Lock()
    for tap in _known.values():
        tap.takers = ()
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Capture:
    """Outputs that wait, and the thread that passes them on."""

    def __init__(self, on_output: OnOutput, on_tick: Callable[[], None]) -> None:
        self._on_output, self._on_tick = on_output, on_tick
        here = threading.current_thread()
        watching = {getattr(stream, "watch_fd_thread", None) for stream in (sys.stdout, sys.stderr)}
        self._others = frozenset(one for one in threading.enumerate() if one is not here and one not in watching)
        self._waiting: deque[Output | tuple[Literal["stdout", "stderr"], str]] = deque()
        self._size = 0
        # Passing on may itself write.
        self._turn = threading.RLock()
        self._thread: threading.Thread | None = None
        self._wake, self._closed = threading.Event(), threading.Event()
        self._due = False

    def taker(self, kind: Literal["stdout", "stderr"]) -> Take:
        """Called with each text of a stream; it costs about as much as the call."""
        waiting, others, current = self._waiting, self._others, threading.current_thread

        def take(text: str) -> None:
            if current() in others:
                return
            waiting.append((kind, text))
            self._size += len(text)
            if not self._due or self._size > WAITING:
                self._hurry()

        return take

    def display(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        source: object = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **unknown: object,
    ) -> None:
        """Add a MIME bundle that was displayed; flownb's own views are not the step's."""
        name = str((transient or {}).get("display_id") or "")
        metadata = metadata or {}
        if "flownb" in metadata or name.startswith("flownb-") or threading.current_thread() in self._others:
            return
        text = str(data.get("text/plain", ""))
        self._put(Output("display", text, dict(data), dict(metadata), name, bool(update)))

    def clear(self, wait: bool = False) -> None:
        """Add that all before was cleared."""
        if threading.current_thread() not in self._others:
            self._put(Output("clear", update=bool(wait)))

    def _put(self, output: Output) -> None:
        self._waiting.append(output)
        if not self._due:
            self._hurry()

    def _hurry(self) -> None:
        """Let what waits be passed on: now if it is much, else soon."""
        if self._size > WAITING:
            self.drain()
            return
        self._due = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="flownb-capture", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no more threads, or the interpreter ends: the end of the block passes it on
                return
        self._wake.set()

    def _run(self) -> None:
        """Pass on what came, a little later."""
        while not self._closed.is_set():
            if self._wake.wait(IDLE):
                self._closed.wait(EVERY)
                self._wake.clear()
            self.drain()

    def drain(self) -> None:
        """Pass on what waits."""
        with self._turn:
            self._due, self._size = False, 0
            texts: list[str] = []
            kind: Literal["stdout", "stderr"] = "stdout"
            while self._waiting:
                try:
                    item = self._waiting.popleft()
                except IndexError:
                    break
                if texts and (isinstance(item, Output) or item[0] != kind):
                    self._give(Output(kind, "".join(texts)))
                    texts = []
                if isinstance(item, Output):
                    self._give(item)
                else:
                    kind = item[0]
                    texts.append(item[1])
            if texts:
                self._give(Output(kind, "".join(texts)))
            with contextlib.suppress(Exception):
                self._on_tick()

    def _give(self, output: Output) -> None:
        with contextlib.suppress(Exception):
            self._on_output(output)

    def close(self) -> None:
        """Pass on what is left, and end the thread."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join()
        self.drain()


def flush_figures() -> None:
    """Display the figures that a step left open, as the end of a cell does."""
    inline = sys.modules.get("matplotlib_inline.backend_inline")
    if inline is not None and "matplotlib.pyplot" in sys.modules:
        with contextlib.suppress(Exception):
            inline.flush_figures()


@contextlib.contextmanager
def logged(keep: Datastore | None, flow: str, spec: TaskSpec) -> Iterator[Callable[[], None]]:
    """Keep what the attempts of a task show while the block runs them; it is shown all the same.

    Parameters
    ----------
    keep : Datastore or None
        Where the task is recorded; None keeps nothing.
    flow : str
    spec : TaskSpec
        Of the first attempt.

    Yields
    ------
    callable
        To be called between an attempt and the next.
    """
    if keep is None:
        yield lambda: None
        return
    book, attempt = keep.logs.book(flow, spec.run), spec.attempt

    def take(output: Output) -> None:
        book.add(spec.step, spec.task, attempt, output)

    try:
        with captured(take, book.flush) as settle:

            def next_attempt() -> None:
                nonlocal attempt
                settle()
                book.end(spec.step, spec.task, attempt)
                attempt += 1

            yield next_attempt
    finally:
        book.close()
