"""Values kept as artifacts: each is encoded, compared with what it was when it was loaded, and stored by its content.

A reference (`ArtifactRef`) says where a value is. It holds a very small value itself; small values that are saved
together share one blob; every other value has a blob of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flownb.errors import CorruptBlob, StoreError, UnpicklableArtifact
from flownb.store.encoding import EncodingError, decode, encode, find_unpicklable, mentions
from flownb.store.encodings.plain import Plain, PlainData
from flownb.store.hashing import hash_parts, part_size
from flownb.store.memory import Region, begins_with, equals_blob, equals_parts
from flownb.store.records import ArtifactRef, Packed
from flownb.store.storage import Blobs, Part

__all__ = ["ArtifactStore", "Loaded", "Saved", "inline_refs"]

# Encoded values up to this many bytes are in the manifest itself: a key and a place would take as much.
INLINE_BYTES = 256
# Up to this many, values that are saved together share a blob: a file or object each would cost more than they do.
PACKED_BYTES = 16 << 10
# What one shared blob holds at most.
PACK_BYTES = 4 << 20
# Larger values are read only when a step asks for them.
FETCHED_BYTES = 1 << 20
# Places of small values that a process remembers.
MOST_PLACES = 100_000
# If a value is another object than the one that was loaded, the stored value is encoded again to compare the content of
# both; up to this many bytes of pickle stream.
DRIFT_BYTES = 64 << 20


@dataclass(frozen=True)
class Loaded:
    """A value as it was loaded: what it has to be compared with when it is saved.

    Attributes
    ----------
    value : object
    ref : ArtifactRef
    region : Region or None
        The memory it is in; None for values that are not in a blob of their own.
    label : str
        What messages call it.
    """

    value: Any
    ref: ArtifactRef
    region: Region | None
    label: str


@dataclass(frozen=True)
class Saved:
    """What became of values that were saved together.

    Attributes
    ----------
    refs : dict of str to ArtifactRef
    failures : dict of str to UnpicklableArtifact
        Why a value could not be persisted; a name is in one of the two.
    """

    refs: dict[str, ArtifactRef]
    failures: dict[str, UnpicklableArtifact]


@dataclass(frozen=True)
class _Small:
    """A value that will share a blob."""

    name: str
    key: str
    encoding: str
    type: str
    content: bytes
    by_value: str


class ArtifactStore:
    """Values in `blobs`.

    Parameters
    ----------
    blobs : Blobs
    location : str, optional
        The datastore's folder or URL, for messages.
    check : callable, optional
        Called before values are saved: it raises if the place must not be written to.
    """

    def __init__(self, blobs: Blobs, *, location: str = "", check: Callable[[], None] = lambda: None) -> None:
        self._blobs = blobs
        self._location = location
        self._check = check
        # Where small values are that this process saved, by key: equal ones share a place.
        self._places: dict[str, Packed] = {}

    # -- saving

    def save(self, value: Any, *, name: str, before: Loaded | None = None) -> ArtifactRef:
        """Persist one value.

        Parameters
        ----------
        value : object
        name : str
            The artifact's name, for messages.
        before : Loaded, optional
            What was loaded as `value`, perhaps to be changed in place since.

        Returns
        -------
        ArtifactRef
            That of `before` if the value's content is still the same.

        Raises
        ------
        UnpicklableArtifact
            If the value cannot be pickled.
        StoreError
            If the store cannot be written.
        """
        return self.save_given({name: value}, before={name: before} if before else {})[name]

    def save_given(
        self, values: Mapping[str, Any], *, before: Mapping[str, Loaded] = MappingProxyType({})
    ) -> dict[str, ArtifactRef]:
        """Persist values that must all be kept, such as those every task of a flow starts with; see `save`."""
        saved = self.save_all(values, before=before)
        for failure in saved.failures.values():
            raise failure
        return saved.refs

    def save_all(self, values: Mapping[str, Any], *, before: Mapping[str, Loaded]) -> Saved:
        """Persist values together, which is cheaper than one by one; unchanged ones cost no write.

        Parameters
        ----------
        values : mapping of str to object
            By artifact name. They must not change until `settle` returns.
        before : mapping of str to Loaded
            What was loaded, by name; a value may have been changed in place since.

        Returns
        -------
        Saved
            An unchanged value has the very reference it was loaded from.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        self._check()
        saved = Saved({}, {})
        small: list[_Small] = []
        same_object = {id(loaded.value): loaded for loaded in before.values()}
        for name, value in values.items():
            loaded = before.get(name)
            if loaded is None or loaded.value is not value:
                loaded = same_object.get(id(value), loaded)
            try:
                encoding, parts = encode(value)
            except Exception as error:
                saved.failures[name] = _unpicklable(name, value, error)
                continue
            if loaded is not None and encoding == loaded.ref.encoding and self._is_unchanged(value, parts, loaded):
                saved.refs[name] = loaded.ref
                continue
            size, by_value = part_size(parts), getattr(parts, "by_value", "")
            key = hash_parts(parts, size)
            if size <= INLINE_BYTES:
                inline = base64.b64encode(b"".join(parts)).decode()
                saved.refs[name] = ArtifactRef(key, encoding, size, _type_name(value), inline, by_value=by_value)
            elif size <= PACKED_BYTES and (place := self._place(key)):
                saved.refs[name] = ArtifactRef(key, encoding, size, _type_name(value), packed=place, by_value=by_value)
            elif size <= PACKED_BYTES:
                small.append(_Small(name, key, encoding, _type_name(value), b"".join(parts), by_value))
            else:
                self._blobs.put(parts, key, size)
                saved.refs[name] = ArtifactRef(key, encoding, size, _type_name(value), by_value=by_value)
        self._pack(small, saved)
        return saved

    def _place(self, key: str) -> Packed | None:
        """Where this process put equal content, unless it was removed since."""
        place = self._places.get(key)
        if place is not None and self._blobs.missing([(place.key, place.size)]):
            del self._places[key]
            return None
        return place

    def _pack(self, small: list[_Small], saved: Saved) -> None:
        """Put small values into as few blobs as possible."""
        while small:
            content, places = bytearray(), dict[str, int]()
            taken = 0
            for one in small:
                if content and len(content) + len(one.content) > PACK_BYTES:
                    break
                if one.key not in places:
                    places[one.key] = len(content)
                    content += one.content
                taken += 1
            blob = bytes(content)
            key = hash_parts([blob], len(blob))
            self._blobs.put([blob], key, len(blob))
            for one in small[:taken]:
                packed = Packed(key, len(blob), places[one.key]) if len(places) > 1 else None
                if packed is not None and len(self._places) < MOST_PLACES:
                    self._places[one.key] = packed
                saved.refs[one.name] = ArtifactRef(
                    one.key, one.encoding, len(one.content), one.type, packed=packed, by_value=one.by_value
                )
            del small[:taken]

    def save_plain(self, value: Any, *, name: str) -> ArtifactRef:
        """Persist texts, numbers, lists, dicts and bytes so that a view can read them without running code.

        Raises
        ------
        StoreError
            If the store cannot be written.
        """
        return self.save(PlainData(value), name=name)

    def settle(self) -> None:
        """Wait until everything that was saved is kept.

        Raises
        ------
        StoreError
            If a value could not be kept.
        """
        self._blobs.settle()

    # -- loading

    def load(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Any:
        """Load and verify a value; each call returns an independent object.

        Parameters
        ----------
        ref : ArtifactRef
        name, where : str
            The artifact's name and the pathspec of its task, for messages.

        Raises
        ------
        CorruptBlob
            If the value is missing or damaged.
        StoreError
            If it cannot be rebuilt.
        """
        loaded = self.read(ref, name=name, where=where)
        self.verify([loaded])
        return loaded.value

    def load_plain(self, ref: ArtifactRef, *, name: str = "", where: str = "", fix: str = "") -> Any:
        """Load what `save_plain` saved, and nothing else: looking at a datastore never runs what is in it.

        Parameters
        ----------
        ref : ArtifactRef
        name, where : str
            What it is and the pathspec of its task, for messages.
        fix : str
            How to get it again if it is not plain data.

        Raises
        ------
        CorruptBlob
            If it is missing or damaged.
        StoreError
            If it is not plain data.
        """
        if ref.encoding != Plain.name:
            raise StoreError(
                f"The {name} of {where} cannot be shown." if where else f"The {name} cannot be shown.",
                f"It is stored as `{ref.encoding}`, not as plain data (older versions of flownb did that), "
                "and reading that can run code.",
                fix or "Run it again.",
            )
        return self.load(ref, name=name, where=where)

    def read(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Loaded:
        """Like `load`, but a large value may still be being verified when this returns.

        Call `verify` before anything lasting is made of the value.
        """
        label = f"Artifact `{name}` of {where}" if where else f"Artifact `{name}`"
        try:
            view = self._content(ref)
        except CorruptBlob as error:
            raise _unreadable(label, error) from error
        loaded = Loaded(None, ref, None if ref.inline is not None or ref.packed is not None else Region(view), label)
        if ref.encoding != "pickle5":
            self.verify([loaded])  # a value over damaged memory may not only be wrong, but crash
        try:
            value = decode(ref.encoding, view)
        except Exception as error:
            self.verify([loaded])  # a damaged blob is the better reason
            raise StoreError(
                f"{label} of type {ref.type} cannot be loaded.",
                f"{type(error).__name__}: {error}.",
                "Make what it needs importable (a %%shared cell or an installed package), then try again."
                if isinstance(error, ImportError | AttributeError)
                else "Its class can be pickled, but not unpickled: give it a matching __reduce__ or __getstate__.",
            ) from error
        return replace(loaded, value=value)

    def mentions(self, ref: ArtifactRef, word: str) -> bool:
        """Whether loading a value may import the module `word`.

        Raises
        ------
        CorruptBlob
            If the value is missing or damaged.
        """
        return mentions(ref.encoding, self._content(ref), word)

    def fetch(self, refs: Iterable[ArtifactRef]) -> None:
        """Bring small values near before they are read one by one: in a bucket each read is a round trip."""
        self._blobs.fetch(ref.blob for ref in refs if ref.blob is not None and ref.blob[1] <= FETCHED_BYTES)

    def verify(self, values: Iterable[Loaded]) -> None:
        """Wait until loaded values are verified.

        Raises
        ------
        CorruptBlob
            If one is damaged.
        """
        labels = {loaded.ref.key: loaded.label for loaded in values if loaded.region is not None}
        try:
            self._blobs.verify(labels)
        except CorruptBlob as error:
            raise _unreadable(labels.get(error.key, "An artifact"), error) from error

    # -- what is there

    def holds(self, ref: ArtifactRef) -> bool:
        """Whether what a reference needs is there; `flownb gc` may have removed what no run refers to."""
        return ref.blob is None or not self._blobs.missing([ref.blob])

    def require(self, refs: Sequence[ArtifactRef], what: str) -> None:
        """Refuse to record something that refers to what is gone.

        Parameters
        ----------
        refs : sequence of ArtifactRef
        what : str
            What cannot be done then, for the message.

        Raises
        ------
        StoreError
            If one of them is gone.
        """
        gone = self._blobs.missing([ref.blob for ref in refs if ref.blob is not None])
        if gone:
            raise StoreError(
                f"{what}: an artifact that it needs is gone.",
                f"Blob {gone[0]} is no longer in `{self._location}`: it was removed by hand, or with `flownb rm`.",
                "Run the steps above again, then this one.",
            )

    def _content(self, ref: ArtifactRef) -> memoryview:
        """The encoded value, writable, and used by nothing else."""
        if ref.inline is not None:
            try:
                content = bytearray(base64.b64decode(ref.inline))
            except ValueError as error:
                raise CorruptBlob(f"Content {ref.key} is not base64: its manifest was changed.", key=ref.key) from error
        elif ref.packed is not None:
            content = self._blobs.get_part(ref.packed.key, ref.packed.size, ref.packed.offset, ref.size)
        else:
            return self._blobs.get(ref.key, ref.size)
        if hash_parts([bytes(content)], len(content)) != ref.key:
            raise CorruptBlob(f"Content {ref.key} does not match its key: it was changed or damaged.", key=ref.key)
        return memoryview(content)

    def _is_unchanged(self, value: Any, parts: Sequence[Part], loaded: Loaded) -> bool:
        """Whether a value has the content that it, or another one, was loaded with.

        Content is compared, never identity alone. Pickling what was unpickled does not always give the same bytes
        (strings that were two objects can have become one), but doing it twice does: if the pickle stream differs, the
        stored value is loaded and encoded again.
        """
        try:
            stored = Region(self._content(loaded.ref))
        except CorruptBlob as error:
            if value is loaded.value and loaded.region is not None and not error.missing:
                # Its memory is the damaged blob: what is saved now would be damaged as well.
                raise _unreadable(loaded.label, error) from error
            return False  # then it is written again
        if equals_blob(parts, loaded.region, stored):
            return True
        heads = parts[: getattr(parts, "heads", 1)]
        if begins_with(heads, stored) or (value is not loaded.value and part_size(heads) > DRIFT_BYTES):
            return False
        try:
            _, again = encode(decode(loaded.ref.encoding, stored.view))
        except Exception:  # whatever the reason, the value then counts as changed
            return False
        return equals_parts(parts, loaded.region, again, stored)


def inline_refs(values: Mapping[str, Any]) -> dict[str, ArtifactRef]:
    """References that hold the values themselves, however large, so that no store has to keep them.

    Raises
    ------
    UnpicklableArtifact
        If a value cannot be pickled.
    """
    refs: dict[str, ArtifactRef] = {}
    for name, value in values.items():
        try:
            encoding, parts = encode(value)
        except Exception as error:
            raise _unpicklable(name, value, error) from error
        size = part_size(parts)
        inline = base64.b64encode(b"".join(parts)).decode()
        refs[name] = ArtifactRef(hash_parts(parts, size), encoding, size, _type_name(value), inline)
    return refs


def _unpicklable(name: str, value: Any, error: Exception) -> UnpicklableArtifact:
    """That a value cannot be pickled, and why."""
    why = f"{type(error).__name__}: {error}."
    found = None if isinstance(error, EncodingError) else find_unpicklable(value)
    if found is not None and found[0] not in ("", "…"):
        why = f"`{name}{found[0]}` is a {_kind_name(found[1])}: {error}."
    failure = UnpicklableArtifact(
        f"Artifact `{name}` of type {_type_name(value)} cannot be persisted.",
        why,
        f"Keep it local to the step, or store what it was made from (a path, a list) as `{name}`.",
        artifact=name,
    )
    failure.__cause__ = error
    return failure


def _unreadable(label: str, error: CorruptBlob) -> CorruptBlob:
    """That an artifact is damaged."""
    return CorruptBlob(
        f"{label} cannot be read.",
        error.what,
        "Run its step again; all other artifacts stay readable.",
        key=error.key,
    )


def _type_name(value: Any) -> str:
    return _kind_name(type(value))


def _kind_name(kind: type) -> str:
    module = kind.__module__.split(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
