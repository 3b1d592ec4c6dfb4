"""The flow that is proposed for a plain notebook: which cells, which steps, which captures, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flownb.cells.cell import read_any_cell
from flownb.convert.proposal import Constraints, Proposal
from flownb.convert.propose import is_flow, propose
from flownb.flow.definition import define_flow
from flownb.flow.lint import check_flow
from tests.convert.propose_cases import CASES, REFUSED


def notebook(*cells: str, tags: dict[int, list[str]] | None = None, minor: int = 5) -> dict[str, Any]:
    """A notebook with these cells; `tags` by their position."""
    found: list[dict[str, Any]] = []
    for position, text in enumerate(cells):
        cell: dict[str, Any] = {"metadata": {"tags": (tags or {}).get(position, [])}}
        if text.startswith("md "):
            cell |= {"cell_type": "markdown", "source": text[3:]}
        else:
            outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
            cell |= {"cell_type": "code", "source": text, "execution_count": position, "outputs": outputs}
        found.append(cell | ({"id": f"cell-{position}"} if minor >= 5 else {}))
    return {"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": minor}


def texts(proposal: Proposal) -> list[str]:
    """The cells of a proposed notebook."""
    cells = proposal.document["cells"]
    return [("md " if cell["cell_type"] == "markdown" else "") + cell["source"] for cell in cells]


def errors(proposal: Proposal) -> list[str]:
    """Why there is no flow: codes with cells and lines."""
    return [
        " ".join([one.code, *(f"{place.cell}:{place.line}" for place in one.places)])
        for one in proposal.findings
        if one.kind == "refused"
    ]


def checked(proposal: Proposal) -> list[str]:
    """What the static checks say of a proposed notebook."""
    cells = [read_any_cell(cell["source"]) for cell in proposal.document["cells"] if cell["cell_type"] == "code"]
    return [str(one) for one in check_flow(define_flow(cells))]


@pytest.mark.parametrize("case", CASES)
def test_cells_become_a_flow(case: str) -> None:
    """The cells are those of the case, pass the checks, and are a flow that a second conversion leaves as it is."""
    plain, expected = CASES[case]
    document = notebook(*plain)
    before = copy.deepcopy(document)
    proposal = propose(document)
    assert texts(proposal) == ["%load_ext flownb", "%%flow NotebookFlow", *expected]
    assert (errors(proposal), checked(proposal), document) == ([], [], before)
    again = propose(proposal.document)
    assert (again.document, again.changed) == (proposal.document, False)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(case: str) -> None:
    """A notebook without a flow has errors with cells and lines of the plain notebook."""
    plain, expected = REFUSED[case]
    assert errors(propose(notebook(*plain))) == expected


def test_cells_keep_ids_metadata_and_outputs() -> None:
    """A step has the id of its first cell; outputs stay where the text does; new cells have ids of their own."""
    document = notebook("md # T", "import math\nx = math.pi + 1", "x", "y = x + 1\nprint(y)", tags={1: ["mine"]})
    cells = propose(document).document["cells"]
    assert [cell["id"] for cell in cells if cell["id"].startswith("cell-")] == ["cell-0", "cell-1", "cell-2", "cell-3"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    by_id = {cell["id"]: cell for cell in cells}
    assert by_id["cell-1"]["metadata"] == {"tags": ["mine"]}
    assert by_id["cell-1"]["outputs"] == []
    assert by_id["cell-2"] == document["cells"][2]


def test_an_older_format_has_no_ids() -> None:
    """Cells of a notebook before format 4.5 get no ids, which that format does not allow."""
    assert all("id" not in cell for cell in propose(notebook("x = [1]\nx.append(2)", minor=4)).document["cells"])


def test_parameters() -> None:
    """A cell with papermill's tag becomes the %%flow cell; types come from values and help from comments."""
    cell = "# How strong\nalpha = 0.1  # strength\nnames = ['a']\nfast = True\nlast = None"
    proposal = propose(
        notebook("md # T", cell, "x = [alpha] + names\nx.append(fast)\nprint(x, last)", tags={1: ["parameters"]})
    )
    assert texts(proposal)[2:] == [
        "%%flow NotebookFlow\n"
        "# How strong\n"
        'alpha = Parameter("alpha", default=0.1, help="strength")\n'
        'names = Parameter("names", type=JSONType, default=\'["a"]\')\n'
        'fast = Parameter("fast", default=True)\n'
        'last = Parameter("last", default=None)',
        "%%step report -> x\nx = [alpha] + names\nx.append(fast)\nprint(x, last)",
    ]
    assert (errors(proposal), checked(proposal)) == ([], [])


def test_a_named_constant_becomes_a_parameter() -> None:
    """`parameters` names constants of any cell; a function that reads one is defined in the steps."""
    cells = ("import math\nn = 3", "def f(x):\n    return x * n", "y = f(math.pi)\nprint(y)")
    proposal = propose(notebook(*cells), parameters=["n"], flow_name="F")
    assert texts(proposal)[1:] == [
        "%%shared\nimport math",
        '%%flow F\nn = Parameter("n", default=3)',
        "%%step report -> y\ndef f(x):\n    return x * n\n\ny = f(math.pi)\nprint(y)",
    ]
    assert proposal.parameters == (("n", 'n = Parameter("n", default=3)'),)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["n = 3", "n += 1\nprint(n)"], ["left_out parameter-changes 1:1 2:1"]),
        (["n = [1]", "n.append(1)\nprint(n)"], ["left_out parameter-changes 1:1 2:1"]),
        (["n = len('a')", "print(n)"], ["left_out parameter-not-a-constant 1:1"]),
        (["k = 1", "print(k)"], ["refused not-a-parameter"]),
        (["for n in 1, 2: pass", "print(n)"], ["refused not-a-parameter 1:1"]),
    ],
)
def test_what_cannot_be_a_parameter(cells: list[str], expected: list[str]) -> None:
    """A name that other code binds or changes, or that has no plain value, stays as it is, and that is said."""
    found = [
        " ".join([one.kind, one.code, *(f"{place.cell}:{place.line}" for place in one.places)])
        for one in propose(notebook(*cells), parameters=["n"]).findings
        if "parameter" in one.code
    ]
    assert found == expected


