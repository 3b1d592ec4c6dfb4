"""Definite assignment: what a body may read before it assigned it, and what it binds."""

from __future__ import annotations

import ast
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flownb.cells.assignment import analyse_names
from flownb.cells.names import BodyNames


def names(text: str, *captures: str) -> BodyNames:
    """The analysis of a body."""
    return analyse_names(ast.parse(text), captures=captures)


READS = {
    "y = x": {"x"},
    "x = 1\ny = x": set(),
    "y = x\nx = 1": {"x"},
    "x += 1": {"x"},
    "x.a += 1": {"x"},
    "x[i] += k": {"x", "i", "k"},
    "x[0] = 1": {"x"},
    "x = y = z": {"z"},
    "a, *b = c": {"c"},
    "(a, [b, *d]), e = c\na, b, d, e": {"c"},
    # branches
    "if a:\n x = 1\ny = x": {"a", "x"},
    "if a:\n x = 1\nelse:\n x = 2\ny = x": {"a"},
    "if a:\n x = 1\nelif b:\n x = 2\ny = x": {"a", "b", "x"},
    "if a:\n x = 1\nelse:\n raise E\ny = x": {"a", "E"},
    "y = x if a else z": {"x", "a", "z"},
    # loops
    "for i in a:\n x = i\ny = x": {"a", "x"},
    "for i in a:\n pass\ny = i": {"a", "i"},
    "for i in a:\n x = i\nelse:\n x = 0\ny = x": {"a", "x"},
    "for x in x:\n pass": {"x"},
    "for i in a:\n if i:\n  y = x\n x = 1": {"a", "x"},
    "for a[k] in b:\n pass": {"a", "k", "b"},
    "while a:\n x = 1\ny = x": {"a", "x"},
    "while (n := f()):\n pass\ny = n": {"f"},
    "while a:\n if b:\n  x = 1\n  break\nelse:\n x = 2\ny = x": {"a", "b", "x"},
    # try
    "try:\n x = f()\nexcept E:\n x = 0\ny = x": {"f", "E"},
    "try:\n x = f()\nexcept E:\n pass\ny = x": {"f", "E", "x"},
    "try:\n x = f()\nexcept E:\n y = x": {"f", "E", "x"},
    "try:\n x = f()\nexcept E:\n raise\ny = x": {"f", "E"},
    "try:\n pass\nexcept E:\n pass\nelse:\n x = 1\ny = x": {"E", "x"},
    "try:\n f()\nfinally:\n x = 1\ny = x": {"f"},
    "try:\n x = f()\nfinally:\n y = x": {"f", "x"},
    "try:\n x = f()\nfinally:\n pass\ny = x": {"f"},
    "try:\n f()\nexcept E as e:\n y = e\nz = e": {"f", "E", "e"},
    "try:\n f()\nexcept* E as e:\n y = e": {"f", "E"},
    # with
    "with open(a) as f:\n x = f\ny = x": {"open", "a"},
    "with suppress(E):\n x = 1\ny = x": {"suppress", "E", "x"},
    "with unknown():\n x = 1\ny = x": {"unknown", "x"},
    "with nullcontext(1) as (a, b), unknown() as c:\n pass\na, b, c": {"nullcontext", "unknown"},
    "with suppress(E):\n raise E\ny = x": {"suppress", "E", "x"},
    # match
    "match a:\n case [x, *r]:\n  pass\ny = x": {"a", "x"},
    "match a:\n case [x]:\n  pass\n case _:\n  x = 0\ny = x": {"a"},
    "match a:\n case [x] if x > b:\n  pass\n case x:\n  pass\ny = x": {"a", "b"},
    "match a:\n case {K.a: v, **r}:\n  y = v, r": {"a", "K"},
    "match a:\n case P(x=1) | Q.r as w:\n  y = w": {"a", "P", "Q"},
    "match a:\n case _:\n  raise E\ny = x": {"a", "E"},
    # := and lazy operators
    "if (x := a):\n pass\ny = x": {"a"},
    "a and (x := b)\ny = x": {"a", "b", "x"},
    "(x := a) or b\ny = x": {"a", "b"},
    "a and (x := b) and x": {"a", "b"},
    "y = (x := 1) if a else x": {"a", "x"},
    "a < b < (x := c)\ny = x": {"a", "b", "c", "x"},
    "assert a, (x := b)\ny = x": {"a", "b", "x"},
    "xs = [x := v for v in a]\ny = x": {"a", "x"},
    "t = [t := t + v for v in a]": {"a", "t"},
    # scopes
    "y = [v + k for v in a for w in v if w]": {"a", "k"},
    "y = {k: v for k, v in a}\nz = k": {"a", "k"},
    "y = (v for v in a)": {"a"},
    "f = lambda v, *w, k=d, **z: v + w + k + z + g": {"d", "g"},
    "def f(a=d, *b: T, c: U = e) -> V:\n return a + b + c + g": {"d", "T", "U", "e", "V", "g"},
    "def f(n):\n return f(n - 1)": set(),
    "def f():\n x = 1\n def g():\n  return x\n return g": set(),
    "def f():\n return x\nx = 1": {"x"},
    "def f():\n import os\n return lambda: os": set(),
    "def f():\n try:\n  pass\n except E as e:\n  g(lambda: e)": {"E", "g"},
    "def f(p):\n match p:\n  case {'a': x, **r}:\n   return x, r\n  case [*s]:\n   return s": set(),
    "def f():\n nonlocal x\n x = 1": {"x"},
    "def f():\n global x\n x = 1": set(),
    "@d\nclass A(B, metaclass=M):\n x = k\n y = x": {"d", "B", "M", "k"},
    "class A:\n x = 1\n def f(self):\n  return x": {"x"},
    "class A:\n xs = [1]\n ys = [v for v in xs]": set(),
    "class A:\n k = 1\n ys = [k for v in a]": {"a", "k"},
    "class A:\n def f(self):\n  return self.x": set(),
    "class A:\n class B:\n  z = k": {"k"},
    # del, annotations, statements
    "del x": {"x"},
    "del (a, [b])": {"a", "b"},
    "del a.b, c[d]": {"a", "c", "d"},
    "x = 1\ndel x\ny = x": {"x"},
    "x: T = a": {"a"},
    "x: T\ny = x": {"x"},
    "self.x: T = a": {"a"},
    "import os.path as p, sys\nfrom a import b as c, d\np, sys, c, d": set(),
    "import a.b\na": set(),
    "from a import *\nb": {"b"},
    "print(f'{a!r:>{w}} {b=}')": {"print", "a", "w", "b"},
    "raise E from c\ny = x": {"E", "c"},
    "return a\ny = x": {"a"},
    "for i in a:\n continue\n y = x": {"a"},
    "x = 1  # type: T": set(),
    "y = self": set(),
    "async def f():\n async with a as b:\n  await b": {"a"},
    "global x\nx = x + 1": {"x"},
}


