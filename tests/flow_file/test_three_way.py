"""Three-way merges: what is merged, what is a conflict, and that no text of either side disappears."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.flow_file.three_way import merge_lines
from tests.flow_file.merged import changed, document, edited, edited_cells, merged, synced
from tests.flow_file.trees import exported

NOTEBOOK = document(
    "MD:# Title",
    "%%shared\nimport random\nrandom.seed(1)\n\n\ndef f(x):\n    return x\n\n\nLIMIT = 10",
    "%%flow F\nalpha = Parameter('alpha', default=1)",
    "MD:Loads.",
    "%%step load -> x\nx = 1\ny = 2\nz = 3\nprint(x)",
    "x",
    "%%step show\n@retry(times=2)\nprint(x)",
)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("a\nB\nc\n", "a\nb\nC\n", "a\nB\nC\n"),
        ("a\nb\nc\nd\n", "0\na\nb\nc\n", "0\na\nb\nc\nd\n"),
        ("a\nB\nc\n", "a\nB\nc\n", "a\nB\nc\n"),
        ("a\nc\n", "a\nb\nc\nd\n", "a\nc\nd\n"),
        ("a\nx\nb\nc\n", "a\ny\nb\nc\n", None),
        ("a\nB\nc\n", "a\nBB\nc\n", None),
        ("a\nc\n", "a\nB\nc\n", None),
        ("", "a\nb\nC\n", None),
    ],
)
def test_lines_are_merged(ours: str, theirs: str, expected: str | None) -> None:
    """Edits of different lines are; two edits of a line, or two texts inserted at one place, are not."""
    assert merge_lines("a\nb\nc\n", ours, theirs) == expected


CONFLICTS = {
    "a line": (("y = 2", "y = 22"), ("y = 2", "y = 222"), "the body of step load"),
    "inserted at one place": (("print(x)\n", "print(x)\n"), ("y = 2", "y = 222"), ""),
    "a constant": (("LIMIT = 10", "LIMIT = 11"), ("LIMIT = 10", "LIMIT = 12"), "`LIMIT`"),
    "code without a name": (("seed(1)", "seed(2)"), ("seed(1)", "seed(3)"), "the code `random.seed(1)`"),
    "a parameter": (("default=1", "default=2"), ("default=1", "default=3"), "`alpha` of the flow's class"),
    "a decorator": (("times=2", "times=3"), ("times=2", "times=4"), "the decorators of step show"),
    "a text": (("Loads.", "Loads all."), ("Loads.", "Loads some."), "the docstring of step load"),
    "removed and changed": (
        ("y = 2", "y = 22"),
        ("def f(x):\n    return x\n\n\n", ""),
        "",
    ),
}


@pytest.mark.parametrize("case", [case for case, (_, _, what) in CONFLICTS.items() if what])
def test_what_both_sides_changed_is_a_conflict(case: str) -> None:
    """It has the texts of the last export and of both sides, and each side can be taken."""
    here, there, what = CONFLICTS[case]
    now, flow = edited_cells(NOTEBOOK, here), edited(exported(NOTEBOOK), there)
    (found,) = merged(NOTEBOOK, now, flow).conflicts
    assert found.what == what
    assert [
        part in text
        for part, text in zip((here[0], here[1], there[1]), (found.base, found.notebook, found.flow), strict=True)
    ] == [True] * 3
    mine = synced(NOTEBOOK, now, flow, "notebook").document
    assert mine == now
    theirs = synced(NOTEBOOK, now, flow, "flow").document
    assert theirs == edited_cells(NOTEBOOK, there)


def test_a_step_that_one_side_removed_and_the_other_one_changed() -> None:
    """It is neither removed nor kept without a conflict."""
    show = "    def show(self):\n        x = self.x\n        print(x)\n        self.next(self.end)\n\n"
    show = f"    @retry(times=2)\n    @step\n{show}"
    flow = edited(exported(NOTEBOOK), (show, ""), ("self.next(self.show)", "self.next(self.end)"))
    now = edited_cells(NOTEBOOK, ("@retry(times=2)\nprint(x)", "@retry(times=2)\nprint(x, 1)"))
    assert "step show" in [one.what for one in merged(NOTEBOOK, now, flow).conflicts]
    assert changed(NOTEBOOK, synced(NOTEBOOK, NOTEBOOK, flow).document)["c6"] is None


class Edits:
    """Random edits of a notebook and of its exported file; each has a word that is nowhere else."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.words: list[str] = []

    def word(self) -> str:
        """A new word."""
        return f"word{len(self.words)}x"

    def replaced(self, text: str, old: str, new: str) -> str:
        """A text with an edit, if it has the place for it."""
        if old not in text:
            return text
        self.words.append(self.word())
        return text.replace(old, new.replace("WORD", self.words[-1]), 1)

    def of_flow(self, text: str) -> str:
        """The file with one more edit."""
        step = self.random.choice(["load", "clean", "show"])
        old, new = self.random.choice(
            [
                (f"        v_{step} = 1\n", f"        v_{step} = 1\n        WORD = 2\n"),
                (
                    f"        self.v_{step} = v_{step}\n",
                    f"        WORD = 2\n        self.v_{step} = v_{step}\n        self.WORD = WORD\n",
                ),
                ("            print(i)\n", "            print(i, 'WORD')\n"),
                (f"# about {step}", f"# about {step} WORD"),
                (f"Does {step}.", f"Does {step} WORD."),
                ("class F(", "def WORD():\n    return 1\n\n\nclass F("),
                ("\nfrom metaflow", "\nimport WORD\nfrom metaflow"),
                ("    alpha = ", "    WORD = 1\n    alpha = "),
                ("LIMIT = 1\n", "LIMIT = 'WORD'\n"),
                ("self.next(self.clean)", "self.next(self.WORD)"),
            ]
        )
        after = self.replaced(text, old, new)
        if "(self.WORD)" in new and after != text:
            name = self.words[-1]
            added = f"    @step\n    def {name}(self):\n        self.k = 1\n        self.next(self.clean)\n\n"
            return after.replace("    @step\n    def clean", f"{added}    @step\n    def clean", 1)
        return after

    def of_notebook(self, notebook: dict[str, Any]) -> dict[str, Any]:
        """The notebook with one more edit."""
        step = self.random.choice(["load", "clean", "show"])
        old, new = self.random.choice(
            [
                (f"v_{step} = 1\n", f"v_{step} = 1\nWORD = 2\n"),
                ("    print(i)", "    print(i, 'WORD')"),
                (f"# about {step}", f"# about {step} WORD"),
                (f"Does {step}.", f"Does {step} WORD."),
                ("return x\n", "return x  # WORD\n"),
                ("alpha = ", "WORD = 1\nalpha = "),
                ("LIMIT = 1", "LIMIT = 'WORD'"),
                ("scratch", "scratch + WORD"),
            ]
        )
        cells = [{**cell, "source": self.replaced(cell["source"], old, new)} for cell in notebook["cells"]]
        return {**notebook, "cells": cells}


