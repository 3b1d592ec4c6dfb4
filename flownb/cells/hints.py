"""What source text hints at without saying it: managers that swallow exceptions, names inside query texts.

Takes syntax nodes; gives what the walk of a body needs to stay on the safe side.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

__all__ = ["constant_truth", "hands_out_self", "lets_exceptions_pass", "query_names"]

# Context managers that let every exception pass; any other may swallow one and go on behind its block.
TRANSPARENT = frozenset(
    {
        "Client",
        "Lock",
        "NamedTemporaryFile",
        "Pool",
        "ProcessPoolExecutor",
        "RLock",
        "Session",
        "TemporaryDirectory",
        "TemporaryFile",
        "ThreadPoolExecutor",
        "ZipFile",
        "catch_warnings",
        "closing",
        "connect",
        "errstate",
        "inference_mode",
        "localcontext",
        "no_grad",
        "nullcontext",
        "open",
        "option_context",
        "rc_context",
        "redirect_stderr",
        "redirect_stdout",
        "urlopen",
    }
)
# Builtins that take an object and set nothing on it.
LOOKS_ONLY = frozenset({"bool", "callable", "getattr", "hasattr", "id", "isinstance", "print", "repr", "str", "type"})
# What code that sees `self` without naming an attribute is called with.
OPEN_ENDED = frozenset({"eval", "exec", "super"})
# Methods whose texts take names from the frame that calls them (pandas' ``DataFrame.query``).
QUERIES = frozenset({"query", "eval"})
QUERIED = re.compile(r"@([^\W\d]\w*)")


def lets_exceptions_pass(manager: ast.expr) -> bool:
    """Whether a ``with`` on this expression is known to swallow no exception."""
    called = manager.func if isinstance(manager, ast.Call) else manager
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in TRANSPARENT


def constant_truth(test: ast.expr) -> bool | None:
    """Whether a condition is written out as true or false; None if it has to be evaluated."""
    return bool(test.value) if isinstance(test, ast.Constant) else None


def hands_out_self(node: ast.Call) -> tuple[bool, str]:
    """Whether a call may set attributes of a `self` that it names, and the attribute that ``getattr`` reads of it.

    ``hasattr(self, "x")`` and ``print(self)`` set nothing; ``exec`` and ``super()`` may, without naming it.
    """
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called in OPEN_ENDED:
        return True, ""
    mine = bool(node.args) and isinstance(node.args[0], ast.Name) and node.args[0].id == "self"
    if not mine or called not in LOOKS_ONLY:
        return True, ""
    if called != "getattr":
        return False, ""
    name = node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) else None
    return (False, name) if isinstance(name, str) else (True, "")


def query_names(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Names, each with its line, that the texts of a call like ``df.query("a > @limit")`` speak of."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in QUERIES:
        for child in (part for argument in node.args for part in ast.walk(argument)):
            if isinstance(child, ast.Constant) and isinstance(child.value, str):
                for name in QUERIED.findall(child.value):
                    yield name, child.lineno
