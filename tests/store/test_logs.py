"""Logs of attempts: written while they run, bounded, read again whatever happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from flownb.store import log_book
from flownb.store.datastore import Datastore
from flownb.store.logs import LogPiece, LogPlace, LogStore

PLACE = LogPlace("train", "1", 0)


@dataclass(frozen=True)
class Out:
    """What an attempt shows."""

    kind: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    display_id: str = ""
    update: bool = False


@pytest.fixture
def datastore(datastore_location: str) -> Datastore:
    """An empty datastore: in a folder, then in a bucket."""
    return Datastore(datastore_location)


def write(datastore: Datastore, *outputs: Out, place: LogPlace = PLACE) -> list[LogPiece]:
    """Log what one attempt showed, and read it."""
    book = datastore.logs.book("F", "7")
    for output in outputs:
        book.add(*place, output)
    book.end(*place)
    book.close()
    return datastore.logs.read("F", "7", place)


def text(pieces: list[LogPiece], kind: str = "stdout") -> str:
    """The text of one stream."""
    return "".join(piece.text for piece in pieces if piece.kind == kind)


def test_what_was_logged_is_read(datastore: Datastore) -> None:
    """Text of both streams and displays come back in the order they were made, with a time."""
    pieces = write(
        datastore,
        Out("stdout", "one\n"),
        Out("stdout", "tw"),
        Out("stderr", "oh\n"),
        Out("stdout", "o\n"),
        Out("display", "x", {"text/plain": "x", "image/png": b"\x89PNG"}, {"needs": 1}, "id", update=True),
        Out("clear", update=True),
        Out("stdout", "ä\x1b[1m\ud800\0\n"),
    )
    shown = [(piece.kind, piece.text) for piece in pieces]
    assert shown == [
        ("stdout", "one\ntw"),
        ("stderr", "oh\n"),
        ("stdout", "o\n"),
        ("display", "x"),
        ("clear", ""),
        ("stdout", "ä\x1b[1m\ud800\0\n"),
    ]
    assert (pieces[3].data, pieces[3].metadata) == ({"text/plain": "x", "image/png": "iVBORw=="}, {"needs": 1})
    assert (pieces[3].display_id, pieces[3].update, pieces[4].update) == ("id", True, True)
    assert all(piece.at > 1.7e9 for piece in pieces)
    assert [piece.at for piece in pieces] == sorted(piece.at for piece in pieces)


def test_an_attempt_that_shows_nothing_leaves_nothing(datastore: Datastore) -> None:
    """A file is made with the first output; empty text is none."""
    assert write(datastore, Out("stdout", "")) == []
    assert list(datastore.storage.entries("")) == []


def test_what_comes_after_the_end_is_added(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of a process or thread that an attempt left behind comes after what it wrote itself, however much."""
    monkeypatch.setattr(log_book, "PART", 1000)
    book = datastore.logs.book("F", "7")
    for number in range(3):
        book.add(*PLACE, Out("stdout", f"{number}\n"))
        book.end(*PLACE)
    book.add(*PLACE, Out("stdout", "x" * 10_000))
    book.close()
    found = text(datastore.logs.read("F", "7", PLACE))
    assert (found.startswith("0\n1\n2\n"), found.endswith("x" * 1000)) == (True, True)
    assert len(found) < 5000


def test_logs_are_apart_by_attempt(datastore: Datastore) -> None:
    """Attempts of many tasks at once each get their own, and are found."""
    book = datastore.logs.book("F", "7")
    places = [LogPlace(step, str(task), attempt) for step in "ab" for task in (2, 10) for attempt in (0, 1)]
    for number in range(3):
        for place in places:
            book.add(*place, Out("stdout", f"{place} {number}\n"))
        book.flush()
    book.close()
    assert datastore.logs.attempts("F", "7") == places
    assert datastore.logs.attempts("F", "7", "a", "2") == places[:2]
    for place in places:
        assert text(datastore.logs.read("F", "7", place)) == "".join(f"{place} {number}\n" for number in range(3))


