"""Edits of an exported file, taken back into the cells: what each becomes, and that no other cell changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings

from flownb.errors import SyncError
from tests.flow_file.merged import changed, document, edited, edited_cells, synced
from tests.flow_file.test_round_trips import flows
from tests.flow_file.trees import arranged, exported, imported

NOTEBOOK = document(
    "MD:# Title\n\n![a plot](plot.png)\n\nAbout **it**.",
    "%load_ext flownb",
    "%%shared\nimport math\n%pip install x\ndef f(x):\n    return x\n\n\ndef g(x):\n    return f(x)",
    "%%flow F\nalpha = Parameter('alpha', default=2)",
    "MD:## Load",
    "%%step load -> xs, n\nxs  =  [alpha]\nn = 3",
    "xs",
    "MD:Fits.",
    "%%step fit -> y\n@retry(times=2)\ny = xs + [n]\nprint(y)",
    "%%step report\nprint(y)",
)
FIT = "    @retry(times=2)\n    @step\n    def fit"
Edits = tuple[tuple[str, str], ...]
CASES: dict[str, tuple[Edits, dict[str, str | None]]] = {
    "a statement, the others as they were written": (
        (("n = 3", "n = 4"),),
        {"c5": "%%step load -> xs, n\nxs  =  [alpha]\nn = 4"},
    ),
    "another capture": (
        (("print(y)\n        self.y = y", "z = 1\n        print(y)\n        self.y = y\n        self.z = z"),),
        {"c8": "%%step fit -> y, z\n@retry(times=2)\ny = xs + [n]\nz = 1\nprint(y)"},
    ),
    "a value that is set on self": (
        (("print(y)\n        self.y = y", "self.z = 1\n        print(y)\n        self.y = y"),),
        {"c8": "%%step fit -> y\n@retry(times=2)\ny = xs + [n]\nself.z = 1\nprint(y)"},
    ),
    "a capture that is gone": (
        (("        self.n = n\n", ""), ("        n = self.n\n", ""), ("xs + [n]", "xs")),
        {"c5": "%%step load -> xs\nxs  =  [alpha]\nn = 3", "c8": "%%step fit -> y\n@retry(times=2)\ny = xs\nprint(y)"},
    ),
    "artifacts read from self": (
        (("        n = self.n\n        xs = self.xs\n        y = xs + [n]", "        y = self.xs + [self.n]"),),
        {"c8": "%%step fit -> y\n@retry(times=2)\ny = self.xs + [self.n]\nprint(y)"},
    ),
    "a comment": (
        (("n = 3", "n = 3  # why"),),
        {"c5": "%%step load -> xs, n\nxs  =  [alpha]\nn = 3  # why"},
    ),
    "decorators": (
        (("@retry(times=2)", "@retry(times=3)\n    @card"), ("Parameter, retry", "Parameter, card, retry")),
        {"c8": "%%step fit -> y\n@retry(times=3)\n@card\ny = xs + [n]\nprint(y)"},
    ),
    "a renamed step keeps its cell": (
        (("self.next(self.fit)", "self.next(self.train)"), ("def fit", "def train")),
        {"c8": "%%step train -> y\n@retry(times=2)\ny = xs + [n]\nprint(y)"},
    ),
    "the first step renamed to start": (
        (("    @step\n    def start(self):\n        self.next(self.load)\n\n", ""), ("def load", "def start")),
        {"c5": "%%step start -> xs, n\nxs  =  [alpha]\nn = 3"},
    ),
    "a new step": (
        (
            ("self.next(self.fit)", "self.next(self.mid)"),
            (FIT, f"    @step\n    def mid(self):\n        self.m = 1\n        self.next(self.fit)\n\n{FIT}"),
        ),
        {"step-mid": "%%step mid\nself.m = 1\nself.next(self.fit)"},
    ),
    "a removed step": (
        (
            ("self.next(self.report)", "self.next(self.end)"),
            (
                "    @step\n    def report(self):\n        y = self.y\n        print(y)\n"
                "        self.next(self.end)\n\n",
                "",
            ),
        ),
        {"c9": None},
    ),
    "code in the added first step": (
        (("def start(self):\n", "def start(self):\n        print('hi')\n"),),
        {"step-start": "%%step start\nprint('hi')\nself.next(self.load)"},
    ),
    "a foreach": (
        (
            ("self.next(self.fit)", 'self.next(self.fit, foreach="xs")'),
            ("        xs = self.xs\n        y = xs + [n]", "        y = [self.input, n]"),
            ("self.next(self.report)", "self.next(self.join)"),
            (
                "    @step\n    def report",
                "    @step\n    def join(self, inputs):\n        self.y = 1\n        self.next(self.report)\n\n"
                "    @step\n    def report",
            ),
        ),
        {
            "c8": "%%step fit --foreach xs -> y\n@retry(times=2)\ny = [self.input, n]\nprint(y)",
            "step-join": "%%step join --join\nself.y = 1\nself.next(self.report)",
        },
    ),
    "a function, below a magic": (
        (("def f(x):\n    return x", "def f(x):\n    return x + 1"),),
        {
            "c2": edited(
                "%%shared\nimport math\n%pip install x\ndef f(x):\n    return x + 1\n\n\ndef g(x):\n    return f(x)"
            )
        },
    ),
    "a new function": (
        (("    return f(x)\n", "    return f(x)\n\n\ndef h():\n    return 1\n"),),
        {
            "c2": "%%shared\nimport math\n%pip install x\ndef f(x):\n    return x\n\n\ndef g(x):\n    return f(x)\n\n\n"
            "def h():\n    return 1"
        },
    ),
    "imports": (
        (("import math\n", "import os\nfrom re import sub as s\n"),),
        {
            "c2": "%%shared\nimport os\nfrom re import sub as s\n\n%pip install x\ndef f(x):\n    return x\n\n\n"
            "def g(x):\n    return f(x)"
        },
    ),
    "a parameter": (
        (("default=2)", "default=2)\n    beta = Parameter('beta', default=1)"),),
        {"c3": "%%flow F\nalpha = Parameter('alpha', default=2)\nbeta = Parameter('beta', default=1)"},
    ),
    "the class": (
        (("class F(", "@project(name='p')\nclass G("), ("    F()", "    G()"), ("retry, step", "project, retry, step")),
        {"c3": "%%flow G\n@project(name='p')\nalpha = Parameter('alpha', default=2)"},
    ),
    "docstrings as markdown, with what only markdown has": (
        (
            ("About **it**.", "About **them**.\n\nMore."),
            ('"""Load"""', '"""Load all"""'),
            ('"""Fits."""\n        ', ""),
        ),
        {
            "c0": "# Title\n\n![a plot](plot.png)\n\nAbout **them**.\n\nMore.",
            "c4": "## Load all",
            "c7": None,
        },
    ),
    "a docstring that no markdown gives": (
        (('"""Fits."""', '"""# Fits."""'),),
        {
            "c7": None,
            "c8": '%%step fit\n@retry(times=2)\n"""# Fits."""\nn = self.n\nxs = self.xs\n\ny = xs + [n]\n'
            "print(y)\nself.y = y",
        },
    ),
    "a docstring where there was no text": (
        (("def report(self):\n", 'def report(self):\n        """Reports."""\n'),),
        {"about-report": "Reports."},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_edit_of_the_file_is_an_edit_of_its_cell(case: str) -> None:
    """The cell has the edit, no other cell changes, and the notebook exports to the edited file."""
    edits, expected = CASES[case]
    flow = edited(exported(NOTEBOOK), *edits)
    after = synced(NOTEBOOK, NOTEBOOK, flow)
    assert changed(NOTEBOOK, after.document) == expected
    assert arranged(exported(after.document)) == arranged(flow)
    assert after.left_out == ()


BRANCHES = document(
    "%%flow F",
    "%%step a -> x\nx = 1",
    "%%step b --after a -> y\ny = x",
    "%%step c --after a -> z\nz = x",
    "%%step d --after b,c --join -> w\nw = inputs.b.y",
)


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (
            (("self.b, self.c", "self.bb, self.c"), ("def b(", "def bb("), ("inputs.b", "inputs.bb")),
            {"c2": "%%step bb --after a -> y\ny = x", "c4": "%%step d --after bb,c --join -> w\nw = inputs.bb.y"},
        ),
        (
            (
                ("self.b, self.c", "self.b, self.c, self.k"),
                (
                    "    @step\n    def d",
                    "    @step\n    def k(self):\n        self.v = 1\n        self.next(self.d)\n\n    @step\n"
                    "    def d",
                ),
            ),
            {
                "step-k": "%%step k --after a\nself.v = 1\nself.next(self.d)",
                "c4": "%%step d --after b,c,k --join -> w\nw = inputs.b.y",
            },
        ),
        (
            (("self.b, self.c", "self.c, self.b"),),
            {
                "c1": "%%step a -> x\nx = 1\nself.next(self.c, self.b)",
                "c2": "%%step b -> y\ny = x",
                "c3": "%%step c -> z\nz = x",
            },
        ),
    ],
)
def test_headers_say_what_the_transitions_of_the_file_say(edits: Edits, expected: dict[str, str]) -> None:
    """Parents are named anew; what no header can say is a `self.next`, and then no header contradicts it."""
    flow = edited(exported(BRANCHES), *edits)
    after = synced(BRANCHES, BRANCHES, flow).document
    assert changed(BRANCHES, after) == expected
    assert arranged(exported(after)) == arranged(flow)


