"""Write the TypeScript mirrors of what kernel and views share: ``events.ts`` and ``picture.ts``.

They have interfaces and constants with the names, fields and values of the dataclasses and constants of
`flownb.runtime.events`, `flownb.widgets` and `flownb.picture`. A test compares the files with what this script writes.
"""

from __future__ import annotations

import textwrap
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from flownb.cells.notebook import DocumentCell
from flownb.picture.layout import BY_URGENCY, INTERRUPTED, STATE_WORDS
from flownb.picture.payload import DAG_MIME, DagPayload, PayloadEdge, PayloadNode
from flownb.runtime.freshness import StepState
from flownb.widgets.channel import DOCUMENT_TARGET, EVENTS_TARGET
from flownb.widgets.messages import MESSAGES, DocumentChanged, NodeStatus, NotebookFacts, StepStatus

__all__ = ["SOURCE", "mirrors"]

SOURCE = Path(__file__).parents[1] / "labextension" / "src"


def mirrors() -> Mapping[str, str]:
    """The text of each generated file of `SOURCE`, by name."""
    return {"events.ts": _events(), "picture.ts": _picture()}


def _events() -> str:
    """What travels between the kernel and a view."""
    parts = [
        _head(
            "flownb/runtime/events.py and flownb/widgets/messages.py",
            "Durations are seconds.",
        ),
        f"/** The comm that the kernel opens and publishes on. */\nexport const EVENTS_TARGET = '{EVENTS_TARGET}';\n",
        f"/** The comm that a view opens and sends on. */\nexport const DOCUMENT_TARGET = '{DOCUMENT_TARGET}';\n",
        f"export type StepState =\n  {_union(StepState)};\n",
    ]
    parts += [_interface(kind, tagged=False) for kind in (StepStatus, NodeStatus)]
    parts += [_interface(kind, tagged=True) for kind in MESSAGES]
    names = "".join(f"\n  | {kind.__name__}" for kind in MESSAGES)
    parts.append(f"export type FlowEvent ={names};\n")
    parts += [_interface(kind, tagged=False) for kind in (DocumentCell, NotebookFacts)]
    parts.append(_interface(DocumentChanged, tagged=True))
    return "\n".join(parts)


def _picture() -> str:
    """What the MIME type holds, and the words of a picture."""
    words = ",\n".join(f"  {state}: '{text}'" for state, text in STATE_WORDS.items())
    urgency = ",\n".join(f"  '{state}'" for state in BY_URGENCY)
    parts = [
        _head("flownb/picture/payload.py and flownb/picture/layout.py", "Sizes and places are pixels."),
        "import type { StepState } from './events';\n",
        "/** The MIME type of a flow's picture: laid out in Python, drawn here. */\n"
        f"export const DAG_MIME = '{DAG_MIME}';\n",
        f"export const STATE_WORDS: Readonly<Record<StepState, string>> = {{\n{words}\n}};\n",
        f"/** The most urgent state first. */\nexport const BY_URGENCY: readonly StepState[] = [\n{urgency}\n];\n",
    ]
    parts.append(
        "/** The detail of a failed step that was stopped, and the word that is said of it in place of its state. */\n"
        f"export const INTERRUPTED = '{INTERRUPTED}';\n"
    )
    parts += [_interface(kind, tagged=False) for kind in (PayloadNode, PayloadEdge, DagPayload)]
    return "\n".join(parts)


def _head(source: str, units: str) -> str:
    return f"// Mirrors {source};\n// written by scripts/mirror_events.py, do not edit. {units}\n"


def _interface(kind: type, *, tagged: bool) -> str:
    """One dataclass as an interface; a message carries its class's name."""
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
    plain = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "unknown"}
    if hint in plain:
        return plain[hint]
    if hint == StepState:
        return "StepState"
    arguments = get_args(hint)
    match get_origin(hint):
        case origin if origin is Literal:
            return _union(hint)
        case origin if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
            return f"{_type(arguments[0])}[]"
        case origin if origin is tuple:
            return f"[{', '.join(_type(one) for one in arguments)}]"
        case origin if origin is dict:
            return f"Record<{', '.join(_type(one) for one in arguments)}>"
        case origin if origin in (Union, types.UnionType):
            return " | ".join(_type(one) for one in arguments)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return hint.__name__
    raise TypeError(f"{hint!r} has no TypeScript mirror yet.")


def _union(hint: Any) -> str:
    return " | ".join(f"'{value}'" if isinstance(value, str) else str(value) for value in get_args(hint))


if __name__ == "__main__":
    for name, text in mirrors().items():
        (SOURCE / name).write_text(text, encoding="utf-8")
        print(f"wrote {name}")
