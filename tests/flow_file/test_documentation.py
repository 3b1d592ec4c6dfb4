"""A notebook's text in flow.py: markdown before, docstrings and comments after."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cells.cell import read_cell
from flownb.cells.notebook import read_document
from flownb.flow.definition import define_flow
from flownb.flow_file.documentation import (
    Documentation,
    comment,
    docstring,
    plain_text,
    read_documentation,
    sees_documentation,
)
from flownb.flow_file.header import is_edited
from flownb.flow_file.writing import flow_file
from flownb.runtime.program import Program
from tests.flow.flows import define, shipped

TEXTS = {
    "a paragraph": ("Reads all rows.", "Reads all rows."),
    "headings": ("# Load ##\nAll rows.\n## How\nFast.", "Load\n\nAll rows.\n\nHow\n\nFast."),
    "an underlined heading": ("Load\n====\n\nAll rows.\n\n---\n", "Load\n\nAll rows."),
    "not a heading": ("#hashtag and C#", "#hashtag and C#"),
    "images": ("Before ![a](attachment:a.png) after.\n\n![b](b.png)\n\n![c][d]", "Before  after."),
    "HTML": (
        '<div class="x">\n<b>Bold</b> and `<b>code</b>`<br>next\n</div><!-- a\nb -->',
        "Bold and `<b>code</b>`\nnext",
    ),
    "what is not HTML": ("a < b, <http://a.b> A<b>", "a < b, <http://a.b> A"),
    "links and emphasis": ("*One* [two](three.m) `f`", "*One* [two](three.m) `f`"),
    "blank lines": ("\n\none  \n\n\n\ntwo\t\n\n", "one\n\ntwo"),
    "code": (
        "Like\n```python\n# no heading <b>\n\n\nx = 1   \n```\nso.",
        "Like\n```python\n# no heading <b>\n\nx = 1\n```\nso.",
    ),
    "controls": ("a\x00b\x1b[0m\ud800\r\nc", "ab[0m\nc"),
    "nothing": ("<img src='a.png'>\n\n---", ""),
    "long paragraph": (
        "one two three four\nfive six seven eight nine",
        "one two three four five\nsix seven eight nine",
    ),
    "long item": ("- one two three four five six\n  seven", "- one two three four\n  five six seven"),
    "a break": ("one two three four five six  \nseven", "one two three four five\nsix\nseven"),
    "a table": ("| one two three | four five six |\n|---|---|", "| one two three | four five six |\n|---|---|"),
    "text that would become a list": ("one two three four five - six", "one two three four five - six"),
    "a long word": ("x " + "y" * 30, "x\n" + "y" * 30),
}


@pytest.mark.parametrize(("markdown", "expected"), TEXTS.values(), ids=list(TEXTS))
def test_markdown_becomes_plain_text(markdown: str, expected: str) -> None:
    """Headings lose their marks; images, HTML and rules are left out; long paragraphs are wrapped."""
    assert plain_text(markdown, 24) == expected


LITERALS = {
    "one line": ("Load it.", ['    """Load it."""']),
    "two": ("Load\n\nit.", ['    """Load', "", "    it.", '    """']),
    "backslashes": (r"a\nb $\alpha$", [r'    r"""a\nb $\alpha$"""']),
    "a backslash at the end": ("a\\", ['    r"""a\\ """']),
    "a quote at the end": ('say "a"', ['    """say "a" """']),
    "a quote at the beginning": ('"a" is', ['    """ "a" is"""']),
    "three quotes": ('a """\\', ['    """a \\"\\"\\"\\\\ """']),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("text", "expected"), LITERALS.values(), ids=list(LITERALS))
def test_a_docstring_has_the_text(text: str, expected: list[str]) -> None:
    """Whatever quotes and backslashes there are."""
    assert docstring(text, 4) == expected
    if text:
        function = ast.parse("def f():\n" + "\n".join(expected)).body[0]
        assert isinstance(function, ast.FunctionDef)
        assert str(ast.get_docstring(function)).strip() == text


