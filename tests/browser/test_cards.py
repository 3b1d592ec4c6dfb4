"""Cards: what a step shows about itself, in a frame that cannot do anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.lab import Lab, code

FRAME = ".jp-Cell-outputArea iframe"
SHOWN = """text => window.lab.cell('card').node.querySelector('.jp-Cell-outputArea iframe')
    ?.contentDocument?.body?.innerText.includes(text)"""


def cells(body: str) -> list[Any]:
    """A step `report` that fills its card, and cells that show the card and spin the step."""
    return [
        code("%load_ext flownb", id="ext"),
        code(
            "%%shared\nfrom flownb import card, current\nfrom flownb.cards import Image, Markdown, Table", id="shared"
        ),
        code(f"%%step report -> n\n@card\n{body}\nn = 1", id="report"),
        code("%card report", id="card"),
        code("%spin report", id="spin"),
    ]


PLOT = """import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(5, 3))
axes.plot([1, 4, 2, 5])
current.card.append(Markdown("# Growth\\n\\nFour *values*."))
current.card.append(Table([[1, 2], [3, 4]], headers=["left", "right"]))
current.card.append(Image.from_matplotlib(figure))"""


def test_a_card_with_a_plot(lab: Lab) -> None:
    """The card is in a sandboxed frame without scripts, its picture is there, and the frame fits its content."""
    lab.open(lab.write("card_plot", cells(PLOT)))
    lab.run("ext", "shared", "report", "card")
    assert lab.failed() == {}
    frame = lab.browser.frame_of(FRAME)
    assert frame is not None
    do = lab.browser.do
    sandbox = lab.browser.evaluate("selector => document.querySelector(selector).getAttribute('sandbox')", FRAME)
    assert sandbox is not None
    assert "allow-scripts" not in sandbox
    do(frame.wait_for_function("() => [...document.images].some(image => image.complete && image.naturalWidth > 0)"))
    text = do(frame.inner_text("body"))
    assert "Growth" in text
    assert "right" in text
    content = do(frame.evaluate("() => document.documentElement.scrollHeight"))
    shown = lab.browser.evaluate("selector => document.querySelector(selector).clientHeight", FRAME)
    assert abs(shown - content) <= 2


def test_markup_in_a_card_does_not_run(lab: Lab) -> None:
    """A script in Markdown is text or nothing; it has no way to the page or to the notebook."""
    evil = "<script>parent.document.title = 'evil'</script><img src=x onerror=\"parent.document.title = 'evil'\">"
    body = f"current.card.append(Markdown({'Harmless ' + evil!r}))"
    lab.open(lab.write("card_script", cells(body)))
    lab.run("ext", "shared", "report", "card")
    assert lab.failed() == {}
    frame = lab.browser.frame_of(FRAME)
    assert frame is not None
    lab.browser.do(frame.wait_for_function("() => document.body.innerText.includes('Harmless')"))
    assert lab.browser.do(frame.evaluate("() => document.querySelectorAll('script, [onerror]').length")) == 0
    assert lab.browser.evaluate("() => document.title") != "evil"


@pytest.mark.parametrize("by", ["shortcut", "magic"])
def test_a_spin_refreshes_a_card_in_place(lab: Lab, by: str) -> None:
    """A card that is shown somewhere in the notebook shows the newest spin of its step, in its place."""
    lab.open(lab.write(f"card_spin_{by}", cells("current.card.append(Markdown('Edition one'))")))
    lab.run("ext", "shared", "report", "card")
    lab.wait(SHOWN, "Edition one")
    lab.edit("report", "%%step report -> n\n@card\ncurrent.card.append(Markdown('Edition two'))\nn = 1")
    if by == "magic":
        lab.run("spin")
    else:
        lab.select("report", "command")
        lab.press("Control+Alt+s")
    lab.wait(SHOWN, "Edition two")
    assert lab.browser.evaluate("() => window.lab.cell('card').node.querySelectorAll('iframe').length") == 1
