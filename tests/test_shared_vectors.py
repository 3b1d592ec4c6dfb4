"""Rules that Python and TypeScript both have are tested with the same vectors."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from flownb.picture.model import STATES
from flownb.picture.svg import _PAINT, INK, STATE_COLOUR
from flownb.widgets.channel import Channel, _View

ROOT = Path(__file__).parents[1]


def script() -> ModuleType:
    """The script that writes the vectors."""
    spec = importlib.util.spec_from_file_location("shared_vectors", ROOT / "scripts" / "shared_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_vectors_are_what_python_does() -> None:
    """The files that the tests of the extension read hold what Python's rules give: ``scripts/shared_vectors.py``."""
    module = script()
    found = {path.name: path.read_text(encoding="utf-8") for path in module.FOLDER.glob("*.json")}
    assert found == dict(module.vectors())


def test_a_kernel_knows_the_document_that_a_view_sends() -> None:
    """Of the messages that a view sends, the kernel makes the documents that the view shows."""
    shown: list[list[dict[str, object]]] = []
    channel = Channel(
        lambda cells: shown.append([{"id": one.id, "source": one.source, "tags": list(one.tags)} for one in cells])
    )
    channel._views["view"] = _View("page")
    documents = json.loads(script().vectors()["messages.json"])["documents"]
    for one in documents:
        channel._take("view", {"content": {"data": one["told"]}})
    assert shown == [one["cells"] for one in documents]


# What is not taken has the colours of what never ran.
COLOURS = [
    *(f"{part}-{state}" for part in ("edge", "word") for state in STATES if state != "untaken"),
    *("card", "under", "chip", "name", "note", "mark"),
]


@pytest.mark.parametrize("name", COLOURS)
def test_live_pictures_have_the_colours_of_saved_ones(name: str) -> None:
    """The style sheet of the live picture has the colours that Python writes, on light and on dark pages."""
    css = (ROOT / "labextension" / "style" / "dag.css").read_text(encoding="utf-8")
    values = re.findall(rf"--flownb-{name}: (#\w+);", css)
    _, day, night = _PAINT[name]
    assert [_long(value) for value in values] == [_long(day), _long(night), _long(night)]


def test_states_have_the_same_colours_everywhere() -> None:
    """The glyphs of live pictures and badges, and the lines of pictures, have the colours that Python writes."""
    css = (ROOT / "labextension" / "style" / "dag.css").read_text(encoding="utf-8")
    found = {}
    for names, colour in re.findall(r"((?:\.flownb-glyph-\w+,?\s*)+)\{\s*--flownb-glyph: (#\w+);", css):
        found.update(dict.fromkeys(re.findall(r"glyph-(\w+)", names), colour))
    assert found == dict(STATE_COLOUR)
    assert {name: re.search(rf"--flownb-{name}: (#\w+);", css)[1] for name in INK} == INK  # type: ignore[index]


def _long(colour: str) -> str:
    """A colour with six digits."""
    digits = colour.removeprefix("#")
    return "#" + (digits if len(digits) == 6 else "".join(one * 2 for one in digits))
