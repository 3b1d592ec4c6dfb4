"""The picture of a flow as static SVG, for notebooks, reports and web pages.

It is readable on light and on dark pages, as an image or inside HTML: presentation attributes are for light pages, one
style sheet makes them dark. The glyph of each state is drawn as a path, so that it does not depend on a font. The
payload of the live view uses the same path data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flownb.picture.layout import (
    CARD,
    EdgePath,
    NodeBox,
    edge_sentence,
    flow_description,
    flow_summary,
    layout_dag,
    node_sentence,
    step_words,
)
from flownb.picture.measure import text_width
from flownb.picture.model import Dag, DagNode, NodeState

__all__ = [
    "DARK_STYLE",
    "INK",
    "SANS",
    "STATE_COLOUR",
    "dag_svg",
    "number",
    "paint",
    "path_data",
    "state_glyph",
    "state_paint",
    "strands",
]

_STRAND = 5.0


def number(value: float) -> str:
    """Write a number of pixels with at most one decimal."""
    tenths = round(value * 10)
    whole, rest = divmod(abs(tenths), 10)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def strands(path: EdgePath, nodes: Mapping[str, DagNode]) -> str:
    """Write the two outer strands of an arrow that carries the tasks of a foreach, empty for any other."""
    source, target = nodes[path.source], nodes[path.target]
    start = _STRAND if source.in_foreach and source.kind != "foreach" else 0.0
    end = _STRAND if target.in_foreach and target.kind != "join" else 0.0
    if path.way != "forward" or not (start or end):
        return ""
    return "".join(path_data(path, start * side, end * side) for side in (-1.0, 1.0))


def path_data(path: EdgePath, start: float = 0.0, end: float = 0.0) -> str:
    """Write an arrow's line, shifted down by `start` pixels at its start and by `end` pixels at its end."""
    points = path.points
    last = len(points) - 1
    between = start if abs(start) >= abs(end) else end
    moved = []
    for place, (x, y) in enumerate(points):
        if place <= 1:
            offset = start
        elif place >= last - 1:
            offset = end
        else:
            offset = between
        moved.append((x, y + offset))
    data = [f"M{number(moved[0][0])} {number(moved[0][1])}"]
    for first in range(1, last, 3):
        group = moved[first : first + 3]
        if all(y == moved[first - 1][1] for _, y in group):
            data.append(f"H{number(group[2][0])}")
        else:
            data.append("C" + " ".join(f"{number(x)} {number(y)}" for x, y in group))
    return "".join(data)


SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

# Outside the cards: at least 3:1 against both white and #111 for lines, 4:1 for text.
INK = {"line": "#868e99", "caption": "#78808c"}

# On the cards, light and dark: (attribute, light value, dark value) by class.
_PAINT = {
    "card": ("fill", "#ffffff", "#1c2128"),
    "under": ("fill", "#f3f5f8", "#161a20"),
    "chip": ("fill", "#f3f5f8", "#262c36"),
    "name": ("fill", "#1b2027", "#e8ecf1"),
    "note": ("fill", "#5b6470", "#a3adb9"),
    "mark": ("stroke", "#ffffff", "#14181d"),
    "edge-never": ("stroke", "#a3abb6", "#6b7480"),
    "edge-running": ("stroke", "#2f7fe0", "#5aa2f5"),
    "edge-fresh": ("stroke", "#cbd2da", "#424b57"),
    "edge-stale": ("stroke", "#d2921a", "#d9a13b"),
    "edge-failed": ("stroke", "#d64545", "#ef6a6a"),
    "word-never": ("fill", "#5b6470", "#a3adb9"),
    "word-running": ("fill", "#1f6ac4", "#7db7f9"),
    "word-fresh": ("fill", "#1c7a4a", "#62c592"),
    "word-stale": ("fill", "#96610a", "#e3b45c"),
    "word-failed": ("fill", "#b93434", "#f58a8a"),
}

# A step that was not taken has the colours of one that never ran; its glyph and its word differ.
_PAINT_OF: dict[NodeState, NodeState] = {"untaken": "never"}

