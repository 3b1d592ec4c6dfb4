"""Functions that pickles call to build classes and functions again that were pickled by value.

`flownb.store.encodings.by_value` writes the calls. The names and parameters of these functions are part of the store's
format, because stored values call them. A class or function is filled after it was made: it may refer to itself.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import marshal
import pickle
import sys
import typing
import weakref
from collections.abc import Callable
from types import CellType, FunctionType, MappingProxyType, ModuleType
from typing import Any

__all__ = [
    "BYTECODE",
    "cached_property",
    "cell",
    "dataclass_constant",
    "dataclass_field",
    "enum_class",
    "fill_class",
    "fill_function",
    "function",
    "lru_cache",
    "mapping_proxy",
    "namedtuple_class",
    "plain_class",
    "type_variable",
]

# Bytecode of one Python version; importlib checks .pyc files by the same number.
BYTECODE = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")

# The classes that were made for a module, by their definition's hash, and whether each was filled.
_made: weakref.WeakKeyDictionary[ModuleType, dict[str, list[Any]]] = weakref.WeakKeyDictionary()


def _shared(module: str, token: str, make: Callable[[], Any]) -> Any:
    """Give the class of this definition, made the first time it is asked for."""
    if not token:
        return make()
    known = _made.setdefault(importlib.import_module(module), {})
    if token not in known:
        known[token] = [make(), False]
    return known[token][0]


def function(bytecode: int, qualname: str, code: bytes, home: str, cells: tuple[CellType, ...]) -> FunctionType:
    """Make a function whose cells and attributes are filled later."""
    if bytecode != BYTECODE:
        raise pickle.UnpicklingError(
            f"function `{qualname}` was stored as bytecode {bytecode} by another version of Python; "
            f"this is Python {sys.version_info[0]}.{sys.version_info[1]} with bytecode {BYTECODE}"
        )
    return FunctionType(marshal.loads(code), vars(importlib.import_module(home)), closure=cells or None)


def fill_function(value: FunctionType, state: dict[str, Any]) -> None:
    """Give a function its attributes and its cells their contents."""
    value.__name__, value.__qualname__ = sys.intern(state["name"]), sys.intern(state["qualname"])
    value.__module__, value.__doc__ = state["module"], state["doc"]
    value.__defaults__, value.__kwdefaults__ = state["defaults"], state["kwdefaults"]
    value.__annotations__ = state["annotations"]
    value.__dict__.update(state["dict"])
    for number, content in state["cells"]:
        if isinstance(content, ModuleType):
            _import_submodules(content, value.__code__.co_names)
        (value.__closure__ or ())[number].cell_contents = content


def _import_submodules(package: ModuleType, names: tuple[str, ...]) -> None:
    """Import what a function may mean by ``xml.etree.ElementTree`` if it has only ``xml`` from where it was defined."""
    if not hasattr(package, "__path__"):
        return
    for name in names:
        full = f"{package.__name__}.{name}"
        if full not in sys.modules and not hasattr(package, name):
            with contextlib.suppress(Exception):  # it may mean something else by the name
                importlib.import_module(full)
        if isinstance(found := sys.modules.get(full), ModuleType):
            _import_submodules(found, names)


def cell() -> CellType:
    """Make an empty cell; functions that share a variable share it."""
    return CellType()


def plain_class(
    meta: type, name: str, qualname: str, module: str, bases: tuple[type, ...], first: dict[str, Any], token: str
) -> type:
    """Make an empty class, past its metaclass: what that did to the class is among the attributes."""

    def make() -> type:
        new: Any = abc.ABCMeta.__new__ if issubclass(meta, abc.ABCMeta) else type.__new__
        made: type = new(meta, name, bases, {"__module__": module, "__qualname__": qualname, **first})
        return made

    found: type = _shared(module, token, make)
    return found


def enum_class(
    meta: Any,
    name: str,
    qualname: str,
    module: str,
    bases: tuple[type, ...],
    members: tuple[tuple[str, Any], ...],
    boundary: Any,
    token: str,
) -> type:
    """Make an enum with its members."""

    def make() -> type:
        namespace = meta.__prepare__(name, bases)
        namespace["__module__"], namespace["__qualname__"] = module, qualname
        for member, value in members:
            namespace[member] = value
        made: type = meta.__new__(meta, name, bases, namespace, boundary=boundary)
        return made

    found: type = _shared(module, token, make)
    return found


def namedtuple_class(
    name: str, qualname: str, module: str, fields: tuple[str, ...], defaults: tuple[Any, ...], token: str
) -> type:
    """Make a named tuple."""

    def make() -> type:
        made = collections.namedtuple(name, fields, defaults=defaults, module=module)  # type: ignore[misc]  # not static
        made.__qualname__ = qualname
        return made

    found: type = _shared(module, token, make)
    return found


def fill_class(value: type, state: tuple[Any, ...]) -> None:
    """Give a class its attributes, the first time that its definition is loaded."""
    attributes, token, *extras = state
    entry = _made.get(sys.modules[value.__module__], {}).get(token) if token else None
    if entry is not None and entry[1]:
        return
    for name in attributes:
        if name in vars(value) and name != "__doc__":  # set when the class was made, as by `Generic`; its place differs
            type.__delattr__(value, name)
    for name, content in attributes.items():
        type.__setattr__(value, name, content)
    if extras:
        members: Any = value
        for name, extra in extras[0].items():
            vars(members[name]).update(extra)
        for kind in extras[1] if len(extras) > 1 else ():
            members.register(kind)
    made: Any = value
    abc.update_abstractmethods(made)
    if entry is not None:
        entry[1] = True


def type_variable(
    name: str, module: str, constraints: tuple[Any, ...], bound: Any, variance: dict[str, bool]
) -> typing.TypeVar:
    """Make a variable of types."""
    made = typing.TypeVar(name, *constraints, bound=bound, **variance)  # type: ignore[misc]  # not static
    made.__module__ = module
    return made


def cached_property(func: Any, name: str) -> functools.cached_property[Any]:
    """Make a cached property that knows its name."""
    made = functools.cached_property(func)
    made.attrname = name
    return made


def mapping_proxy(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """Make a read-only view of a dict."""
    return MappingProxyType(content)


def lru_cache(wrapped: Any, parameters: tuple[int | None, bool]) -> Any:
    """Make a cached function; its cache starts empty."""
    return functools.lru_cache(*parameters)(wrapped)


def dataclass_constant(name: str) -> Any:
    """Give one of the objects that dataclasses compares by identity."""
    return getattr(dataclasses, name)


def dataclass_field(state: dict[str, Any]) -> dataclasses.Field[Any]:
    """Make the field of a dataclass."""
    made: dataclasses.Field[Any] = dataclasses.Field.__new__(dataclasses.Field)
    for name, content in state.items():
        setattr(made, name, content)
    return made