def test_very_much_text_keeps_both_ends(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of endless text the first and the last part are kept, with a line that says how much is missing."""
    monkeypatch.setattr(log_book, "PART", 1000)
    monkeypatch.setattr(log_book, "WAITING", 100)
    lines = [f"line {number:5}\n" for number in range(1000)]
    found = text(write(datastore, *(Out("stdout", line) for line in lines)))
    head, _, rest = found.partition("\n… ")
    count, _, tail = rest.partition(" characters are left out here …\n")
    whole = "".join(lines)
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + int(count.replace(",", "")) + len(tail) == len(whole)
    assert (len(head), 1000 <= len(tail) <= 2000) == (1000, True)
    assert len(list(datastore.storage.entries("flows"))) == 3


def test_one_huge_text_keeps_both_ends(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single text of any size is cut in its middle; what is said to be missing is all that is."""
    monkeypatch.setattr(log_book, "PART", 1000)
    whole = "".join(f"{number}," for number in range(30_000))
    found = text(write(datastore, Out("stdout", whole), Out("stderr", "end\n"), Out("stdout", "last\n")))
    parts = found.split("… ")
    head, tail = parts[0].rstrip("\n"), found[found.rfind("…\n") + 2 :]
    missing = sum(int(part.split(" ")[0].replace(",", "")) for part in parts[1:] if part[:1].isdigit())
    assert (whole + "last\n").startswith(head)
    assert (whole + "last\n").endswith(tail)
    assert len(whole) + 5 == len(head) + missing + len(tail)


def test_very_many_displays_become_text(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Displays beyond their room keep their text alone, and that is said."""
    monkeypatch.setattr(log_book, "RICH", 1000)
    monkeypatch.setattr(log_book, "UPDATES", 500)
    display = Out("display", "plot", {"text/plain": "plot", "text/html": "x" * 300})
    pieces = write(datastore, *[display] * 5)
    assert [len(piece.data) for piece in pieces if piece.kind == "display"] == [2, 2, 1, 1, 1]
    assert text(pieces, "note") == "… outputs kept as text only: 3 (0.0 MB) …\n"


def test_very_many_updates_keep_the_last(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A display that is updated again and again ends in its last state, with whatever is displayed after it."""
    monkeypatch.setattr(log_book, "RICH", 10_000)
    monkeypatch.setattr(log_book, "UPDATES", 5_000)
    outputs = [Out("display", "", {"text/html": "x" * 500}, display_id="bar")]
    outputs += [Out("display", "", {"text/html": f"{n} " * 300}, display_id="bar", update=True) for n in range(100)]
    outputs += [Out("display", "", {"text/html": "other"})]
    pieces = write(datastore, *outputs)
    assert [piece for piece in pieces if piece.display_id == "bar"][-1].data == {"text/html": "99 " * 300}
    assert {"text/html": "other"} in [piece.data for piece in pieces]
    assert sum(entry.size for entry in datastore.storage.entries("")) < 10_000


def test_what_cannot_be_json_is_kept_as_text(datastore: Datastore) -> None:
    """A display that holds itself is kept as its text; a number of another library as a number."""
    import numpy as np

    circle: dict[str, Any] = {"text/plain": "circle"}
    circle["application/json"] = circle
    pieces = write(
        datastore,
        Out("display", "circle", circle),
        Out("display", "", {"application/json": {"n": np.float64(1.5), "s": {1}, "o": object}}),
    )
    assert [piece.data for piece in pieces] == [
        {"text/plain": "circle"},
        {"application/json": {"n": 1.5, "s": [1], "o": "<class 'object'>"}},
    ]


def test_a_reader_gives_each_piece_once(datastore: Datastore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows a log gets what is new, over all its parts, and nothing twice."""
    monkeypatch.setattr(log_book, "PART", 1000)
    monkeypatch.setattr("flownb.store.s3.storage.REWRITTEN", 0.0)
    reader, book, seen = datastore.logs.reader("F", "7"), datastore.logs.book("F", "7"), ""
    assert reader.read() == []
    for number in range(300):
        book.add(*PLACE, Out("stdout", f"line {number}\n"))
        if number % 40 == 0:
            book.flush()
            book._open[PLACE]._parts[-1].appender.settle()
            seen += "".join(piece.text for _, piece in reader.read())
    book.close()
    seen += "".join(piece.text for _, piece in reader.read())
    assert seen == "".join(f"line {number}\n" for number in range(300))
    assert reader.read() == []


def test_pieces_of_several_attempts_are_mixed_by_time(datastore: Datastore) -> None:
    """Logs of a run are read in the order things happened; some attempts may be left for later."""
    book, other = datastore.logs.book("F", "7"), LogPlace("a", "2", 0)
    for number in range(4):
        book.add(*(PLACE, other)[number % 2], Out("stdout", f"{number}\n"))
        book.flush()
    book.close()
    reader = datastore.logs.reader("F", "7")
    assert [piece.text for _, piece in reader.read([other])] == ["1\n", "3\n"]
    assert [piece.text for _, piece in reader.read()] == ["0\n", "2\n"]
    assert [piece.text for _, piece in datastore.logs.reader("F", "7").read()] == ["0\n", "1\n", "2\n", "3\n"]


def test_a_damaged_log_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Half a line at the end, foreign bytes and lines of another meaning are skipped."""
    datastore = Datastore(tmp_path)
    write(datastore, Out("stdout", "one\n"))
    path = tmp_path / "flows/F/7/logs/train/1/0.jsonl"
    whole = path.read_bytes()
    bad = [b"\xff\xfe", b"[]", b"{}", b'{"t":1,"k":"new"}', b'{"t":"x","k":"stdout"}', b'{"t":1,"k":"stdout","s":1}']
    path.write_bytes(whole + b"\n".join(bad) + b"\n" + whole + whole[:-5])
    assert text(datastore.logs.read("F", "7", PLACE)) == "one\none\n"
    (path.parent / "note.txt").write_text("not ours")
    (path.parent / "x.jsonl").write_text("not ours")
    assert datastore.logs.attempts("F", "7") == [PLACE]


def test_a_killed_process_leaves_what_was_flushed(tmp_path: Path) -> None:
    """All that was flushed before a kill is read; what is cut off makes nothing else unreadable."""
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from flownb.store.datastore import Datastore
from tests.store.test_logs import Out
book = Datastore({str(tmp_path)!r}).logs.book("F", "7")
number = 0
while True:
    book.add("train", "1", 0, Out("stdout", f"line {{number}}\\n"))
    book.flush()
    print(number, flush=True)
    number += 1
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = next(int(line) for line in process.stdout if int(line) >= 200)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    lines = text(Datastore(tmp_path).logs.read("F", "7", PLACE)).splitlines()
    assert len(lines) > last
    assert lines == [f"line {number}" for number in range(len(lines))]


def test_a_log_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full or forbidden place costs the log, one line on stderr, and nothing else."""
    (tmp_path / "flows").write_text("a file where a folder should be")
    book = Datastore(tmp_path).logs.book("F", "7")
    for number in range(3):
        book.add("train", str(number), 0, Out("stdout", "x\n"))
        book.flush()
        book.end("train", str(number), 0)
    book.close()
    said = capsys.readouterr().err
    assert said.startswith("note: not all logs of run F/7 are kept. ")
    assert said.count("\n") == 1


def test_a_server_that_is_gone_is_reported_once(s3_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a bucket that cannot be reached adding never waits; closing says that logs are lost."""
    from flownb.store.s3 import open_s3

    storage, _ = open_s3(s3_url.replace("flownb-test", "flownb-no-such-bucket"))
    book = LogStore(storage).book("F", "7")
    book.add(*PLACE, Out("stdout", "x\n"))
    book.add("train", "2", 0, Out("stdout", "x\n"))
    book.end(*PLACE)
    book.close()
    assert capsys.readouterr().err.count("not all logs of run F/7 are kept") == 1


def test_threads_may_log_at_once(tmp_path: Path) -> None:
    """Pieces of several threads are all kept, each whole."""
    book = Datastore(tmp_path).logs.book("F", "7")

    def add(who: int) -> None:
        for number in range(200):
            book.add(*PLACE, Out("stdout", f"{who} {number}\n"))
            book.flush()

    threads = [threading.Thread(target=add, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book.close()
    lines = text(Datastore(tmp_path).logs.read("F", "7", PLACE)).splitlines()
    assert sorted(lines) == sorted(f"{who} {number}" for who in range(4) for number in range(200))


def test_lines_are_plain_json(tmp_path: Path) -> None:
    """A log can be read with any tool: one JSON object a line, with a time and a kind."""
    write(Datastore(tmp_path), Out("stdout", "ä\n"), Out("display", "", {"text/plain": "d"}))
    lines = (tmp_path / "flows/F/7/logs/train/1/0.jsonl").read_text(encoding="utf-8").splitlines()
    assert [{name: value for name, value in json.loads(line).items() if name != "t"} for line in lines] == [
        {"k": "stdout", "s": "ä\n"},
        {"k": "display", "data": {"text/plain": "d"}, "metadata": {}},
    ]
