"""Sets have no order, so their bytes must not depend on one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flownb.store.encodings.pickle5 import Pickle5

SETS: dict[str, str] = {
    "strings": "{f'word {i}' for i in range(50)}",
    "bytes": "{str(i).encode() for i in range(50)}",
    "mixed": "{None, 'a', b'a', 1, 2.5, 'b', ('c', 'd')}",
    "tuples": "{(str(i), i) for i in range(50)}",
    "frozen_in_frozen": "frozenset(frozenset((str(i), str(i + 1))) for i in range(20))",
    "deep": "{'k': [{'a', 'b', 'c', 'd'}, {'e': frozenset('fghij')}]}",
    "in_an_object": "__import__('types').SimpleNamespace(names=set('abcdefgh'))",
    "as_keys": "{frozenset('abcdef'): 1}",
    "of_a_subclass": "type('S', (set,), {'__module__': '__main__', '__qualname__': 'x.<locals>.S'})('abcdefgh')",
    "with_enums": "set(__import__('enum').Enum('E', 'A B C D E F', module='__main__', qualname='x.<locals>.E'))",
    "shared": "[s := set('abcdefgh'), s, frozenset('abcdefgh')]",
}
PLAIN = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.frozensets(inner, max_size=5) | st.tuples(inner, inner),
    max_leaves=15,
)


class Words(set[str]):
    """A set with something of its own."""

    note = ""


class Node:
    """Can be in a set that it holds."""

    def __init__(self) -> None:
        self.inside: set[Any] = set()


def encoded(value: Any) -> bytes:
    """The whole blob of a value."""
    return b"".join(Pickle5().encode(value))


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    return Pickle5().decode(memoryview(bytearray(encoded(value))))


@pytest.mark.parametrize("name", SETS)
def test_equal_sets_have_equal_bytes_in_all_processes(name: str) -> None:
    """Processes that hash strings differently write the same blob."""
    code = (
        "from flownb.store.encodings.pickle5 import Pickle5; import hashlib\n"
        f"print(hashlib.sha256(b''.join(Pickle5().encode({SETS[name]}))).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


@given(st.sets(PLAIN, max_size=8), st.frozensets(PLAIN, max_size=8))
def test_sets_come_back_equal(one: set[Any], other: frozenset[Any]) -> None:
    """Any sets of any hashable values are equal after loading, and of their type."""
    back = again({"one": [one, one], "other": other})
    assert (back["one"], back["other"]) == ([one, one], other)
    assert back["one"][0] is back["one"][1]
    assert (type(back["one"][0]), type(back["other"])) == (set, frozenset)


@given(st.sets(PLAIN, max_size=8))
def test_the_order_of_insertion_leaves_no_trace(one: set[Any]) -> None:
    """A set that was filled backwards has the same bytes."""
    backwards = [*one][::-1]
    assert encoded(set(backwards)) == encoded(one)
    assert encoded(again(one)) == encoded(one)


def test_a_subclass_keeps_type_and_attributes() -> None:
    """A set of a user's own class stays one."""
    words = Words("abc")
    words.note = "mine"
    back = again([words])[0]
    assert (type(back), back, back.note) == (Words, {"a", "b", "c"}, "mine")


def test_items_keep_their_identity() -> None:
    """An object in a set and beside it is one object after loading."""
    node = Node()
    back = again([{node, "x"}, node])
    assert back[1] in back[0]


def test_a_set_that_leads_to_itself_comes_back() -> None:
    """An object in a set that it holds is written in the set's own order, and still comes back."""
    node = Node()
    node.inside |= {node, "x", "y"}
    back = again(node)
    assert back in back.inside
    assert len(back.inside) == 3
    back = again(node.inside)
    assert [item.inside is back for item in back if isinstance(item, Node)] == [True]
