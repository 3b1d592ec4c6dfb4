"""What an attempt shows in this process: taken along, and shown as ever."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import clear_output, display, update_display

from flownb.runtime.capture import captured
from flownb.runtime.task import Output


class Publisher(CapturingDisplayPublisher):
    """Keeps what is displayed, as a kernel sends it."""

    def clear_output(self, wait: bool = False) -> None:
        """Write nothing, as a kernel does."""


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell that keeps what is displayed."""
    shell = InteractiveShell.instance()
    shell.display_pub = Publisher()
    yield shell
    InteractiveShell.clear_instance()


def texts(outputs: list[Output], kind: str = "stdout") -> str:
    """All text of a stream."""
    return "".join(output.text for output in outputs if output.kind == kind)


def test_text_goes_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """What is written is handed on in order, and is written all the same."""
    got: list[Output] = []
    with captured(got.append):
        print("one")
        sys.stdout.writelines(["two", "\n"])
        print("oh", file=sys.stderr)
        print("three")
    print("after")
    assert got == [Output("stdout", "one\ntwo\n"), Output("stderr", "oh\n"), Output("stdout", "three\n")]
    assert capsys.readouterr() == ("one\ntwo\nthree\nafter\n", "oh\n")


def test_the_streams_stay_what_they_are() -> None:
    """During the block they are the same objects, afterwards they have no trace of it."""
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):  # type: ignore[type-var]  # text-like is enough
        with captured(lambda output: None):
            assert sys.stdout is stream
        assert "write" not in vars(stream)
        assert sys.stdout.write("abc") == 3


def test_a_handler_of_before_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """A logging handler that holds the stream since long ago is taken along."""
    handler, logger, got = logging.StreamHandler(sys.stderr), logging.getLogger("test_capture"), list[Output]()
    logger.addHandler(handler)
    try:
        for _ in range(2):
            with captured(got.append):
                logger.warning("careful")
    finally:
        logger.removeHandler(handler)
    assert texts(got, "stderr") == "careful\ncareful\n"


def test_displays_are_taken(shell: InteractiveShell) -> None:
    """Bundles, updates and clearing come in order with the text; flownb's own views are not the step's."""
    got: list[Output] = []
    with captured(got.append):
        print("before")
        display({"text/plain": "a", "text/html": "<b>a</b>"}, raw=True, metadata={"x": 1}, display_id="id")
        print("between")
        update_display({"text/plain": "b"}, raw=True, display_id="id")
        clear_output(wait=True)
        display({"text/plain": "dag"}, raw=True, metadata={"flownb": {}})
        display({"text/plain": "card"}, raw=True, display_id="flownb-card-1")
    display({"text/plain": "after"}, raw=True)
    assert got == [
        Output("stdout", "before\n"),
        Output("display", "a", {"text/plain": "a", "text/html": "<b>a</b>"}, {"x": 1}, "id"),
        Output("stdout", "between\n"),
        Output("display", "b", {"text/plain": "b"}, {}, "id", True),
        Output("clear", update=True),
    ]
    assert len(shell.display_pub.outputs) == 5
    assert "publish" not in vars(shell.display_pub)


def test_in_a_terminal_displays_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a shell prints what is displayed, that text is taken once."""
    InteractiveShell.instance()
    got: list[Output] = []
    try:
        with captured(got.append):
            display({"text/plain": "a", "text/html": "<b>a</b>"}, raw=True)
    finally:
        InteractiveShell.clear_instance()
    assert got == [Output("stdout", "a\n")]


def test_only_the_blocks_own_threads_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Threads that the block starts are heard, those that ran before are not; whatever is heard is whole."""
    begin, done, got = threading.Event(), threading.Event(), list[Output]()

    def foreign() -> None:
        begin.wait(60)
        print("foreign")
        done.set()

    other = threading.Thread(target=foreign)
    other.start()
    with captured(got.append):
        begin.set()
        done.wait(60)
        threads = [threading.Thread(target=lambda: [print("own") for _ in range(500)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    other.join()
    assert texts(got).count("own") == 2000
    assert "foreign" not in texts(got)
    assert capsys.readouterr().out.count("own") == 2000


def test_text_is_handed_on_while_the_block_runs() -> None:
    """A follower sees text soon, without more being written."""
    seen = threading.Event()
    with captured(lambda output: seen.set()):
        print("x")
        assert seen.wait(60)


def test_much_text_does_not_pile_up() -> None:
    """A tight loop is handed on in large pieces, without waiting for the end."""
    got: list[Output] = []
    with captured(got.append), contextlib.redirect_stdout(io.StringIO()), captured(got.append):  # type: ignore[type-var]  # as above
        for _ in range(20_000):
            print("0123456789")
        assert len(texts(got)) > 100_000
    assert len(texts(got)) == 220_000
    assert len(got) < 2000


def test_what_a_listener_raises_reaches_no_one_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors of whoever is handed the outputs do not reach the block."""

    def fail(output: Output) -> None:
        raise RuntimeError("full")

    with captured(fail):
        print("x" * 100_000)
    assert len(capsys.readouterr().out) == 100_001


def test_errors_of_the_block_and_of_the_stream_stay() -> None:
    """The block's own error comes out, after what it wrote; a stream refuses what it always refused."""
    got: list[Output] = []

    def block() -> None:
        with captured(got.append):
            print("before")
            with pytest.raises(TypeError):
                sys.stdout.write(1)  # type: ignore[arg-type]
            print(1 / 0)

    with pytest.raises(ZeroDivisionError):
        block()
    assert texts(got) == "before\n"


def test_captures_may_overlap() -> None:
    """Two blocks in two threads each hear their own thread; whichever ends first leaves the other listening."""
    first, second = list[Output](), list[Output]()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with captured(second.append):
            inside.set()
            leave.wait(60)
            print("second")

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(60)
    with captured(first.append):
        print("first")
    leave.set()
    thread.join()
    assert (texts(first), texts(second)) == ("first\n", "second\n")
    assert "write" not in vars(sys.stdout)


def test_settling_parts_attempts() -> None:
    """What was shown before `settle` has been handed on when it returns."""
    got: list[Output] = []
    with captured(got.append) as settle:
        print("one")
        settle()
        assert texts(got) == "one\n"
        print("two")
    assert texts(got) == "one\ntwo\n"


def test_a_forked_process_hands_nothing_on(tmp_path: object) -> None:
    """What a forked child prints is its own matter: it neither repeats what waits nor adds to it."""
    got: list[Output] = []
    read, write = os.pipe()
    with captured(got.append):
        print("parent")
        child = os.fork()
        if child == 0:
            got.clear()
            print("child")
            os.write(write, b"%d" % len(got))
            os._exit(0)
        os.waitpid(child, 0)
    assert os.read(read, 10) == b"0"
    os.close(read)
    os.close(write)
    assert texts(got) == "parent\n"
