"""Round trips between files and notebooks, of generated flows: what a file says survives both ways.

Two things are equal. The export of an import says what the file says (`trees.arranged`). And what is exported is a
fixed point: its import has the same graph, parameters and trees of steps as the notebook that it was exported from, and
is exported to the same bytes, but for the indentation of docstrings. Its cells differ from those of the first notebook:
what headers say (captures, `--after`) is code in the file, plain names that are loaded are statements, and scratch
cells are not part of it.
"""

from __future__ import annotations

import ast
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from flownb.flow_file.header import read_header
from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_cells import HARD_CELLS
from tests.flow.flows import define, shipped
from tests.flow_file.trees import arranged, exported, imported, sources

EQUAL = [case for case in HARD_CELLS if case.outcome in ("equal", "warned")]
NAMES = st.sampled_from(["alpha", "beta", "rows", "model_1", "größe"])
WORDS = st.text(alphabet="ab #\"'\\{}%\t\f@:", max_size=8)
TEXTS = st.sampled_from(
    [
        "One line.",
        'Says "it"',
        "# Heading",
        "Two.\n\n    code\n\n        deeper",
        "A rule\n------\nx : int",
        "a \\ b",
        "Long " * 30,
    ]
)
DOCSTRINGS = st.one_of(
    st.just([]),
    TEXTS.map(lambda text: [f"r'''{text}'''"]),
    TEXTS.map(
        lambda text: ["r'''\n" + "\n".join(f"        {line}".rstrip() for line in text.split("\n")) + "\n        '''"]
    ),
)
COMMENTS = st.sampled_from(["", "# why", "#: typed", "# -- x --"])
DECORATORS = st.sampled_from(
    ["@retry(times=2)", "@card", "@kept", "@kept_with(\n    1,  # one\n)", "@resources(memory=10)"]
)


@st.composite
def statements(draw: DrawFn) -> str:
    """One statement of a body, which may have several lines and strings with lines at any indentation."""
    name, word = draw(NAMES), draw(WORDS)
    plain = word.replace('"', "").replace("'", "")  # `indented` counts quotes
    quoted = word.replace("\\", "\\\\").replace('"', '\\"')
    return draw(
        st.sampled_from(
            [
                f"self.{name} = {plain!r}",
                f'self.{name} = """\n{quoted}\n   {quoted}\n"""',
                f"{name} = [\n  1,\n{draw(COMMENTS)}\n      2,\n]",
                f"if {plain!r}:\n    self.{name} = 1\nelse:\n\n    pass",
                f"def {name}(a, b=1): return a",
                f"@kept\ndef {name}(a):\n    '''{quoted.replace(chr(39), '')}.'''\n    return a",
                f"self.{name} = 1 + \\\n 2",
                f"with open({plain!r}) as {name}: pass",
                f"self.{name} = 1; self.other = 2",
                f"for {name} in (): # each\n  # deep\n  continue",
            ]
        )
    )


def indented(text: str, width: int) -> str:
    """A text further to the right, except for lines inside strings."""
    inside = False
    lines = []
    for line in text.split("\n"):
        lines.append(line if inside or not line.strip() else " " * width + line)
        inside ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return "\n".join(lines)


@st.composite
def methods(draw: DrawFn, name: str, following: str, join: bool) -> str:
    """A step that leads to another one; empty if it is the last."""
    above = draw(st.lists(DECORATORS, max_size=2))
    below = draw(st.lists(st.sampled_from(["@kept"]), max_size=1))
    body = draw(st.lists(statements(), max_size=3))
    body += [f"self.next({following})"] if following else ["pass"]
    argument = draw(st.sampled_from(["inputs", "ins"])) if join else ""
    noted = draw(st.sampled_from(["", ": list"])) if join else ""
    arguments = f"(self, {argument}{noted})" if join else "(self)"
    returns = draw(st.sampled_from(["", " -> None", " -> 'None'"]))
    head = f"def {name}{arguments}{returns}:"
    comment = draw(COMMENTS)
    lines = [comment, *above, "@step", *below, f"{head} {draw(COMMENTS)}".rstrip()]
    body = draw(DOCSTRINGS) + body
    blank = draw(st.sampled_from(["\n", "\n\n"]))
    text = "\n".join(filter(None, lines))
    return f"{indented(text, 4)}\n{indented(blank.join(body), 8)}\n"


