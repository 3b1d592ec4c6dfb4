"""The body of a cell: decorators, magics, syntax errors and the transition it ends in."""

from __future__ import annotations

import ast

import pytest

from flownb.cells.body import Transition, next_calls, parse_body, unindentable_lines

DECORATED = {
    "@retry(times=3)\n@card\nx = 1": [("@retry(times=3)", 1), ("@card", 2)],
    "\n# why\n@retry\n\nx = 1": [("@retry", 3)],
    "@retry(\n    times=3,\n)\nx = 1": [("@retry(\n    times=3,\n)", 1)],
    '@card(id="""a\nb""")\nx = 1': [('@card(id="""a\nb""")', 1)],
    "@card": [("@card", 1)],
    "@card  # shown\n": [("@card  # shown", 1)],
    "@lru_cache\ndef f():\n    pass": [],
    "@lru_cache\n# a comment\ndef f():\n    pass": [],
    "@dataclass\nclass A:\n    x: int": [],
    "@wraps(g)\nasync def f():\n    pass": [],
    "@lru_cache\n\ndef f():\n    pass": [("@lru_cache", 1)],
    "@card\n@lru_cache\ndef f():\n    pass": [("@card", 1)],
    "@retry(times=2)\ndef f():\n    pass": [("@retry(times=2)", 1)],
    "x = a\n@retry\ndef f():\n    pass": [],
    "x = (a\n@ b)": [],
    "": [],
    "@": [("@", 1)],
    "@card\nx = '": [("@card", 1)],
    "@card(": [],
}


@pytest.mark.parametrize("text", DECORATED)
def test_leading_decorators_belong_to_the_step(text: str) -> None:
    """Decorator lines above the body are the step's, unless they touch a def and are none of Metaflow's."""
    assert [(one.text, one.line) for one in parse_body(text, "step").decorators] == DECORATED[text]


def test_decorators_are_blanked_out_of_the_code() -> None:
    """What stays of the body keeps its line numbers."""
    body = parse_body("@retry(\n    times=3)\nx = 1", "step")
    assert (body.code, body.tree.body[0].lineno if body.tree else 0) == ("\n\nx = 1", 3)
    assert tuple(parse_body(text, "step").decorators[0].name for text in ("@ retry(1)\n", "@a.b\n", "@\n")) == (
        "retry",
        "a.b",
        "",
    )


def test_shared_code_keeps_its_decorators() -> None:
    """A decorator in a shared cell decorates what is below it."""
    assert parse_body("@retry\ndef f(): pass", "shared").decorators == ()


MAGICS = {
    "%matplotlib inline\nx = 1": [("%matplotlib inline", 1)],
    "!ls -l": [("!ls -l", 1)],
    "x = 1\nfiles = !ls": [("files = !ls", 2)],
    "if x:\n    t, u = %timeit -o x": [("t, u = %timeit -o x", 2)],
    "x?": [("x?", 1)],
    "?x": [("?x", 1)],
    "pd.DataFrame??": [("pd.DataFrame??", 1)],
    "%%time\nx = 1": [("%%time", 1)],
    "!pip install a \\\n    b\nx = 1": [("!pip install a \\\n    b", 1)],
    "x?\ny = '''\n!ls\n'''\n%time y": [("x?", 1), ("%time y", 5)],
    "!ls\ny = (": [("!ls", 1)],
    "x = (a\n     %b)\ny = (": [],
    "y = '''\n!ls\n%time\n'''": [],
    "x = a \\\n%b": [],
    "x != y": [],
}


@pytest.mark.parametrize("text", MAGICS)
def test_lines_that_only_ipython_understands_are_found(text: str) -> None:
    """Magics, shell lines and help requests are distinguished from operators, from strings and from plain mistakes."""
    assert [(one.text, one.line) for one in parse_body(text, "step").magics] == MAGICS[text]


def test_magics_in_shared_code_become_comments() -> None:
    """Shared code stays Python: a magic is a comment, in a block one that leaves a statement behind."""
    body = parse_body("%load_ext x\nif a:\n    !ls \\\n      -l\nb = 1", "shared")
    assert body.code == "# %load_ext x\nif a:\n    pass  # !ls \\\n    # -l\nb = 1"
    assert body.tree is not None
    assert body.problem is None


def test_a_magic_in_a_step_leaves_no_tree() -> None:
    """A step with a magic is not run as if the line were not there."""
    body = parse_body("!ls\nx = 1", "step")
    assert (body.tree, body.problem.line if body.problem else 0) == (None, 1)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("x = (", "'(' was never closed", 1),
        ("x = 1\n  y = 2", "unexpected indent", 2),
        ("x = 1\0", "source code string cannot contain null bytes", 1),
        ("-" * 20_000 + "1", "too many nested parentheses", 1),
    ],
)
def test_what_is_not_python_is_kept_as_a_fact(text: str, message: str, line: int) -> None:
    """Nothing raises: the parser's message and line are kept for the checks."""
    problem = parse_body(text, "step").problem
    assert problem is not None
    if "nested" not in message:
        assert (problem.message, problem.line) == (message, line)


