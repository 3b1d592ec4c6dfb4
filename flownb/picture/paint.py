"""The picture's colours and glyphs.

Gives presentation attributes for light pages, one style sheet that turns them dark, and a glyph for
each state drawn as paths, so that no font decides how it looks.
"""

from __future__ import annotations

from flownb.picture.model import NodeState

__all__ = ["DARK_STYLE", "INK", "SANS", "STATE_COLOUR", "paint", "state_glyph", "state_paint"]

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

# A step that was not taken is as quiet as one that never ran; its glyph and its word tell them apart.
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
    """Give the attributes that colour a part of a card, ``"edge"`` or ``"word"``, by the card's state."""
    return paint(f"{part}-{_PAINT_OF.get(state, state)}")


def paint(*names: str) -> str:
    """Give the attributes that colour one part of a card.

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
    """Write the rules for dark pages: by the page's theme if it tells, else by the system's."""
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
