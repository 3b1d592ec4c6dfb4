"""``config_expr`` and what ``cfg.a.b`` is in a class body: a config's value that is not known yet.

When a run starts, every such expression in what decorators and parameters were given is replaced by its value. The
rules follow ``metaflow/user_configs/config_parameters.py`` of 2.19.39: an expression is Python, evaluated with the
configs as variables.
"""

from __future__ import annotations

import ast
import keyword
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from flownb.errors import ParameterError, nearest
from flownb.runtime.parameters.config_value import ConfigValue

__all__ = ["ConfigExpression", "config_expr", "configs_read", "resolve", "resolve_settings"]

# `f(**cfg.options)` passes one argument of such a name; it is replaced by its value later.
UNPACK = "_flownb_unpacked_"
# What has no expression in it.
PLAIN = frozenset({str, int, float, bool, type})
NO_NAMES: frozenset[str] = frozenset()


class ConfigExpression(Mapping[str, Any]):
    """An expression over configs; ``.name`` and ``["name"]`` make longer ones, ``**`` unpacks its value.

    Parameters
    ----------
    text : str
        Python, with the configs' names as variables.
    names : mapping of str to object
        Other names that it may read: those of the module it is written in.
    path : tuple
        Names read from its value, one after another; a name may itself be an expression.
    """

    __slots__ = ("_names", "_path", "_text")

    def __init__(self, text: str, names: Mapping[str, Any] | None = None, path: tuple[Any, ...] = ()) -> None:
        self._text = text
        self._names = names or {}
        self._path = path

    def __getattr__(self, name: str) -> ConfigExpression:
        if name.startswith("__") or not self._text.isidentifier():
            raise AttributeError(f"`config_expr({self._text!r})` has no value yet, so it has no attribute `{name}`")
        return ConfigExpression(self._text, self._names, (*self._path, name))

    def __getitem__(self, key: Any) -> ConfigExpression:
        if isinstance(key, str) and key.startswith(UNPACK):
            return self
        if not self._text.isidentifier():
            raise KeyError(key)
        return ConfigExpression(self._text, self._names, (*self._path, key))

    def __iter__(self) -> Iterator[str]:
        yield f"{UNPACK}{id(self)}"

    def __len__(self) -> int:
        return 1

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        path = "".join(f".{one}" if isinstance(one, str) and one.isidentifier() else f"[{one!r}]" for one in self._path)
        return f"{self._text}{path}"

    def _reads(self) -> Iterator[str]:
        """Names it reads, those of configs among them."""
        try:
            tree = ast.parse(self._text, mode="eval")
        except SyntaxError:
            return
        yield from (node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        for one in self._path:
            if isinstance(one, ConfigExpression):
                yield from one._reads()

    def _source(self, configs: Mapping[str, Any]) -> str:
        """The expression as one Python text."""
        source = self._text
        for one in self._path:
            name = one._value(configs) if isinstance(one, ConfigExpression) else one
            if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
                raise ParameterError(
                    f"`{self!r}` cannot be read from a config here.",
                    f"Metaflow reads each part as an attribute, and {name!r} is not a name.",
                    f'Write config_expr("{source}[{name!r}]").',
                )
            source += f".{name}"
        return source

    def _value(self, configs: Mapping[str, Any]) -> Any:
        """Its value, given each config as steps see it."""
        source = self._source(configs)
        try:
            return eval(source, {**self._names}, dict(configs))
        except (NameError, AttributeError, KeyError) as error:
            missing = str(error.name if isinstance(error, NameError | AttributeError) else error.args[0])
            known = list(configs) if isinstance(error, NameError) else _keys(configs)
            listed = ", ".join(f"`{one}`" for one in known) or "none"
            why = f"The flow's configs are {listed}." if isinstance(error, NameError) else f"The configs have {listed}."
            if missing in known:  # of a config that is declared with plain=True
                why = f"{type(error).__name__}: {error}."
            hint = "" if missing in known else nearest(missing, known)
            raise ParameterError(
                f"`{source}` has no value: there is no `{missing}`.{hint}",
                why,
                "Correct the name, or add the key to the config.",
            ) from error
        except Exception as error:
            raise ParameterError(
                f"`{source}` has no value.",
                f"It raised {type(error).__name__}: {error}.",
                "Correct the expression, or the config.",
            ) from error


def _keys(configs: Mapping[str, Any]) -> list[str]:
    """The keys of all configs, at every depth."""
    found: dict[str, None] = {}

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            for key, one in value.items():
                found.setdefault(str(key))
                walk(one)

    for value in configs.values():
        walk(value)
    return list(found)[:20]


def config_expr(expr: str) -> ConfigExpression:
    """An expression over the flow's configs, for decorators and parameters.

    Parameters
    ----------
    expr : str
        Python; the configs are variables of their names, and names of shared code can be used.

    Examples
    --------
    ::

        @environment(vars={"REGION": config_expr("cfg.region.upper()")})
    """
    return ConfigExpression(expr, sys._getframe(1).f_globals)


def resolve(value: Any, configs: Mapping[str, Any]) -> Any:
    """Replace each expression in a value, at any depth of dictionaries, lists, tuples and sets.

    Parameters
    ----------
    value : object
    configs : mapping of str to object
        Each config by name, as steps see it.

    Raises
    ------
    ParameterError
        If an expression cannot be evaluated.
    """
    if isinstance(value, ConfigExpression):
        found = value._value(configs)
        return found.to_dict() if isinstance(found, ConfigValue) else found
    if isinstance(value, dict):
        return {resolve(key, configs): resolve(one, configs) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)([resolve(one, configs) for one in value])
    return value


def resolve_settings(settings: Mapping[str, Any], configs: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve keyword arguments, and replace ``**cfg.options`` by its items.

    Parameters and errors are those of `resolve`.
    """
    found: dict[str, Any] = {}
    for name, value in settings.items():
        resolved = resolve(value, configs)
        if not name.startswith(UNPACK):
            found[name] = resolved
        elif isinstance(resolved, Mapping):
            found.update(resolved)
        else:
            raise ParameterError(
                f"`**{value!r}` has nothing to unpack.",
                f"Its value is {resolved!r}, and only a table of names and values can be unpacked.",
                "Correct the name, or the config.",
            )
    return found


def configs_read(value: Any) -> frozenset[str]:
    """Names that the expressions in a value read; empty if it has none."""
    if value is None or type(value) in PLAIN:  # nearly all of them
        return NO_NAMES
    if isinstance(value, ConfigExpression):
        return frozenset(value._reads())
    if isinstance(value, Mapping):
        return frozenset(name for pair in value.items() for one in pair for name in configs_read(one))
    if isinstance(value, list | tuple | set):
        return frozenset(name for one in value for name in configs_read(one))
    return frozenset()