STATE_COLOUR: dict[NodeState, str] = {
    "never": "#868e99",
    "running": "#3b8beb",
    "fresh": "#2f9e68",
    "stale": "#d2921a",
    "failed": "#dc4c4c",
    "untaken": "#868e99",
}


def state_paint(part: str, state: NodeState) -> str:
    """The attributes that colour a part of a card, ``"edge"`` or ``"word"``, by the card's state."""
    return paint(f"{part}-{_PAINT_OF.get(state, state)}")


def paint(*names: str) -> str:
    """The attributes that colour one part of a card.

    Parameters
    ----------
    *names
        What the part is, such as ``"card"`` and ``"edge-stale"``; at most one that fills and one
        that strokes.

    Returns
    -------
    str
        The classes, for dark pages, and the attributes for light ones.
    """
    classes = " ".join(f"flownb-{name}" for name in names)
    values = " ".join(f'{_PAINT[name][0]}="{_PAINT[name][1]}"' for name in names)
    return f'class="{classes}" {values}'


def _dark_style() -> str:
    """Write the rules for dark pages: by the page's theme if it has one, else by the system's."""
    by_theme = by_system = ""
    for name, (attribute, _, dark) in _PAINT.items():
        rule = f".flownb-{name}{{{attribute}:{dark}}}"
        by_theme += f':is([data-jp-theme-light="false"],.vscode-dark) .flownb-dag {rule}'
        by_system += f'.flownb-dag:not([data-jp-theme-light="true"] *,.vscode-light *) {rule}'
    return f"{by_theme}@media (prefers-color-scheme:dark){{{by_system}}}"


DARK_STYLE = _dark_style()


def state_glyph(state: NodeState, x: float, y: float) -> str:
    """Draw a state's glyph.

    Parameters
    ----------
    state
        The state.
    x, y
        The glyph's middle, in pixels.

    Returns
    -------
    str
        One ``<g>`` element, 18 pixels wide. Never: a hollow dashed ring. Running: a ring half
        filled. Fresh: a disc with a check mark. Stale: a turning arrow. Failed: a disc with a
        cross. Not taken: a ring with a stroke through it.
    """
    colour = STATE_COLOUR[state]
    ring = f'fill="none" stroke="{colour}" stroke-width="1.6"'
    mark = f'{paint("mark")} fill="none" stroke-width="1.9" stroke-linecap="round"'
    disc = f'<circle r="8.5" fill="{colour}"/>'
    shapes = {
        "never": f'<circle r="7.7" {ring} stroke-dasharray="3.02 3.02"/>',
        "running": (f'<circle r="7.7" {ring}/><path d="M0 -4.9A4.9 4.9 0 0 1 0 4.9Z" fill="{colour}"/>'),
        "fresh": f'{disc}<path d="M-3.8 0.3L-1.2 2.9L3.9 -2.7" {mark} stroke-linejoin="round"/>',
        "stale": (
            f'<path d="M5.83 -4.08A7.1 7.1 0 1 0 7.1 0.6" {ring} stroke-linecap="round"/>'
            f'<path d="M7.6 -8.2V-2.5H1.9Z" fill="{colour}" stroke="{colour}" '
            f'stroke-width="0.8" stroke-linejoin="round"/>'
        ),
        "failed": f'{disc}<path d="M-3 -3L3 3M3 -3L-3 3" {mark}/>',
        "untaken": f'<circle r="7.7" {ring}/><path d="M-5.4 5.4L5.4 -5.4" {ring}/>',
    }
    return f'<g transform="translate({round(x, 1)} {round(y, 1)})">{shapes[state]}</g>'


