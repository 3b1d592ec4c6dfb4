"""One self-contained HTML page of cards, in light and dark, for screen and paper.

A page has no scripts, and loads nothing from outside. Every text is escaped here, at the one place where it becomes
HTML; a policy in the page forbids the browser anything that gets past that. In Markdown, HTML is shown as text, a link
leads to http, https or mailto and opens a tab of its own, and a picture is shown if it is a ``data:`` URL; any other
picture becomes a link.
"""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flownb.cards.content import CardContent, Plain, clean
from flownb.cards.default import size_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["STYLE", "card_page", "markdown_html", "number_text"]

# Colours are variables, set once for light and once for dark. Text columns are as wide as is good to read, tables and
# pictures as wide as they need.
STYLE = """
:root{--ink:#1b1f24;--soft:#5f6873;--line:#e3e7eb;--strong:#c9d0d7;--paper:#fff;--code:#f3f5f7;--link:#0b62c4;
--bad:#9b1c1c;--badpaper:#fdf3f2;--badline:#f0c6c2;--mark:#7a5200;--markpaper:#fff6dc}
@media (prefers-color-scheme:dark){:root{--ink:#e4e7ea;--soft:#98a1ab;--line:#2b3138;--strong:#434b54;--paper:#14171a;
--code:#20252a;--link:#71b1ff;--bad:#ffb4ab;--badpaper:#2c1a19;--badline:#5c2c28;--mark:#f0cf7f;--markpaper:#322a14}}
*{box-sizing:border-box}
html{background:var(--paper);-webkit-text-size-adjust:100%}
body{margin:0;padding:1.1rem 1.4rem 1.3rem;color:var(--ink);background:var(--paper);font:15px/1.6 ui-sans-serif,
system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Noto Sans",Arial,sans-serif;overflow-wrap:break-word;
font-variant-numeric:lining-nums;text-rendering:optimizeLegibility}
header{display:flex;align-items:baseline;gap:.7rem;margin:0 0 .9rem;font-size:12px;line-height:1.5;color:var(--soft)}
header .of{letter-spacing:.02em}
header .mark{padding:.05rem .5rem;border-radius:1rem;color:var(--mark);background:var(--markpaper)}
article+article{margin-top:1.6rem;padding-top:1.4rem;border-top:1px solid var(--strong)}
.id{margin:0 0 .6rem;font-size:12px;color:var(--soft)}
article>:first-child,.markdown>:first-child{margin-top:0}
article>:last-child,.markdown>:last-child{margin-bottom:0}
.markdown{margin:0 0 1.1rem;max-width:46rem}
h1,h2,h3,h4,h5,h6{margin:1.5em 0 .5em;line-height:1.25;font-weight:650;letter-spacing:-.012em;text-wrap:balance}
h1{font-size:1.65rem;letter-spacing:-.02em}h2{font-size:1.28rem}h3{font-size:1.08rem}h4,h5,h6{font-size:1rem}
h5,h6{color:var(--soft)}
p,ul,ol,pre,blockquote{margin:0 0 .85em}
ul,ol{padding-left:1.4em}li+li{margin-top:.2em}li>ul,li>ol{margin:.2em 0 0}
a{color:var(--link);text-decoration-thickness:.06em;text-underline-offset:.16em}
code,pre,.preview{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.87em}
code{padding:.12em .34em;border-radius:4px;background:var(--code)}
pre{padding:.75rem .9rem;overflow-x:auto;border-radius:6px;background:var(--code);line-height:1.5}
pre code{padding:0;background:none;font-size:1em}
blockquote{padding:0 0 0 .95rem;border-left:3px solid var(--strong);color:var(--soft)}
blockquote>:last-child{margin-bottom:0}
hr{height:1px;margin:1.4rem 0;border:0;background:var(--line)}
figure{margin:0 0 1.2rem}
figcaption{margin-top:.45rem;font-size:13px;color:var(--soft)}
img{display:block;max-width:100%;height:auto;border-radius:6px;background:#fff}
.markdown img{display:inline-block}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:14px;line-height:1.45}
.markdown table{display:block;overflow-x:auto;margin:0 0 .85em}
th,td{padding:.36rem 1.1rem .36rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:.2rem}
thead th{border-bottom:1px solid var(--strong);font-weight:600;color:var(--soft);white-space:nowrap;
vertical-align:bottom}
tbody tr:last-child>*{border-bottom-color:var(--strong)}
.n{text-align:right;font-variant-numeric:lining-nums tabular-nums;white-space:nowrap}
td figure,td .markdown{margin:0}td .markdown{max-width:26rem}td p:last-child{margin-bottom:0}
td img{max-height:14rem;width:auto}
.facts{margin:1.5rem 0 0}
.facts h2{margin:0 0 .25rem;font-size:12px;font-weight:600;letter-spacing:.02em;color:var(--soft)}
.facts table{width:100%;font-size:13px}
.facts tbody tr:first-child>*{border-top:1px solid var(--strong)}
.facts th{min-width:7rem;font-weight:400;white-space:nowrap}.facts code{padding:0;background:none;font-size:12.5px}
.facts .kind{min-width:10rem;white-space:nowrap;color:var(--soft)}.facts .n{min-width:6rem;color:var(--soft);
padding-right:1.4rem}
.preview{width:100%;font-size:12px;line-height:1.55;color:var(--soft);overflow-wrap:anywhere}
.error{padding:.6rem .85rem;border:1px solid var(--badline);border-radius:6px;color:var(--bad);
background:var(--badpaper);font-size:14px}
.error span{display:block;margin-top:.15rem;font-size:13px;white-space:pre-wrap}
.note{color:var(--soft);font-size:14px;font-style:italic}
@media (max-width:640px){body{padding:.9rem 1rem 1.1rem}.facts tr{display:flex;flex-wrap:wrap;gap:0 .9rem;
padding:.3rem 0;border-bottom:1px solid var(--line)}
.facts th,.facts td{padding:0;border:0!important;min-width:0!important}
.preview{flex-basis:100%}}
@media print{body{padding:0;font-size:10.5pt}figure,tr,.error{break-inside:avoid}h1,h2,h3{break-after:avoid}
.wide,.markdown table{overflow:visible}a{color:inherit}}
""".replace("\n", "")
LINKS = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
PICTURES = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=%\s]*\Z", re.IGNORECASE)


