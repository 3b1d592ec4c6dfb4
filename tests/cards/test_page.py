"""A card's page: what it shows, and that nothing gets out of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cards import Image, Markdown, Table
from flownb.cards.bundle import UNTRUSTED, card_bundle, card_text
from flownb.cards.content import CardContent, failure
from flownb.cards.default import default_sections, fact
from flownb.cards.page import card_page, markdown_html

NASTY = [
    "<script>alert(1)</script>",
    "</iframe><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><img src=x onerror=alert(1)>",
    "\"><img src=x onerror='alert(1)'>",
    "' onload='alert(1)",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "<javascript:alert(1)>",
    "![x](https://example.org/track.png)",
    '![x"onerror="alert(1)](data:image/png;base64,AAAA)',
    "[x]: javascript:alert(1)\n[x]",
    "```<script>\nx\n```",
    "| <b> |\n|--|\n| <script> |",
    "&lt;script&gt; \ud800 \0 \u202e",
    "<!-- -->",
]
ELEMENTS = set(
    "html head meta title style body header span article section h1 h2 h3 h4 h5 h6 p a em strong code pre ul ol li "
    "blockquote hr br s table thead tbody tr th td figure figcaption div img".split()
)
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "style",
    "scope",
    "title",
    "src",
    "alt",
    "href",
}
ATTRIBUTES |= {"rel", "target", "role", "start"}


class Reader(HTMLParser):
    """Elements and attributes of a page, as a browser finds them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data


def check_page(page: str) -> Reader:
    """Assert that a page has only what a card needs."""
    read = Reader(page)
    for tag, attributes in read.found:
        assert tag in ELEMENTS, (tag, attributes)
        assert attributes.keys() <= ATTRIBUTES, (tag, attributes)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        assert re.match(r"https?:|mailto:", attributes.get("href") or "http:", re.IGNORECASE)
        if tag == "a" and "href" in attributes:
            assert (attributes["rel"], attributes["target"]) == ("noopener noreferrer", "_blank")
        if "style" in attributes:
            assert re.fullmatch(r"text-align:(left|right|center)", attributes["style"] or "")
    assert sum(tag == "style" for tag, _ in read.found) == 1
    return read


def everywhere(text: str) -> CardContent:
    """A card with a text at every place a text can be."""
    parts: list[dict[str, Any]] = [
        Markdown(text).render(),
        Table([[text, Markdown(text)], [1.5, None]], headers=[text, text]).render(),
        Image(b"GIF89a", text).render(),
        Image(text).render(),
        {"type": "image", "mime": text, "content": b"", "label": ""},
        {"type": "image", "mime": "image/png", "content": text, "label": ""},
        failure(text, text),
        {"type": "note", "text": text},
        {"type": text},
    ]

    class Odd:
        def __repr__(self) -> str:
            return text

    rows = [
        fact(text, text),
        fact("o", Odd()),
        fact("d", {text: text}),
        {"name": "n", "kind": text, "size": 1, "preview": text},
    ]
    return CardContent("default", text, text, tuple(parts), default_sections(rows, rows, rows))


@pytest.mark.parametrize("text", NASTY)
def test_nothing_gets_out(text: str) -> None:
    """Whatever the texts of a card are, the page has the elements of a card and no others."""
    card = everywhere(text)
    page = card_page([card, card], heading=text, note=text)
    check_page(page).text.encode()
    bundle = card_bundle([card], heading=text, note=text)
    frame = Reader(bundle["text/html"])
    assert [(t, sorted(a)) for t, a in frame.found] == [("iframe", ["onload", "sandbox", "srcdoc", "style", "title"])]
    attributes = frame.found[0][1]
    assert attributes["sandbox"] == "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
    assert attributes["srcdoc"] == card_page([card], heading=text, note=text)
    assert frame.text == UNTRUSTED
    bundle["text/plain"].encode("utf-8", "surrogatepass")


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60) | st.lists(st.sampled_from(NASTY), max_size=4).map(" ".join))
def test_no_text_gets_out(text: str) -> None:
    """The same of any text there is."""
    check_page(card_page([everywhere(text)], heading=text, note=text))
    card_text([everywhere(text)], heading=text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]()<>!`*_#|\\\"'&;:/=- \n\tajvscript1.", max_size=60))
def test_no_markdown_gets_out(text: str) -> None:
    """The same of texts made of what Markdown gives a meaning."""
    check_page(f"<style></style>{markdown_html(text)}")


def test_markdown_is_drawn() -> None:
    """Headings, lists, tables, code and safe links become elements; HTML is shown as it is written."""
    page = markdown_html("# h\n- a\n\n~~s~~ [l](https://a.b)\n\n|x|\n|--:|\n|1|\n\n<b>t</b>\n\n`c`\n\n```py\nx<1\n```")
    assert "<h1>h</h1>" in page
    assert '<a href="https://a.b" rel="noopener noreferrer" target="_blank">l</a>' in page
    assert '<td style="text-align:right">1</td>' in page
    assert "&lt;b&gt;t&lt;/b&gt;" in page
    assert "<pre><code>x&lt;1\n</code></pre>" in page
    assert "<a>l</a>" in markdown_html("[l](../x.md)")
    assert '<img src="data:image/png;base64,AAAA" alt="i">' in markdown_html("![i](data:image/png;base64,AAAA)")
    assert "<img" not in markdown_html("![i](https://a.b/c.png)")


def test_a_page_is_whole_and_still() -> None:
    """A page forbids scripts and all that is outside of it, and is the same each time."""
    card = CardContent("blank", None, "Title", (Markdown("hi").render(),))
    page = card_page([card], heading="train")
    assert "default-src &#x27;none&#x27;; img-src data:" in page
    assert "<h1>Title</h1>" in page
    assert card_page([card], heading="train") == page
    assert card_bundle([card]) == card_bundle([card])
    assert "Nothing was appended" in card_page([CardContent("blank")])


def test_numbers_stand_right_and_short() -> None:
    """A column of numbers is set right; a long one is shortened and whole in its title."""
    page = card_page([CardContent(components=(Table([["a", 0.1 + 0.2], ["b", 2]], headers=["k", "v"]).render(),))])
    assert '<td class="n"><span title="0.30000000000000004">0.3</span></td>' in page
    assert '<th scope="col" class="n">v</th>' in page
    assert "<td>a</td>" in page


def test_a_card_as_text() -> None:
    """A terminal shows Markdown as written, tables and artifacts in columns, and a line for a picture."""
    parts = (
        Markdown("# hi").render(),
        Table([["a", 1], ["bb", 22]], headers=["k", "n"]).render(),
        Image(b"GIF89a", "curve").render(),
        Image(b"no").render(),
    )
    card = CardContent(
        "default", None, "", parts, default_sections([fact("alpha", 2, 30)], [fact("m", [1, 2], 2048)], [])
    )
    expected = """train (spin)

# hi

k    n
──────
a    1
bb  22

[image: curve]

! Image: the bytes are no picture. PNG, JPEG, GIF and WebP can be shown.

Artifacts
  m  list of 2  2.0 kB  [1, 2]

Parameters
  alpha  int  30 B  2"""
    assert card_text([card], heading="train", note="spin") == expected
    assert card_text([CardContent("blank")]) == "(nothing was appended to this card)"


def test_a_card_is_read_back() -> None:
    """A card is the same after it was stored, also when a later version wrote more."""
    card = everywhere("x")
    assert CardContent.from_plain({**card.to_plain(), "later": 1}) == card
