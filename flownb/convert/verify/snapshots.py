"""What the names of a plain notebook hold after a cell: stored by content, so that equal values have equal keys.

A snapshot is taken inside of the kernel between two cells. Values are written with flownb's own encodings, so one that
cannot be stored is found with its name, its type and the reason.
"""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from flownb.errors import UnpicklableArtifact
from flownb.store.artifacts import ArtifactStore
from flownb.store.records import ArtifactRef, Packed

__all__ = ["Held", "from_data", "shape_of", "take_snapshot", "to_data"]

# Values that no one can change, so that two names of one object mean nothing.
_UNCHANGEABLE = (int, float, complex, str, bytes, bool, type(None), range, type, FunctionType, BuiltinFunctionType)


@dataclass(frozen=True)
class Held:
    """What one name holds.

    Attributes
    ----------
    type : str
        Such as ``"pandas.DataFrame"``.
    shape : str
        Its size in words, such as ``"150 × 4"``; empty if it has none.
    ref : ArtifactRef or None
        Where the value is; None if it cannot be stored.
    problem : str
        Why it cannot be stored by Metaflow; empty if it can.
    identity : int
        Equal for two names of one object that can be changed; 0 for values that cannot.
    """

    type: str
    shape: str = ""
    ref: ArtifactRef | None = None
    problem: str = ""
    identity: int = 0


def take_snapshot(namespace: Mapping[str, Any], names: Collection[str], artifacts: ArtifactStore) -> dict[str, Held]:
    """Store what names hold, without a trace in the process.

    Parameters
    ----------
    namespace : mapping of str to object
        The notebook's names.
    names : collection of str
        Those to store; modules among them are left out.
    artifacts : ArtifactStore

    Returns
    -------
    dict of str to Held
        Without names that do not exist.

    Notes
    -----
    Pickling an object executes its own methods. What they print is dropped, warnings too, and the states of the random
    generators of Python and NumPy are put back.
    """
    values = {
        name: namespace[name] for name in names if name in namespace and not isinstance(namespace[name], ModuleType)
    }
    with _untouched():
        saved = artifacts.save_all(values, before={})
        artifacts.settle()
        return {name: _held(value, saved.refs.get(name), saved.failures.get(name)) for name, value in values.items()}


@contextlib.contextmanager
def _untouched() -> Iterator[None]:
    """Drop what is printed in the block, and put the random generators back."""
    import random

    numpy: Any = sys.modules.get("numpy.random")
    before, before_numpy = random.getstate(), numpy.get_state() if numpy is not None else None
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.set_state(before_numpy)


def _held(value: Any, ref: ArtifactRef | None, failure: UnpicklableArtifact | None) -> Held:
    """One value with what was stored of it."""
    kind = type(value)
    module = kind.__module__.split(".")[0]
    name = kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
    problem = ""
    if failure is not None:
        problem = failure.why or failure.what
    elif ref is not None and ref.by_value:
        problem = f"Metaflow cannot pickle {ref.by_value}."
    return Held(name, shape_of(value), ref, problem, 0 if isinstance(value, _UNCHANGEABLE) else id(value))


def shape_of(value: Any) -> str:
    """The size of a value in words; empty if it has none or does not say it."""
    try:
        shape = value.shape
        if isinstance(shape, tuple) and all(isinstance(one, int) for one in shape):
            return " × ".join(map(str, shape))
    except Exception:  # code of the user's, or of a library that has another meaning of the word
        pass
    if isinstance(value, list | tuple | dict | set | frozenset | bytes | bytearray):
        return f"{len(value)} item{'s' * (len(value) != 1)}"
    if isinstance(value, str):
        return f"{len(value)} character{'s' * (len(value) != 1)}"
    return ""


def to_data(snapshot: Mapping[str, Held]) -> dict[str, Any]:
    """A snapshot as JSON."""
    return {name: asdict(held) for name, held in snapshot.items()}


def from_data(data: Mapping[str, Any]) -> dict[str, Held]:
    """The snapshot that `to_data` wrote."""
    return {name: Held(**{**held, "ref": ref_from_data(held["ref"])}) for name, held in data.items()}


def ref_from_data(data: Mapping[str, Any] | None) -> ArtifactRef | None:
    """A reference to a value that was written as JSON."""
    if data is None:
        return None
    return ArtifactRef(**{**data, "packed": None if data["packed"] is None else Packed(**data["packed"])})
