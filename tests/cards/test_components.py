"""The components a step makes, and the same made by Metaflow."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Any

import pytest

from flownb.cards import Image, Markdown, Table
from flownb.cards.components import CardComponent, is_component, render

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Metaflow's own components."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import metaflow.cards
    return metaflow.cards


def test_markdown_is_dedented() -> None:
    """Blanks that all lines begin with are taken away, also when the text is replaced."""
    text = Markdown("\n    # a\n      b\n")
    assert text.render() == {"type": "markdown", "source": "\n# a\n  b\n"}
    text.update("  c")
    assert text.render() == {"type": "markdown", "source": "c"}
    assert Markdown().render() == {"type": "markdown", "source": ""}


def test_a_table_holds_texts_numbers_and_components() -> None:
    """Cells are kept as they are, components in them are rendered, and what Metaflow cannot show is ``<object>``."""
    said: list[str] = []
    rows = [["a", 1, 2.5, None, True], [Markdown("*b*"), {"k": [1]}, object()]]
    table = Table(rows, headers=["x", 3])  # type: ignore[list-item]  # any label will do
    table._warn = said.append
    plain = table.render()
    assert plain["headers"] == ["x", "3"]
    assert plain["rows"][0] == ["a", 1, 2.5, None, True]
    assert plain["rows"][1] == [{"type": "markdown", "source": "*b*"}, '{"k": [1]}', "<object>"]
    what = "A table cell of type builtins.object is shown as <object>, as in Metaflow: give str() or float() of it."
    assert said == [what]


@pytest.mark.parametrize("data", [None, [], "text", ["text"], [1], ({},)])
def test_what_is_not_a_list_of_lists_is_skipped(data: Any, theirs: Any) -> None:
    """A table of anything else is empty, as in Metaflow."""
    assert Table(data).render()["rows"] == [[]]
    assert theirs.Table(data).render()["data"] == [[]]


def frames() -> list[Any]:
    """Frames whose columns Metaflow can write."""
    import numpy as np
    import pandas as pd

    return [
        pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.25, 0.1], "c": [True, False, True]}),
        pd.DataFrame({"t": ["x", "y"], 5: [1, 2]}, index=["r", "s"]),
        pd.DataFrame({"when": pd.date_range("2013-01-01", periods=7), "n": np.arange(7, dtype="int32")}),
        pd.DataFrame({"d": pd.to_timedelta([1, 90], unit="s"), "k": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"f": np.array([0.5, 0.25], dtype="float32")}),
        pd.DataFrame(),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_frame_has_metaflows_cells(number: int, theirs: Any) -> None:
    """Index, headers and cells of the first five rows are those Metaflow shows, and the frame is left alone."""
    frame = frames()[number]
    plain = Table.from_dataframe(frame).render()
    assert frame.equals(frames()[number])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        their = theirs.Table.from_dataframe(frame.copy()).render()
    assert plain["headers"] == [str(header) for header in their["columns"]]
    assert [row for row in plain["rows"] if row] == [row for row in their["data"] if row]


def test_a_frames_gaps_and_long_texts() -> None:
    """A missing value is null in columns of any type, a long text is cut, and the line below says what is left out."""
    import pandas as pd

    frame = pd.DataFrame(
        {"a": [None, 1.5] * 3, "b": ["short", "long " * 10] * 3, "c": pd.to_datetime(["2020", None] * 3)}
    )
    plain = Table.from_dataframe(frame).render()
    assert plain["rows"][0] == [0, "null", "short", "2020-01-01T00:00:00"]
    assert plain["rows"][1] == [1, 1.5, "long " * 6 + "...", "null"]
    assert (len(plain["rows"]), plain["left_out"]) == (5, "first 5 of 6 rows")
    whole = Table.from_dataframe(frame, truncate=False).render()
    assert (len(whole["rows"]), whole["left_out"]) == (6, "")
    twice = pd.DataFrame([[1, "x"]], columns=["a", "a"], index=pd.MultiIndex.from_tuples([("u", 2)]))
    plain = Table.from_dataframe(twice).render()
    assert (plain["headers"], plain["rows"]) == (["", "a", "a"], [["u, 2", 1, "x"]])


def test_a_polars_frame_says_what_metaflow_draws() -> None:
    """A polars frame is drawn, with a hint that Metaflow wants a pandas one."""
    import polars as pl

    said: list[str] = []
    table = Table.from_dataframe(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    table._warn = said.append
    plain = table.render()
    assert (plain["headers"], plain["rows"]) == (["a", "b"], [[1, "x"], ["null", "y"]])
    assert "to_pandas()" in said[0]


def test_no_frame_is_said_as_in_metaflow(theirs: Any) -> None:
    """What is not a frame becomes a table with one header that says so."""
    assert Table.from_dataframe([1]).render()["headers"] == ["Object type list not supported"]
    assert theirs.Table.from_dataframe([1]).render()["columns"] == ["Object type list not supported"]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (PNG, "image/png"),
        (b"GIF89a...", "image/gif"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (f"data:image/png;base64, {base64.encodebytes(PNG).decode()}", "image/png"),
        ("data:image/svg+xml,%3Csvg/%3E", "image/svg+xml"),
    ],
)
def test_an_image_is_known_by_its_bytes(source: Any, kind: str) -> None:
    """PNG, JPEG, GIF and WebP bytes and data URLs become pictures."""
    plain = Image(source, "label").render()
    assert (plain["type"], plain["mime"], plain["label"]) == ("image", kind, "label")
    if kind == "image/png":
        assert plain["content"] == PNG


@pytest.mark.parametrize(
    "source",
    [None, b"", b"nothing", 5, bytearray(PNG), "text", "https://example.org/a.png?data:image/png,", "data:text/html,x"],
)
def test_what_is_not_a_picture_is_an_error_line(source: Any) -> None:
    """Anything else shows an error line, and nothing is ever loaded from outside."""
    assert Image(source).render()["type"] == "error"


def test_a_figure_is_the_same_picture_each_time() -> None:
    """A matplotlib figure, or the figure of axes, gives equal bytes each time, and is closed as in Metaflow."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    def draw() -> Any:
        figure, axes = plt.subplots(figsize=(2, 1))
        axes.plot([1, 2])
        return figure, axes

    first, second = Image.from_matplotlib(draw()[0], "l").render(), Image.from_matplotlib(draw()[1], "l").render()
    assert second == first
    assert b"matplotlib" not in first["content"].lower()
    assert plt.get_fignums() == []
    assert Image.from_matplotlib("no figure").render()["type"] == "error"
    image = Image(PNG, disable_updates=False)
    image.update(draw()[0])
    assert image.render()["content"] == first["content"]