@pytest.mark.parametrize("text", READS)
def test_what_may_be_read_before_it_is_assigned(text: str) -> None:
    """Every construct that binds, skips or repeats is followed as a function's locals are."""
    assert set(names(text).reads) == READS[text]


UNBOUND = {
    "y = x\nx = 1": {"x"},
    "x = 1\ndel x\ny = x": {"x"},
    "if a:\n x = 1\ny = x": {"a"},
    "if a:\n x = 1\n del x\ny = x": {"a", "x"},
    "for i in a:\n y = x\n x = 1": {"a"},
    "for i in a:\n x = 1\ny = x": {"a"},
    "try:\n x = f()\n del x\nexcept E:\n y = x": {"f", "E"},
    "try:\n f()\nexcept E as e:\n pass\ny = e": {"f", "E", "e"},
    "def f():\n return x\nx = 1": set(),
    "def f():\n nonlocal n\n n = 1\nf()\ny = n\nn = 2": set(),
    "xs = [x := v for v in a]\ny = x": {"a"},
    "with suppress(E):\n x = 1\ny = x": {"suppress", "E"},
    "match a:\n case [x] if b:\n  pass\n case _:\n  y = x": {"a", "b"},
    "try:\n x = 1\nfinally:\n del x\ny = x": {"x"},
    "while a:\n x = 1\nelse:\n y = x": {"a"},
}


@pytest.mark.parametrize("text", UNBOUND)
def test_what_cannot_be_assigned_yet(text: str) -> None:
    """Only a name that no way through the body can have bound at that point is unbound for sure."""
    found = names(text)
    assert set(found.unbound) == UNBOUND[text]


