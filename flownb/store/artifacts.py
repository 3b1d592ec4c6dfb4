"""Values as artifacts: encoded, told from what they were before, and kept as blobs.

Takes values and gives references (`ArtifactRef`), and the other way round. A reference holds small values itself;
those a little larger share one blob with others that were saved together; each of the rest has its own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flownb.errors import CorruptBlob, StoreError, UnpicklableArtifact
from flownb.store.encoding import EncodingError, decode, encode, find_unpicklable, mentions
from flownb.store.hashing import hash_parts, part_size
from flownb.store.memory import Region, address_of, same_memory
from flownb.store.records import ArtifactRef, Packed
from flownb.store.storage import Blobs, Part

__all__ = ["Artifacts", "Loaded", "Saved", "inline_refs"]

# Encoded values up to this many bytes stand in the manifest itself: a key and a place would take as much.
INLINE_BYTES = 256
# Up to this many, values that are saved together share a blob: a file or object each would cost more than they do.
PACKED_BYTES = 16 << 10
# What one shared blob holds at most.
PACK_BYTES = 4 << 20
# Places of small values that a process remembers.
MOST_PLACES = 100_000
# From here on a part of a changed map is worth asking the kernel whether that part was written to.
ASKED_FROM = 64 << 10
# For another object than the one that was loaded the stored value is encoded again, to see whether both have the same
# content, up to this many bytes of pickle stream.
DRIFT_BYTES = 64 << 20


@dataclass(frozen=True)
class Loaded:
    """A value as it was loaded: what it has to be compared with when it is saved.

    Attributes
    ----------
    value : object
    ref : ArtifactRef
    region : Region or None
        The memory it stands on; None for values that are not in a blob of their own.
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


