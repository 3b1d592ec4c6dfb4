"""Parsers of configs and of included files: a function, or the dotted name of one.

Takes a parser and a text; gives what the parser makes of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from flownb.errors import ParameterError

__all__ = ["Parser", "call_parser"]

Parser = str | Callable[[Any], Any]


def call_parser(parser: Parser, content: Any, *, what: str) -> Any:
    """Parse a text.

    Parameters
    ----------
    parser : callable or str
        ``"tomllib.loads"``; a name that begins with a dot is one of Metaflow's own package.
    content : str or bytes
    what : str
        Whose content it is, for messages: ``"Config `cfg`"``.

    Raises
    ------
    ParameterError
        If there is no such parser, or if it raises.
    """
    function = _find(parser, what) if isinstance(parser, str) else parser
    try:
        return function(content)
    except Exception as error:
        name = parser if isinstance(parser, str) else getattr(parser, "__name__", repr(parser))
        raise ParameterError(
            f"{what} cannot be parsed.",
            f"Its parser {name} raised {type(error).__name__}: {str(error).rstrip('.')}.",
            "Correct the text, or name another parser.",
        ) from error


def _find(name: str, what: str) -> Callable[[Any], Any]:
    """The function of a dotted name."""
    module, _, function = (f"metaflow{name}" if name.startswith(".") else name).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), function, None) if module else None
    except ImportError as error:
        raise ParameterError(
            f"{what} has the parser {name!r}, which cannot be imported.",
            f"{type(error).__name__}: {error}.",
            "Install its package, correct the name, or pass the function itself.",
        ) from error
    if not callable(found):
        raise ParameterError(
            f"{what} has the parser {name!r}, which is no function.",
            f"`{module}` has no function `{function}`." if module else "A parser's name has a module in front.",
            'Write it with its module, as in "tomllib.loads", or pass the function itself.',
        )
    parse: Callable[[Any], Any] = found
    return parse