_CAPTION = 30.0
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FIXED_UP_TO = 640.0
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def dag_svg(dag: Dag, *, max_width: float = 1000.0, caption: bool = True) -> str:
    """Draw a flow.

    Parameters
    ----------
    dag
        The flow.
    max_width
        Pixels after which the picture continues in a new row. A picture that is still wider, or that
        is in a narrower place, is scaled down by the page.
    caption
        Whether the flow's name and how many steps are in which state are shown above the picture.

    Returns
    -------
    str
        One ``<svg>`` element. The same flow always gives the same text.

    Notes
    -----
    A state has a glyph and a word as well as a colour. Cards are opaque and everything outside
    them is a grey that is visible on white and on black, so the picture reads on any page. It
    turns dark where the page says so (JupyterLab's and VS Code's theme attributes, or
    ``prefers-color-scheme``). It has no ids, and its class names all start with ``flownb-``, so
    many pictures can be inlined in one page.

    Examples
    --------
    >>> from flownb.picture.model import Dag, DagNode
    >>> from flownb.picture.svg import dag_svg
    >>> dag_svg(Dag("F", (DagNode("load", state="fresh"),))).startswith("<svg ")
    True
    """
    layout = layout_dag(dag, max_width=max_width)
    head = _CAPTION if caption else 0.0
    words = _caption_width(dag) if caption else 0.0
    width, height = max(layout.width, words), layout.height + head
    nodes = {node.name: node for node in dag.nodes}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flownb-dag" role="img" '
        f'aria-label="{_text(dag.name)}" {_size(width, height)} '
        f'viewBox="0 0 {number(width)} {number(height)}" style="max-width:{_limit(width)};height:auto" '
        f'font-family="{SANS}">',
        f"<title>{_text(dag.name)}</title>",
        f"<desc>{_text(flow_description(dag))}</desc>",
        f"<style>{DARK_STYLE}</style>",
    ]
    if caption:
        parts.append(_caption(dag))
    parts.append(f'<g transform="translate(0 {number(head)})">' if head else "<g>")
    parts.append(f'<g fill="none" stroke="{INK["line"]}" stroke-width="1.4">')
    parts += [_curve(path, nodes) for path in layout.paths]
    parts.append("</g>")
    parts.append(f'<g fill="{INK["line"]}">')
    parts += [_arrowhead(path) for path in layout.paths]
    parts.append("</g>")
    parts += [_card(box) for box in layout.boxes]
    parts += [_label(path) for path in layout.paths if path.label]
    parts.append("</g>")
    parts.append("</svg>")
    return "\n".join(part for part in parts if part) + "\n"


def _size(width: float, height: float) -> str:
    """Width and height of the whole picture: its own size, or the full width that a page has for a wide picture.

    Where the picture is shown as an ``<img>`` (JupyterLab, GitHub), styles inside it do not count: one with a width of
    its own is cut off in a narrow place, one of 100% is scaled.
    """
    return 'width="100%"' if width > _FIXED_UP_TO else f'width="{number(width)}" height="{number(height)}"'


def _limit(width: float) -> str:
    """How wide the picture may be inside a page."""
    return f"{number(width)}px" if width > _FIXED_UP_TO else "100%"


def _text(value: str) -> str:
    """Escape text for XML and replace what XML cannot hold."""
    clean = _INVALID.sub("\ufffd", value)
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        clean = clean.replace(char, entity)
    return clean


def _caption_width(dag: Dag) -> float:
    """Say how wide the caption is."""
    return 10.0 + text_width(dag.name, 13) * 1.06 + 12.0 + text_width(flow_summary(dag), 11.5) + 10.0


def _caption(dag: Dag) -> str:
    """Write the flow's name and how many steps are in which state."""
    return (
        f'<text x="10" y="19" font-size="13" font-weight="600" fill="{INK["caption"]}">'
        f"{_text(dag.name)}"
        f'<tspan dx="10" font-size="11.5" font-weight="400">{_text(flow_summary(dag))}</tspan></text>'
    )


def _curve(path: EdgePath, nodes: dict[str, DagNode]) -> str:
    """Draw an arrow's line; three strands where it carries the tasks of a foreach."""
    lines = [f'<path d="{path_data(path)}"/>']
    outer = strands(path, nodes)
    if outer:
        lines.append(f'<path d="{outer}" stroke-width="1" stroke-opacity="0.75"/>')
    return f"<g><title>{_text(edge_sentence(path))}</title>{''.join(lines)}</g>"


