"""A notebook, its export, edits of both, and their merge: what the tests of ``flownb sync`` are made of."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flownb.flow_file.merging import Merge, merge_units
from flownb.flow_file.sync import Synced, take_back
from flownb.flow_file.three_way import Side
from flownb.flow_file.units import read_units
from flownb.session.sync import exported_units
from tests.flow_file.trees import exported

__all__ = ["changed", "document", "edited", "edited_cells", "merged", "synced"]

# Only its folder counts, where own modules are looked for.
NOTEBOOK = Path("/nowhere/nb.ipynb")


def document(*cells: str) -> dict[str, Any]:
    """A notebook of code cells, with outputs, and of markdown cells, which begin with ``MD:``."""
    found: list[dict[str, Any]] = []
    for number, text in enumerate(cells):
        if text.startswith("MD:"):
            found.append({"cell_type": "markdown", "id": f"c{number}", "metadata": {}, "source": text[3:]})
            continue
        output = {"output_type": "stream", "name": "stdout", "text": f"{number}"}
        found.append(
            {
                "cell_type": "code",
                "execution_count": number,
                "id": f"c{number}",
                "metadata": {},
                "outputs": [output],
                "source": text,
            }
        )
    return {"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def edited(text: str, *edits: tuple[str, str]) -> str:
    """A text with some parts replaced, each of which it must have."""
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def edited_cells(before: dict[str, Any], *edits: tuple[str, str]) -> dict[str, Any]:
    """A notebook with parts of its cells replaced."""
    after = copy.deepcopy(before)
    for old, new in edits:
        cell = next(cell for cell in after["cells"] if old in cell["source"])
        cell["source"] = cell["source"].replace(old, new, 1)
    return after


def merged(before: dict[str, Any], now: dict[str, Any], flow: str, take: Side | None = None) -> Merge:
    """Merge an edited file into a notebook whose last export was made of `before`."""
    ours = exported_units(NOTEBOOK, now).units
    return merge_units(read_units(exported(before)), ours, read_units(flow), take)


def synced(before: dict[str, Any], now: dict[str, Any], flow: str, take: Side | None = None) -> Synced:
    """The notebook with the edits of the file; there must be no conflict, or a side that is taken."""
    merge = merged(before, now, flow, take)
    assert take is not None or merge.conflicts == ()
    return take_back(now, merge.units, lambda one: exported_units(NOTEBOOK, one), merge.renamed)


def changed(before: dict[str, Any], after: dict[str, Any]) -> Mapping[str, str | None]:
    """The sources of the cells that are new or edited by their ids; None for a cell that was removed."""
    old = {cell["id"]: cell for cell in before["cells"]}
    new = {cell["id"]: cell for cell in after["cells"]}
    for key in old.keys() & new.keys():  # all else of a cell stays, outputs included
        assert {**new[key], "source": ""} == {**old[key], "source": ""}
    gone = dict.fromkeys(key for key in old if key not in new)
    return gone | {key: one["source"] for key, one in new.items() if one["source"] != old.get(key, {}).get("source")}