def test_a_warning_of_the_compiler_is_not_an_error() -> None:
    r"""A text such as "\d" is Python, whatever the compiler thinks of it (warnings are errors in this test)."""
    assert parse_body('x = "\\d"', "step").problem is None


def place(transition: Transition) -> tuple[object, ...]:
    """A transition without its place."""
    return transition.kind, transition.targets, transition.foreach, transition.condition, transition.cases


TRANSITIONS = {
    "self.next(self.a)": ("linear", ("a",), None, None, ()),
    "self.next(self.a, self.b)": ("split", ("a", "b"), None, None, ()),
    'self.next(self.a, foreach="xs")': ("foreach", ("a",), "xs", None, ()),
    "self.next(self.a, foreach=xs)": ("foreach", ("a",), None, None, ()),
    "self.next(self.a, num_parallel=2)": ("foreach", ("a",), None, None, ()),
    'self.next({"x": self.a, 2: self.b, True: self.a}, condition="k")': (
        "switch",
        ("a", "b"),
        None,
        "k",
        (("x", "a"), (2, "b"), (True, "a")),
    ),
}
INVALID = [
    "self.next()",
    "self.next(a)",
    "self.next(self.a, b)",
    "self.next(self.a, self.a)",
    "self.next(*steps)",
    "self.next(self.a())",
    "self.next(self.a.b)",
    "self.next('a')",
    "self.next(self.a, foreach='')",
    "self.next(self.a, foreach='x.y')",
    "self.next(self.a, self.b, foreach='xs')",
    "self.next(self.a, self.b, num_parallel=2)",
    "self.next(self.a, num_parallel=2, foreach='xs')",
    "self.next(self.a, **options)",
    "self.next(self.a, foreach='xs', condition='k')",
    "self.next(self.a, condition='k')",
    "self.next({}, condition='k')",
    "self.next({'x': self.a}, condition='k')",
    "self.next({'x': self.a, 'x': self.b}, condition='k')",
    "self.next({1: self.a, True: self.b}, condition='k')",
    "self.next({'x': self.a, y: self.b}, condition='k')",
    "self.next({-1: self.a, 1: self.b}, condition='k')",
    "self.next({None: self.a, 1: self.b}, condition='k')",
    "self.next({'x': self.a, **more}, condition='k')",
    "self.next({'x': self.a, 'y': b}, condition='k')",
    "self.next({'x': self.a, 'y': self.b}, condition=k)",
    "self.next({'x': self.a, 'y': self.b})",
]


@pytest.mark.parametrize("text", TRANSITIONS)
def test_each_form_of_self_next_is_read(text: str) -> None:
    """A body's last statement gives its transition, and its lines."""
    transition = parse_body(f"x = 1\n{text}  # go\n# the end\n", "step").transition
    assert transition is not None
    assert (*place(transition), transition.line, transition.end_line) == (*TRANSITIONS[text], 2, 2)


@pytest.mark.parametrize("text", INVALID)
def test_a_form_metaflow_does_not_read_is_invalid(text: str) -> None:
    """What Metaflow's own parser would not understand, or read differently, is known to be so."""
    transition = parse_body(text, "step").transition
    assert transition is not None
    assert transition.kind == "invalid"


@pytest.mark.parametrize("text", ["", "x = 1", "if x:\n    self.next(self.a)", "y = self.next(self.a)", "next(self.a)"])
def test_a_body_without_a_last_self_next_has_no_transition(text: str) -> None:
    """Only the literal last statement is a transition."""
    assert parse_body(text, "step").transition is None


def test_all_calls_of_self_next_are_found() -> None:
    """Calls anywhere count, other than those of a function that has a `self` of its own."""
    tree = ast.parse(
        "if x:\n    self.next(self.a)\ny = self.next\nz = [self.next(self.b)]\n"
        "def f():\n    self.next(self.c)\n"
        "class It:\n    def go(self):\n        self.next(1)\n"
    )
    assert [call.lineno for call in next_calls(tree)] == [2, 4, 6]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('x = """a\nb\n"""\ny = 1', {2, 3}),
        ('x = f"""a\n{b}\n"""', {2, 3}),
        ("x = 'a\\\nb'", {2}),
        ('x = (1,\n  """a\nb""",\n  2)', {3}),
        ("x = 1\ny = (2,\n 3)", set()),
        ('x = """a\nb', set()),
    ],
)
def test_lines_inside_strings_are_known(text: str, lines: set[int]) -> None:
    """A line that begins inside a string must not be indented."""
    assert unindentable_lines(text) == lines
