"""How a value becomes bytes: the protocol that every encoding follows, and the list of them.

An encoding is one file with one class in `flownb.store.encodings`; `register_encoding` adds a user's own. A stored
value names its encoding, and that name is only ever looked up in the list: nothing is imported because a manifest says
so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

from flownb.errors import StoreError, nearest
from flownb.store.encodings.culprit import find_unpicklable

__all__ = ["Encoding", "EncodingError", "UnknownEncoding", "decode", "encode", "find_unpicklable", "register_encoding"]

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class Encoding(Protocol):
    """Turns values of some types into parts of one blob, and back."""

    name: str

    def accepts(self, value: Any) -> bool:
        """Whether this encoding is the one for `value`."""
        ...

    def encode(self, value: Any) -> Sequence[memoryview | bytes]:
        """The blob's parts in order; large ones are views of the value's own memory, not copies."""
        ...

    def decode(self, blob: memoryview) -> Any:
        """Rebuild the value on top of a private, writable map of the blob."""
        ...


class UnknownEncoding(StoreError):
    """A value was stored by an encoding that this process does not have.

    Attributes
    ----------
    encoding : str
        Its name.
    """

    headline = "Encoding not known"

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        known = [one.name for one in _encodings()]
        super().__init__(
            f"There is no encoding `{encoding}` in this process.{nearest(encoding, known)}",
            f"A registered encoding stored the value; this process has {', '.join(f'`{name}`' for name in known)}.",
            "Import the module that registers it (flownb.register_encoding), then load again.",
        )


class EncodingError(StoreError):
    """A registered encoding failed, or does not follow the protocol.

    Attributes
    ----------
    encoding : str
        Its name.
    """

    headline = "Encoding failed"

    def __init__(self, what: str, why: str = "", fix: str = "", *, encoding: str) -> None:
        self.encoding = encoding
        super().__init__(what, why, fix)


_registered: tuple[Encoding, ...] = ()


@cache
def _own() -> tuple[Encoding, ...]:
    """Encodings that are part of flownb, the most special first."""
    from flownb.store.encodings.arrow import Arrow, Polars
    from flownb.store.encodings.pickle5 import Pickle5
    from flownb.store.encodings.plain import Plain

    return Plain(), Arrow(), Polars(), Pickle5()


def _encodings() -> tuple[Encoding, ...]:
    """All encodings in the order in which they are asked."""
    return *_registered, *_own()


def register_encoding(encoding: Encoding) -> Encoding:
    """Add an encoding for values of your own types.

    It is asked before all others, and before those registered earlier, for each artifact as a whole: a value inside of
    a list or a frame goes the way of that list or frame. Registering the same class again replaces it, so a shared
    cell may do it each time it runs.

    Parameters
    ----------
    encoding : Encoding
        An object with a `name`, and the methods `accepts`, `encode` and `decode`. The name is stored beside each value.

    Returns
    -------
    Encoding
        The same object.

    Raises
    ------
    EncodingError
        If something is missing, or the name is not usable or belongs to another encoding.

    Examples
    --------
    >>> class Points:
    ...     name = "points"
    ...     def accepts(self, value):
    ...         return type(value).__name__ == "Points"
    ...     def encode(self, value):
    ...         return [value.memory]
    ...     def decode(self, blob):
    ...         return make_points(blob)
    >>> register_encoding(Points()).name
    'points'
    """
    global _registered
    kind = type(encoding)
    label = encoding.__name__ if isinstance(encoding, type) else kind.__name__
    name = getattr(encoding, "name", None)
    missing = [method for method in ("accepts", "encode", "decode") if not callable(getattr(encoding, method, None))]
    what = f"The encoding `{label}` cannot be registered."
    fix = "See flownb.store.encoding.Encoding for what an encoding is made of."
    if isinstance(encoding, type):
        fix = f"Register an object of it: register_encoding({label}())."
        raise EncodingError(what, "It is a class.", fix, encoding=label)
    if missing:
        raise EncodingError(what, f"It has no method {', '.join(f'`{one}`' for one in missing)}.", fix, encoding=label)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        why = f"Its name is {name!r}; a name is a small letter, then up to 63 of a-z, 0-9, `_`, `.` and `-`."
        raise EncodingError(what, why, "Give it an attribute `name` of that form.", encoding=label)
    if name in {own.name for own in _own()}:
        raise EncodingError(what, f"`{name}` is an encoding of flownb's own.", "Give it another name.", encoding=name)
    for other in _registered:
        if other.name == name and _origin(type(other)) != _origin(kind):
            why = f"`{name}` is registered already, by `{'.'.join(_origin(type(other)))}`."
            raise EncodingError(what, why, "Give it another name.", encoding=name)
    _registered = (encoding, *(other for other in _registered if other.name != name))
    return encoding


def encode(value: Any) -> tuple[str, Sequence[memoryview | bytes]]:
    """Encode a value with the first encoding that accepts it.

    Returns
    -------
    tuple of (str, sequence of bytes-like)
        The encoding's name and the parts of the blob.

    Raises
    ------
    EncodingError
        If a registered encoding fails; its own error is the cause.
    Exception
        Whatever the value's own pickling raises; the caller knows the artifact's name.
    """
    for encoding in _registered:
        try:
            accepted = encoding.accepts(value)
        except Exception as error:
            raise _failed(encoding, "say whether it accepts a value", value, error) from error
        if accepted:
            try:
                return encoding.name, _checked(encoding.encode(value))
            except Exception as error:
                raise _failed(encoding, "encode a value", value, error) from error
    for encoding in _own():
        if encoding.accepts(value):
            return encoding.name, encoding.encode(value)
    raise AssertionError("pickle5 accepts every value")


def mentions(name: str, blob: memoryview, word: str) -> bool:
    """Whether loading a value may import the module `word`; also true of encodings that cannot say."""
    encoding = next((one for one in _encodings() if one.name == name), None)
    look = getattr(encoding, "mentions", None)
    return True if look is None else bool(look(blob, word))


def decode(name: str, blob: memoryview) -> Any:
    """Rebuild a value from a blob that the encoding `name` wrote.

    Raises
    ------
    UnknownEncoding
        If this process has no encoding of that name.
    EncodingError
        If a registered encoding fails; its own error is the cause.
    """
    encoding = next((encoding for encoding in _encodings() if encoding.name == name), None)
    if encoding is None:
        raise UnknownEncoding(name)
    try:
        return encoding.decode(blob)
    except ImportError:  # a module is missing here, and can be made importable
        raise
    except Exception as error:
        if encoding not in _registered:
            raise
        raise EncodingError(
            f"The encoding `{name}` cannot decode what is stored.",
            f"{type(error).__name__}: {error}.",
            "Correct its decode, or register the version that wrote the value.",
            encoding=name,
        ) from error


def _checked(parts: Any) -> Sequence[memoryview | bytes]:
    """The parts as bytes and flat views.

    Raises
    ------
    TypeError
        If `parts` are anything else.
    """
    if isinstance(parts, bytes | bytearray | memoryview | str) or not isinstance(parts, Sequence):
        raise TypeError(f"encode gave a {type(parts).__name__}, where a list of bytes-like parts is expected")
    found: list[memoryview | bytes] = []
    for number, part in enumerate(parts):
        try:
            found.append(part if type(part) is bytes else memoryview(part).cast("B"))
        except TypeError as error:
            raise TypeError(
                f"part {number} is a {type(part).__name__}, where bytes or a contiguous buffer is expected"
            ) from error
    return found


def _failed(encoding: Encoding, what: str, value: Any, error: Exception) -> EncodingError:
    kind = type(value)
    return EncodingError(
        f"The encoding `{encoding.name}` cannot {what} of type {kind.__module__}.{kind.__qualname__}.",
        f"{type(error).__name__}: {error}.",
        f"Correct `{type(encoding).__qualname__}`, or let its accepts be false for such values.",
        encoding=encoding.name,
    )


def _origin(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__
