"""The manifests of a datastore: small JSON files, one for each record, in a folder or a bucket alike.

Layout below the root::

    store.json                              version of the format, and the id of this datastore
    flows/FLOW/RUN/run.json                 RunRecord; creating it takes the run's id; stays when the run is removed
    flows/FLOW/RUN/end.json                 RunEnd
    flows/FLOW/RUN/heartbeat.json           rewritten while the run is running; only the time of writing counts
    flows/FLOW/RUN/ids/TASK.json            working runs: Claim, a taken task id
    flows/FLOW/RUN/steps/STEP/TASK/ATTEMPT.json
                                            TaskRecord, written once when the attempt has ended
    flows/FLOW/RUN/logs/…                   what attempts wrote and displayed, see `flownb.store.logs`
    flows/FLOW/RUN/executions/N.json        working runs: Execution, which tasks are a step's latest results
    flows/FLOW/RUN/tags/N.json              TagChange, in the order of their numbers
    flows/FLOW/changes/N.json               runs that were removed, restored or tagged again, for indexes elsewhere

Every file appears whole or not at all, and everything it refers to exists before it does. If a process dies at any
point, everything that was recorded can still be read.

A manifest ends with a checksum of its text and its name, so a file that was changed, damaged or moved is noticed.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

from blake3 import blake3

from flownb.errors import StoreError
from flownb.pathspec import safe_name
from flownb.store.records import AnyRecord, Record, from_json, to_json
from flownb.store.storage import Storage
from flownb.store.validation import is_place

__all__ = ["UNREADABLE", "Manifests", "file_number", "flow_folder", "run_folder", "seal", "step_folder", "unseal"]

FORMAT = 2
# What reading a damaged manifest raises; a recursion error comes of brackets alone.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
# The checksum at the end of a sealed manifest.
SUM = re.compile(rb',"sum":"([0-9a-f]{16})"}\Z')
MOST_ATTEMPTS = 100_000


class Manifests:
    """Records as sealed files below one root.

    Parameters
    ----------
    storage : Storage
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        # Empty until `store.json` was read.
        self._token = ""
        self._readable = self._writable = False

    @property
    def token(self) -> str:
        """The id of this datastore, unlike that of another one at the same place; empty before the first write."""
        if not self._token:
            self._format()
        return self._token

    def prepare(self) -> None:
        """Before a write: write ``store.json`` if there is none yet, and check the format.

        Raises
        ------
        StoreError
            If this version does not know the format, or the place cannot be written.
        """
        if not self._writable:
            if self._format() != FORMAT:
                content = {"format": FORMAT, "id": secrets.token_hex(8)}
                if not self.storage.create("store.json", json.dumps(content).encode()) and self._format() != FORMAT:
                    self.storage.write("store.json", json.dumps(content).encode())
            self._readable = self._writable = True

    def check(self) -> None:
        """Refuse a place of an unknown format, before anything in it is read or added.

        Raises
        ------
        StoreError
            If this version does not know the format.
        """
        if not self._readable:
            self._format()
            self._readable = True

    def were_removed(self) -> bool:
        """Whether a place that was written to has been emptied since."""
        return self._writable and not self.storage.exists("store.json")

    def write(self, name: str, record: AnyRecord) -> None:
        """Write a record, replacing one that is there."""
        self.storage.write(name, seal(to_json(record), name))

    def create(self, name: str, record: AnyRecord) -> bool:
        """Write a record unless the name is taken; whether it was written."""
        return self.storage.create(name, seal(to_json(record), name))

    def read(self, kind: type[Record], name: str) -> Record | None:
        """Read a record; None if there is none.

        Raises
        ------
        StoreError
            If the file exists but cannot be read as such a record.
        """
        text = self.storage.read(name)
        return None if text is None else self.parse(kind, name, text)

    def read_many(self, kind: type[Record], names: Sequence[str]) -> list[Record | None]:
        """Read records; None for those that are missing or damaged."""
        texts = self.storage.read_many(names)
        return [self.parse_or_none(kind, name, text) for name, text in zip(names, texts, strict=True)]

    def parse(self, kind: type[Record], name: str, text: bytes) -> Record:
        """The record that a file's text is.

        Raises
        ------
        StoreError
            If it is not such a record.
        """
        self.check()
        try:
            return _parsed(kind, name, text)
        except UNREADABLE as error:
            raise StoreError(
                f"The manifest `{name}` in `{self.storage.location}` cannot be read.",
                f"{type(error).__name__}: {error}.",
                "Run the step again; all other runs stay readable.",
            ) from error

    def parse_or_none(self, kind: type[Record], name: str, text: bytes | None) -> Record | None:
        """The record that a file's text is; None for a file that is missing or damaged."""
        try:
            return None if text is None else _parsed(kind, name, text)
        except UNREADABLE:
            return None

    def _format(self) -> int:
        """The format of what is there, `FORMAT` or older; 0 if nothing is.

        Raises
        ------
        StoreError
            If this version does not know the format.
        """
        text = self.storage.read("store.json")
        if text is None:
            return 0
        try:
            raw = json.loads(text)
            found, self._token = raw["format"], str(raw.get("id", ""))
        except UNREADABLE:
            found = "unreadable"
        if type(found) is not int or not 1 <= found <= FORMAT:
            raise StoreError(
                f"The datastore `{self.storage.location}` has format {found}.",
                f"This version of flownb reads formats up to {FORMAT}.",
                "Set FLOWNB_DATASTORE to another place, or use the flownb version that made it.",
            )
        return found