def test_lines_are_those_of_the_first_read_and_binding() -> None:
    """Each fact carries the line that a message points at."""
    found = names("a = 1\nb = x\nc = x\nfor i in b:\n    import os\nself.z = self.y\ndel self.w", "k")
    assert found.reads == {"x": 2, "k": 7}
    assert found.assigned == {"a": 1, "b": 2, "c": 3, "i": 4, "os": 5}
    assert found.variables == {"a": 1, "b": 2, "c": 3}
    assert (found.self_reads, found.self_writes, found.self_deletes) == ({"y": 6}, {"z": 6}, {"w": 7})


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("self.x = self.y", {"y"}, {"x"}),
        ("self.x = 1\ny = self.x", set(), {"x"}),
        ("self.x += 1", {"x"}, {"x"}),
        ("self.x[0] = self.y.z", {"x", "y"}, set()),
        ("self.a, (self.b, *self.c) = v", set(), {"a", "b", "c"}),
        ("if v:\n self.x = 1\ny = self.x", {"x"}, {"x"}),
        ("def f():\n self.x = self.y", {"y"}, {"x"}),
        ("class A:\n def f(self):\n  self.x = self.y", set(), set()),
        ("for self.x in v:\n pass", set(), {"x"}),
    ],
)
def test_attributes_of_self_are_followed_like_names(text: str, reads: set[str], writes: set[str]) -> None:
    """Artifacts that are read before they are written are distinguished from those that are not."""
    found = names(text)
    assert (set(found.self_reads), set(found.self_writes)) == (reads, writes)


@pytest.mark.parametrize(
    ("text", "escapes", "merges"),
    [
        ("f(self)", True, False),
        ("setattr(self, 'x', 1)", True, False),
        ("x = lambda: self", True, False),
        ("self.x = self.y", False, False),
        ("self.merge_artifacts(inputs)", False, True),
        ("def f():\n self.merge_artifacts(inputs)", False, True),
        ("class A:\n def f(self):\n  g(self)\n  self.merge_artifacts(1)", False, False),
    ],
)
def test_self_that_escapes_or_merges_is_known(text: str, escapes: bool, merges: bool) -> None:
    """Only the step's own `self` counts, not that of a class inside the body."""
    found = names(text)
    assert (found.self_escapes, found.merges) == (escapes, merges)


@pytest.mark.parametrize(
    ("text", "definitions"),
    [
        (
            "def f(): pass\nclass A: pass\nimport os\ng = lambda: 1",
            {"f": "function", "A": "class", "os": "module", "g": "function"},
        ),
        ("def f(): pass\nf = f()", {}),
        ("def f(): pass\nself.f = f", {"f": "function", "self.f": "function"}),
        ("self.f = lambda: 1", {"self.f": "function"}),
        ("from math import pi", {}),
        ("x = [lambda: 1]", {}),
        ("import os\nfor os in a: pass", {}),
    ],
)
def test_what_cannot_be_persisted_is_known(text: str, definitions: dict[str, str]) -> None:
    """Functions, classes and modules are distinguished from values, by what a name was bound to last."""
    assert names(text).definitions == definitions


def test_declared_annotated_and_mentioned_names_are_kept_apart() -> None:
    """`global`, bare annotations and names in query texts are facts of their own."""
    found = names("x: int\ndef f():\n    global a\nglobal b\nk = 1\ndf.query('c > @lim and d < @k')")
    assert (found.globals_declared, found.annotated, found.mentions) == ({"a": 3, "b": 4}, {"x": 1}, {"lim": 6})
    assert set(names("df.eval(f'a > @lim')").mentions) == {"lim"}
    assert set(names("send('@home')").mentions) == set()


def test_a_body_that_is_not_python_has_no_names() -> None:
    """The analysis of a syntax error is empty."""
    assert analyse_names(None) == BodyNames()


# -- the property: what is not in `reads` need not be loaded

NAMES = ("a", "b", "c", "d")
NAME = st.sampled_from(NAMES)
ATOM = NAME | st.integers(0, 3).map(str)
EXPRESSION = st.one_of(
    ATOM,
    st.builds("({} + {})".format, ATOM, ATOM),
    st.builds("({} := {})".format, NAME, ATOM),
    st.builds("({} and ({} := {}))".format, ATOM, NAME, ATOM),
    st.builds("({} if {} else {})".format, ATOM, ATOM, ATOM),
    st.builds("sum([{} + v for v in range({})])".format, ATOM, st.integers(0, 2)),
    st.builds("sum([({} := v) for v in range({})])".format, NAME, st.integers(0, 2)),
    st.builds("(lambda {}=1: {})()".format, NAME, NAME),
)


def indented(lines: list[str]) -> list[str]:
    """Lines one level deeper."""
    return [f" {line}" for line in lines]