def test_injected_parameters_are_the_defaults() -> None:
    """The values that papermill injected are those the notebook computed with; its cell stays as scratch."""
    cells = ("a = 1", "a = 5", "print(a)")
    proposal = propose(notebook(*cells, tags={0: ["parameters"], 1: ["injected-parameters"]}))
    assert texts(proposal)[1:] == [
        '%%flow NotebookFlow\na = Parameter("a", default=5)',
        "a = 5",
        "%%step report\nprint(a)",
    ]
    assert [one.code for one in proposal.findings] == ["injected-parameters"]


def test_constraints_are_respected() -> None:
    """Cells that a proof puts together are one step; names it asks for are captured, and others are not."""
    document = notebook(
        "md # A", "a = len(open('a').read())", "md # B", "b = a + 1", "md # C", "b", "md # D", "print(b)"
    )
    assert [step.cells for step in propose(document).steps] == [(1,), (2,), (4,)]
    together = propose(document, constraints=Constraints(together=frozenset({(1, 2)})))
    assert [step.cells for step in together.steps] == [(1, 2), (4,)]
    looked = propose(document, constraints=Constraints(steps=frozenset({3})))
    assert [step.cells for step in looked.steps] == [(1,), (2,), (3,), (4,)]
    asked = propose(document, constraints=Constraints(captures=frozenset({(2, "a")})))
    assert asked.steps[1].captures == ("b", "a")
    local = propose(document, constraints=Constraints(local=frozenset({(2, "b")})))
    assert local.steps[1].captures == ()


def test_a_notebook_in_another_language_is_refused() -> None:
    """A notebook in R has no flow."""
    document = notebook("x <- 1") | {"metadata": {"kernelspec": {"language": "R", "name": "ir"}}}
    assert errors(propose(document)) == ["not-python"]


@pytest.mark.parametrize(
    ("cells", "tags"),
    [
        (["%%step a -> x\nx = 1"], {}),
        (["%%shared\nimport math", "x = 1"], {}),
        (["x = 1"], {0: ["step:a", "out:x"]}),
        (["%%flow F"], {}),
    ],
)
def test_a_flow_is_left_as_it_is(cells: list[str], tags: dict[int, list[str]]) -> None:
    """A notebook with a marked cell is a flow already, also one with Kale's tags."""
    document = notebook(*cells, tags=tags)
    assert is_flow(document)
    assert propose(document).document is document


def test_kales_old_tags_name_steps() -> None:
    """Cells with `block:` tags begin steps of these names."""
    tags = {1: ["block:load"], 3: ["block:train"]}
    proposal = propose(notebook("md # T", "x = [1]", "x.append(2)", "y = sum(x)\nprint(y)", tags=tags))
    assert [(step.name, step.cells, step.captures) for step in proposal.steps] == [
        ("load", (1, 2), ("x",)),
        ("train", (3,), ("y",)),
    ]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            (
                "import numpy as np\nnp.random.seed(0)",
                "a = np.random.rand(3)",
                "a.sort()",
                "b = np.random.rand(2)",
            ),
            "Cells 2, 3 and 4 are one step, because their random numbers follow from the seed in cell 1, line 2.",
        ),
        (
            ("f = open('a')", "md # A", "a = f.read()", "md # B", "b = f.read()", "md # C", "print(a, b)"),
            "Cells 1, 2 and 3 are one step, because `f` cannot be stored.",
        ),
        (
            ("a = [1]\nb = a", "md # A", "b.append(2)", "md # B", "c = len(a)", "md # C", "print(a, b, c)"),
            "Cells 1 and 2 are one step, because `b` shares an object with `a`, and cell 2 changes it.",
        ),
        (
            ("n = 0\ndef f():\n    global n\n    n += 1", "md # A", "f()", "md # B", "f()", "md # C", "print(n)"),
            "Cells 2, 3 and 4 are one step, because `global` in functions makes `n` a name of the module.",
        ),
        (("a = 1\nprint(a)", "print(a)"), ""),
    ],
)
def test_why_cells_are_one_step_is_said(cells: tuple[str, ...], said: str) -> None:
    """What keeps cells in one step that would be several is named, with what gives several."""
    found = [one.message for one in propose(notebook(*cells)).findings if one.code == "one-process"]
    assert [one.what for one in found] == [said] * bool(said)
    assert [one.fix[:18] for one in found] == ["For several steps,"] * bool(said)


def test_a_cell_that_may_fail_is_scratch_unless_it_is_needed() -> None:
    """A tag of nbconvert's lets a cell fail, which a step cannot; only one that makes what others need is in a step."""
    cells = ("xs = [1]\nprint(xs)", "xs[9]", "xs.append(int('a'))", "n = len(xs)\nn.a", "print(n)")
    proposal = propose(notebook(*cells, tags={at: ["raises-exception"] for at in (1, 2, 3)}))
    assert [part.place.cell for part in proposal.scratch] == [2, 3]
    found = [one for one in proposal.findings if one.code == "raises-exception"]
    assert [(one.kind, one.places[0].cell, one.harmless) for one in found] == [
        ("left_out", 2, True),
        ("left_out", 3, False),
        ("hidden", 4, False),
    ]