class Artifacts:
    """Values in `blobs`.

    Parameters
    ----------
    blobs : Blobs
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        # Where small values are that this process saved, by key: equal ones share a place.
        self._places: dict[str, Packed] = {}

    def save(self, values: Mapping[str, Any], before: Mapping[str, Loaded]) -> Saved:
        """Persist values; those that have not changed since they were loaded cost no write.

        Parameters
        ----------
        values : mapping of str to object
            By artifact name. They must not change until the blobs are settled.
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
                self.blobs.put(parts, key, size)
                saved.refs[name] = ArtifactRef(key, encoding, size, _type_name(value), by_value=by_value)
        self._pack(small, saved)
        return saved

    def _place(self, key: str) -> Packed | None:
        """Where this process put equal content, unless it was removed since."""
        place = self._places.get(key)
        if place is not None and self.blobs.missing([(place.key, place.size)]):
            del self._places[key]
            return None
        return place

    def _pack(self, small: list[_Small], saved: Saved) -> None:
        """Put small values into as few blobs as need be."""
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
            self.blobs.put([blob], key, len(blob))
            for one in small[:taken]:
                packed = Packed(key, len(blob), places[one.key]) if len(places) > 1 else None
                if packed is not None and len(self._places) < MOST_PLACES:
                    self._places[one.key] = packed
                saved.refs[one.name] = ArtifactRef(
                    one.key, one.encoding, len(one.content), one.type, packed=packed, by_value=one.by_value
                )
            del small[:taken]

    def load(self, ref: ArtifactRef, *, name: str = "", where: str = "") -> Loaded:
        """Load a value; each call gives an independent object.

        A large blob may still be verified when this returns: call `verify` before anything is made of the value that
        lasts.

        Raises
        ------
        CorruptBlob
            If the value is missing or damaged.
        StoreError
            If it cannot be rebuilt.
        """
        label = f"Artifact `{name}` of {where}" if where else f"Artifact `{name}`"
        try:
            view = self._content(ref)
        except CorruptBlob as error:
            raise _unreadable(label, error) from error
        loaded = Loaded(None, ref, None if ref.inline is not None or ref.packed is not None else Region(view), label)
        if ref.encoding != "pickle5":
            self.verify([loaded])  # what stands over damaged memory may not only be wrong, but crash
        try:
            value = decode(ref.encoding, view)
        except Exception as error:
            self.verify([loaded])  # a damaged blob is the better reason
            raise StoreError(
                f"{label} of type {ref.type} cannot be loaded.",
                f"{type(error).__name__}: {error}.",
                "Make what it needs importable (a %%shared cell or an installed package), then try again."
                if isinstance(error, ImportError | AttributeError)
                else "Its class can be pickled, but not unpickled: give it a __reduce__ or __getstate__ that fits.",
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

    def verify(self, values: Iterable[Loaded]) -> None:
        """Wait until loaded values are verified.

        Raises
        ------
        CorruptBlob
            If one is damaged.
        """
        labels = {loaded.ref.key: loaded.label for loaded in values if loaded.region is not None}
        try:
            self.blobs.verify(labels)
        except CorruptBlob as error:
            raise _unreadable(labels.get(error.key, "An artifact"), error) from error

    def _content(self, ref: ArtifactRef) -> memoryview:
        """The encoded value, writable and nobody else's."""
        if ref.inline is not None:
            try:
                content = bytearray(base64.b64decode(ref.inline))
            except ValueError as error:
                raise CorruptBlob(f"Content {ref.key} is not base64: its manifest was changed.", key=ref.key) from error
        elif ref.packed is not None:
            content = self.blobs.get_part(ref.packed.key, ref.packed.size, ref.packed.offset, ref.size)
        else:
            return self.blobs.get(ref.key, ref.size)
        if hash_parts([bytes(content)], len(content)) != ref.key:
            raise CorruptBlob(f"Content {ref.key} does not match its key: it was changed or damaged.", key=ref.key)
        return memoryview(content)

    def _is_unchanged(self, value: Any, parts: Sequence[Part], loaded: Loaded) -> bool:
        """Whether a value has the content that it, or another one, was loaded with.

        Content is compared, never identity alone. Pickling what was unpickled need not give the same bytes (strings
        that were two objects can have become one), but doing it twice does: if the pickle stream differs, the stored
        value is loaded and encoded anew.
        """
        try:
            stored = Region(self._content(loaded.ref))
        except CorruptBlob as error:
            if value is loaded.value and loaded.region is not None and not error.missing:
                # It stands on the damaged blob: what is saved now would be damaged as well.
                raise _unreadable(loaded.label, error) from error
            return False  # then it is written again
        if _equals_blob(parts, loaded.region, stored):
            return True
        head = parts[0]
        if _head_equals(head, stored) or (value is not loaded.value and len(head) > DRIFT_BYTES):
            return False
        try:
            _, again = encode(decode(loaded.ref.encoding, stored.view))
        except Exception:  # whatever stands in the way, the value then counts as changed
            return False
        return _equals_parts(parts, loaded.region, again, stored)


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


def _equals_blob(parts: Sequence[Part], region: Region | None, stored: Region) -> bool:
    """Whether `parts` make the content of a stored blob; what stands untouched in its map is not read."""
    if part_size(parts) != stored.view.nbytes:
        return False
    is_clean = _cleanness(region)
    position = 0
    for part in parts:
        size, address = len(memoryview(part).cast("B")), address_of(part)
        in_place = region is not None and region.offset(part, address) == position and is_clean(position, size)
        if not in_place and not same_memory(address, stored.start + position, size):
            return False
        position += size
    return True


def _equals_parts(parts: Sequence[Part], region: Region | None, again: Sequence[Part], stored: Region) -> bool:
    """Whether a value's parts equal those of the stored value, which was loaded and encoded anew."""
    if len(parts) != len(again):
        return False
    is_clean = _cleanness(region)
    for one, other in zip(parts, again, strict=True):
        size = part_size([one])
        if size != part_size([other]):
            return False
        here, there = address_of(one), address_of(other)
        offset = region.offset(one, here) if region is not None else None
        in_place = offset is not None and offset == stored.offset(other, there) and is_clean(offset, size)
        if not in_place and not same_memory(here, there, size):
            return False
    return True


def _cleanness(region: Region | None) -> Any:
    """A function that says whether a part of a region was never written to."""
    if region is None or region.is_untouched(0, region.view.nbytes):
        return lambda offset, size: region is not None
    return lambda offset, size: size >= ASKED_FROM and region.is_untouched(offset, size)


def _head_equals(head: Part, stored: Region) -> bool:
    """Whether a blob begins with `head`, which holds all but the large buffers."""
    size = part_size([head])
    return size <= stored.view.nbytes and same_memory(address_of(head), stored.start, size)


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