def test_a_pil_image() -> None:
    """A PIL image becomes a PNG."""
    from PIL import Image as Pictures

    plain = Image.from_pil_image(Pictures.new("RGB", (2, 1)), "l").render()
    assert Pictures.open(io.BytesIO(plain["content"])).size == (2, 1)
    assert Image.from_pil_image(b"no image").render()["type"] == "error"


def test_an_image_made_from_bytes_stays(theirs: Any) -> None:
    """An image can be updated only if it was made so; defaults are Metaflow's."""
    said: list[str] = []
    image = Image(PNG)
    image._warn = said.append
    image.update(b"GIF89a")
    image.update(b"GIF89a")
    assert (image.render()["mime"], len(said)) == ("image/png", 1)
    for made, their in ((Image(PNG), theirs.Image(PNG)), (Table(), theirs.Table()), (Markdown(), theirs.Markdown())):
        assert made.REALTIME_UPDATABLE == their.REALTIME_UPDATABLE  # type: ignore[attr-defined]  # one each has it


def test_a_component_that_cannot_be_drawn_is_an_error_line() -> None:
    """A component that cannot be drawn shows an error line, and so does one of Metaflow's own."""

    class Bad(CardComponent):
        def render(self) -> dict[str, Any]:
            raise ZeroDivisionError("no")

    assert render(Bad()) == {"type": "error", "headline": "Bad: it cannot be drawn.", "detail": "ZeroDivisionError: no"}
    assert render(Table([[1], 2]))["type"] == "error"  # type: ignore[list-item]  # the mistake


def test_components_of_metaflow_are_known(theirs: Any) -> None:
    """A name that flownb does not draw is Metaflow's, counts as a component, and shows a line."""
    from flownb import cards

    chart = cards.VegaChart({"mark": "bar"})
    assert cards.VegaChart is theirs.VegaChart
    assert is_component(chart)
    assert render(chart) == {"type": "note", "text": "VegaChart: this component is drawn by Metaflow only."}
    with pytest.raises(AttributeError):
        cards.Markdwon  # noqa: B018
    with pytest.raises(AttributeError):
        cards._private  # noqa: B018


def test_without_metaflow_its_components_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing another component without Metaflow installed names what there is and what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "metaflow", None)
    monkeypatch.setitem(sys.modules, "metaflow.cards", None)
    with pytest.raises(ImportError) as caught:
        from flownb.cards import VegaChart  # noqa: F401
    assert "`VegaChart` is not one of the card components flownb draws (Image, Markdown, Table)" in str(caught.value)
