"""Plain notebooks as people write them become flows, or are refused for a reason.

The whole proof, with every notebook on Metaflow, is ``scripts/convert_corpus.py``. Its result is the table in
docs/convert.md.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from flownb.cells.notebook import document_text, read_document
from flownb.convert.hidden import find_hidden
from flownb.convert.plain import read_plain
from flownb.convert.proposal import Proposal
from flownb.convert.propose import propose
from tests.convert.corpus_cases import CASES, CORPUS
from tests.convert.corpus_run import prove
from tests.convert.proposals import PROPOSALS, summary

# Proved on Metaflow in each run of the tests; between them they have shared classes, a connection, two names for one
# list, a function that reads a changing name, lines of the shell, parameters, chance, and a deleted cell.
PROVED = (
    "aliases",
    "classes_and_dataclasses",
    "dates_and_uuid",
    "globals_changing",
    "name_of_a_deleted_cell",
    "papermill_parameters",
    "shell_capture",
    "sqlite_across_cells",
)


@functools.cache
def proposed(name: str) -> Proposal:
    """The flow that is proposed for a notebook, without executing it."""
    return propose(read_document(CORPUS / f"{name}.ipynb"))


def test_every_notebook_has_a_case() -> None:
    """Of each notebook it is written down what should become of it."""
    assert sorted(path.stem for path in CORPUS.glob("*.ipynb")) == sorted(CASES)


@pytest.mark.parametrize("name", CASES)
def test_proposal(name: str) -> None:
    """Steps, captures and refusals are the stored ones; ``scripts/convert_corpus.py --proposals`` stores them again."""
    assert summary(proposed(name)) == json.loads(PROPOSALS.read_text(encoding="utf-8"))[name]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.hidden])
def test_hidden_state_is_said(name: str) -> None:
    """What a reader of the notebook has to know is found in its text."""
    found = find_hidden(read_plain(read_document(CORPUS / f"{name}.ipynb")))
    assert set(CASES[name].hidden) - {one.code for one in found} == set()


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_lost(name: str) -> None:
    """Markdown and raw cells, ids and comments of the notebook are in the converted one, which converts to itself."""
    before, after = read_document(CORPUS / f"{name}.ipynb"), proposed(name).document
    texts = [cell["source"] for cell in before["cells"] if cell["cell_type"] != "code"]
    assert [cell["source"] for cell in after["cells"] if cell["cell_type"] != "code"] == texts
    ids = [cell["id"] for cell in after["cells"]]
    assert len(ids) == len(set(ids))
    assert {cell["id"] for cell in before["cells"] if cell["cell_type"] != "code"} <= {*ids}
    code = "\n".join(cell["source"] for cell in after["cells"] if cell["cell_type"] == "code").replace(" ", "")
    lines = [line for cell in before["cells"] if cell["cell_type"] == "code" for line in cell["source"].split("\n")]
    assert [line for line in lines if line.lstrip().startswith("#") and line.replace(" ", "") not in code] == []
    assert document_text(propose(after).document) == document_text(after)


@pytest.mark.parametrize("name", PROVED)
@pytest.mark.xdist_group("metaflow")
def test_proved_on_metaflow(name: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The command proves the flow, and the flow on Metaflow has what an independent witness saw in the notebook."""
    cache = getattr(pytestconfig, "cache", None)  # pytest has none with -p no:cacheprovider
    home = Path(cache.mkdir("convert_corpus")) if cache is not None else tmp_path / "home"
    outcome = prove(name, CASES[name], tmp_path / "work", home)
    assert (outcome.failure, outcome.differences, outcome.unusable) == ("", [], [])
    case = CASES[name]
    assert bool(outcome.refusal) == bool(case.fails or case.edit), outcome.said
    if outcome.edited is not None:
        edited = outcome.edited
        assert (edited.refusal, edited.failure, edited.differences, edited.unusable) == ("", "", [], []), edited.said