@st.composite
def flows(draw: DrawFn) -> str:
    """A whole file: imports, helpers, a class with parameters, methods and steps between them."""
    shape = draw(st.sampled_from(["line", "split", "foreach"]))
    edges = {
        "line": [("start", "self.middle", False), ("middle", "self.end", False)],
        "split": [
            ("start", "self.a, self.b", False),
            ("a", "self.j", False),
            ("b", "self.j", False),
            ("j", "self.end", True),
        ],
        "foreach": [("start", "self.a, foreach='rows'", False), ("a", "self.j", False), ("j", "self.end", True)],
    }[shape]
    members: SearchStrategy[str] = st.sampled_from(
        [
            "    limit = Parameter('limit', default=1)",
            "    TEXT = '''\n kept\n      '''",
            "    # alone",
            "    @property\n    def helper(self):\n        return 1",
            "    @staticmethod\n    def other(a): return a",
            "    class Inner:\n        y = 1",
        ]
    )
    steps = [draw(methods(*edge)) for edge in [*edges, ("end", "", False)]]
    parts = [part for step in steps for part in (*draw(st.lists(members, max_size=1)), step)]
    docstring = draw(st.sampled_from(["", '    """The flow.\n\n      deeper\n    """\n']))
    base = draw(st.sampled_from(["FlowSpec", "Base", "Mixin, FlowSpec"]))
    class_line = draw(st.sampled_from(["", "@project(name='p')\n"])) + f"class F({base}):"
    about = draw(st.one_of(st.just(""), TEXTS.map(lambda text: f"r'''{text}\n'''\n")))
    module = (
        f"{about}from __future__ import annotations\n\nimport os, sys  # two\n"
        "from metaflow import FlowSpec, Parameter, card, project, resources, retry, step\n\n"
        "def kept(f): return f\n\n\ndef kept_with(n):\n    return kept\n\n\n"
        "class Mixin:\n    m = 1\n\n\n"
    )
    module += "class Base(FlowSpec):\n    inherited = 1\n\n\n" if base == "Base" else ""
    separator = draw(st.sampled_from(["\n", "\n\n"]))
    after = draw(st.sampled_from(["", "\n\ndef below():\n    return F  # later\n"]))
    body = separator.join(parts)
    return f"{module}{class_line}\n{docstring}{body}{after}\n\nif __name__ == '__main__':\n    F()\n"


@settings(max_examples=25)
@given(flows())
def test_the_export_of_an_import_says_what_the_file_says(text: str) -> None:
    """Imports, module code, class body and steps have equal trees."""
    ast.parse(text)
    assert arranged(exported(imported(text))) == arranged(text)


@settings(max_examples=25)
@given(flows())
def test_an_exported_file_is_imported_and_exported_to_the_same_bytes(text: str) -> None:
    """Nothing changes any more, whatever was arranged at the first export."""
    first = exported(imported(text))
    assert exported(imported(first)) == first


CELLS = (
    "%load_ext flownb",
    "%%shared\nimport math\n\ndef area(r):\n    return math.pi * r\n",
    "%%flow CircleFlow\nlimit = Parameter('limit', default=2)",
    "%%step load -> radii\n@retry(times=3)\nradii = list(range(limit))",
    "print('scratch')",
    "%%step measure --foreach radii -> size\nsize = area(self.input)  # one circle",
    "%%step collect --join -> sizes, kind\nsizes = [one.size for one in inputs]\nkind = 'few'",
    "%%step few --when kind=few -> text\ntext = f'{sizes=}'",
    "%%step many --after collect --when kind=many -> text\ntext = 'many'",
    "%%step report --after few,many\nprint(text)",
)


def in_cells(*texts: str) -> dict[str, Any]:
    """A notebook of code cells."""
    return {"cells": [{"cell_type": "code", "source": source} for source in texts]}


def test_a_notebook_comes_back_with_the_same_flow() -> None:
    """The graph, the parameters, and the text of each method are those of the notebook that was exported."""
    first = exported(in_cells(*CELLS))
    notebook = imported(first)
    cells = sources(notebook)
    graphs = [{name: node.targets for name, node in shipped(*one).nodes.items()} for one in (CELLS, cells)]
    assert graphs[1] == graphs[0]
    assert define(*cells).parameters == define(*CELLS).parameters
    assert exported(notebook) == first


@pytest.mark.parametrize("case", EQUAL, ids=lambda case: case.name)
def test_what_hard_cells_are_exported_as_comes_back(case: HardCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of an exported hard cell has the same graph, and is exported as the same code.

    A docstring that a cell has in its body may be indented in another way, which the header's hash does not see.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    first = exported(in_cells(*case.cells))
    notebook = imported(first)
    assert read_header(exported(notebook)) == read_header(first)
    graphs = [shipped(*cells).nodes for cells in (case.cells, sources(notebook))]
    assert {name: node.targets for name, node in graphs[1].items()} == {
        name: node.targets for name, node in graphs[0].items()
    }
