"""Parameters, configs and constants of two flows, as they are written and as runs had them."""

from __future__ import annotations

from typing import Any

import pytest

from flownb.cells.cell import read_any_cell
from flownb.diff.parameters import ParameterValue, declarations, parameter_changes
from flownb.flow.definition import define_flow


def changes(before: str, after: str, old: Any = None, new: Any = None) -> list[str]:
    """What differs between two class bodies, whose runs had these values, given by the user if they are in a list."""
    declared = [declarations(define_flow([read_any_cell(f"%%flow F\n{body}")])) for body in (before, after)]
    values = [None if one is None else {name: _value(value) for name, value in one.items()} for one in (old, new)]
    found = parameter_changes(*declared, *values)  # type: ignore[arg-type]  # two each
    return [
        f"{one.change} {one.name}: {'; '.join([f'{c.path}{c.text}' for c in one.values] + [*one.notes])}"
        for one in found
    ]


def _value(value: Any) -> ParameterValue:
    is_given = isinstance(value, list)
    found = value[0] if is_given else value
    return ParameterValue(repr(found), lambda: found, is_given)


ALPHA = "a = Parameter('a', default=0.1)"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ALPHA, ALPHA.replace("'a', ", "'a',\n    "), []),
        (ALPHA, ALPHA.replace("0.1", "0.2"), ["changed a: 0.1 → 0.2 (+100 %)"]),
        (ALPHA, ALPHA.replace("0.1", "0.1, help='x'"), ["changed a: help: not set → 'x'"]),
        (ALPHA, "k = 3", ["added k: 3", "removed a: 0.1"]),
        (ALPHA, "a = 0.1", ["changed a: parameter → constant; name: 'a' → not set"]),
        (
            "a = Parameter('a', default=now)",
            "a = Parameter('a', default=later)",
            ["changed a: Parameter('a', default=now) → Parameter('a', default=later)"],
        ),
        (
            "j = Parameter('j', type=JSONType, default='{\"a\": 1}')",
            "j = Parameter('j', type=JSONType, default='{\"a\": 2}')",
            ["changed j: ['a']1 → 2"],
        ),
        (
            "s = Parameter('s', separator=',', default='a,b')",
            "s = Parameter('s', separator=',', default='a')",
            ["changed s: 2 → 1 item; [1]- 'b'"],
        ),
        (
            "c = Config('c', default_value={'depth': 3})",
            "c = Config('c', default_value={'depth': 4})",
            ["changed c: ['depth']3 → 4"],
        ),
        (
            "c = Config('c', default='a.json')",
            "c = Config('c', default='b.json')",
            ["changed c: default: 'a.json' → 'b.json'"],
        ),
        ("f = IncludeFile('f', default='a')", "f = IncludeFile('f', default='b')", ["changed f: default: 'a' → 'b'"]),
    ],
)
def test_notebooks(before: str, after: str, expected: list[str]) -> None:
    """Defaults are compared by their values where these are literals, else by their text."""
    assert changes(before, after) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 0.1}, {"a": 0.1}, []),
        ({"a": 0.1}, {"a": [0.3]}, ["changed a: 0.1 → 0.3 (+200 %); given for the second run"]),
        ({"a": 0.1}, {}, []),
        ({"a": [0.3]}, None, ["changed a: 0.3 → 0.1 (-66.7 %); given for the run"]),
        (None, {"a": [0.1]}, []),
        ({"a": 0.1, "b": 1}, {"a": 0.1}, ["removed b: 1"]),
    ],
)
def test_runs(old: Any, new: Any, expected: list[str]) -> None:
    """A run has the values that it recorded, a notebook its defaults."""
    assert changes(ALPHA, ALPHA, old, new) == expected


def test_a_value_that_is_not_known() -> None:
    """A value given for a run is set against a default that only executing it would show; the default is not."""
    body = "a = Parameter('a', default=now)"
    assert changes(body, body, {"a": [3]}) == ["changed a: 3 → what its default gives; given for the run"]
    assert changes(body, body, {"a": 3}) == []


def test_a_value_that_cannot_be_loaded() -> None:
    """The others are still compared."""

    def load() -> None:
        raise ValueError("gone")

    declared = declarations(define_flow([read_any_cell(f"%%flow F\n{ALPHA}")]))
    (found,) = parameter_changes(declared, declared, {"a": ParameterValue("x", load)}, {"a": ParameterValue("y", load)})
    assert [one.text for one in found.values] == ["a value cannot be loaded: ValueError: gone"]
