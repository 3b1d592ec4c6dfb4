"""How values of a few libraries are pickled where their own way is slow, or gives other bytes each time.

A reducer returns what ``__reduce_ex__`` of a value would, or NotImplemented to leave it to the value.
"""

from __future__ import annotations

import ctypes
import importlib
import pickle
import sys
from collections.abc import Callable
from typing import Any

from flownb.store.encodings.texts import Stream

__all__ = ["Reducer", "library_reducer", "ordered"]

Reducer = Callable[[Any], Any]
Content = Callable[[Any], bytes]


def library_reducer(
    kind: type, storages: dict[int, Any], content: Content, stream: Stream | None = None
) -> Reducer | None:
    """The reducer for values of a type; None for most types.

    Parameters
    ----------
    kind : type
    storages : dict
        Filled with the torch storages of one pickle, so that tensors that share memory share it after loading.
    content : callable
        Bytes that depend on a value's content alone, to sort the items of sets by.
    stream : Stream, optional
        Takes strings out of arrays.
    """
    numpy: Any = sys.modules.get("numpy")
    if kind is getattr(numpy, "ndarray", None):
        return None if stream is None else stream.reduce
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and issubclass(kind, pandas.api.extensions.ExtensionArray):
        return _without_cache
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        if issubclass(kind, getattr(torch, "UntypedStorage", ())):
            return _torch_untyped
        typed = getattr(torch.storage, "TypedStorage", ())
        if issubclass(kind, typed):
            return lambda value: _torch_typed(value, storages)
    if issubclass(kind, set | frozenset) and kind.__reduce_ex__ is object.__reduce_ex__:
        own = next(base for base in kind.__mro__ if "__reduce__" in vars(base))
        if own in (set, frozenset):
            return lambda value: _set_of_a_subclass(value, content)
    return None


def _without_cache(value: Any) -> Any:
    """Leave out what a pandas array has cached of itself.

    Reading a column (``frame["date"].unique()``) fills such a cache, and pandas pickles it: a value that was only read
    would look changed. pandas computes it again when it is asked for.
    """
    state = getattr(value, "__dict__", {})
    if "_pa_array" not in state:  # arrays of Arrow memory leave it out themselves, and cannot be written to without it
        state.pop("_cache", None)
    return NotImplemented


def _set_of_a_subclass(value: Any, content: Content) -> Any:
    """What set.__reduce__ returns, with the items in order."""
    kind, (items,), state = value.__reduce__()
    return kind, (ordered(items, content),), state


def ordered(items: Any, content: Content) -> list[Any]:
    """Items of a set in an order that depends on their content alone; in the set's order if `content` fails.

    Each process hashes strings with a random number of its own, so a set's order differs from process to process.
    """
    found = list(items)
    if len(found) < 2:
        return found
    kinds = set(map(type, found))
    if len(kinds) == 1 and kinds <= {str, bytes, int}:
        found.sort()
        return found
    try:
        found.sort(key=content)
    except Exception:  # the set itself is about to be pickled, and that error says what cannot be
        return list(items)
    return found


def _torch_typed(value: Any, storages: dict[int, Any]) -> Any:
    """A typed view of a storage: tensors make a new one each time they are pickled, of a storage they may share."""
    untyped = getattr(value, "_untyped_storage", None)
    if untyped is None:
        untyped = value._storage if hasattr(value, "_storage") else value.untyped()
    if untyped.device.type != "cpu":
        return NotImplemented
    return typed_storage, (storages.setdefault(untyped._cdata, untyped), value.dtype)


def _torch_untyped(value: Any) -> Any:
    """A storage in main memory is a buffer; others are left to torch."""
    if value.device.type != "cpu":
        return NotImplemented
    size = value.nbytes()
    if size == 0:
        return untyped_storage, (b"",)
    memory = (ctypes.c_char * size).from_address(value.data_ptr())
    memory.owner = value
    return untyped_storage, (pickle.PickleBuffer(memory),)


# What pickles name: part of the store's format.


def untyped_storage(buffer: Any) -> Any:
    """Make a torch storage on top of a buffer."""
    torch: Any = importlib.import_module("torch")
    if len(buffer) == 0:
        return torch.UntypedStorage(0)
    tensor = torch.frombuffer(buffer, dtype=torch.uint8)
    if hasattr(tensor, "untyped_storage"):
        return tensor.untyped_storage()
    typed: Any = tensor.storage()  # torch before 2.0
    return typed.untyped()


def typed_storage(untyped: Any, dtype: Any) -> Any:
    """Make the typed view of a torch storage that tensors are rebuilt from."""
    torch: Any = importlib.import_module("torch")
    try:
        return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype, _internal=True)
    except TypeError:  # torch before 2.0
        return torch.storage.TypedStorage(wrap_storage=untyped, dtype=dtype)
