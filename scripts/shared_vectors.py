"""Write the test vectors of the rules that Python and TypeScript both have: ``labextension/src/vectors``.

Takes the rules as Python has them; gives JSON files with inputs and what must come of them. A test in Python compares
the files with what this script would write, one in TypeScript (``vectors.test.ts``) applies its own rules to the same
inputs, so neither can be changed alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count, pairwise
from pathlib import Path
from typing import Any, get_args

from flownb.cells.cell import read_cell
from flownb.errors import CellError
from flownb.picture.layout import flow_description, flow_summary, step_words
from flownb.picture.measure import code_spans
from flownb.picture.model import STATES, Dag, DagEdge, DagNode, NodeKind, NodeState
from flownb.picture.payload import dag_payload
from flownb.picture.svg import dag_svg, state_glyph
from flownb.runtime.events import Event, TaskCloned, TaskEnded, TaskRetried, TaskStarted
from flownb.session.progress import StepTally, Tally, counts, duration, rate_text
from flownb.store.records import TaskStatus
from flownb.widgets.messages import DagChanged, NodeStatus, StepsChanged, StepStatus, coalesced, to_wire

__all__ = ["FOLDER", "vectors"]

FOLDER = Path(__file__).parents[1] / "labextension" / "src" / "vectors"
# Details that steps have beside their states.
DETAILS = ("", "interrupted", "`clean` changed", "3 tasks", "made with k = 15 (default: 5)", "`look` led to `small`")


def vectors() -> Mapping[str, str]:
    """The text of each file of `FOLDER`, by name."""
    found = {"states": _states(), "text": _text(), "tally": _tally(), "messages": _messages(), "drawing": _drawing()}
    return {f"{name}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for name, one in found.items()}


def _states() -> dict[str, Any]:
    """The word for each state and detail, and how whole flows are summed up and described."""
    words = []
    for state in STATES:
        for detail in DETAILS:
            word, more = step_words(DagNode("s", state=state, detail=detail))
            words.append({"state": state, "detail": detail, "word": word, "more": more})
    flows = [_flow(), Dag("Empty"), Dag("One", (DagNode("only", state="failed", detail="interrupted"),))]
    flows += [
        Dag("Two", (DagNode("a", state="failed", detail="ValueError"), DagNode("b", state="failed", detail=detail)))
        for detail in ("interrupted", "KeyError")
    ]
    return {
        "words": words,
        "flows": [
            {"payload": dag_payload(one), "summary": flow_summary(one), "description": flow_description(one)}
            for one in flows
        ],
    }


def _flow() -> Dag:
    """A flow with steps of all kinds and states."""
    kinds: tuple[NodeKind, ...] = get_args(NodeKind)
    states: tuple[NodeState, ...] = STATES
    nodes = [
        DagNode(f"step_{place}", kinds[place % len(kinds)], state, DETAILS[place % len(DETAILS)], place % 3 == 1)
        for place, state in enumerate((*states, "failed"))
    ]
    edges = [DagEdge(one.name, other.name, "x=1") for one, other in pairwise(nodes)]
    edges.append(DagEdge("step_0", "step_2"))
    return Dag("AllStates", tuple(nodes), tuple(edges))


def _text() -> dict[str, Any]:
    """Code in texts, and which step a cell is."""
    texts = ("", "plain", "`clean` changed", "a `b", "`a` and `b`", "``", "a ``` b", "`x`")
    cells: list[tuple[str, tuple[str, ...]]] = [
        ("%%step train -> m\nm = 1", ()),
        ("\n%%step train --after load\n", ()),
        ("%%step", ()),
        ("%step train", ()),
        ("x = 1", ()),
        ("x = 1", ("step:load",)),
        ("x = 1", ("other", "step:load", "out:x")),
        ("x = 1", ("step:load", "skip")),
        ("%%step train\n", ("step:load",)),
        ("%%step train\n", ("skip",)),
        ("%%shared\nx = 1", ("step:load",)),
        ("%%time\nx = 1", ("step:load",)),
        ("%%time\n%%step train", ()),
        ("%%capture out\n\n%%time\n%%step train", ("step:load",)),
        ("%%timer\n%%step train", ("step:load",)),
        ("%%bash\nls", ("step:load",)),
        ("", ("step:load",)),
    ]
    return {
        "pieces": [{"text": text, "pieces": [list(one) for one in code_spans(text)]} for text in texts],
        "cells": [{"source": source, "tags": list(tags), "step": _step_of(source, tags)} for source, tags in cells],
    }


def _step_of(source: str, tags: tuple[str, ...]) -> str | None:
    """The step that a cell defines."""
    try:
        cell = read_cell(source, tags=tags)
    except CellError:
        return None
    return cell.name if cell.kind == "step" else None


def _tally() -> dict[str, Any]:
    """Times, rates and counts of tasks."""
    seconds = (
        -1.0,
        0.0,
        0.04,
        0.25,
        0.349,
        2.5,
        9.94,
        9.95,
        12.5,
        59.49,
        59.5,
        60.0,
        125.0,
        3599.4,
        3599.5,
        3661,
        90061,
    )
    rates = (0.00001, 0.0004, 0.01, 0.0125, 0.25, 0.999, 1.0, 1.25, 9.94, 9.95, 12.5, 1234.5)
    ended = ((0, 0, 0, 0), (1, 0, 0, 0), (41, 0, 1, 0), (4, 2, 0, 3), (0, 1, 2, 3))
    return {
        "durations": [{"seconds": one, "text": duration(one)} for one in seconds],
        "rates": [{"rate": one, "text": rate_text(one)} for one in rates],
        "counts": [
            {"tasks": dict(zip(("done", "cloned", "failed", "interrupted"), one, strict=True)), "texts": counts(*one)}
            for one in ended
        ],
        "looks": [_looks(*one) for one in ((0.5, 1, 4), (0.02, 40, 3), (3.0, 1, 20), (0.1, 1, 2))],
        "runs": [_run(*one) for one in (("done",), ("done", "failed"), ("interrupted", "done", "cloned", "retried"))],
    }


def _looks(pause: float, at_once: int, number: int) -> dict[str, Any]:
    """How fast tasks go that end `at_once` after each pause, and what is said of it meanwhile and a while later."""
    step = StepTally(began=0.0)
    looks = []
    times = [round(place * pause, 3) for place in range(1, number + 1)]
    for place, now in enumerate([*times, times[-1] + 4, times[-1] + 30]):
        ended = at_once if place < number else 0
        step.done += ended
        step.sample(now)
        rate = step.rate(now)
        looks.append({"now": now, "ended": ended, "text": rate_text(rate) if rate is not None else ""})
    return {"looks": looks}


def _run(*ends: str) -> dict[str, Any]:
    """What is counted of a run whose tasks end like this."""
    tally = Tally("F/7", ["a"], clock=count().__next__)
    events: list[Event] = []
    for task, end in enumerate(ends):
        facts = ("F", "7", "a", str(task), "run", 0, None, None, ())
        if end == "cloned":
            events.append(TaskCloned(*facts, "6/a/1"))
            continue
        events.append(TaskStarted(*facts))
        if end == "retried":
            events.append(TaskRetried(*facts, "ValueError"))
            end = "done"
        status: TaskStatus = end  # type: ignore[assignment]  # one of its three
        events.append(TaskEnded(*facts, status, "", 0.5))
    for event in events:
        tally(event)
    texts = counts(tally.done, tally.cloned, tally.failed, tally.interrupted)
    return {"events": [to_wire(event) for event in events], "texts": texts}


def _messages() -> dict[str, Any]:
    """What a view tells of its document, and states that overtake each other."""
    cells = {name: {"id": name, "source": f"%%step {name}", "tags": []} for name in "abc"}
    edited, tagged = {**cells["b"], "source": "x = 1"}, {**cells["c"], "tags": ["skip"]}
    documents = [
        [cells["a"], cells["b"]],
        [cells["a"], cells["b"]],
        [cells["b"], cells["a"]],
        [cells["c"], edited, cells["a"]],
        [tagged, edited],
        [],
        [cells["a"]],
    ]
    told, known = [], dict[str, Any]()
    notebook = {"name": "train.ipynb", "id": "5f3c"}
    for document in documents:
        changed = [cell for cell in document if known.get(cell["id"]) != cell]
        known = {cell["id"]: cell for cell in document}
        told.append({"type": "DocumentChanged", "notebook": notebook, "order": list(known), "cells": changed})

    def badge(cell: str, state: NodeState, step: str = "s") -> StepStatus:
        return StepStatus(cell, step, state, "", f"{step} {state}")

    def node(name: str, state: NodeState) -> NodeStatus:
        return NodeStatus(name, state, ((state, False),), f"{name} {state}")

    events: list[StepsChanged | DagChanged] = [
        StepsChanged((badge("a", "never"), badge("b", "fresh")), True),
        DagChanged("d", (node("x", "running"), node("y", "never"))),
        StepsChanged((badge("a", "running"),), False),
        DagChanged("e", (node("x", "stale"),)),
        StepsChanged((badge("a", "fresh"), badge("b", "never", "")), False),
        DagChanged("d", (node("x", "fresh"),)),
    ]
    return {
        "documents": [{"cells": cells, "told": told} for cells, told in zip(documents, told, strict=True)],
        "events": [to_wire(event) for event in events],
        "coalesced": [to_wire(event) for event in coalesced(events)],
    }


def _drawing() -> dict[str, Any]:
    """The glyph of each state, and all shapes of a picture."""
    flow = _flow()
    svg = dag_svg(flow)
    return {
        "glyphs": {state: _shapes(state_glyph(state, 0, 0)) for state in STATES},
        "payload": dag_payload(flow),
        "shapes": sorted(_shapes(svg[svg.index("</style>") :]), key=json.dumps),
    }


# What is drawn, in attributes that both languages write.
GEOMETRY = {
    "circle": ("r", "stroke-dasharray"),
    "path": ("d",),
    "rect": ("x", "y", "width", "height", "rx"),
    "text": ("x", "y"),
}


def _shapes(svg: str) -> list[list[str]]:
    """The shapes of an SVG: each one's element, and its measures as they are written."""
    found = []
    for element, attributes in re.findall(r"<(circle|path|rect|text)\b([^>]*)>", svg):
        values = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
        found.append([element, *(values.get(name, "") for name in GEOMETRY[element])])
    return found


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in vectors().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"wrote {name}")
