"""``ConfigValue``: the value of a config as steps see it.

It is a nested dictionary that cannot be changed and that is read with dots or brackets. Its behaviour follows
``metaflow/user_configs/config_parameters.py`` of 2.19.39.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

__all__ = ["ConfigValue"]


if TYPE_CHECKING:
    _Bases = dict[Any, Any]
else:

    class _Bases(Mapping, dict):
        """The bases that Metaflow's class has, so that views and `reversed` are the same."""

        __getitem__ = dict.__getitem__
        __iter__ = dict.__iter__
        __len__ = dict.__len__
        keys = dict.keys


class ConfigValue(_Bases):
    """A dictionary whose keys are also attributes, and that nobody can change.

    Parameters
    ----------
    data : mapping
        Nested as deep as you like; mappings in it, also those in lists, tuples and sets, become a `ConfigValue` too.

    Examples
    --------
    >>> config = ConfigValue({"model": {"depth": 6}})
    >>> config.model.depth == config["model"]["depth"] == 6
    True
    """

    def __init__(self, data: Mapping[Any, Any]) -> None:
        super().__init__({key: _seen(value) for key, value in data.items()})

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None) -> ConfigValue:
        """A value with the same entry for every key."""
        return cls(dict.fromkeys(iterable, value))

    def to_dict(self) -> dict[Any, Any]:
        """The same as plain dictionaries, at every depth."""
        return {key: _plain(value) for key, value in self.items()}

    def copy(self) -> ConfigValue:
        """A value with the same entries."""
        return type(self)(self)

    __copy__ = copy

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(key for key in self if isinstance(key, str) and key.isidentifier())]

    def __reduce__(self) -> Any:
        return (type(self), (self.to_dict(),))

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse everything that would change the value."""
        raise TypeError("ConfigValue is immutable")

    __setattr__ = __delattr__ = __setitem__ = __delitem__ = __ior__ = _refuse
    clear = update = setdefault = pop = popitem = _refuse


def _seen(value: Any) -> Any:
    """A part of a config as steps see it."""
    if isinstance(value, Mapping):
        return value if isinstance(value, ConfigValue) else ConfigValue(value)
    if isinstance(value, list | tuple | set):
        return type(value)([_seen(one) for one in value])
    return value


def _plain(value: Any) -> Any:
    """A part of a config as it is stored."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)([_plain(one) for one in value])
    return value
