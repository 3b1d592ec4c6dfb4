"""Markdown as HTML that cannot do anything.

Takes a text; gives a fragment of HTML. HTML in the text is shown as text; a link goes to http, https or mailto and
opens a tab of its own; a picture is shown if it is a ``data:`` URL, otherwise it becomes a link, for a card loads
nothing from outside.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flownb.cards.content import clean

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

__all__ = ["markdown_html"]

LINKS = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
PICTURES = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=%\s]*\Z", re.IGNORECASE)


def markdown_html(text: str) -> str:
    r"""The text as HTML.

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
        """Links and pictures as this module's first lines say."""

        def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
            """A link that opens a tab of its own, or an inert one."""
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
            """A block of code; its language is said to nobody."""
            return f"<pre><code>{html.escape(tokens[at].content)}</code></pre>\n"

    parser = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer)
    return parser.enable(["table", "strikethrough"])
