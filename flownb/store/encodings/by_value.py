"""Classes and functions that no name leads to, pickled by what they are made of.

Takes what a step's body or a shared cell defines inside of something else (``F.step.<locals>.C``, lambdas, closures);
gives reductions from which they are built anew in another process. What can be found by its name is left to pickle, and
so is everything that no flow defined: a library's local function keeps pickle's error.

Code is kept as bytecode, which only the Python version that made it can run: loading it elsewhere is refused. Globals
are those of the module of the same name in the process that loads, never a copy. The functions that pickles name
(`function`, `plain_class` …) are part of the store's format: keep their names and parameters.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import hashlib
import importlib
import importlib.util
import inspect
import marshal
import pickle
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import CellType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

__all__ = ["Definitions"]

FLOW = "flownb_flow_"
# Bytecode of one Python version; importlib checks .pyc files by the same number.
BYTECODE = int.from_bytes(importlib.util.MAGIC_NUMBER[:2], "little")
# Version 2 writes no back references, which depend on how often an object happens to be referred to.
MARSHAL = 2
# What a class statement makes by itself.
MADE = frozenset(("__dict__", "__weakref__", "__module__", "__qualname__", "__abstractmethods__", "_abc_impl"))
# What has to be there when the class is made.
FIRST = ("__doc__", "__slots__", "__orig_bases__")
MEMBER = frozenset(("_value_", "_name_", "__objclass__", "_sort_order_"))
DATACLASS_CONSTANTS = {
    id(value): name
    for name, value in vars(dataclasses).items()
    if type(value).__module__ == "dataclasses" and not isinstance(value, type | FunctionType)
}
FIELD: tuple[str, ...] = tuple(vars(dataclasses.Field)["__slots__"])
PARTS: tuple[type, ...] = (
    dataclasses.Field,
    CellType,
    ModuleType,
    MappingProxyType,
    property,
    classmethod,
    staticmethod,
    functools.cached_property,
    functools._lru_cache_wrapper,
    *{type(value) for value in vars(dataclasses).values() if id(value) in DATACLASS_CONSTANTS},
)


class Definitions:
    """What one pickle defines by value.

    Parameters
    ----------
    dump : callable, optional
        Pickles a class alone, giving parts; their hash tells equal definitions, so that artifacts loaded by one
        process share the class. None leaves every class its own.
    """

    def __init__(self, dump: Callable[[Any], Iterable[memoryview | bytes]] | None = None) -> None:
        self._dump = dump
        self._parts: set[int] = set()
        self._any = False

    @staticmethod
    def concern(kind: type) -> bool:
        """Whether values of this type may be pickled by value."""
        return issubclass(kind, (type, FunctionType, *PARTS))

    def reduce(self, value: Any) -> Any:
        """Give a reduction, or NotImplemented to leave the value to pickle.

        Raises
        ------
        pickle.PicklingError
            If a class or function would not be the same when it is loaded.
        """
        if isinstance(value, FunctionType):
            return self._function(value) if _is_flows(value) and not _is_found(value) else NotImplemented
        if isinstance(value, type):
            return self._class(value) if _is_flows(value) and not _is_found(value) else NotImplemented
        return self._part(value) if self._any else NotImplemented

    def _function(self, value: FunctionType) -> Any:
        home = value.__globals__.get("__name__")
        if home is None or not (_is_flow(home) or vars(sys.modules.get(home, object)) is value.__globals__):
            raise pickle.PicklingError(f"{_label(value)} runs in a namespace that is no module's")
        self._any = True
        cells = value.__closure__ or ()
        contents = []
        for number, cell in enumerate(cells):
            self._parts.add(id(cell))
            try:
                content = cell.cell_contents
            except ValueError:  # a name that nothing is assigned to yet
                continue
            self._keep_module(content)
            contents.append((number, content))
        state = {
            "name": sys.intern(value.__name__),
            "qualname": sys.intern(value.__qualname__),
            "module": _one(value.__module__),
            "doc": _one(value.__doc__),
            "defaults": value.__defaults__,
            "kwdefaults": _interned(value.__kwdefaults__),
            "annotations": _interned(value.__annotations__),
            "dict": _interned(value.__dict__),
            "cells": contents,
        }
        code = marshal.dumps(value.__code__, MARSHAL)
        return function, (BYTECODE, state["qualname"], code, _one(home), cells), state, None, None, fill_function

    def _class(self, value: type) -> Any:
        self._any = True
        token = self._token(value)
        if issubclass(value, enum.Enum):
            return self._enum(value, token)
        if _is_namedtuple(value):
            return self._namedtuple(value, token)
        hook: Any = super(value, value).__init_subclass__  # type: ignore[misc]  # any class has object above it
        try:
            if isinstance(hook, MethodType):
                inspect.signature(hook).bind()
        except TypeError as error:
            raise pickle.PicklingError(f"{_label(value)} was made with keywords that are not known any more") from error
        attributes = vars(value)
        first = {name: _table(attributes[name]) for name in FIRST if name in attributes}
        rest = {
            name: content
            for name, content in attributes.items()
            if name not in MADE and name not in FIRST and not isinstance(content, MemberDescriptorType)
        }
        args = (type(value), *_names(value), value.__bases__, first, token)
        return plain_class, args, (self._attributes(rest), token), None, None, fill_class

    def _enum(self, value: Any, token: str) -> Any:
        attributes = vars(value)
        if _is_users(attributes.get("__new_member__")):
            raise pickle.PicklingError(f"{_label(value)} makes its members with a __new__ of its own")
        members = tuple((sys.intern(name), member._value_) for name, member in value.__members__.items())
        args = (type(value), *_names(value), value.__bases__, members, getattr(value, "_boundary_", None), token)
        made = vars(enum_class(*args[:-1], ""))
        rest = {name: content for name, content in attributes.items() if _is_added(name, content, made)}
        extras = {}
        for name, member in value.__members__.items():
            extra = {key: content for key, content in vars(member).items() if key not in MEMBER}
            if extra and name == member._name_:
                extras[sys.intern(name)] = _interned(extra)
        return enum_class, args, (self._attributes(rest), token, extras), None, None, fill_class

    def _namedtuple(self, value: Any, token: str) -> Any:
        defaults = tuple(value._field_defaults.values())
        args = (*_names(value), value._fields, defaults, token)
        made = vars(namedtuple_class(*args[:-1], ""))
        rest = {name: content for name, content in vars(value).items() if _is_added(name, content, made)}
        return namedtuple_class, args, (self._attributes(rest), token), None, None, fill_class

    def _part(self, value: Any) -> Any:
        """What definitions are made of and pickle does not know."""
        if isinstance(value, CellType):
            return (cell, ()) if id(value) in self._parts else NotImplemented
        if isinstance(value, ModuleType):
            return (importlib.import_module, (value.__name__,)) if id(value) in self._parts else NotImplemented
        if isinstance(value, property):
            return property, (value.fget, value.fset, value.fdel, _one(value.__doc__))
        if isinstance(value, classmethod | staticmethod):
            return type(value), (value.__func__,)
        if isinstance(value, MappingProxyType):
            return mapping_proxy, (dict(value),)
        if isinstance(value, functools.cached_property):
            return cached_property, (value.func, _one(value.attrname))
        if isinstance(value, functools._lru_cache_wrapper):
            wrapped = value.__wrapped__
            if not isinstance(wrapped, FunctionType) or not _is_flows(wrapped) or _is_found(value):
                return NotImplemented
            return lru_cache, (wrapped, tuple(value.cache_parameters().values()))
        if isinstance(value, dataclasses.Field):
            return dataclass_field, (_interned({name: getattr(value, name) for name in FIELD}),)
        name = DATACLASS_CONSTANTS.get(id(value))
        return NotImplemented if name is None else (dataclass_constant, (name,))

    def _attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        for content in attributes.values():
            self._keep_module(content)
        return {
            sys.intern(name): _table(content) if name.startswith("__") else _one(content)
            for name, content in sorted(attributes.items(), key=lambda item: item[0] != "__doc__")
        }

    def _keep_module(self, content: Any) -> None:
        """Let a module be pickled that a body imported and its functions use; as a value of its own it is refused."""
        if isinstance(content, ModuleType):
            self._parts.add(id(content))

    def _token(self, value: type) -> str:
        """Tell equal definitions of a class."""
        if self._dump is None:
            return ""
        digest = hashlib.blake2b(digest_size=16)
        for part in self._dump(value):
            digest.update(part)
        return digest.hexdigest()


def _is_flow(module: object) -> bool:
    return isinstance(module, str) and (module.startswith(FLOW) or module == "__main__")


def _is_flows(value: Any) -> bool:
    """Whether a flow, or the notebook, defined a class or function."""
    return _is_flow(getattr(value, "__module__", None)) or (
        isinstance(value, FunctionType) and _is_flow(value.__globals__.get("__name__"))
    )


def _is_found(value: Any) -> bool:
    """Whether pickle's way, by name, is the one to take: it leads to the value, or to what has taken its place."""
    module = sys.modules.get(value.__module__)
    found: Any = module
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is None or "<locals>" in value.__qualname__:
        return False
    # A function behind its decorator has the name of what the decorator made of it. But a class, or a function of an
    # earlier copy of the module, was replaced: pickle says so.
    return found is value or not (isinstance(value, FunctionType) and value.__globals__ is vars(module))


