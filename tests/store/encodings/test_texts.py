"""Strings that are taken out of arrays come back as pickle would have brought them back."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.store.encodings import texts
from flownb.store.encodings.pickle5 import Pickle5

SIZE = 100_000


def encoded(value: Any) -> bytes:
    """The whole blob of a value."""
    return b"".join(Pickle5().encode(value))


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    return Pickle5().decode(memoryview(bytearray(encoded(value))))


def strings(count: int = SIZE, start: str = "text") -> list[str]:
    """Different strings."""
    return [f"{start} {number}" for number in range(count)]


def is_taken_out(value: Any) -> bool:
    """Whether strings of a value are not in its pickle stream."""
    return Pickle5().mentions(memoryview(encoded(value)), "fill_texts")


def same(one: Any, other: Any) -> None:
    """Compare two lists with arrays: types, cells, order in memory, and which cells are one object."""
    seen: dict[int, int] = {}
    for mine, theirs in zip(one, other, strict=True):
        assert type(mine) is type(theirs)
        if isinstance(mine, np.ndarray):
            assert (mine.shape, mine.dtype, str(mine.flags)) == (theirs.shape, theirs.dtype, str(theirs.flags))
            mine, theirs = mine.ravel().tolist(), theirs.ravel().tolist()
        for left, right in zip(mine, theirs, strict=True):
            assert (type(left), repr(left)) == (type(right), repr(right))
            if isinstance(left, str | list):
                assert seen.setdefault(id(left), id(right)) == id(right)
    assert len(seen) == len(set(seen.values()))


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_arrays_of_strings_come_back(order: str) -> None:
    """Content, shape and order in memory are as they were, and strings are apart from each other."""
    cells = np.array(strings(4 * SIZE), object).reshape(4, SIZE)
    array = cells[::2, ::-1] if order == "strided" else np.asarray(cells, order=order)  # type: ignore[call-overload]  # "C" or "F"
    assert is_taken_out(array)
    same([again(array)], [pickle.loads(pickle.dumps(array, 5))])


def test_frames_come_back() -> None:
    """A frame with missing and repeated cells, other types and subclasses of str is exact, and can be changed."""
    names = {"id": strings(2 * SIZE), "name": strings(2 * SIZE, "name")}
    frame = pd.DataFrame({**names, "x": 1.0, "y": ["one", "two"] * SIZE}, dtype=object)
    frame.loc[::7, "name"] = None
    frame.loc[::11, "name"] = np.nan
    frame.loc[3, "id"] = np.str_("numpy's")
    frame.at[5, "name"] = frame.at[6, "name"] = ["a list"]
    assert is_taken_out(frame)
    back = again(frame)
    pd.testing.assert_frame_equal(back, frame)
    assert [type(cell) for cell in back["id"][:5]] == [str, str, str, np.str_, str]
    back.loc[0, "id"] = "changed"
    assert back.loc[0, "id"] == "changed"


def test_any_characters_come_back() -> None:
    """Empty strings, line ends, null characters, lone surrogates and all planes of Unicode are kept."""
    odd = ["", "a", "é", "\0", "x\0y", "\ud800", "\udc00\ud800", "𝄞 \U0010ffff", "\x1e\x1f", "\n\r\u2028"]
    array = np.array([*strings(), *odd], object)
    assert is_taken_out(array)
    same([again(array)], [pickle.loads(pickle.dumps(array, 5))])


def test_strings_with_all_separators_are_pickled() -> None:
    """If no character is left to put between strings, the array is pickled as usual."""
    array = np.array([*strings(), texts.SEPARATORS], object)
    assert not is_taken_out(array)
    same([again(array)], [array])


def test_a_string_in_two_places_stays_one_object() -> None:
    """A string of two arrays, or of an array and something else, is one object after loading."""
    shared, more = strings(), strings(start="more")
    value = [np.array([*shared, *more], object), np.array(strings(start="other") + shared[:9], object), more[-1:]]
    assert is_taken_out(value)
    back = again(value)
    assert all(back[0][number] is back[1][SIZE + number] for number in range(9))
    assert back[0][-1] is back[2][0]
    same(back, pickle.loads(pickle.dumps(value, 5)))


def test_an_array_may_contain_itself() -> None:
    """A cell that leads back to the array is the array after loading."""
    array = np.array([*strings(), None], object)
    array[-1] = [array]
    back = again(array)
    assert back[-1][0] is back


def test_bytes_depend_on_the_value_alone() -> None:
    """Whoever else refers to the strings, and in which order they are in memory, leaves no trace."""
    cells = strings()
    array = np.array(cells, object)
    backwards = np.empty(SIZE, object)
    for number in reversed(range(SIZE)):
        backwards[number] = f"text {number}"
    assert encoded(array) == encoded(backwards) == encoded(again(array))


@pytest.mark.parametrize("before", [True, False])
def test_what_is_mostly_something_else_is_pickled_as_usual(before: bool) -> None:
    """Few strings beside many other objects are not worth it, whatever comes first."""
    array, rest = np.array(strings(), object), [[number] for number in range(SIZE)]
    value = [rest, array] if before else [array, rest]
    assert not is_taken_out(value)
    assert is_taken_out([array, rest[:100]])
    back = again(value)
    assert (back[before].tolist(), back[not before]) == (array.tolist(), rest)


def test_what_was_stored_stays_readable() -> None:
    """The functions that pickles name take what was written for them once."""
    array = texts.text_array((2, 3), "F")
    texts.fill_texts(array, (bytes([0b10110100]), [b"\0a\0", memoryview("|ä".encode()), b"-\xed\xa0\x80"], [1, [2]]))
    assert array.tolist() == [["a", "", [2]], [1, "ä", "\ud800"]]
    whole = texts.text_array((2,), "C")
    texts.fill_texts(whole, (b"", [b"\0a\0b"], []))
    assert whole.tolist() == ["a", "b"]


CELLS = st.sampled_from([*(f"t{number}" for number in range(30)), "", "a", None, 1.5, float("nan"), b"x" * 9, 2**70])


@settings(deadline=None)
@given(st.data())
def test_any_sharing_is_kept(data: st.DataObject) -> None:
    """Whatever cells, arrays and lists have in common, they have in common after loading as with plain pickle."""
    pool = [(cell + " ")[:-1] if isinstance(cell, str) else cell for cell in data.draw(st.lists(CELLS, max_size=60))]
    pool += [["list"], np.str_("text"), *(f"{number} {number}" for number in range(40))]
    lists = st.lists(st.sampled_from(pool), max_size=12)
    value: list[Any] = []
    for unique in data.draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        cells = data.draw(st.permutations(pool)) if unique else data.draw(lists)
        array = np.empty(len(cells), object)
        array[:] = np.fromiter(cells, object, len(cells))
        value += [np.asarray(array.reshape(2, -1), order="F") if len(cells) % 2 == 0 else array, data.draw(lists)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "SMALLEST", 4)
        patch.setattr(texts, "CHUNK", 5)
        patch.setattr(texts, "REMEMBERED", 100)
        back = again(value)
        assert encoded(back) == encoded(again(back))
    same(back, pickle.loads(pickle.dumps(value, 5)))