def _arrowhead(path: EdgePath) -> str:
    """Draw an arrow's head; it always points to the right."""
    x, y = path.points[-1]
    return f'<path d="M{number(x)} {number(y)}l-7 -3.8l1.6 3.8l-1.6 3.8Z"/>'


def _label(path: EdgePath) -> str:
    """Draw an arrow's label on its chip."""
    if path.label_at is None:
        return ""
    x, y = path.label_at
    width, height = path.label_width + 13.0, CARD.label_size + 7.0
    return (
        f'<g><rect x="{number(x - width / 2)}" y="{number(y - height / 2)}" width="{number(width)}" '
        f'height="{number(height)}" rx="{number(height / 2)}" {paint("chip")} '
        f'stroke="{INK["line"]}" stroke-opacity="0.45" stroke-width="0.8"/>'
        f'<text x="{number(x)}" y="{number(y + 3.6)}" text-anchor="middle" '
        f'font-size="{number(CARD.label_size)}" {paint("note")}>{_text(path.label)}</text></g>'
    )


def _card(box: NodeBox) -> str:
    """Draw a step: its card or stack of cards, what marks its kind, its glyph and its words."""
    node = box.node
    stroke = "1.2" if node.state == "fresh" else "1.5"
    dashes = ' stroke-dasharray="4 3"' if node.state == "never" else ""
    parts = [
        f"<g><title>{_text(node_sentence(node))}</title>",
        f'<g {state_paint("edge", node.state)} stroke-width="{stroke}"{dashes}>',
    ]
    parts += [
        f'<rect x="{number(box.x + depth * CARD.stack)}" y="{number(box.y - depth * CARD.stack)}" '
        f'width="{number(box.width)}" height="{number(box.height)}" rx="8" '
        f"{paint('under' if depth else 'card')}/>"
        for depth in ((2, 1, 0) if node.in_foreach else (0,))
    ]
    parts.append("</g>")
    parts.append(_kind_mark(box))
    middle = box.y + box.height / 2
    parts.append(state_glyph(node.state, box.x + 19.5, middle))
    x = number(box.x + CARD.text_left)
    parts.append(
        f'<text x="{x}" y="{number(middle - 3.6)}" font-size="{number(CARD.name_size)}" '
        f'font-weight="600" {paint("name")}>{_text(box.name)}</text>'
    )
    parts.append(
        f'<text x="{x}" y="{number(middle + 12.4)}" font-size="{number(CARD.detail_size)}" '
        f"{paint('note')}>{_detail(box)}</text></g>"
    )
    return "".join(parts)


def _detail(box: NodeBox) -> str:
    """Write a card's second line: the state in its colour, then the detail."""
    word, _ = step_words(box.node)
    parts = []
    for index, (text, code) in enumerate(box.detail):
        if index == 0 and text.startswith(word):
            colour = state_paint("word", box.node.state)
            parts.append(f'<tspan font-weight="600" {colour}>{word}</tspan>{_text(text[len(word) :])}')
        elif code:
            parts.append(f'<tspan font-family="{_MONO}">{_text(text)}</tspan>')
        else:
            parts.append(_text(text))
    return "".join(parts)


def _kind_mark(box: NodeBox) -> str:
    """Draw the mark of a join or a switch."""
    middle = box.y + box.height / 2
    right = box.x + box.width
    line = INK["line"]
    if box.node.kind == "join":
        return (
            f'<rect x="{number(box.x - 9)}" y="{number(box.y + 3)}" width="4.5" '
            f'height="{number(box.height - 6)}" rx="2.2" fill="{line}"/>'
        )
    if box.node.kind == "switch":
        return f'<path d="M{number(right - 7)} {number(middle)}l7 -7l7 7l-7 7Z" fill="{line}" stroke-linejoin="round"/>'
    return ""
