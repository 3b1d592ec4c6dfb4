"""Records as sealed files of a place whose format is known.

Takes and gives records (`flownb.store.records`) by the names of their files; what the names mean is said in
`flownb.store.manifests`. ``store.json`` holds the place's format, and what tells it from others.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

from flownb.errors import StoreError
from flownb.store.records import Record, from_json, seal, to_json, unseal
from flownb.store.storage import Storage
from flownb.store.validation import require_place

__all__ = ["UNREADABLE", "ManifestFiles"]

FORMAT = 2
# What reading a damaged manifest raises; a recursion error comes of brackets alone.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class ManifestFiles:
    """Sealed files in one place.

    Parameters
    ----------
    storage : Storage
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        # What tells this store from another at the same place; empty until it was read.
        self._token = ""
        self._readable = self._writable = False

    @property
    def location(self) -> str:
        """The folder or URL."""
        return self.storage.location

    def _prepare(self) -> None:
        """Mark the place before the first write, and check its format."""
        if not self._writable:
            if self._format() != FORMAT:
                content = {"format": FORMAT, "id": secrets.token_hex(8)}
                if not self.storage.create("store.json", json.dumps(content).encode()) and self._format() != FORMAT:
                    self.storage.write("store.json", json.dumps(content).encode())
            self._readable = self._writable = True

    @property
    def token(self) -> str:
        """What tells this store from another that was or will be at the same place; empty before it is written to."""
        if not self._token:
            self._format()
        return self._token

    def _check(self) -> None:
        """Refuse a place of an unknown format, before anything there is understood or added to."""
        if not self._readable:
            self._format()
            self._readable = True

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
                f"The datastore `{self.location}` has format {found}.",
                f"This version of flownb reads formats up to {FORMAT}.",
                "Set FLOWNB_DATASTORE to another place, or use the flownb version that made it.",
            )
        return found

    def _write(self, name: str, record: Record) -> None:
        """Write a record, over one that is there."""
        self.storage.write(name, seal(to_json(record), name))

    def _create(self, name: str, record: Record) -> bool:
        """Write a record unless the name is taken."""
        return self.storage.create(name, seal(to_json(record), name))

    def _read_many(self, kind: type[Record], names: Sequence[str]) -> list[Record | None]:
        """Read records; None for those that are missing or damaged."""
        texts = self.storage.read_many(names)
        return [self._parse_or_none(kind, name, text) for name, text in zip(names, texts, strict=True)]

    def _read(self, kind: type[Record], name: str) -> Record | None:
        """Read a record, None if there is none.

        Raises
        ------
        StoreError
            If the file is there but cannot be understood.
        """
        text = self.storage.read(name)
        return None if text is None else self._parse(kind, name, text)

    def _parse(self, kind: type[Record], name: str, text: bytes) -> Record:
        """Understand a record that was read."""
        self._check()
        try:
            return _understood(kind, name, text)
        except UNREADABLE as error:
            raise StoreError(
                f"The manifest `{name}` in `{self.location}` cannot be read.",
                f"{type(error).__name__}: {error}.",
                "Run the step again; all other runs stay readable.",
            ) from error

    def _parse_or_none(self, kind: type[Record], name: str, text: bytes | None) -> Record | None:
        """Understand a record; None for one that is missing or damaged."""
        try:
            return None if text is None else _understood(kind, name, text)
        except UNREADABLE:
            return None


def _understood(kind: type[Record], name: str, text: bytes) -> Record:
    """A record that is whole, of the declared types, and where it belongs."""
    record = from_json(kind, unseal(text, name))
    require_place(record, name)
    return record