@given(st.text(st.sampled_from(list("ab .\n\\\"'`#*-<>|{}\t\r\x0c\u2028é")), max_size=40))
@settings(max_examples=300, deadline=None)
def test_every_text_is_a_docstring(markdown: str) -> None:
    """A docstring of any text is valid, says the text, and a comment of it is only comments."""
    text = plain_text(markdown, 20)
    assert plain_text(text, 20) is not None
    function = ast.parse("\n".join(["def f():", *docstring(text, 4), "    pass"])).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert (ast.get_docstring(function) or "").strip() == inspect.cleandoc(text)
    assert all(line.startswith("    #") for line in comment(text, 4))


def notebook(*cells: str) -> dict[str, Any]:
    """A document of code cells, and of markdown cells for the texts that begin with `md: `."""
    return {
        "cells": [
            {"cell_type": "markdown", "source": cell.removeprefix("md: ")}
            if cell.startswith("md: ")
            else {"cell_type": "code", "source": cell, "id": f"c{number}"}
            for number, cell in enumerate(cells)
        ]
    }


def exported(*cells: str) -> str:
    """flow.py of a notebook with markdown."""
    code = [cell for cell in cells if not cell.startswith("md: ")]
    flow = define(*code)
    documentation = read_documentation(notebook(*cells), flow)
    return flow_file(Program(flow, shipped(*code)), documentation=documentation)


CELLS = (
    "md: # Circles\nHow large are they?",
    "%load_ext flownb",
    "md: ## Imports",
    "%%shared\nimport math\nimport functools",
    "md: ## Helpers",
    "%%shared\n\n\n\ndef area(r):\n    return math.pi * r**2\n\n\n\n\n\nHALF = 0.5",
    "md: What can be changed.",
    '%%flow F\nlimit = Parameter("limit", default=2)',
    "md: ## Load\n\nThe radii.",
    "%%step load -> radii\n@retry(times=3)\nradii = list(range(limit))",
    "md: of the scratch cell",
    "print(1)",
    "%%step measure --foreach radii -> size\nsize = area(self.input)",
    "md: Collect `\\sizes`.",
    'md: They are "sizes"',
    "%%step collect --join -> sizes\nsizes = [one.size for one in inputs]",
    "md: Not shown.",
    '%%step last\n"""Its own."""',
    "md: after all",
)


def test_text_becomes_docstrings_and_comments() -> None:
    """The first text is the module's, the text right above a cell is the step's, the class's or the shared code's."""
    text = exported(*CELLS)
    assert (
        text[text.index('"""') :]
        == '''"""Circles

How large are they?
"""

import functools
import math

from metaflow import FlowSpec, Parameter, retry, step


# Helpers
def area(r):
    return math.pi * r**2


HALF = 0.5


class F(FlowSpec):
    """What can be changed."""

    limit = Parameter("limit", default=2)

    @step
    def start(self):
        self.next(self.load)

    @retry(times=3)
    @step
    def load(self):
        """Load

        The radii.
        """
        limit = self.limit
        radii = list(range(limit))
        self.radii = radii
        self.next(self.measure, foreach="radii")

    @step
    def measure(self):
        size = area(self.input)
        self.size = size
        self.next(self.collect)

    @step
    def collect(self, inputs):
        r"""Collect `\\sizes`.

        They are "sizes"
        """
        sizes = [one.size for one in inputs]
        self.sizes = sizes
        self.next(self.last)

    # Not shown.
    @step
    def last(self):
        """Its own."""
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    F()
'''
    )