def markdown_html(text: str) -> str:
    r"""Convert Markdown to HTML that cannot do anything.

    Parameters
    ----------
    text : str
        CommonMark, with tables and strikethrough.

    Examples
    --------
    >>> markdown_html("*so* <b>it</b> is")
    '<p><em>so</em> &lt;b&gt;it&lt;/b&gt; is</p>\n'
    """
    return str(_parser().render(clean(text)))


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    """The one parser; the library is imported with the first card that is drawn."""
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML

    class Renderer(RendererHTML):
        """Links and pictures as the module's docstring describes them."""

        def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
            """A link that opens a tab of its own, or leads nowhere."""
            target = str(tokens[at].attrGet("href") or "")
            if not LINKS.match(target):
                return "<a>"
            return f'<a href="{html.escape(target)}" rel="noopener noreferrer" target="_blank">'

        def image(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
            """A picture that is part of the text, or a link to one that is not."""
            token = tokens[at]
            source = str(token.attrGet("src") or "")
            label = html.escape(self.renderInlineAsText(token.children or [], options, env))
            if PICTURES.match(source):
                return f'<img src="{html.escape(source)}" alt="{label}">'
            if LINKS.match(source):
                shown = label or html.escape(source)
                return f'<a href="{html.escape(source)}" rel="noopener noreferrer" target="_blank">{shown}</a>'
            return label

        def fence(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
            """A block of code, without its language."""
            return f"<pre><code>{html.escape(tokens[at].content)}</code></pre>\n"

    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer)
    return parser.enable(["table", "strikethrough"])


POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MIME = re.compile(r"image/[a-z0-9.+-]+\Z")


def card_page(cards: Sequence[CardContent], *, heading: str = "", note: str = "") -> str:
    """The page of one or more cards.

    Parameters
    ----------
    cards : sequence of CardContent
    heading : str, optional
        Whose card it is, in small letters above it.
    note : str, optional
        A remark beside the heading, such as ``spin, not recorded``.

    Returns
    -------
    str
        A whole document; the same cards always have the same text.
    """
    body = "".join(_card(card, several=len(cards) > 1) for card in cards)
    top = ""
    if heading or note:
        mark = f'<span class="mark">{_escape(note)}</span>' if note else ""
        top = f'<header><span class="of">{_escape(heading)}</span>{mark}</header>'
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{_escape(heading or 'Card')}</title><style>{STYLE}</style></head>"
        f"<body>{top}{body}</body></html>"
    )