def _is_users(content: Any) -> bool:
    """Whether an attribute is a method that a flow defined."""
    if isinstance(content, property):
        return any(_is_users(part) for part in (content.fget, content.fset, content.fdel))
    content = getattr(content, "__func__", content)
    return isinstance(content, FunctionType) and _is_flow(content.__globals__.get("__name__"))


def _is_added(name: str, content: Any, made: Mapping[str, Any]) -> bool:
    """Whether a class body gave an attribute, rather than what made the class of its name and members."""
    return name not in made or name == "__doc__" or _is_users(content)


def _is_namedtuple(value: type) -> bool:
    """Whether `collections.namedtuple` or `typing.NamedTuple` made a class itself."""
    new = getattr(vars(value).get("__new__"), "__func__", None)
    return (
        value.__bases__[0] is tuple
        and isinstance(new, FunctionType)
        and str(new.__globals__.get("__name__")).startswith("namedtuple_")
    )


def _names(value: type) -> tuple[str, str, str]:
    return sys.intern(value.__name__), sys.intern(value.__qualname__), sys.intern(value.__module__)


def _interned(content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Give a dict whose strings are the same objects wherever they are equal, as pickle tells objects apart."""
    if content is None:
        return None
    return {_one(name): _one(part) for name, part in content.items()}


def _one(value: Any) -> Any:
    """Give the one object for equal strings, and all else as it is."""
    return sys.intern(value) if type(value) is str else value


def _table(content: Any) -> Any:
    """Give what Python keeps of a class (``__annotations__``, ``__match_args__`` …) with each string as one object."""
    if type(content) is dict:
        return _interned(content)
    return tuple(map(_one, content)) if type(content) is tuple else _one(content)


def _label(value: Any) -> str:
    return f"{'class' if isinstance(value, type) else 'function'} `{value.__qualname__}`"


# What pickles name. A class is filled after it was made, for its methods may refer to it.

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
        (value.__closure__ or ())[number].cell_contents = content


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
    for name, content in attributes.items():
        type.__setattr__(value, name, content)
    if extras:
        members: Any = value
        for name, extra in extras[0].items():
            vars(members[name]).update(extra)
    made: Any = value
    abc.update_abstractmethods(made)
    if entry is not None:
        entry[1] = True


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
