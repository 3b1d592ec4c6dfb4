"""``%card`` in a real kernel."""

from __future__ import annotations

from tests.magics.test_magics import Kernel, kernel

__all__ = ["kernel"]  # the fixture

SHARED = "%%shared\n%matplotlib inline\nfrom flownb import current\nfrom flownb.cards import Image, Markdown, Table"
STEP = """%%step train -> m
@card
import matplotlib.pyplot as plt
m = 2
figure, axes = plt.subplots(figsize=(2, 1))
axes.plot([1, 2])
current.card.append(Markdown("# Result <script>"))
current.card.append(Image.from_matplotlib(figure, "Curve"))
current.card.append(Table([["a", 1.5]], headers=["k", "v"]))"""


def test_a_card_in_a_notebook(kernel: Kernel) -> None:
    """A card is shown in a sandboxed frame and as text, the same each time; what varies is in the metadata."""
    kernel.run(SHARED)
    reply = kernel.run(STEP)
    assert reply.plain == ["✓ train · set m: int · local: axes, figure"]
    first = kernel.run("%card train")
    assert first.error == ""
    text = first.plain[0]
    assert text.startswith(
        "train\n\n# Result <script>\n\n[image: Curve]\n\nk    v\n──────\na  1.5\n\nArtifacts\n  m  int"
    )
    html = first.displays[0]["text/html"]
    assert html.startswith(
        '<iframe sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox" title="train"'
    )
    assert "<script" not in html
    assert "data:image/png;base64," in html
    assert "F/1/train/1" not in html
    assert first.metadata[0]["flownb"]["task"] == "NotebookFlow/1/train/1"
    kernel.run(STEP)
    second = kernel.run("%card train")
    assert second.displays == first.displays
    assert second.metadata[0]["flownb"]["task"] == "NotebookFlow/1/train/2"


def test_a_spun_card_is_shown(kernel: Kernel) -> None:
    """After a spin its card is the newest one, and says what it is; nothing was recorded."""
    kernel.run(SHARED)
    kernel.run("%%step a -> x\n@card\nx = 1\ncurrent.card.append(Markdown('first'))")
    kernel.run("%%spin a\n@card\nx = 1\ncurrent.card.append(Markdown('second'))")
    assert kernel.run("%card a").plain[0].startswith("a (spin, not recorded)\n\nsecond")
    assert kernel.run("%card a --from 1").plain[0].startswith("a\n\nfirst")
    assert kernel.run("import flownb\nlen(list(flownb.Flow('NotebookFlow')['1']['a']))").plain == ["1"]


def test_what_goes_wrong_is_one_message(kernel: Kernel) -> None:
    """A card that is not there, and current.card without @card, are told without a traceback of ours."""
    kernel.run(SHARED)
    assert "There is no step `a`." in kernel.run("%card a").error
    kernel.run("%%step a\npass")
    reply = kernel.run("%card a")
    assert (reply.name, "Write @card on the line below `%%step a`" in reply.error) == ("CardNotFound", True)
    assert "flownb/" not in reply.error
    reply = kernel.run("%%step b\ncurrent.card.append(Markdown('x'))")
    assert "Step b has no card to write to." in reply.error
    assert "----> 2 current.card.append" in reply.error
    assert "Did you mean `--index`?" in kernel.run("%card a --indx 1").error
    for line in ('%card a --id "x', '%flow run --tag "x', '%spin a --set "x', '%%spin a --set "x\npass', "%flow 'run"):
        reply = kernel.run(line)
        assert reply.name == "ParameterError"
        assert "has a quote that is not closed." in reply.error
        assert "flownb/" not in reply.error
    reply = kernel.run("%%step b\n@card\n@card\ncurrent.card.append(Markdown('x'))")
    assert reply.error == ""
    assert "warning: card of b: Several cards could be meant" in reply.text
