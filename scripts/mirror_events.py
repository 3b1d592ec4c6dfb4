"""Write the TypeScript mirror of the kernel's events: ``labextension/src/events.ts``.

Takes the dataclasses of `flownb.runtime.events`; gives interfaces with the same names and fields. A test compares the
file with what this script would write.
"""

from __future__ import annotations

import textwrap
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flownb.runtime.events import EVENTS, NodeStatus, StepStatus
from flownb.runtime.freshness import StepState

__all__ = ["TARGET", "mirror"]

TARGET = Path(__file__).parents[1] / "labextension" / "src" / "events.ts"
HEAD = """\
// Mirrors flownb/runtime/events.py; written by scripts/mirror_events.py, do not edit.
// Durations are seconds.
"""


def mirror() -> str:
    """The text of ``events.ts``."""
    parts = [HEAD, f"export type StepState = {_union(StepState)};\n"]
    parts += [_interface(kind, tagged=False) for kind in (StepStatus, NodeStatus)]
    parts += [_interface(kind, tagged=True) for kind in EVENTS]
    names = "".join(f"\n  | {kind.__name__}" for kind in EVENTS)
    parts.append(f"export type FlowEvent ={names};\n")
    return "\n".join(parts)


def _interface(kind: type, *, tagged: bool) -> str:
    """One dataclass as an interface; an event carries its class's name."""
    assert is_dataclass(kind)
    first = (kind.__doc__ or "").strip().split("\n\n")[0]
    comment = "\n".join(f" * {line}" for line in textwrap.wrap(" ".join(first.split()).replace("`", ""), 76))
    hints = get_type_hints(kind)
    lines = [f"  type: '{kind.__name__}';"] if tagged else []
    lines += [f"  {item.name}: {_type(hints[item.name])};" for item in fields(kind)]
    body = "\n".join(lines)
    return f"/**\n{comment}\n */\nexport interface {kind.__name__} {{\n{body}\n}}\n"


def _type(hint: Any) -> str:
    """A Python type as a TypeScript type."""
    plain = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
    if hint in plain:
        return plain[hint]
    if hint == StepState:
        return "StepState"
    arguments = get_args(hint)
    match get_origin(hint):
        case origin if origin is Literal:
            return _union(hint)
        case origin if origin is tuple and arguments[-1] is Ellipsis:
            return f"{_type(arguments[0])}[]"
        case origin if origin is tuple:
            return f"[{', '.join(_type(one) for one in arguments)}]"
        case origin if origin in (Union, types.UnionType):
            return " | ".join(_type(one) for one in arguments)
    if is_dataclass(hint):
        return hint.__name__
    raise TypeError(f"{hint!r} has no TypeScript mirror yet.")


def _union(hint: Any) -> str:
    return " | ".join(f"'{value}'" for value in get_args(hint))


if __name__ == "__main__":
    TARGET.write_text(mirror(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(Path.cwd()) if TARGET.is_relative_to(Path.cwd()) else TARGET.name}")