STEPS = [
    cell
    for step, read in (("load", "alpha"), ("clean", "v_load"), ("show", "v_clean"))
    for cell in (
        f"MD:## {step}\n\nDoes {step}.",
        f"%%step {step} -> v_{step}\n# about {step}\nu = {read}\nv_{step} = 1\nfor i in range(3):\n    v_{step} += i\n"
        "    print(i)",
    )
]
RANDOM = document(
    "MD:# Title",
    "%%shared\nimport math\n\n\ndef f(x):\n    return x\n\n\nLIMIT = 1",
    "%%flow F\nalpha = Parameter('alpha', default=1)",
    *STEPS,
    "scratch",
)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 4), st.integers(1, 4))
def test_no_text_of_either_side_disappears(random: Random, in_flow: int, in_notebook: int) -> None:
    """Without a conflict, each word of each side is in the merged notebook, which then has nothing left to take."""
    edits = Edits(random)
    flow, now = exported(RANDOM), RANDOM
    for _ in range(in_flow):
        flow = edits.of_flow(flow)
    for _ in range(in_notebook):
        now = edits.of_notebook(now)
    words = [word for word in edits.words if word in flow + str(now)]
    if merged(RANDOM, now, flow).conflicts:
        return
    after = synced(RANDOM, now, flow)
    text = "\n".join(cell["source"] for cell in after.document["cells"])
    assert [word for word in words if not re.search(rf"\b{word}\b", text)] == []
    assert synced(after.document, after.document, exported(after.document)).document == after.document
