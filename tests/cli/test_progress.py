"""The progress of `flownb run` in a real terminal, and where there is none."""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSCTTY, TIOCSWINSZ
from time import monotonic

import pytest

from tests.held_flow import CELLS

COMMAND = [sys.executable, "-m", "flownb.cli.main", "run", "nb.ipynb"]
SGR = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])")
SECONDS = re.compile(r"in \d+\.\d\d s")


class Terminal:
    """A terminal with a process in it; it understands what the progress needs, and nothing else."""

    def __init__(self, folder: Path, *, columns: int = 60, **environment: str) -> None:
        self.fd, inside = pty.openpty()
        ioctl(inside, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        own = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        take = f"import fcntl, os, sys; fcntl.ioctl(0, {TIOCSCTTY}, 0); os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", take, *COMMAND],
            cwd=folder,
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env={**own, "TERM": "xterm", **environment},
        )
        os.close(inside)
        self.raw = ""
        self.lines = [""]
        self.row = 0
        self._left = b""
        self._part = ""

    def until(self, seen: Callable[[str], object]) -> str:
        """Read until the screen shows something, or the process ends."""
        deadline = monotonic() + 240
        while not seen(self.screen):
            ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - monotonic()))
            assert ready, self.screen
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # nobody has the other end any more
                data = b""
            if not data:
                break
            self._left += data
            text = self._left.decode(errors="ignore")
            self._left = self._left[len(text.encode()) :]
            self.raw += text
            self._take(text)
        return self.screen

    def end(self) -> str:
        """What the terminal shows when the process has ended."""
        screen = self.until(lambda text: False)
        self.process.wait(120)
        return screen

    @property
    def screen(self) -> str:
        """What the terminal shows now."""
        return "\n".join(line.rstrip() for line in self.lines).rstrip()

    def _take(self, text: str) -> None:
        """Move about and write, line by line."""
        text = self._part + SGR.sub("", text)
        cut = text.rfind("\x1b")
        whole = cut < 0 or CONTROL.match(text, cut)
        text, self._part = (text, "") if whole else (text[:cut], text[cut:])
        for piece in re.split(r"(\x1b\[\d*[A-Za-z]|[\r\n])", SGR.sub("", text)):
            control = CONTROL.match(piece)
            if piece == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif piece == "\r":
                continue  # what follows takes the line away, or ends it
            elif control and control[2] == "A":
                self.row -= int(control[1])
            elif control and control[2] == "J":
                del self.lines[self.row :]
                self.lines.append("")
            elif control and control[2] == "K":
                self.lines[self.row] = ""
            elif piece:
                assert not control, piece
                self.lines[self.row] += piece


@pytest.fixture
def terminal(write_notebook: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Run the notebook in a terminal."""
    write_notebook(*CELLS)
    made: list[Terminal] = []

    def start(**options: object) -> Terminal:
        made.append(Terminal(tmp_path, **options))  # type: ignore[arg-type]  # columns, and the environment
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()
        os.close(one.fd)


def test_a_terminal_shows_a_line_a_step(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """Counts are shown below what tasks print and are kept up to date; at the end the DAG replaces them."""
    run = terminal()
    screen = run.until(lambda text: "2/3  1 running" in text)
    lines = screen.split("\n")
    assert lines[0] == "[load] loading"
    assert set(lines[1:-4]) >= {"[train/0] got 0", "[train/1] got 1"}
    assert [re.split(r"  done|  \d+ tasks", line)[0] for line in lines[-4:]] == [
        "✓ load   1/1",
        "◐ train  2/3  1 running",
        "○ pick",
        "  run F/1",
    ]
    assert "\x1b[32m✓\x1b[0m" in run.raw
    (tmp_path / "go").touch()
    lines = run.end().split("\n")
    assert lines[0] == "[load] loading"
    assert set(lines[1:4]) == {f"[train/{i}] got {i}" for i in range(3)}
    assert lines[4:6] == ["F · 3 steps · 3 fresh", ""]
    assert "run F/1: 7 tasks in" in lines[-1]
    assert run.process.returncode == 0
    # The same as where nothing is written over, but for what was said of steps meanwhile.
    piped = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    piped = SECONDS.sub("", piped.replace("F/2", "F/1"))
    kept = [line for line in piped.rstrip("\n").split("\n") if not re.match(r"(load|train|pick): ", line)]
    assert sorted(SECONDS.sub("", "\n".join(lines)).split("\n")) == sorted(kept)


def test_an_interrupt_leaves_a_clean_terminal(terminal: Callable[..., Terminal]) -> None:
    """After Ctrl-C no line of the progress is left, not even the terminal's own ^C."""
    run = terminal()
    run.until(lambda text: "2/3  1 running" in text)
    os.write(run.fd, b"\x03")
    lines = run.end().split("\n")
    assert [line for line in lines if not line.startswith("[")][:2] == [
        "F · 3 steps · 1 interrupted · 1 fresh · 1 never run",
        "",
    ]
    assert any(line.startswith("├─✗ train  interrupted") or "✗ train  interrupted" in line for line in lines)
    assert lines[-1][:28] == "flownb: F/1 was interrupted."
    assert run.process.returncode == 130


def test_no_colours_and_dumb_terminals(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """NO_COLOR is heeded; a terminal that cannot write over a line gets lines that stay."""
    run = terminal(NO_COLOR="1", columns=30)
    screen = run.until(lambda text: "2/3  1 running" in text)
    assert not SGR.search(run.raw)
    assert all(len(line) < 30 for line in screen.split("\n"))
    (tmp_path / "go").touch()
    run.end()
    dumb = terminal(TERM="dumb")
    assert "\ntrain: 3/3, done in" in dumb.end()
    assert "\x1b" not in dumb.raw


def test_a_pipe_has_a_line_for_each_step_that_is_done(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """A log names a step once, after what its tasks print."""
    write_notebook(*CELLS)
    (tmp_path / "go").touch()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stderr, "\x1b" in done.stdout) == ("", False)
    lines = [re.sub(r"\d+\.\d s", "1 s", line) for line in done.stdout.split("\n")]
    assert lines[:2] == ["[load] loading", "load: done in 1 s"]
    assert lines[5:7] == ["train: 3/3, done in 1 s", "pick: done in 1 s"]


def test_a_step_that_fails_is_reported(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """Its line in a log says how many of its tasks failed."""
    write_notebook(*CELLS[:2], "%%step train --foreach xs -> m\nm = 1 / (self.input - 1)", CELLS[-1])
    done = subprocess.run([*COMMAND, "--max-workers", "1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "train: 2/3, 1 failed" in done.stdout.split("\n")
