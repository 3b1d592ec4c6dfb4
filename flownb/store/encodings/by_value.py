"""Classes and functions that cannot be imported by name, pickled by what they are made of.

These are what a step's body or a shared cell defines inside of something else (``F.step.<locals>.C``, lambdas,
closures); another process builds them again from their reductions. What can be found by its name is left to pickle, and
so is everything that no flow defined: for a library's local function pickle's error remains.

Code is kept as bytecode, which only the Python version that made it can run: loading it elsewhere is refused. Globals
are those of the module of the same name in the process that loads, never a copy. `flownb.store.encodings.rebuild` has
what pickles name.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
import hashlib
import importlib
import inspect
import marshal
import pickle
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from types import CellType, FunctionType, MappingProxyType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from flownb.store.encodings.rebuild import (
    BYTECODE,
    cached_property,
    cell,
    dataclass_constant,
    dataclass_field,
    enum_class,
    fill_class,
    fill_function,
    function,
    lru_cache,
    mapping_proxy,
    namedtuple_class,
    plain_class,
    type_variable,
)

__all__ = ["Definitions"]

FLOW = "flownb_flow_"
# Version 2 writes no back references, which depend on how often an object happens to be referred to.
MARSHAL = 2
# What a class statement makes by itself, and what pickling an instance leaves in its class.
MADE = frozenset(
    ("__dict__", "__weakref__", "__module__", "__qualname__", "__abstractmethods__", "_abc_impl", "__slotnames__")
)
# What has to be there when the class is made.
FIRST = ("__doc__", "__slots__", "__orig_bases__")
MEMBER = frozenset(("_value_", "_name_", "__objclass__", "_sort_order_"))
DATACLASS_CONSTANTS = {
    id(value): name
    for name, value in vars(dataclasses).items()
    if type(value).__module__ == "dataclasses" and not isinstance(value, type | FunctionType)
}
VARIANCE = ("covariant", "contravariant", "infer_variance")
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
    typing.ForwardRef,
    *{type(value) for value in vars(dataclasses).values() if id(value) in DATACLASS_CONSTANTS},
)


class _Strings(dict[str, str]):
    """One string object for each text that a definition is made of.

    pickle writes equal strings once only if they are one object. Here it must not depend on which of them this process
    has interned, nor on whether the user's own data happen to be the same objects: equal definitions are to have equal
    bytes. (Of strings of one letter a process may have two, which cannot be helped.)
    """

    def __missing__(self, text: str) -> str:
        made = self[text] = (text + " ")[:-1]
        return made

    def one(self, value: Any) -> Any:
        """The one object for equal strings; other values as they are."""
        return self[value] if type(value) is str else value

    def table(self, content: Any) -> Any:
        """Give the same for the strings of a dict or tuple (``__annotations__``, ``__match_args__`` …)."""
        if type(content) is dict:
            return {self.one(name): self.one(part) for name, part in content.items()}
        return tuple(map(self.one, content)) if type(content) is tuple else self.one(content)

    def names(self, value: type) -> tuple[str, str, str]:
        """What a class is called."""
        return self[value.__name__], self[value.__qualname__], self[value.__module__]


class Definitions:
    """What one pickle defines by value.

    Parameters
    ----------
    dump : callable, optional
        Pickles a class alone and returns parts; equal definitions have equal hashes of them, so that artifacts loaded
        by one process share the class. With None no classes are shared.

    Attributes
    ----------
    first : str
        What was defined by value first (``"a lambda"``, ``"the class `C`"``), empty if nothing was: no other pickler
        can write such a value.
    """

    def __init__(self, dump: Callable[[Any], Iterable[memoryview | bytes]] | None = None) -> None:
        self._dump = dump
        self._strings = _Strings()
        self._parts: set[int] = set()
        self._any = False
        self.first = ""

    @staticmethod
    def concern(kind: type) -> bool:
        """Whether values of this type may be pickled by value."""
        return issubclass(kind, (type, FunctionType, typing.TypeVar, *PARTS))

    def reduce(self, value: Any) -> Any:
        """A reduction, or NotImplemented to leave the value to pickle.

        Raises
        ------
        pickle.PicklingError
            If a class or function would not be the same when it is loaded.
        """
        if isinstance(value, FunctionType):
            return self._function(value) if _is_flows(value) and not _is_found(value) else NotImplemented
        if isinstance(value, type):
            return self._class(value) if _is_flows(value) and not _is_found(value) else NotImplemented
        if isinstance(value, functools._lru_cache_wrapper):
            return self._cached(value)
        if isinstance(value, typing.TypeVar):
            return self._type_variable(value)
        return self._part(value) if self._any else NotImplemented

    def _function(self, value: FunctionType) -> Any:
        home = value.__globals__.get("__name__")
        if home is None or not (_is_flow(home) or vars(sys.modules.get(home, object)) is value.__globals__):
            raise pickle.PicklingError(f"{_label(value)} runs in a namespace that does not belong to a module")
        self._any, self.first = True, self.first or _called(value)
        cells = value.__closure__ or ()
        contents = []
        for number, one in enumerate(cells):
            self._parts.add(id(one))
            try:
                content = one.cell_contents
            except ValueError:  # a name that nothing is assigned to yet
                continue
            self._keep_module(content)
            contents.append((number, content))
        state = {
            "name": self._strings[value.__name__],
            "qualname": self._strings[value.__qualname__],
            "module": self._strings.one(value.__module__),
            "doc": self._strings.one(value.__doc__),
            "defaults": value.__defaults__,
            "kwdefaults": self._strings.table(value.__kwdefaults__),
            "annotations": self._strings.table(value.__annotations__),
            "dict": self._strings.table(value.__dict__),
            "cells": contents,
        }
        code = marshal.dumps(value.__code__, MARSHAL)
        return (
            function,
            (BYTECODE, state["qualname"], code, self._strings.one(home), cells),
            state,
            None,
            None,
            fill_function,
        )

    def _class(self, value: type) -> Any:
        self._any, self.first = True, self.first or _called(value)
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
            raise pickle.PicklingError(f"{_label(value)} was made with keywords that are no longer known") from error
        attributes = vars(value)
        first = {name: self._strings.table(attributes[name]) for name in FIRST if name in attributes}
        rest = {
            name: content
            for name, content in attributes.items()
            if name not in MADE and name not in FIRST and not isinstance(content, MemberDescriptorType)
        }
        args = (type(value), *self._strings.names(value), value.__bases__, first, token)
        registered = _registered(value)
        extras: tuple[Any, ...] = ({}, registered) if registered else ()
        return plain_class, args, (self._attributes(rest), token, *extras), None, None, fill_class

    def _enum(self, value: Any, token: str) -> Any:
        attributes = vars(value)
        if _is_users(attributes.get("__new_member__")):
            raise pickle.PicklingError(f"{_label(value)} makes its members with a __new__ of its own")
        members = tuple((self._strings[name], member._value_) for name, member in value.__members__.items())
        args = (
            type(value),
            *self._strings.names(value),
            value.__bases__,
            members,
            getattr(value, "_boundary_", None),
            token,
        )
        made = vars(enum_class(*args[:-1], ""))
        rest = {name: content for name, content in attributes.items() if _is_added(name, content, made)}
        extras = {}
        for name, member in value.__members__.items():
            extra = {key: content for key, content in vars(member).items() if key not in MEMBER}
            if extra and name == member._name_:
                extras[self._strings[name]] = self._strings.table(extra)
        return enum_class, args, (self._attributes(rest), token, extras), None, None, fill_class

    def _namedtuple(self, value: Any, token: str) -> Any:
        defaults = tuple(value._field_defaults.values())
        args = (*self._strings.names(value), value._fields, defaults, token)
        made = vars(namedtuple_class(*args[:-1], ""))
        rest = {name: content for name, content in vars(value).items() if _is_added(name, content, made)}
        return namedtuple_class, args, (self._attributes(rest), token), None, None, fill_class

    def _cached(self, value: Any) -> Any:
        """A function behind `functools.lru_cache`."""
        wrapped = getattr(value, "__wrapped__", None)
        if not isinstance(wrapped, FunctionType) or not _is_flows(wrapped) or _is_found(value):
            return NotImplemented
        return lru_cache, (wrapped, tuple(value.cache_parameters().values()))

    def _type_variable(self, value: Any) -> Any:
        """A variable of types that a body made; those of modules are found by their name."""
        module = value.__module__
        if not _is_flow(module) or getattr(sys.modules.get(module), value.__name__, None) is value:
            return NotImplemented
        self._any, self.first = True, self.first or f"the type variable `{value.__name__}`"
        variance = {name: True for name in VARIANCE if getattr(value, f"__{name}__", False)}
        args = (self._strings[value.__name__], self._strings[module], value.__constraints__, value.__bound__, variance)
        return type_variable, args

    def _part(self, value: Any) -> Any:
        """What definitions are made of and pickle does not know."""
        if isinstance(value, CellType):
            return (cell, ()) if id(value) in self._parts else NotImplemented
        if isinstance(value, ModuleType):
            return (importlib.import_module, (value.__name__,)) if id(value) in self._parts else NotImplemented
        if isinstance(value, property):
            return property, (value.fget, value.fset, value.fdel, self._strings.one(value.__doc__))
        if isinstance(value, classmethod | staticmethod):
            return type(value), (value.__func__,)
        if isinstance(value, MappingProxyType):
            return mapping_proxy, (dict(value),)
        if isinstance(value, functools.cached_property):
            return cached_property, (value.func, self._strings.one(value.attrname))
        if isinstance(value, dataclasses.Field):
            return dataclass_field, (self._strings.table({name: getattr(value, name) for name in FIELD}),)
        if isinstance(value, typing.ForwardRef):
            return typing.ForwardRef, (self._strings.one(value.__forward_arg__),)
        name = DATACLASS_CONSTANTS.get(id(value))
        return NotImplemented if name is None else (dataclass_constant, (name,))

    def _attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        for content in attributes.values():
            self._keep_module(content)
        return {
            self._strings[name]: self._strings.table(content) if name.startswith("__") else self._strings.one(content)
            for name, content in sorted(attributes.items(), key=lambda item: item[0] != "__doc__")
        }

    def _keep_module(self, content: Any) -> None:
        """Let a module be pickled that a body imported and its functions use; as a value of its own it is refused."""
        if isinstance(content, ModuleType):
            self._parts.add(id(content))

    def _token(self, value: type) -> str:
        """A hash that equal definitions of a class share."""
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
        if found is None:
            return False
    if "<locals>" in value.__qualname__:
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


def _registered(value: type) -> list[type]:
    """Classes that were registered with an abstract one, in an order that does not depend on the process."""
    if not isinstance(value, abc.ABCMeta):
        return []
    found = [one for reference in abc._get_dump(value)[0] if (one := reference()) is not None]  # type: ignore[attr-defined]  # not in typeshed; CPython has it for its own tests
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


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


def _called(value: Any) -> str:
    """What a user calls a class or function that is defined by value."""
    name = value.__qualname__.rpartition("<locals>.")[2]
    return "a lambda" if name == "<lambda>" else f"the {'class' if isinstance(value, type) else 'function'} `{name}`"


def _label(value: Any) -> str:
    return f"{'class' if isinstance(value, type) else 'function'} `{value.__qualname__}`"
