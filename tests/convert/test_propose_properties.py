"""Properties of proposals for generated notebooks: stable, complete, and with the output of the plain notebook."""

from __future__ import annotations

import ast
import contextlib
import io
import pickle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cells.cell import read_any_cell
from flownb.cells.notebook import document_text
from flownb.convert.proposal import Proposal
from flownb.convert.propose import propose
from flownb.flow.definition import FlowDefinition, define_flow
from tests.convert.test_propose import checked, errors, notebook

NUMBERS, LISTS = ("a", "b", "n"), ("xs", "ys", "zs")
# Statements as people write them; `{x}` and `{y}` are lists, `{a}` and `{b}` numbers.
STATEMENTS = (
    "{a} = 3",
    "{a} = len({x}) + {b}",
    "{a} += 1",
    "{x} = [1, 2]",
    "{x} = {y}",
    "{x} = {y}[:1]",
    "{x} = list({y})",
    "{x}.append({a})",
    "{x} += [{a}]",
    "{x}[0] = {a}",
    "print({a}, {x})",
    "print(sum({x}))",
    "{x}",
    "len({x})",
    "for i in {x}:\n    {a} = i",
    "if {a} > 2:\n    {b} = 7",
    "def f(v):\n    return v + {a}",
    "def g(v):\n    {x}.append(v)\n    return f(v)",
    "def h(v):\n    v.append(0)",
    "h({x})",
    "{a} = f({b})",
    "{b} = g({a})",
    "{a}, {b} = {b}, {a}",
    "{x} = [v * {a} for v in {y}]",
    "{x} = [{y}, {a}][:1]\n{x} = {y}",
    "def count():\n    global total\n    total += 1\n    return total",
    "total = 0",
    "{a} = count()",
    "print({x} is {y})",
    "import math\n{a} = math.floor(2.5) + {b}",
    "LIMIT = 2",
    "{a} = min({b}, LIMIT)",
    "assert {x} is not None",
)


@st.composite
def cells(draw: st.DrawFn) -> list[str]:
    """Cells that define all names first, so that most notebooks run from top to bottom."""
    found = ["a, b, n = 1, 2, 3", "xs, ys, zs = [1], [2], [3]\ndef f(v):\n    return v\ndef g(v):\n    return f(v)"]
    found += ["def h(v):\n    v.append(0)", "total = 0\ndef count():\n    return total", "LIMIT = 1"]
    for number in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            found.append(f"md # Part {number}")
        lines: list[str] = []
        for text in draw(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3)):
            names = {"x": draw(st.sampled_from(LISTS)), "y": draw(st.sampled_from(LISTS))}
            names |= {"a": draw(st.sampled_from(NUMBERS)), "b": draw(st.sampled_from(NUMBERS))}
            lines.append(text.format(**names))
        found.append("\n".join(lines))
    return found


def executed_plain(plain: list[str]) -> str | None:
    """What the cells print, executed in one namespace; None if one fails."""
    namespace: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for text in plain:
            if not text.startswith("md "):
                try:
                    exec(text, namespace)
                except Exception:
                    return None
    return out.getvalue()


def flow_of(proposal: Proposal) -> FlowDefinition:
    """The proposed flow."""
    sources = [cell["source"] for cell in proposal.document["cells"] if cell["cell_type"] == "code"]
    return define_flow([read_any_cell(source) for source in sources])


def executed_flow(proposal: Proposal) -> str:
    """What the steps print, each executed in a module of its own, with what earlier steps captured and stored."""
    flow = flow_of(proposal)
    artifacts: dict[str, bytes] = {}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        for step in flow.steps:
            module: dict[str, Any] = {}
            for cell in flow.shared:
                exec(cell.parsed.code, module)
            loads = [name for name in step.names.reads if name in artifacts and name not in flow.shared_names]
            body = ast.parse(
                f"def step(loaded):\n    {'; '.join(f'{one} = loaded[{one!r}]' for one in loads) or 'pass'}"
            )
            function = body.body[0]
            assert isinstance(function, ast.FunctionDef)
            values = ", ".join(f"{name!r}: {name}" for name in step.captures)
            function.body += [*ast.parse(step.cell.body).body, *ast.parse(f"captured = {{{values}}}\nreturn_ = 0").body]
            function.body[-1] = ast.copy_location(ast.Return(ast.Name("captured", ast.Load())), function.body[-1])
            exec(compile(ast.fix_missing_locations(body), step.name, "exec"), module)
            found = module["step"]({name: pickle.loads(artifacts[name]) for name in loads})
            artifacts.update({name: pickle.dumps(value) for name, value in found.items()})
    return out.getvalue()


@given(cells())
@settings(max_examples=40, deadline=None)
def test_a_conversion_of_a_conversion_changes_nothing(plain: list[str]) -> None:
    """The text of the second file is that of the first, byte for byte; the input stays as it was."""
    document = notebook(*plain)
    before = document_text(document)
    proposal = propose(document)
    assert document_text(document) == before
    if proposal.steps:
        assert document_text(propose(proposal.document).document) == document_text(proposal.document)


@given(cells())
@settings(max_examples=40, deadline=None)
def test_every_name_that_a_step_reads_is_there(plain: list[str]) -> None:
    """A name comes from the step itself, from shared code or from a step above; all checks pass."""
    proposal = propose(notebook(*plain))
    if errors(proposal) or executed_plain(plain) is None:
        return
    assert checked(proposal) == []
    captured: set[str] = set()
    for step in proposal.steps:
        assert set(step.loads) <= captured
        captured.update(step.captures)


@given(cells())
@settings(max_examples=80, deadline=None)
def test_the_flow_prints_what_the_notebook_prints(plain: list[str]) -> None:
    """Steps that share nothing but what they capture print the lines of the plain notebook."""
    expected = executed_plain(plain)
    proposal = propose(notebook(*plain))
    if expected is None or errors(proposal):
        return
    assert executed_flow(proposal) == expected