def test_a_formatted_file_changes_no_cell() -> None:
    """Quotes, line breaks and blank lines are not edits."""
    flow = edited(
        exported(NOTEBOOK),
        ("'alpha', default=2", '\n        "alpha",\n        default=2,\n    '),
        ("n = 3", "n = (\n            3\n        )\n"),
    )
    assert synced(NOTEBOOK, NOTEBOOK, flow).document == NOTEBOOK


def test_cells_that_are_marked_by_tags_get_other_tags() -> None:
    """A cell without a header line keeps that form, and tags that mean nothing to flownb."""
    before = document("%%flow F", "x = 1", "print(x)")
    before["cells"][1]["metadata"]["tags"] = ["step:a", "out:x", "mine"]
    before["cells"][2]["metadata"]["tags"] = ["step:b"]
    start = copy.deepcopy(before)
    start["cells"][1]["source"] = "%%step a -> x\nx = 1"
    start["cells"][2]["source"] = "%%step b\nprint(x)"
    flow = edited(
        exported(start), ("x = 1\n        self.x = x", "x = 2\n        k = 3\n        self.x = x\n        self.k = k")
    )
    after = synced(start, before, flow).document
    assert [(cell["source"], cell["metadata"].get("tags")) for cell in after["cells"][1:]] == [
        ("x = 2\nk = 3", ["step:a", "out:x,k", "mine"]),
        ("print(x)", ["step:b"]),
    ]


