"""Metaflow's exceptions, so that code which catches them catches ours.

Where Metaflow is not installed, the classes here replace its own: they have the names, attributes and bases of
``metaflow/exception.py`` (2.19.39). If Metaflow's own classes are loaded, an instance of `Catchable` is an instance of
them, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

__all__ = ["STAND_INS", "Catchable", "InvalidNextException", "MetaflowException", "MetaflowInvalidPathspec",
           "MetaflowNotFound", "MetaflowTaggingError", "MissingInMergeArtifactsException",
           "UnhandledInMergeArtifactsException", "metaflow_name", "replaces"]  # fmt: skip

# By module and name of Metaflow's: the class that replaces it.
STAND_INS: dict[str, dict[str, type[Exception]]] = {}
_places: dict[type, tuple[str, str]] = {}
_mixed: dict[tuple[type, type], type] = {}

Kind = TypeVar("Kind", bound=type[Exception])


def replaces(module: str, name: str = "") -> Callable[[Kind], Kind]:
    """Mark a class as the one that replaces a class of Metaflow's, of the same name unless another is given."""

    def mark(kind: Kind) -> Kind:
        STAND_INS.setdefault(module, {})[name or kind.__name__] = kind
        _places[kind] = (module, name or kind.__name__)
        return kind

    return mark


class Catchable(Exception):
    """An exception that is caught by the classes of Metaflow's that its bases replace.

    ``except`` looks only at real base classes. So the class of an instance also has Metaflow's own class as a base, if
    that was imported; flownb never imports Metaflow for it.
    """

    def __new__(cls, *args: Any, **options: Any) -> Catchable:
        """Make an instance that Metaflow's own classes catch, too."""
        return super().__new__(_with_real(cls), *args)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as the class that can be imported."""
        return _again, (_importable(type(self)), self.args, self.__dict__)


def _with_real(cls: type) -> type:
    """A class with Metaflow's own one as a further base, if that is loaded."""
    if "metaflow.exception" not in sys.modules:
        return cls
    for base in cls.__mro__:
        module, name = _places.get(base, ("", ""))
        real = vars(sys.modules[module]).get(name) if module in sys.modules else None
        if isinstance(real, type) and not issubclass(cls, real):
            if (cls, real) not in _mixed:
                facts = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
                _mixed[cls, real] = type(cls.__name__, (cls, real), facts)
            return _mixed[cls, real]
    return cls


def metaflow_name(kind: type) -> str:
    """The dotted name of Metaflow's class that a class replaces; empty if there is none."""
    return next((".".join(_places[base]) for base in kind.__mro__ if base in _places), "")


def _importable(kind: type) -> type:
    """The class that `_with_real` started from."""
    return next(base for base in kind.__mro__ if base not in _mixed.values())


def _again(kind: type[Exception], args: Iterable[Any], state: dict[str, Any]) -> Exception:
    """Make an exception again from what it was pickled as."""
    made = kind.__new__(kind, *args)
    made.args = tuple(args)
    made.__dict__.update(state)
    return made


_exception = replaces("metaflow.exception")


@_exception
class MetaflowException(Exception):
    """Root of Metaflow's exceptions."""

    headline = "Flow failed"

    def __init__(self, msg: str = "", lineno: int | None = None, source_file: str | None = None) -> None:
        self.message, self.line_no, self.source_file = msg, lineno, source_file
        super().__init__()

    def __str__(self) -> str:
        return f"line {self.line_no}: {self.message}" if self.line_no else self.message


@_exception
class ParameterFieldFailed(MetaflowException):
    """A function that computes a parameter's field raised."""

    headline = "Parameter field failed"


@_exception
class ParameterFieldTypeMismatch(MetaflowException):
    """A function that computes a parameter's field returned another type."""

    headline = "Parameter field with a mismatching type"


@_exception
class ExternalCommandFailed(MetaflowException):
    """A program that was started failed."""

    headline = "External command failed"


@_exception
class MetaflowNotFound(MetaflowException):
    """A flow, run, step or task does not exist."""

    headline = "Object not found"


@_exception
class MetaflowNamespaceMismatch(MetaflowException):
    """An object is not in the namespace; never raised here, where there are none."""

    headline = "Object not in the current namespace"

    def __init__(self, namespace: str) -> None:
        super().__init__(f"Object not in namespace '{namespace}'")


@_exception
class MetaflowInvalidPathspec(MetaflowException):
    """A pathspec has too few or too many parts."""

    headline = "Invalid pathspec"


@_exception
class MetaflowInternalError(MetaflowException):
    """Metaflow's own mistake."""

    headline = "Internal error"


@_exception
class MetaflowTaggingError(MetaflowException):
    """A tag is not accepted."""

    headline = "Tagging error"


@_exception
class MetaflowUnknownUser(MetaflowException):
    """The environment does not say who runs."""

    headline = "Unknown user"


@_exception
class InvalidDecoratorAttribute(MetaflowException):
    """A decorator has no such setting."""

    headline = "Unknown decorator attribute"


@_exception
class CommandException(MetaflowException):
    """A command is not accepted."""

    headline = "Invalid command"


@_exception
class MetaflowDataMissing(MetaflowException):
    """Data of a task is missing."""

    headline = "Data missing"


class _MergeException(MetaflowException):
    """The base of both errors of ``merge_artifacts``."""

    def __init__(self, msg: str, unhandled: list[str]) -> None:
        super().__init__(msg)
        self.artifact_names = unhandled


@_exception
class UnhandledInMergeArtifactsException(_MergeException):
    """Joined tasks have different values of an artifact."""

    headline = "Unhandled artifacts in merge"


@_exception
class MissingInMergeArtifactsException(_MergeException):
    """No joined task has an artifact that was asked for."""

    headline = "Missing artifacts in merge"


@replaces("metaflow.flowspec")
class InvalidNextException(MetaflowException):
    """``self.next`` was called in a way that is not accepted."""

    headline = "Invalid self.next() transition detected"
