"""The behaviour suite for storages: whoever implements `flownb.store.storage.Storage` runs it."""

from __future__ import annotations

import multiprocessing
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from flownb.store.storage import Entry, Storage

__all__ = ["StorageSuite"]


def _race(arguments: tuple[Storage, int, int]) -> list[int]:
    """Try to take the numbers up to `rounds`; return those that were won."""
    storage, rounds, who = arguments
    return [
        number for number in range(rounds) if storage.create(f"ids/{number}", f"{who} {secrets.token_hex(8)}".encode())
    ]


def _fork_all(work: list[tuple[Storage, int, int]]) -> list[list[int]]:
    """Call `_race` in forked processes, at once."""
    context = multiprocessing.get_context("fork")

    def call(number: int, pipe: object) -> None:
        pipe.send(_race(work[number]))  # type: ignore[attr-defined]

    pipes, processes = [], []
    for number in range(len(work)):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=call, args=(number, there))
        process.start()
        there.close()
        pipes.append(here)
        processes.append(process)
    found = [pipe.recv() if pipe.poll(240) else pytest.fail("a forked process hangs") for pipe in pipes]
    for process in processes:
        process.join(120)
    return found


class StorageSuite:
    """What every storage promises: small files by name, in a folder, a bucket, or a place of your own.

    Derive a class whose name begins with `Test`, and give it the fixture `storage`: an empty storage for each test.

    Examples
    --------
    >>> from flownb.store.local import LocalStorage
    >>> class TestMine(StorageSuite):
    ...     @pytest.fixture
    ...     def storage(self, tmp_path):
    ...         return LocalStorage(tmp_path / "store")
    """

    def test_what_was_written_is_read(self, storage: Storage) -> None:
        """A written file has that content at once; a second write replaces it."""
        assert storage.read("a/b.json") is None
        storage.write("a/b.json", b"1")
        assert storage.read("a/b.json") == b"1"
        storage.write("a/b.json", b"")
        assert storage.read("a/b.json") == b""

    def test_names_are_taken_as_they_are(self, storage: Storage) -> None:
        """Nothing in a name is read as something else."""
        for name in ("a b", "ä/ö.json", "a+b=c&d?e", "a%20b", "a#b", "~a;b:c@d", "x" * 200, "日本"):
            storage.write(name, name.encode())
            assert storage.read(name) == name.encode()
            assert [entry.name for entry in storage.entries("")] == [name]
            storage.delete([name])
            assert not storage.exists(name)

    def test_many_are_read_at_once(self, storage: Storage) -> None:
        """The contents come in the order of the names, None for those that are missing."""
        names = [f"n/{number}" for number in range(40)]
        for name in names[::2]:
            storage.write(name, name.encode())
        expected = [name.encode() if number % 2 == 0 else None for number, name in enumerate(names)]
        assert storage.read_many(names) == expected
        assert storage.read_many([]) == []

    def test_create_takes_a_name_once(self, storage: Storage) -> None:
        """The first caller gets the name, the next one False, and the content remains that of the first."""
        assert storage.create("ids/1", b"one")
        assert not storage.create("ids/1", b"two")
        assert storage.read("ids/1") == b"one"

    @pytest.mark.parametrize("kind", ["threads", "processes"])
    def test_of_all_who_create_one_wins(self, storage: Storage, kind: str) -> None:
        """Eight that want the same names get each name exactly once, in one process or in eight."""
        rounds = 12
        storage.exists("opened in the parent")
        work = [(storage, rounds, who) for who in range(8)]
        if kind == "threads":
            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(_race, work))
        else:
            won = _fork_all(work)
        assert sorted(number for numbers in won for number in numbers) == list(range(rounds))
        for who, numbers in enumerate(won):
            for content in storage.read_many([f"ids/{number}" for number in numbers]):
                assert content is not None
                assert content.decode().split()[0] == str(who)

    def test_exists(self, storage: Storage) -> None:
        """A file exists from its write to its deletion; a folder is no file."""
        assert not storage.exists("a/b")
        storage.write("a/b", b"")
        assert storage.exists("a/b")
        assert not storage.exists("a")
        storage.delete(["a/b"])
        assert not storage.exists("a/b")

    def test_delete_passes_over_what_is_missing(self, storage: Storage) -> None:
        """Deleting some files removes just these, and folders left empty with them."""
        for name in ("a/b/1", "a/b/2", "a/c/3"):
            storage.write(name, b"x")
        storage.delete(["a/b/1", "a/b/2", "a/b/none", "none/at/all"])
        storage.delete([])
        assert storage.folders("a") == ["c"]
        assert storage.files("a/c") == ["3"]

    def test_listings_are_one_folder_deep(self, storage: Storage) -> None:
        """Folders and files directly below a prefix come sorted; prefixes are whole names."""
        for name in ("f/b/1", "f/a/x/2", "f/10", "f/9", "fa/3", "f/ab/4"):
            storage.write(name, b"x")
        assert storage.folders("f") == ["a", "ab", "b"]
        assert storage.files("f") == ["10", "9"]
        assert storage.folders("") == ["f", "fa"]
        assert storage.files("") == []
        assert (storage.folders("none"), storage.files("none")) == ([], [])

    def test_entries_are_all_below(self, storage: Storage) -> None:
        """Entries name every file at any depth from the root on, with its length and time."""
        names = {f"e/{number % 3}/{number}" for number in range(30)}
        for name in names:
            storage.write(name, b"abc")
        storage.write("other", b"")
        found = list(storage.entries("e"))
        assert {entry.name for entry in found} == names
        assert {entry.size for entry in found} == {3}
        assert all(isinstance(entry, Entry) and entry.modified > 1.7e9 for entry in found)
        assert {entry.name for entry in storage.entries("")} == names | {"other"}
        assert list(storage.entries("none")) == []

    def test_the_stamp_changes_with_a_new_file(self, storage: Storage) -> None:
        """The stamp of a folder differs once a file was added to it, and is equal while nothing happens."""
        before = storage.stamp("executions")
        storage.write("executions/000001.json", b"1")
        between = storage.stamp("executions")
        assert before != between
        assert storage.stamp("executions") == between
        storage.write("executions/000002.json", b"2")
        assert storage.stamp("executions") != between

    def test_below_is_the_same_place(self, storage: Storage) -> None:
        """A storage one folder down reads and lists what the upper one wrote there, with shorter names."""
        below = storage.below("spin")
        storage.write("spin/a/1", b"1")
        below.write("a/2", b"2")
        assert below.read_many(["a/1", "a/2"]) == [b"1", b"2"]
        assert storage.files("spin/a") == ["1", "2"]
        assert {entry.name for entry in below.entries("")} == {"a/1", "a/2"}
        assert below.below("a").read("2") == b"2"
        assert not below.create("a/1", b"other")

    def test_a_file_grows(self, storage: Storage) -> None:
        """All that was added is there in order once the appender has settled; no piece, no file."""
        appender = storage.appender("logs/step/1/0.jsonl")
        assert not storage.exists("logs/step/1/0.jsonl")
        for number in range(50):
            appender.add(b"%d\n" % number)
        appender.flush()
        appender.close()
        appender.settle()
        expected = b"".join(b"%d\n" % number for number in range(50))
        assert storage.read("logs/step/1/0.jsonl") == expected
        found = [Entry(entry.name, entry.size, 0.0) for entry in storage.entries("logs")]
        assert found == [Entry("logs/step/1/0.jsonl", len(expected), 0.0)]

    def test_a_file_is_read_while_it_grows(self, storage: Storage) -> None:
        """What was added is read by others before the end; what is read is always a beginning of the whole."""
        appender, whole, seen = storage.appender("grows"), b"", b""
        while b"end" not in seen:
            appender.add(b"piece ")
            whole += b"piece "
            if len(whole) == 6 * 200:
                appender.add(b"end ")
                whole += b"end "
            seen = storage.read("grows") or b""
            assert whole.startswith(seen)
        appender.close()
        appender.settle()
        assert storage.read("grows") == whole

    def test_much_is_added(self, storage: Storage) -> None:
        """Pieces of some megabytes come out as they went in."""
        appender = storage.appender("large")
        pieces = [secrets.token_bytes(3 << 20) for _ in range(3)]
        for piece in pieces:
            appender.add(piece)
        appender.close()
        appender.settle()
        assert storage.read("large") == b"".join(pieces)

    def test_sync_and_clearing_lose_nothing(self, storage: Storage) -> None:
        """After both, everything is still there."""
        storage.write("a", b"1")
        storage.sync()
        storage.clear_temporary()
        with storage.lock(exclusive=False):
            assert storage.read("a") == b"1"
