"""The picture of a flow as static SVG, for notebooks, reports and web pages.

Takes a `Dag`; gives SVG text that reads the same on light and on dark pages, as an image or inlined
in HTML.
"""

from __future__ import annotations

import re

from flownb.picture.layout import CARD, EdgePath, NodeBox, layout_dag
from flownb.picture.measure import text_width
from flownb.picture.model import Dag, DagNode
from flownb.picture.paint import DARK_STYLE, INK, SANS, paint, state_glyph, state_paint
from flownb.picture.pen import number, path_data, strands
from flownb.picture.summary import edge_sentence, flow_description, flow_summary, node_sentence, step_words

__all__ = ["dag_svg"]

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
        Pixels after which the picture goes on in a new row. A picture that is still wider, or that
        stands in a narrower place, is scaled down by the page.
    caption
        Whether the flow's name and how many steps are in which state stand above the picture.

    Returns
    -------
    str
        One ``<svg>`` element. The same flow always gives the same text.

    Notes
    -----
    State is said by glyph and word as well as by colour. Cards are opaque and everything outside
    them is a grey that stands out from white and from black, so the picture reads on any page. It
    turns dark where the page says so (JupyterLab's and VS Code's theme attributes, or
    ``prefers-color-scheme``). It has no ids, and its class names all start with ``flownb-``, so
    many pictures can be inlined in one page.

    Examples
    --------
    >>> from flownb.picture import Dag, DagNode, dag_svg
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
    """Width and height of the whole picture: its own, or for a wide one all there is.

    Where the picture is shown as an ``<img>`` (JupyterLab, GitHub), styles inside it do not count: one with a width of
    its own is cut off in a narrow place, one of 100% is scaled.
    """
    return 'width="100%"' if width > _FIXED_UP_TO else f'width="{number(width)}" height="{number(height)}"'


def _limit(width: float) -> str:
    """How wide the picture may get where it stands in the page itself."""
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
    """Write the flow's name and how it stands."""
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
    """Draw what tells a join, a split and a switch apart from a plain step."""
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