def block(lines: list[list[str]]) -> list[str]:
    """Statements in a row, at least one."""
    return [line for group in lines for line in group] or ["pass"]


def compound(children: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    """Statements that hold others."""
    body = st.lists(children, min_size=1, max_size=3).map(block)

    def if_(test: str, then: list[str], other: list[str] | None) -> list[str]:
        return [f"if {test}:", *indented(then), *(["else:", *indented(other)] if other else [])]

    def for_(name: str, count: int, inside: list[str], stop: str, other: list[str] | None) -> list[str]:
        lines = [f"for {name} in range({count}):", *indented(inside)]
        lines += indented([f"if {name} == 1: {stop}"]) if stop else []
        return lines + (["else:", *indented(other)] if other else [])

    def while_(inside: list[str], other: list[str] | None) -> list[str]:
        lines = ["while next(ticks):", *indented(inside)]
        return lines + (["else:", *indented(other)] if other else [])

    def try_(
        inside: list[str], raises: bool, caught: list[str], name: str | None, other: list[str], last: list[str] | None
    ) -> list[str]:
        lines = ["try:", *indented(inside), *([" raise ValueError"] if raises else [])]
        lines += [f"except Exception{f' as {name}' if name else ''}:", *indented(caught), "else:", *indented(other)]
        return lines + (["finally:", *indented(last)] if last else [])

    def with_(inside: list[str], raises: bool) -> list[str]:
        return ["with suppress(ValueError):", *indented(inside), *([" raise ValueError"] if raises else [])]

    def match_(subject: str, name: str, guard: str, inside: list[str], other: list[str]) -> list[str]:
        lines = [f"match {subject}:", " case 1:", *indented(indented(inside))]
        lines += [f" case {name} if {guard}:", *indented(indented(inside)), " case _:", *indented(indented(other))]
        return lines

    def def_(name: str, inside: list[str], call: bool) -> list[str]:
        return [f"def {name}_():", *indented(inside), *([f"{name}_()"] if call else [])]

    def nonlocal_(name: str, value: str) -> list[str]:
        return [f"def set_{name}():", f" nonlocal {name}", f" {name} = {value}", f"set_{name}()"]

    def class_(name: str, value: str, read: str) -> list[str]:
        return ["class A:", f" {name} = {value}", " def get(self):", f"  return {read}", "A().get()"]

    return st.one_of(
        st.builds(if_, EXPRESSION, body, st.none() | body),
        st.builds(for_, NAME, st.integers(0, 2), body, st.sampled_from(["", "break", "continue"]), st.none() | body),
        st.builds(while_, body, st.none() | body),
        st.builds(try_, body, st.booleans(), body, st.none() | NAME, body, st.none() | body),
        st.builds(with_, body, st.booleans()),
        st.builds(match_, ATOM, NAME, EXPRESSION, body, body),
        st.builds(def_, NAME, body, st.booleans()),
        st.builds(nonlocal_, NAME, ATOM),
        st.builds(class_, NAME, st.integers(0, 3).map(str), NAME),
    )


SIMPLE = st.one_of(
    st.builds(lambda name, value: [f"{name} = {value}"], NAME, EXPRESSION),
    st.builds(lambda name, value: [f"{name} += {value}"], NAME, EXPRESSION),
    st.builds(lambda one, other, value: [f"{one}, *{other} = {value}, 2"], NAME, NAME, EXPRESSION),
    st.builds(lambda value: [f"seen.append({value})"], EXPRESSION),
    st.builds(lambda name: [f"del {name}"], NAME),
    st.builds(lambda name, value: [f"{name}: int = {value}"], NAME, EXPRESSION),
    st.builds(lambda name: [f"{name}: int"], NAME),
)
BODIES = st.lists(st.recursive(SIMPLE, compound, max_leaves=8), min_size=1, max_size=5).map(block)


def outcome(body: list[str], loads: set[str]) -> tuple[str, str, dict[str, str]]:
    """How the body ended, what it saw and what it left, run as a function with some names loaded first."""
    lines = ["def run(parent, seen):", *(f" {name} = parent[{name!r}]" for name in sorted(loads)), *indented(body)]
    lines += [" return {name: repr(value) for name, value in locals().items() if name in parent}"]
    scope: dict[str, Any] = {"suppress": suppress, "ticks": chain([True, True, False, True], repeat(False))}
    exec(compile("\n".join(lines), "<body>", "exec"), scope)
    seen: list[object] = []
    try:
        left = scope["run"](dict(zip(NAMES, (10, 20, 30, 40), strict=True)), seen)
    except Exception as error:
        return type(error).__name__, repr(seen), {}
    return "", repr(seen), left


@example(["for a in range(0):", " pass", "seen.append(a)"], set())
@example(["if b:", " del a", "seen.append(1)"], set())
@example(["with suppress(ValueError):", " raise ValueError", " a = 1", "seen.append(a)"], set())
@settings(max_examples=300, deadline=None)
@given(BODIES, st.sets(NAME))
def test_what_is_not_in_reads_need_not_be_loaded(body: list[str], captures: set[str]) -> None:
    """A body sees, raises and leaves with only `reads` loaded what it does with all names loaded."""
    text = "\n".join(body)
    try:
        error, seen, left = outcome(body, set(NAMES))
    except SyntaxError:  # `nonlocal` of a name that no function binds
        return
    if error in ("NameError", "UnboundLocalError"):  # loading did not help
        return
    reads = names(text, *captures).reads
    some_error, some_seen, some_left = outcome(body, set(reads) & set(NAMES))
    assert (error, seen) == (some_error, some_seen)
    for name in captures:
        assert left.get(name) == some_left.get(name)


DEFINITE = {
    "y = x": {"x"},
    "if c:\n    y = x\nz = w": {"c", "w"},
    "if True:\n    y = x\nelse:\n    y = w": {"x"},
    "if c:\n    return\ny = x": {"c"},
    "if c:\n    raise e\ny = x": {"c", "x"},
    "for i in xs:\n    y = x\nz = w": {"xs", "w"},
    "for i in xs:\n    if i:\n        return\nz = w": {"xs"},
    "for i in xs:\n    if i:\n        break\nz = w": {"xs", "w"},
    "while True:\n    y = x\n    if y:\n        break\nz = w": {"x", "w"},
    "try:\n    y = x\nexcept NameError:\n    y = w\nz = v": {"v"},
    "try:\n    y = x\nfinally:\n    z = w": {"x", "w"},
    "with open(f) as g:\n    y = x": {"open", "f", "x"},
    "with manager() as m:\n    y = x\nz = w": {"manager", "w"},
    "match k:\n    case 1:\n        y = x\nz = w": {"k", "w"},
    "y = a and b": {"a"},
    "y = a if b else c": {"b"},
    "y = [x for i in xs]": {"xs"},
    "f = lambda: x": set(),
    "def f(a=x):\n    return w": {"x"},
    "assert a, b": {"a"},
    "if c:\n    x = 1\ny = x": {"c"},
    "self.y = self.x": {"self.x"},
    "if not hasattr(self, 'x'):\n    self.x = 1\ny = self.x": {"hasattr"},
    "y = getattr(self, 'x')": {"getattr", "self.x"},
    "y = getattr(self, 'x', 0)": {"getattr"},
}


@pytest.mark.parametrize("text", DEFINITE)
def test_definite_reads(text: str) -> None:
    """A read is definite only if the body cannot be executed to its end without it."""
    assert set(names(text).definite) == DEFINITE[text]


@pytest.mark.parametrize(
    ("text", "written", "ends"),
    [
        ("x = self.y = 1", {"x", "self.y"}, True),
        ("if c:\n    x = 1", set(), True),
        ("try:\n    self.x = 1\nexcept E:\n    pass", set(), True),
        ("if c:\n    return\nx = 1", set(), False),
        ("x = 1\nreturn", {"x"}, False),
    ],
)
def test_definite_writes(text: str, written: set[str], ends: bool) -> None:
    """A write is definite, and the end reached, only if no way through the body leaves it out."""
    assert (set(names(text).definite_writes), names(text).ends) == (written, ends)


@pytest.mark.parametrize("text", ["exec('x = 1')", "self.__dict__['x'] = 1", "vars(self)", "super().f()", "f(self)"])
def test_what_may_set_anything(text: str) -> None:
    """Code that may set attributes of self without naming them is noticed, also in a nested function."""
    assert (names(text).self_escapes, names(f"def f():\n    {text}").self_escapes) == (True, True)


@pytest.mark.parametrize("text", ["hasattr(self, 'x')", "print(self)", "getattr(self, 'x')", "isinstance(self, int)"])
def test_what_only_looks_at_self(text: str) -> None:
    """Builtins that set nothing on self do not count as such code."""
    assert (names(text).self_escapes, names(f"def f():\n    {text}").self_escapes) == (False, False)