def test_the_documented_file_is_formatted() -> None:
    """Ruff has nothing to change, neither in the layout nor in the order of the imports, and no edit is found."""
    text = exported(*CELLS)
    ruff = [sys.executable, "-m", "ruff"]
    for words in (["format", "--isolated", "-"], ["check", "--isolated", "--select", "I,D301,W", "--fix", "-q", "-"]):
        done = subprocess.run([*ruff, *words], input=text, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (text, "")
    assert is_edited(text) is False


@pytest.mark.parametrize(
    ("cells", "module", "above"),
    [
        (["md: a", "md: b", "%%step s"], "a", {"\n%%step s": "b"}),
        (["md: a", "%%step s"], "a", {}),
        (["md: a", "md: b", "%%shared\nx = 1", "md: c", "%%step s"], "a\n\nb", {"\n%%step s": "c"}),
        (["md: a", "md: b", "x", "md: c", "md: d", "%%step s"], "a\n\nb", {"\n%%step s": "c\n\nd"}),
        (["%%step s", "md: a", "%%step t"], "", {"\n%%step t": "a"}),
    ],
)
def test_whose_text_it_is(cells: list[str], module: str, above: dict[str, str]) -> None:
    """Of several texts above a first cell that is a step or the flow's header, the last one is that cell's."""
    flow = define(*(cell for cell in cells if not cell.startswith("md: ")))
    assert read_documentation(notebook(*cells), flow) == Documentation(module, above)


SEEN = ["self.s.__doc__", "import inspect", "help(len)", "self._graph_info"]


@pytest.mark.parametrize("code", SEEN)
def test_code_that_sees_docstrings_gets_comments(code: str) -> None:
    """A docstring could change what it does, a comment above the method could not."""
    text = exported("md: # About", "x = 1", "md: Step.", f"%%step s\n{code}", "md: Shared.", "%%shared\nx = 1")
    assert "\n# About\n" in text
    assert "\n    # Step.\n    @step\n    def s(self):\n" in text
    assert '"""' not in text
    assert sees_documentation(define(f"%%step s\n{code}")) is True
    assert sees_documentation(define("%%flow F\nx = Parameter('x', help='a')")) is False


def test_markdown_changes_nothing_of_what_runs() -> None:
    """The methods are those without text, apart from their docstrings."""
    with_text, without = exported(*CELLS), exported(*(cell for cell in CELLS if not cell.startswith("md: ")))

    class Undocumented(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
            return None if isinstance(node.value, ast.Constant) else node

    trees = [Undocumented().visit(ast.parse(text)) for text in (with_text, without)]
    assert ast.dump(trees[0]) == ast.dump(trees[1])


def test_a_notebook_that_is_read_has_its_text(tmp_path: Path) -> None:
    """Text is found by the ids of cells, and by their source where they have none."""
    path = tmp_path / "nb.ipynb"
    path.write_text(
        '{"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": ['
        '{"cell_type": "code", "source": ["x"], "metadata": {}, "outputs": [], "execution_count": null},'
        '{"cell_type": "markdown", "source": ["## Fit\\n", "well"], "metadata": {}},'
        '{"cell_type": "raw", "source": "raw", "metadata": {}},'
        '{"cell_type": "code", "source": ["%%step fit\\r\\n", "pass"], "metadata": {}, "outputs": []}]}'
    )
    flow = define("%%step fit\npass")
    [step] = flow.steps
    assert read_documentation(read_document(path), flow).of(step.cell) == "## Fit\nwell"


def test_metaflow_shows_the_text(tmp_path: Path) -> None:
    """Real Metaflow accepts the file, and shows the docstrings of class and steps."""
    (tmp_path / "flow.py").write_text(exported(*CELLS))
    environment = {**os.environ, "METAFLOW_USER": "tester", "METAFLOW_DEFAULT_DATASTORE": "local"}
    words, both = [sys.executable, "flow.py", "show"], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=tmp_path, env=environment, text=True, check=True, **both)
    shown = "".join(done.stdout.split())
    for text in (
        "What can be changed.",
        "The radii. => measure",
        '`\\sizes`. They are "sizes" => last',
        "Its own. => end",
    ):
        assert "".join(text.split()) in shown


def test_cells_are_found_by_their_ids() -> None:
    """A cell that was edited since the notebook was saved keeps the text above it."""
    flow = define_flow([read_cell("%%step s\nedited", cell_id="c2"), read_cell("%%step t", cell_id="new")])
    found = read_documentation(notebook("md: a", "md: b", "%%step s", "md: c", "%%step t"), flow)
    assert found == Documentation("a", {"c2": "b", "new": "c"})
