"""The source of a step's method: the body as written, what is put around it, and that it does the same."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cells.body import Transition
from flownb.flow.method import indent_code, to_metaflow_imports, transition_source
from tests.flow.flows import method

START = "%%step start -> x, xs\nx = 1\nxs = [1]"


def body_of(text: str) -> str:
    """The lines of the method below its def."""
    return text.split("):\n", 1)[1]


NEXT = "        self.next(self.end)\n"
METHODS = {
    "%%step b -> y\ny = x + 1": "        x = self.x\n        y = x + 1\n        self.y = y\n" + NEXT,
    "%%step b": NEXT,
    "%%step b\n# nothing yet\n": "        # nothing yet\n" + NEXT,
    "%%step b -> x": "        x = self.x\n        self.x = x\n" + NEXT,
    "%%step b -> y\n\n\ny = 1\n\n\n": "        y = 1\n        self.y = y\n" + NEXT,
    "%%step b\ny = 1  # why\n\nz = 2": "        y = 1  # why\n\n        z = 2\n" + NEXT,
    "%%step b\nif x:\n    pass\n    # deep": "        x = self.x\n        if x:\n            pass\n            # deep\n"
    + NEXT,
    '%%step b -> y\ny = """a\n  b\n\n"""': '        y = """a\n  b\n\n"""\n        self.y = y\n' + NEXT,
    "%%step b -> y\ny = 'a\\\nb'": "        y = 'a\\\nb'\n        self.y = y\n" + NEXT,
    "%%step b\nif x:\n\ty = 1": "        x = self.x\n        if x:\n        \ty = 1\n" + NEXT,
    "%%step b\ny = 1\n\f\nz = 2": "        y = 1\n\n        z = 2\n" + NEXT,
    "%%step b\nfrom flownb import current": "        from metaflow import current\n" + NEXT,
    "%%step b -> y\ny = 1\nself.next(self.end)  # go\n# last": "        y = 1\n        self.y = y\n"
    "        self.next(self.end)  # go\n        # last\n",
    "%%step b -> y\ny = 1\nself.next(\n    self.end\n)": "        y = 1\n        self.y = y\n        self.next(\n"
    "            self.end\n        )\n",
    '%%step b\nself.y = """\n\n"""; self.next(self.end)': '        self.y = """\n\n"""; self.next(self.end)\n',
    "%%step b\ny = df.query('a > @x')": "        x = self.x\n        y = df.query('a > @x')\n" + NEXT,
}


@pytest.mark.parametrize("cell", METHODS)
def test_the_body_stays_as_written(cell: str) -> None:
    """Loads stand before it, captures and the transition behind it, and no string in it changes."""
    assert body_of(method("b", START, cell, "%%step end").text) == METHODS[cell]


def test_decorators_stand_above_step() -> None:
    """Leading decorators come out in their order, above @step, indented but for the inside of strings."""
    source = method("b", START, '%%step b\n@retry(\n    times=3)\n@card(id="""x\ny""")\nz = 1', "%%step end")
    assert source.text == (
        '    @retry(\n        times=3)\n    @card(id="""x\ny""")\n    @step\n    def b(self):\n        z = 1\n'
        "        self.next(self.end)\n"
    )


def test_a_join_takes_inputs() -> None:
    """Its method has the second argument, and loads nothing by itself."""
    cells = (START, "%%step a --foreach xs -> y\ny = self.input", "%%step j --join -> ys\nys = [i.y for i in inputs]")
    assert method("j", *cells).text == (
        "    @step\n    def j(self, inputs):\n        ys = [i.y for i in inputs]\n        self.ys = ys\n"
        "        self.next(self.end)\n"
    )


def test_an_added_step_only_passes_on() -> None:
    """start, end and bridges have no body of their own."""
    assert (
        method("start", "%%step a", "%%step b").text == "    @step\n    def start(self):\n        self.next(self.a)\n"
    )
    assert method("end", "%%step a", "%%step b").text == "    @step\n    def end(self):\n        pass\n"
    assert method("end", "%%step start", "%%step end").text == "    @step\n    def end(self):\n        pass\n"


def test_loads_are_those_the_body_may_read_first() -> None:
    """Only plain names that a parent has, that no shared cell defines, in the order of their first read."""
    source = method(
        "b",
        "%%shared\nK = 1",
        "%%step start -> a, b_, c, d, K\na = b_ = c = d = K = 1",
        "%%step b -> e\nc = 2\ne = b_ + K\nif e:\n    d = 1\nprint(a, d, c)",
    )
    assert source.loads == ("b_", "a", "d")


def test_each_line_knows_its_place_in_the_cell() -> None:
    """Loads stand for the line that reads them, captures and the transition for the header."""
    source = method("b", START, "\n%%step b -> y\n@card\n\ny = (\n    x)", "%%step end")
    assert [(line.text, line.origin, line.added) for line in source.lines] == [
        ("    @card", 3, 4),
        ("    @step", 2, 4),
        ("    def b(self):", 2, 4),
        ("        x = self.x", 6, 8),
        ("        y = (", 5, 8),
        ("            x)", 6, 8),
        ("        self.y = y", 2, 8),
        ("        self.next(self.end)", 2, 8),
    ]
    assert source.statements == 1


def test_the_code_hash_follows_what_the_step_does() -> None:
    """A new child or decorator leaves it, another body, load or argument changes it."""
    one = method("b", START, "%%step b -> y\ny = x", "%%step end").code_hash
    assert method("b", START, "%%step b -> y\n@card\ny = x", "%%step c", "%%step end").code_hash == one
    assert method("b", START, "%%step b -> y\ny = x + 0", "%%step end").code_hash != one
    assert method("b", "%%shared\nx = 1", "%%step start", "%%step b -> y\ny = x", "%%step end").code_hash != one


def test_a_body_that_is_not_python_still_has_a_source() -> None:
    """The checks can show it; nothing raises."""
    assert (
        body_of(method("b", START, "%%step b\ny = (", "%%step end").text)
        == "        y = (\n        self.next(self.end)\n"
    )


SOURCES = {
    'self.next({"big": self.a, "very big": self.b}, condition="k")': (("big", "a"), ("very big", "b")),
    'self.next({1: self.a, True: self.b, 0.5: self.a}, condition="k")': ((1, "a"), (True, "b"), (0.5, "a")),
    'self.next({"it\'s": self.a, \'say "x"\': self.b}, condition="k")': (("it's", "a"), ('say "x"', "b")),
}


@pytest.mark.parametrize("text", SOURCES)
def test_a_switch_is_written_with_its_values(text: str) -> None:
    """Values read back as they were; texts stand in double quotes where they can."""
    assert transition_source(Transition("switch", ("a", "b"), condition="k", cases=SOURCES[text])) == text


def test_other_transitions_are_written_as_metaflow_reads_them() -> None:
    """Linear, split and foreach."""
    assert transition_source(Transition("linear", ("a",))) == "self.next(self.a)"
    assert transition_source(Transition("split", ("a", "b"))) == "self.next(self.a, self.b)"
    assert transition_source(Transition("foreach", ("a",), foreach="xs")) == 'self.next(self.a, foreach="xs")'


IMPORTS = {
    "from flownb import current": "from metaflow import current",
    "if a:\n    from flownb import (\n        b,\n    )": "if a:\n    from metaflow import (\n        b,\n    )",
    "import os; from flownb import card as c": "import os; from metaflow import card as c",
    "größe = 1; from flownb import card": "größe = 1; from metaflow import card",
    "from \\\n  flownb import card": "from \\\n  metaflow import card",
    "import flownb": "import metaflow as flownb",
    "from flownb.cards import Markdown as M": "from metaflow.cards import Markdown as M",
    "import flownb.cards": "import metaflow as flownb, metaflow.cards",
    "import flownb.cards as cards": "import metaflow.cards as cards",
    "import os, flownb as fb": "import os, metaflow as fb",
    "from flownb.cells import body": "from flownb.cells import body",
    "from .flownb import x": "from .flownb import x",
    "x = '''\nfrom flownb import current\n'''": "x = '''\nfrom flownb import current\n'''",
    "x = 'a\\\nfrom flownb import b'": "x = 'a\\\nfrom flownb import b'",
    "# from flownb import x": "# from flownb import x",
    "from flownb import (": "from flownb import (",
}


@pytest.mark.parametrize("code", IMPORTS)
def test_imports_from_flownb_become_metaflows(code: str) -> None:
    """Only import statements change, wherever they stand; texts and comments do not."""
    assert to_metaflow_imports(code) == IMPORTS[code]


LITERALS = st.sampled_from(
    ['"""a\n b\n"""', "'''\n\n'''", '"x\\\ny"', 'f"""{1 +\n1}\n z"""', "1", "[\n 1,\n2]", '"\\t"']
)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, st.sampled_from("abc"), LITERALS),
    st.builds(
        "if {}:\n  {} = {}\nelse:\n  {} = {}".format,
        LITERALS,
        st.sampled_from("abc"),
        LITERALS,
        st.sampled_from("abc"),
        LITERALS,
    ),
    st.builds("for {} in range(2):\n\t{} = {}".format, st.sampled_from("abc"), st.sampled_from("abc"), LITERALS),
    st.builds("def f():\n    # deep\n    return {}\n{} = f()".format, LITERALS, st.sampled_from("abc")),
    st.sampled_from(
        ["# only a comment", "", "   ", "\f", "a = b = c = 0; a = 1", "a = 1 + \\\n  2", "a = (1\n\n  )", "pass;"]
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STATEMENTS, max_size=6).map("\n".join))
def test_a_method_does_what_the_cell_does(code: str) -> None:
    """The compiled method leaves in `self` what the cell, executed as it is, leaves in its namespace."""
    namespace: dict[str, Any] = {"a": 7, "b": [8], "c": "9"}
    exec(code, namespace)
    cells = ("%%step start -> a, b, c\na, b, c = 7, [8], '9'", f"%%step work -> a, b, c\n{code}", "%%step end")
    inner: dict[str, Any] = {"step": lambda function: function}
    exec(compile(f"class Flow:\n{method('work', *cells).text}", "<method>", "exec"), inner)
    flow = inner["Flow"]()
    vars(flow).update(a=7, b=[8], c="9", next=lambda *_: None, end=None)
    flow.work()
    assert [getattr(flow, name) for name in "abc"] == [namespace[name] for name in "abc"]


@given(st.lists(STATEMENTS, max_size=6).map("\n".join), st.sampled_from([4, 8]))
def test_indenting_changes_no_meaning(code: str, width: int) -> None:
    """The indented text has the same syntax tree as the text it came from."""
    lines = "\n".join(line.text for line in indent_code(code, width))
    block = ast.parse(f"if 1:\n{' ' * width}pass\n{lines}").body[0]
    assert isinstance(block, ast.If)
    assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(block.body[1:], []))


def test_what_a_caught_exception_keeps_unset_is_loaded_if_it_is_there() -> None:
    """Below a step with @catch a plain name fails where the body uses it, not before its first line."""
    a = '%%step a -> x, w\n@catch(var="e")\nx = w = 1'
    assert (
        "    @step\n    def b(self):\n        e = self.e\n"
        '        if hasattr(self, "x"): x = self.x\n        y = e or x\n'
    ) in method("b", a, "%%step b\ny = e or x").text
    again = ("%%step b -> x\nx = 2", "%%step c\ny = (x, w)")
    assert '        if hasattr(self, "w"): w = self.w\n        x = self.x\n' in method("c", a, *again).text
    first = ("%%step s -> x\nx = 0", a, "%%step b\ny = x")
    assert "        x = self.x\n" in method("b", *first).text
