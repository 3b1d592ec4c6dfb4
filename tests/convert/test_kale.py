"""A notebook with Kale's tags as a flow: cells are merged as in Kale, and every value that passes is named."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from flownb.cells.cell import read_any_cell
from flownb.cells.notebook import document_text
from flownb.cli.main import main
from flownb.convert.kale_notebook import kale_notebook
from flownb.errors import FlowFileError
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow, errors_of

Tagged = tuple[str, str]
DIAMOND = (
    ("imports", "import math"),
    ("", "import os"),
    ("functions", "def double(a):\n    return a * 2"),
    ("pipeline-parameters", "k = 3\nnames = ['a']\nrate = 1 / 2"),
    ("block:load", "df = list(range(k))"),
    ("", "df.append(7)  # more"),
    ("skip", "df"),
    ("", "size = len(df)"),
    ("step:left prev:load", "x = double(sum(df))\nonly_here = 1"),
    ("step:right prev:load limit:nvidia.com/gpu:1", "x = size\ny = 2"),
    ("step:merge prev:left prev:right", "score = x + y + len(df)"),
    ("pipeline-metrics", "print(score)"),
)


def notebook(*cells: Tagged, name: str = "churn-model") -> dict[str, Any]:
    """A notebook of code cells, each with its tags in one text."""
    metadata = {"kubeflow_notebook": {"pipeline_name": name}}
    made = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": f"c{number}",
            "metadata": {"tags": tags.split()},
            "outputs": [],
            "source": source,
        }
        for number, (tags, source) in enumerate(cells)
    ]
    return {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def converted(*cells: Tagged) -> tuple[list[str], list[str]]:
    """The sources of the new notebook without its first cell, and what is said."""
    document, notes = kale_notebook(notebook(*cells))
    sources = [cell["source"] for cell in document["cells"]]
    flow = define_flow(read_any_cell(source, number=number) for number, source in enumerate(sources, 1))
    assert errors_of(check_flow(flow)) == ()
    assert sources[0].split("\n") == ["%load_ext flownb", *(f"# {note}" for note in notes)]
    return sources[1:], [note.what for note in notes]


def test_values_that_pass_between_steps_are_named() -> None:
    """Captures follow from what later steps read; a join gets each value by a line; metrics are a step."""
    assert converted(*DIAMOND) == (
        [
            "%%shared\nimport math",
            "%%shared\nimport os",
            "%%shared\ndef double(a):\n    return a * 2",
            '%%flow ChurnModelFlow\nk = Parameter("k", default=3)\n'
            'names = Parameter("names", type=JSONType, default=\'["a"]\')\nrate = 1 / 2',
            "%%step load -> df, size\ndf = list(range(k))\n\ndf.append(7)  # more\n\nsize = len(df)",
            "df",
            "%%step left -> x\nx = double(sum(df))\nonly_here = 1",
            "%%step right --after load -> x, y\nx = size\ny = 2",
            "%%step merge --after left,right --join -> score\ndf = inputs.left.df\n"
            "x = inputs.left.x  # right sets it, too\ny = inputs.right.y\n\nscore = x + y + len(df)",
            "%%step metrics\nprint(score)",
        ],
        [
            "The tag `limit:nvidia.com/gpu:1` of cell 10 is not part of the flow.",
            "`rate = 1 / 2` of cell 4 is a constant of the flow.",
            "Step merge gets `x` from left, and right sets it, too.",
        ],
    )


def test_several_first_and_last_steps_get_one_each() -> None:
    """A flow begins and ends in one step, so these are added, and definitions of steps are shared."""
    sources, said = converted(
        ("step:a", "x = 1\ndef f():\n    return 1"),
        ("step:b", "y = 2"),
        ("step:c prev:a prev:b", "z = x + y + f()"),
        ("step:d prev:c", "print(z)"),
        ("step:e prev:c", "print(z)"),
    )
    assert sources == [
        "%%flow ChurnModelFlow",
        "%%shared\ndef f():\n    return 1",
        "%%step start",
        "%%step a -> x\nx = 1\ndef f():\n    return 1",
        "%%step b --after start -> y\ny = 2",
        "%%step c --after a,b --join -> z\nx = inputs.a.x\ny = inputs.b.y\n\nz = x + y + f()",
        "%%step d\nprint(z)",
        "%%step e --after c\nprint(z)",
        "%%step finish --after d,e --join",
    ]
    assert said == [
        "The step start was added.",
        "The step finish was added.",
        "`def f():` of cell 1 is in a %%shared cell, too.",
    ]


CROSSED = (
    ("step:a", "x = [1]"),
    ("step:b prev:a", "y = x + [2]"),
    ("step:c prev:a", "z = x + [3]"),
    ("step:d prev:b", "v = y"),
    ("step:e prev:b prev:c", "u = y + z"),
    ("step:f prev:d prev:e", "print(u, v)"),
)


def test_a_graph_that_metaflow_does_not_run_becomes_a_line() -> None:
    """Branches that do not meet again in one step run one after another, if that changes no value."""
    sources, said = converted(*CROSSED)
    assert [source.split("\n")[0] for source in sources[1:]] == [
        "%%step a -> x",
        "%%step b -> y",
        "%%step c -> z",
        "%%step d -> v",
        "%%step e -> u",
        "%%step f",
    ]
    assert said == ["Steps that Kale runs in parallel run one after another here."]


def test_a_name_that_a_flow_cannot_have_is_changed() -> None:
    """A step with a name of Metaflow's or of a value gets another one, also where others follow it."""
    sources, said = converted(("step:_data", "model = 1"), ("step:model prev:_data", "print(model)"))
    assert sources[1:] == ["%%step data -> model\nmodel = 1", "%%step model_step\nprint(model)"]
    assert said == ["The step `_data` is called `data`.", "The step `model` is called `model_step`."]


