"""What the default card says of values."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.cards.default import default_sections, describe, size_text


@dataclass
class Point:
    """A value that shows others."""

    x: Any
    y: Any = None


class Plain:
    """A value that shows its address."""


class Bad:
    """A value that fails at everything."""

    def __repr__(self) -> str:
        raise ValueError

    @property
    def shape(self) -> Any:
        """Fail."""
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "kind", "preview"),
    [
        (3, "int", "3"),
        ("a\nb", "str", "'a\\nb'"),
        (None, "NoneType", "None"),
        ([1, 2], "list of 2", "[1, 2]"),
        (list(range(100)), "list of 100", "[0, 1, 2, 3, 4, 5, 6, 7, ...]"),
        ({"k": [1]}, "dict of 1", "{'k': [1]}"),
        ({"b", "a"}, "set of 2", "{'a', 'b'}"),
        (frozenset(), "frozenset of 0", "frozenset()"),
        (np.arange(12).reshape(3, 4), "ndarray 3×4", "int64: 0, 1, 2, 3, 4, 5, …"),
        (np.float64(2.5), "float64", "np.float64(2.5)"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), "DataFrame 1×2", "a: int64, b: str"),
        (pd.Series([1, 2], index=["u", "v"]), "Series 2", "int64: 1, 2"),
        (Point([1], Plain()), "Point", "Point(x=[1], y=<test_default.Plain object>)"),
        (Point(pd.DataFrame({"a": [1]})), "Point", "Point(x=DataFrame 1×1, y=None)"),
        (len, "builtin_function_or_method", "<built-in function len>"),
        (Bad(), "Bad", ""),
    ],
)
def test_a_value_in_one_line(value: Any, kind: str, preview: str) -> None:
    """Each value has a kind with its shape or length and a preview without an address."""
    found = describe(value)
    assert (found[0], found[1].replace(f"{__name__}.", "test_default.")) == (kind, preview)


@given(
    st.recursive(
        st.text() | st.integers() | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_preview_is_short(value: Any) -> None:
    """A preview is one line of at most 120 characters, whatever the value."""
    preview = describe(value)[1]
    assert len(preview) <= 120
    assert "\n" not in preview


def test_a_preview_does_not_depend_on_the_process() -> None:
    """Sets of texts and objects with addresses look the same in two processes with other hashes."""
    code = (
        "from flownb.cards.default import describe\nclass A: pass\n"
        "print(describe([{'a','b','c','d'}, A(), {'k': frozenset('xyz')}, (lambda: 0)]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_sections_with_nothing_are_left_out() -> None:
    """Only groups that have rows are shown; a step without artifacts says so."""
    row = {"name": "x", "kind": "int", "size": 3, "preview": "1"}
    assert [one["title"] for one in default_sections([row], [row], [])] == ["Artifacts", "Parameters"]
    assert default_sections([], [], []) == ({"type": "note", "text": "This step has no artifacts."},)


def test_sizes_are_for_people() -> None:
    """Sizes have a unit; one that is not known is empty."""
    assert [size_text(size) for size in (None, 0, 999, 1000, 54_000_000, 1_200_000_000_000_000)] == [
        "",
        "0 B",
        "999 B",
        "1.0 kB",
        "54.0 MB",
        "1200.0 TB",
    ]