def flow_folder(flow: str) -> str:
    """Where the runs of a flow are.

    Raises
    ------
    NotFound
        If the name could lead out of the datastore; so do the functions below.
    """
    return f"flows/{safe_name(flow)}"


def run_folder(flow: str, run: str) -> str:
    """Where a run's files are."""
    return f"{flow_folder(flow)}/{safe_name(run)}"


def step_folder(flow: str, run: str, step: str) -> str:
    """Where the tasks of a step are."""
    return f"{run_folder(flow, run)}/steps/{safe_name(step)}"


def file_number(name: str) -> int:
    """The number in ``3.json``; -1 for other files."""
    stem = name.rpartition("/")[2].removesuffix(".json")
    return int(stem) if stem.isdecimal() else -1


def seal(text: bytes, name: str) -> bytes:
    """Add a checksum to a record as JSON: of its text and its file's name, so that it cannot pass for another one."""
    return b'%b,"sum":"%b"}' % (text[:-1], _checksum(text, name))


def unseal(text: bytes, name: str) -> bytes:
    """Check a record's checksum; one without (written by hand, or by an older version) is trusted.

    Raises
    ------
    ValueError
        If the file was changed, damaged, or belongs to another place.
    """
    found = SUM.search(text)
    if found is None:
        return text
    record = text[: found.start()] + b"}"
    if found[1] != _checksum(record, name):
        raise ValueError("it does not match its checksum: it was changed, damaged, or belongs to another place")
    return record


def _checksum(text: bytes, name: str) -> bytes:
    return blake3(name.encode() + b"\0" + text).hexdigest(8).encode()


def _parsed(kind: type[Record], name: str, text: bytes) -> Record:
    """A record that is whole, of the declared types, and in the file it belongs to."""
    record = from_json(kind, unseal(text, name))
    _require_place(record, name)
    return record


def _require_place(record: Any, name: str) -> None:
    """Compare a record with the name of its file: ``flows/FLOW/RUN/…``.

    Raises
    ------
    ValueError
        If it is the record of another run, task or attempt.
    """
    parts = name.split("/")
    if parts[-1] == "run.json":
        expected, found = parts[1:3], [record.flow, record.run]
    elif "steps" in parts[3:4]:
        expected = [*parts[1:3], *parts[4:6], parts[6].removesuffix(".json")]
        found = [record.flow, record.run, record.step, record.task, str(record.attempt)]
        if record.attempt > MOST_ATTEMPTS:
            raise ValueError(f"it is attempt {record.attempt} of a task")
        if not all(is_place(place) for place in (*record.parents, *([record.origin] if record.origin else ()))):
            raise ValueError("a task it names is not RUN/STEP/TASK")
    else:
        return
    if found != expected:
        raise ValueError(f"it is the record of {'/'.join(found)}")
