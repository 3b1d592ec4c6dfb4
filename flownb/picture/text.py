"""The picture of a flow as plain text, for terminals and ``text/plain``.

Each step has a line, indented by the splits, switches and foreaches that the step is in.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from graphlib import TopologicalSorter

from flownb.picture.layout import state_counts, step_count, step_words
from flownb.picture.model import Dag, DagNode
from flownb.picture.order import forward_successors

__all__ = ["dag_text"]

_GLYPHS = {"never": "○", "running": "◐", "fresh": "✓", "stale": "↻", "failed": "✗", "untaken": "⊘"}
_NAME_LIMIT = 36
_NOTE_LIMIT = 44
_MOST_TARGETS = 8


@dataclass(frozen=True)
class _Line:
    """A step's place: how many branches deep, and whether it starts a branch or a new tree."""

    step: int
    depth: int
    opens: bool
    is_root: bool


def dag_text(dag: Dag) -> str:
    """Write a flow as text.

    Parameters
    ----------
    dag
        The flow.

    Returns
    -------
    str
        A line with the flow's name, an empty line, and a line for each step: its glyph, its name,
        its state with the detail, its kind, and the steps it leads to. No trailing spaces and no
        newline at the end. The same flow always gives the same text.

    Notes
    -----
    A branch starts with ``├─`` or ``╰─``, and its further steps are below its first. A step that
    gathers branches is below the step that opened them. ``→`` leads on, ``⇉`` leads on once for each
    item of a foreach, ``↺`` leads back. If a step leads to more than eight, the others are counted.

    Examples
    --------
    >>> from flownb.picture.model import Dag, DagEdge, DagNode
    >>> from flownb.picture.text import dag_text
    >>> flow = Dag("F", (DagNode("load", state="fresh"), DagNode("fit")), (DagEdge("load", "fit"),))
    >>> print(dag_text(flow))
    F · 2 steps · 1 fresh · 1 never run
    <BLANKLINE>
    ✓ load  fresh      → fit
    ○ fit   never run
    """
    name = " ".join(dag.name.split())
    head = " · ".join([name, step_count(dag), *(words for _, words in state_counts(dag))])
    labels, successors, back = forward_successors(dag)
    lines = _lines(dag, successors)
    arrows: list[list[tuple[str, str]]] = [[] for _ in dag.nodes]
    for (source, target), texts in labels.items():
        onwards = "⇉" if dag.nodes[source].kind == "foreach" else "→"
        sign = "↺" if (source, target) in back else onwards
        label = f" ({', '.join(texts)})" if texts else ""
        arrows[source].append((sign, dag.nodes[target].name + label))
    rows = []
    for line, guide in zip(lines, _guides(lines), strict=True):
        node = dag.nodes[line.step]
        rows.append(
            (
                f"{guide}{_GLYPHS[node.state]} {_cut(node.name, _NAME_LIMIT)}",
                _note(node),
                "" if node.kind == "linear" else node.kind,
                _arrows(arrows[line.step]),
            )
        )
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    body = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True) if width]
        body.append("  ".join([*cells, row[3]]).rstrip())
    return "\n".join([head.rstrip(), *([""] if body else []), *body])


def _note(node: DagNode) -> str:
    """Say a step's state and detail."""
    return _cut(", ".join(one for one in step_words(node) if one), _NOTE_LIMIT)


def _cut(text: str, limit: int) -> str:
    """Keep text on one line and within a number of characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def _arrows(arrows: list[tuple[str, str]]) -> str:
    """Write a step's arrows, one sign for all steps that the step leads to in that way."""
    texts = []
    for sign in ("→", "⇉", "↺"):
        targets = [" ".join(target.split()) for arrow, target in arrows if arrow == sign]
        if len(targets) > _MOST_TARGETS:
            targets[_MOST_TARGETS - 1 :] = [f"{len(targets) - _MOST_TARGETS + 1} more"]
        if targets:
            texts.append(f"{sign} {', '.join(targets)}")
    return "  ".join(texts)


def _lines(dag: Dag, successors: list[list[int]]) -> list[_Line]:
    """Order the steps so that the steps of a branch are together, and say how deep each step is.

    A step is below its immediate dominator, the last step that every path to it passes.
    """
    order, parents = _topological(successors)
    dominator = _dominators(order, parents)
    openers: dict[int, tuple[int, ...]] = {}
    opens: dict[int, bool] = {}
    under: dict[int | None, list[int]] = {}
    for step in order:
        above = dominator[step]
        under.setdefault(above, []).append(step)
        if above is None:
            openers[step], opens[step] = (), False
            continue
        branches = dag.nodes[above].kind == "foreach" or len(successors[above]) > 1
        opens[step] = branches and parents[step] == [above]
        stack = (*openers[above], above) if opens[step] else openers[above]
        openers[step] = stack if opens[step] else _closed(dag, step, parents[step], stack)
    lines = []
    waiting = list(reversed(under.get(None, [])))
    while waiting:
        step = waiting.pop()
        is_root = dominator[step] is None
        lines.append(_Line(step, len(openers[step]), opens[step], is_root))
        following = sorted(under.get(step, []), key=lambda child: not opens[child])
        waiting.extend(reversed(following))
    return lines


def _closed(dag: Dag, step: int, parents: list[int], stack: tuple[int, ...]) -> tuple[int, ...]:
    """Leave the foreaches that a step gathers."""
    foreaches = [place for place, opener in enumerate(stack) if dag.nodes[opener].kind == "foreach"]
    node = dag.nodes[step]
    if not foreaches or node.kind != "join":
        return stack
    if not node.in_foreach:
        return stack[: foreaches[0]]
    return stack[: foreaches[-1]] if len(parents) == 1 else stack


def _topological(successors: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Order steps so that each follows its parents, in document order where that leaves a choice; list the parents."""
    parents: list[list[int]] = [[] for _ in successors]
    for source, targets in enumerate(successors):
        for target in targets:
            parents[target].append(source)
    sorter = TopologicalSorter(dict(enumerate(parents)))
    sorter.prepare()
    ready = sorted(sorter.get_ready())
    order = []
    while ready:
        step = heapq.heappop(ready)
        order.append(step)
        sorter.done(step)
        for following in sorter.get_ready():
            heapq.heappush(ready, following)
    return order, parents


def _dominators(order: list[int], parents: list[list[int]]) -> dict[int, int | None]:
    """Find each step's immediate dominator; None for a step that no single step comes before."""
    dominator: dict[int, int | None] = {}
    depth: dict[int | None, int] = {None: 0}
    for step in order:
        above: int | None = parents[step][0] if parents[step] else None
        for parent in parents[step][1:]:
            other: int | None = parent
            while above != other:
                if depth[above] >= depth[other] and above is not None:
                    above = dominator[above]
                elif other is not None:
                    other = dominator[other]
        dominator[step] = above
        depth[step] = depth[above] + 1
    return dominator


def _guides(lines: list[_Line]) -> list[str]:
    """Draw what is before each line's glyph, from the last line up."""
    deepest = max((line.depth for line in lines), default=0)
    continues = [False] * (deepest + 1)
    guides = []
    for line in reversed(lines):
        columns = ["│ " if continues[column] else "  " for column in range(line.depth)]
        if line.opens:
            columns[-1] = "├─" if continues[line.depth - 1] else "╰─"
        guides.append("".join(columns))
        for column in range(line.depth, deepest + 1):
            continues[column] = column == line.depth and not line.opens and not line.is_root
        if line.opens:
            continues[line.depth - 1] = True
    return guides[::-1]
