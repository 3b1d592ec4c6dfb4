"""Cards: the exported flow's card on real Metaflow has the components the notebook's card has."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flownb.cards.content import CardContent
from flownb.session.export import export_flow
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from tests.conftest import MakeSession
from tests.fidelity.metaflow_peer import _environment, run_in_metaflow

CELLS = (
    '%%flow CardFlow\nalpha = Parameter("alpha", default=2)',
    "%%shared\nimport matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nimport pandas as pd\n"
    "from flownb import current\nfrom flownb.cards import Image, Markdown, Table",
    "%%step train -> m\n@card\n@card(type='blank', id='extra', options={'title': 'Extra'})\n"
    "m = alpha * 2\n"
    "current.card.append(Markdown('''\n    # Result\n    *m* is 4 <b>now</b>\n    '''))\n"
    "current.card.append(Table([['a', 1], [Markdown('in a cell'), 2.5]], headers=['k', 'v']))\n"
    "current.card.append(Table.from_dataframe(pd.DataFrame({'x': [1, 2, 3], 'y': ['p', 'q', 'r']})))\n"
    "figure, axes = plt.subplots(figsize=(2, 1))\naxes.plot([1, 2, 3])\n"
    "current.card.append(Image.from_matplotlib(figure, 'Curve'))\n"
    "current.card.append(Markdown('late'), id='late')\n"
    "current.card.components['late'].update('updated')\n"
    "current.card['extra'].extend([Markdown('one'), Markdown('two')])\n"
    "current.card.refresh()",
)
FETCH = """
import json, sys
from metaflow import Flow, namespace
from metaflow.cards import get_cards
namespace(None)
task = Flow("CardFlow").latest_run["train"].task
print(json.dumps([[card.type, card.id, card.get()] for card in get_cards(task)]))
"""


def their_cards(folder: Path) -> dict[tuple[str, str | None], Any]:
    """The data of the cards that real Metaflow made, by type and id."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FETCH],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    found = {}
    for kind, name, page in json.loads(done.stdout.splitlines()[-1]):
        # The page holds its data as base64 of a JSON object, which begins with {"
        texts = [base64.b64decode(text) for text in re.findall(r"""["'](eyJ[A-Za-z0-9+/=]{40,})["']""", page)]
        found[kind, name] = next(json.loads(text) for text in texts if b'"components"' in text)
    return found


def parts(value: Any) -> Iterator[tuple[Any, ...]]:
    """Texts, cells and pictures in what Metaflow's or our card holds, in order."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from parts(one)
    elif isinstance(value, dict) and value.get("type") == "markdown":
        yield "markdown", value["source"].strip()
    elif isinstance(value, dict) and value.get("type") == "table":
        headers = value["headers"] if "headers" in value else value["columns"]
        rows = value["rows"] if "rows" in value else value["data"]
        cells = [[[*parts(cell)] if isinstance(cell, dict) else cell for cell in row] for row in rows]
        yield "table", headers, cells
    elif isinstance(value, dict) and value.get("type") == "image":
        yield "image", value["label"]
    elif isinstance(value, dict):
        yield from parts(value.get("contents", []))


def test_the_exported_card_has_the_same_components(make_session: MakeSession, tmp_path: Path) -> None:
    """Texts, cells, components in cells, updated components and the picture are the same, in the same cards."""
    session = make_session(*CELLS)
    run = run_flow(session, parse_run([]))
    record = session.datastore.tasks.last_attempts("CardFlow", run.pathspec.split("/")[1], "train")[0]
    ours = {
        (card.type, card.id): CardContent.from_plain(session.datastore.artifacts.load(card.content))
        for card in record.cards
    }
    tasks = run_in_metaflow(export_flow(session), tmp_path / "metaflow")
    assert tasks["train"][0]["m"] == 4
    theirs = their_cards(tmp_path / "metaflow")
    assert ours.keys() == theirs.keys() == {("default", None), ("blank", "extra")}
    for key, card in ours.items():
        page = theirs[key]["components"][-1]
        # Metaflow puts what was appended into the page's first section; its own sections have titles.
        appended = page["contents"][0]["contents"]
        assert list(parts(card.components)) == list(parts(appended)), key
    assert sum(part["type"] == "image" for part in ours["default", None].components) == 1
    assert ours["blank", "extra"].title == theirs["blank", "extra"]["components"][-1]["title"] == "Extra"