def test_a_step_that_does_not_follow_the_one_it_reads_from_is_named() -> None:
    """Kale does not see that value either, so the tag is missing."""
    _, notes = kale_notebook(notebook(("step:load", "path = 1"), ("step:train", "print(path)")))
    assert notes[0].what == "Step train reads `path`, which load sets, and does not follow it."


REFUSED = {
    "no steps": ((("imports", "import os"),), "The notebook has no steps with Kale's tags."),
    "two steps in a cell": ((("block:a;b", "x = 1"),), "Cell 1 has the tags of several steps: a, b."),
    "an unknown step": ((("step:b prev:a", "x = 1"),), "Cell 1 follows the step `a`, which no cell above it begins."),
    "a parameter that is computed": (
        (("pipeline-parameters", "k = 3\nrate = k / 2"), ("step:a", "print(rate)")),
        "`rate = k / 2` of cell 1 computes a value from a parameter.",
    ),
    "another notebook": ((("notebook:other", ""),), "Cell 1 is another notebook, by its tag `notebook:other`."),
    "prev alone": ((("prev:a", "x = 1"),), "Cell 1 has the tag `prev:a` and does not name a step."),
    "a notebook of flownb's": (
        (("step:a out:x", "x = 1"),),
        "Cell 1 has the tag `out:x`, so that the notebook is flownb's already.",
    ),
    "crossed branches that share a name": (
        tuple((tags, source.replace("v = y", "x = y").replace("u = y", "u = x + y")) for tags, source in CROSSED),
        "The steps of this notebook form a graph that Metaflow does not run.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_flow_is_refused(name: str) -> None:
    """The error names the cell and what to change."""
    cells, expected = REFUSED[name]
    with pytest.raises(FlowFileError) as found:
        kale_notebook(notebook(*cells))
    assert found.value.what == expected


def test_the_command_writes_a_notebook_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`flownb import` leaves the input as it is, and the new notebook prints what the plain one prints."""
    monkeypatch.chdir(tmp_path)
    document = notebook(*DIAMOND[:3], ("pipeline-parameters", "k = 3"), *DIAMOND[4:])
    before = document_text(copy.deepcopy(document))
    Path("churn.ipynb").write_text(before, "utf-8")
    assert main(["import", "churn.ipynb", "-o", "flow.ipynb"]) == 0
    assert Path("churn.ipynb").read_text("utf-8") == before
    assert main(["run", "flow.ipynb"]) == 0
    assert "[metrics] 26" in capsys.readouterr().out
