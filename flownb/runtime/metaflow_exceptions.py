"""Metaflow's modules of exceptions, as code of a flow imports them.

Takes the name of such a module; gives one whose classes catch ours: Metaflow's own classes where it is installed, else
those of `flownb.metaflow_errors`.
"""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType
from typing import Any

import flownb.errors
import flownb.runtime.failure  # noqa: F401  # it has classes that stand for Metaflow's, as the one above does
from flownb.metaflow_errors import STAND_INS

__all__ = ["EXCEPTION_MODULES"]


class _Exceptions(ModuleType):
    """One of Metaflow's modules; importing it, if it is installed, also lets our errors be its classes' instances."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Metaflow's own imports warn of
                return getattr(importlib.import_module(self.__name__), name)
        except ModuleNotFoundError:
            known = STAND_INS[self.__name__]
            if name not in known:
                raise ImportError(
                    f"`{name}` of {self.__name__} is not one of the names flownb brings ({', '.join(sorted(known))}), "
                    "and Metaflow itself is not installed. Install it with `pip install flownb[metaflow]`.",
                    name=name,
                ) from None
            return known[name]


EXCEPTION_MODULES: dict[str, ModuleType] = {name: _Exceptions(name) for name in STAND_INS}