def _card(card: CardContent, *, several: bool) -> str:
    """One card of a page."""
    name = f'<p class="id">{_escape(card.id or card.type)}</p>' if several else ""
    title = f"<h1>{_escape(card.title)}</h1>" if card.title else ""
    parts = "".join(_part(part) for part in card.parts)
    empty = "" if parts or title else '<p class="note">Nothing was appended to this card.</p>'
    return f"<article>{name}{title}{parts}{empty}</article>"


def _part(part: Any) -> str:
    """A component as HTML, or a line that says that this version does not know its type."""
    kind = str(part.get("type", "")) if isinstance(part, dict) else ""
    draw = PARTS.get(kind)
    if draw is None:
        return f'<p class="note">{_escape(kind or "This component")}: not known to this version of flownb.</p>'
    return draw(part)


def _markdown(part: Plain) -> str:
    return f'<section class="markdown">{markdown_html(str(part.get("source", "")))}</section>'


def _table(part: Plain) -> str:
    headers = [_escape(header) for header in part.get("headers", ())]
    rows = [list(row) for row in part.get("rows", ())]
    width = max([len(headers), *(len(row) for row in rows)], default=0)
    if not width:
        return ""
    right = [_is_numeric(row[place] for row in rows if place < len(row)) for place in range(width)]
    marks = [' class="n"' if number else "" for number in right]
    head = "".join(f'<th scope="col"{mark}>{cell}</th>' for cell, mark in zip(headers, marks, strict=False))
    lines = ["".join(f"<td{mark}>{_cell(cell)}</td>" for cell, mark in zip(row, marks, strict=False)) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines if line)
    top = f"<thead><tr>{head}</tr></thead>" if head else ""
    left_out = _escape(part.get("left_out", ""))
    below = f"<figcaption>{left_out}</figcaption>" if left_out else ""
    return f'<figure class="table"><div class="wide"><table>{top}<tbody>{body}</tbody></table></div>{below}</figure>'


def _cell(value: Any) -> str:
    """What a cell shows: a text, a number, or a component."""
    if isinstance(value, dict):
        return _part(value)
    if isinstance(value, float):
        short = number_text(value)
        return _escape(short) if short == repr(value) else f'<span title="{value!r}">{_escape(short)}</span>'
    return _escape("" if value is None else value)


def _is_numeric(values: Any) -> bool:
    """Whether all values of a column are numbers."""
    found = [value for value in values if value not in (None, "", "null")]
    return bool(found) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)


def number_text(value: float) -> str:
    """A number short enough for a table.

    Examples
    --------
    >>> number_text(0.1 + 0.2), number_text(2.5), number_text(1e-9 / 3)
    ('0.3', '2.5', '3.33333e-10')
    """
    text = repr(value)
    if len(text) <= 9 or not math.isfinite(value):
        return text
    if 1e-3 <= abs(value) < 1e12:
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:.6g}"


def _image(part: Plain) -> str:
    mime, content = str(part.get("mime", "")), part.get("content", b"")
    if not MIME.match(mime) or not isinstance(content, bytes):
        return _error({"headline": "Image: it cannot be drawn."})
    label = _escape(part.get("label", ""))
    source = f"data:{mime};base64,{base64.b64encode(content).decode()}"
    below = f"<figcaption>{label}</figcaption>" if label else ""
    return f'<figure><img src="{source}" alt="{label}">{below}</figure>'


def _facts(part: Plain) -> str:
    rows = "".join(
        f'<tr><th scope="row"><code>{_escape(row["name"])}</code></th><td class="kind">{_escape(row["kind"])}</td>'
        f'<td class="n">{_escape(size_text(row["size"]))}</td><td class="preview">{_escape(row["preview"])}</td></tr>'
        for row in part.get("rows", ())
    )
    return (
        f'<section class="facts"><h2>{_escape(part.get("title", ""))}</h2>'
        f'<div class="wide"><table><tbody>{rows}</tbody></table></div></section>'
    )


def _error(part: Plain) -> str:
    detail = _escape(part.get("detail", ""))
    below = f"<span>{detail}</span>" if detail else ""
    return f'<p class="error" role="note"><strong>{_escape(part.get("headline", ""))}</strong>{below}</p>'


def _note(part: Plain) -> str:
    return f'<p class="note">{_escape(part.get("text", ""))}</p>'


def _escape(text: object) -> str:
    """A text as it may be in an element or a quoted attribute."""
    return html.escape(clean(text), quote=True)


PARTS: dict[str, Callable[[Plain], str]] = {
    "markdown": _markdown,
    "table": _table,
    "image": _image,
    "facts": _facts,
    "error": _error,
    "note": _note,
}