def test_code_below_the_class_is_refused() -> None:
    """A notebook has no place for it: it is an error and not lost."""
    flow = edited(exported(NOTEBOOK), ("if __name__", "print(F)\n\n\nif __name__"))
    with pytest.raises(SyncError) as caught:
        synced(NOTEBOOK, NOTEBOOK, flow)
    assert caught.value.what == "The notebook cannot have the code below the flow as the file has it."


def test_comments_that_have_no_place_are_named() -> None:
    """The notebook gets the other edits, and the caller knows what it does not have."""
    flow = edited(exported(NOTEBOOK), ("class F", "# above the class\nclass F"), ("n = 3", "n = 4"))
    after = synced(NOTEBOOK, NOTEBOOK, flow)
    assert list(changed(NOTEBOOK, after.document)) == ["c5"]
    assert after.left_out == ("the comments above the flow",)


@settings(max_examples=6, deadline=None)
@given(flows(), flows())
def test_a_file_can_become_any_other_file(first: str, second: str) -> None:
    """A notebook exports to whatever its exported file was rewritten to."""
    before, flow = exported(imported(first)), exported(imported(second))
    notebook: dict[str, Any] = imported(before)
    after = synced(notebook, notebook, flow)
    assert arranged(exported(after.document)) == arranged(flow)


def test_both_sides_are_merged() -> None:
    """Edits of other cells, and of other lines of one cell, of both sides are in the merged notebook."""
    now = edited_cells(NOTEBOOK, ("n = 3", "n = 4"), ("print(y)", "print(y, 1)"), ("Fits.", "Fits well."))
    flow = edited(exported(NOTEBOOK), ("y = xs + [n]", "y = xs + [n, n]"), ("return x\n", "return -x\n"))
    after = synced(NOTEBOOK, now, flow).document
    assert changed(now, after) == {
        "c2": "%%shared\nimport math\n%pip install x\ndef f(x):\n    return -x\n\n\ndef g(x):\n    return f(x)",
        "c8": "%%step fit -> y\n@retry(times=2)\ny = xs + [n, n]\nprint(y, 1)",
    }
