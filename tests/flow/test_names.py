"""What a flow is called when no cell names it."""

from __future__ import annotations

import keyword
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.flow.names import default_flow_name
from flownb.pathspec import safe_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("train model-2.ipynb", "TrainModel2Flow"),
        ("Untitled.ipynb", "UntitledFlow"),
        ("Untitled1.ipynb", "Untitled1Flow"),
        ("trainModel.ipynb", "TrainModelFlow"),
        ("train_flow.ipynb", "TrainFlow"),
        ("TrainFlow.ipynb", "TrainFlow"),
        ("flow.ipynb", "NotebookFlow"),
        ("2024-01 load.ipynb", "Notebook202401LoadFlow"),
        ("\u00dcbung caf\u00e9.ipynb", "UbungCafeFlow"),
        ("\u6a21\u578b.ipynb", "NotebookFlow"),
        ("class.ipynb", "ClassFlow"),
        ("...ipynb", "NotebookFlow"),
        (f"{'a' * 250}.ipynb", f"A{'a' * 59}Flow"),
    ],
)
def test_a_flow_is_called_after_its_file(file: str, name: str) -> None:
    """Words of the file's name, each with a capital letter; accents are left out."""
    assert default_flow_name(Path(file)) == name


def test_a_flow_of_no_known_file() -> None:
    """Where nobody says which notebook it is, the name says no more."""
    assert default_flow_name(None) == "NotebookFlow"


@given(st.text(max_size=30))
def test_every_name_is_a_class_and_a_folder(text: str) -> None:
    """Whatever a file is called, the name is an identifier, no keyword, and a name that the datastore takes."""
    name = default_flow_name(Path(f"{text.replace('/', '_')}.ipynb"))
    assert (name.isidentifier(), keyword.iskeyword(name), safe_name(name)) == (True, False, name)
