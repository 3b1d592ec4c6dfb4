"""Values that were loaded and perhaps changed: a change is always noticed, and what did not change keeps its reference.

`FLOWNB_ROUNDS` sets the number of examples of each test.
"""

from __future__ import annotations

import copy
import ctypes
import io
import os
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import flownb.store.encodings.pickle5
import flownb.store.memory
from flownb.store.artifacts import ArtifactStore, Loaded
from flownb.store.encodings.pickle5 import Pickle5
from flownb.store.local import LocalBlobs
from flownb.store.records import ArtifactRef

ROUNDS = int(os.environ.get("FLOWNB_ROUNDS", "50"))
# Number of bytes from which on a blob is mapped is 256 KiB; from 64 KiB on parts are asked about.
LENGTHS = (0, 1, 7, 130, 1024, 8192, 8193, 20_000, 33_000, 50_000, 100_000, 300_000)
DTYPES = ("f8", "f4", "i8", "i2", "u1", "c16", "?", "M8[s]", "S5", "U3", [("a", "i4"), ("b", "f8")])


def _refuse(*_: Any) -> bool:
    raise OSError("not supported")


@pytest.fixture(params=["scan", "pagemap", "off"], autouse=True)
def knows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have Linux report written pages in its newer way, in its older one, or not at all."""
    if request.param == "pagemap":
        monkeypatch.setattr(flownb.store.memory, "_scan", _refuse)
    if request.param == "off":
        monkeypatch.setenv("FLOWNB_PAGE_MAP", "off")
    return str(request.param)


def array(numbers: random.Random) -> np.ndarray:
    """An array of any type, shape and layout."""
    dtype = np.dtype(numbers.choice(DTYPES))
    length = numbers.choice(LENGTHS)
    raw = np.random.default_rng(numbers.randrange(1 << 30)).integers(1, 100, length * 8, dtype="u1")
    made = np.resize(raw.astype("i8"), length).astype("i4").astype(dtype) if dtype.names is None else None
    if made is None:
        made = np.zeros(length, dtype)
        made["a"], made["b"] = raw[:length], raw[:length]
    shape = numbers.randrange(8)
    if shape == 1 and length % 2 == 0:
        made = made.reshape(2, -1)
    elif shape == 2 and length % 4 == 0 and length:
        made = np.asfortranarray(made.reshape(4, -1))
    elif shape == 3:
        made = made[::2]
    elif shape == 4:
        made = made[::-1]
    elif shape == 5:
        made.flags.writeable = False
    elif shape == 6 and length == 1:
        made = made.reshape(())
    return made


def frame(numbers: random.Random) -> pd.DataFrame:
    """A frame with columns of many types."""
    length = numbers.choice((0, 3, 500, 20_000))
    rng = np.random.default_rng(numbers.randrange(1 << 30))
    columns: dict[str, Any] = {
        "f": rng.random(length),
        "i": rng.integers(0, 9, length),
        "s": [f"text{n % 7}" for n in range(length)],
        "o": pd.Series([[n] if n % 2 else None for n in range(min(length, 500))], dtype=object).reindex(range(length)),
        "c": pd.Categorical([("x", "y")[n % 2] for n in range(length)]),
        "d": pd.date_range("2020", periods=length, freq="h"),
        "n": pd.array([None if n % 3 else n for n in range(length)], dtype="Int64"),
        "b": rng.random(length) < 0.5,
    }
    chosen = numbers.sample(sorted(columns), numbers.randrange(1, len(columns) + 1))
    return pd.DataFrame({name: columns[name] for name in chosen})


def nested(numbers: random.Random) -> Any:
    """A structure of arrays and plain values, perhaps with one array twice or views of one buffer."""
    base = np.arange(numbers.choice((200, 40_000)), dtype="f8")
    made: dict[str, Any] = {
        "one": array(numbers),
        "views": [base[:150], base[50:], base[20:120]],
        "deep": {"list": [1, 2.5, "x" * numbers.choice((3, 5000)), None, {"k": (1, array(numbers))}]},
        "bytes": bytes(numbers.choice((10, 400_000))),
        "array": bytearray(numbers.choice((10, 100_000))),
    }
    if numbers.random() < 0.5:
        made["same"] = made["one"]
    return made


def sparse(numbers: random.Random) -> Any:
    """A sparse matrix; reading one in another order than its own has scipy sort it, which is a change."""
    import scipy.sparse

    kind = numbers.choice(("csr", "csc"))
    return scipy.sparse.random(300, 300, density=numbers.choice((0.01, 0.3)), format=kind, random_state=1)


KINDS = (
    array,
    frame,
    nested,
    sparse,
    lambda numbers: bytes(numbers.choice((0, 300_000))),
    lambda numbers: bytearray(numbers.choice((1, 300_000))),
    lambda numbers: list(range(numbers.choice((5, 50_000)))),
    lambda numbers: {"x": 1, "y": [1, 2, 3]},
)


def arrays(value: Any) -> Iterator[np.ndarray]:
    """All arrays with items that a value consists of."""
    if isinstance(value, np.ndarray):
        if value.size:
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from arrays(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from arrays(one)
    elif hasattr(value, "indptr") or hasattr(value, "coords"):
        yield value.data


def read(value: Any, numbers: random.Random) -> None:
    """Look at a value in many ways, none of which changes it."""
    repr(value)
    str(value)
    for one in arrays(value):
        look = numbers.randrange(8)
        if look == 0 and one.dtype.kind in "fiu":
            one.sum(), one.max(), one.mean()
        elif look == 1:
            np.sort(one.ravel())
        elif look == 2:
            one.tobytes(), bytes(memoryview(np.ascontiguousarray(one).view("u1").ravel()))
        elif look == 3:
            pickle.dumps(one)
        elif look == 4:
            one.copy()[...] = one.flat[0]
        elif look == 5:
            [*one.flat[:10]]
        elif look == 6:
            np.save(io.BytesIO(), one)
        else:
            one.T, one[..., :3] if one.ndim else one[()], one.reshape(-1), one.view()
    if isinstance(value, pd.DataFrame):
        read_frame(value, numbers)
    elif isinstance(value, bytes):
        hash(value)
    elif hasattr(value, "indptr") or hasattr(value, "coords"):
        value.sum(), value.T @ value, value.tocsr()[0, 1], value.toarray(), abs(value).max()
    copy.deepcopy(value)


def read_frame(value: pd.DataFrame, numbers: random.Random) -> None:
    """Look at a frame in ways that fill pandas' caches."""
    looks: list[Callable[[], object]] = [
        lambda: value.describe(include="all"),
        lambda: value.groupby(value.columns[-1], observed=True).size() if value.columns[-1] != "o" else None,
        lambda: value.to_numpy(),
        lambda: value.sort_index(ascending=False),
        lambda: value.isna().sum(),
        lambda: value.copy(deep=False).head(),
        lambda: [value[name].nunique() for name in value if name != "o"],
        lambda: list(value.itertuples()),
        lambda: value.memory_usage(deep=True),
        lambda: value.to_csv(),
        lambda: value.index.get_indexer([0, 1]),
        lambda: value.loc[value.index[:1]],
        lambda: pickle.dumps(value),
        lambda: value.T,
        lambda: value.to_dict(),
        lambda: value.select_dtypes("number").sum(),
    ]
    for look in numbers.sample(looks, 5):
        look()


def other_item(one: np.ndarray, place: int) -> Any:
    """A value unlike the item at that place."""
    flat = one.reshape(-1) if one.flags.c_contiguous else one.ravel()
    if one.dtype.names:
        return (flat[place]["a"] + 1, flat[place]["b"])
    if one.dtype.kind == "?" or one.dtype.kind == "b":
        return not flat[place]
    if one.dtype.kind in "SU":
        return "q" if flat[place] not in ("q", b"q") else "r"
    return flat[place] + np.ones((), "i8").astype("m8[s]" if one.dtype.kind == "M" else one.dtype)


def change(value: Any, numbers: random.Random) -> str | None:
    """Change a value in place somewhere; None if there is nothing to change."""
    if isinstance(value, pd.DataFrame):
        return change_frame(value, numbers)
    if isinstance(value, bytearray):
        value[numbers.randrange(len(value))] ^= 1
        return "byte"
    if isinstance(value, list) and value and isinstance(value[0], int):
        value[numbers.randrange(len(value))] = -1
        return "item"
    if isinstance(value, dict) and numbers.random() < 0.3:
        value[numbers.choice(("new", *value))] = numbers.random()
        return "key"
    found = list(arrays(value))
    if not found:
        return None
    one = numbers.choice(found)
    place = numbers.choice((0, one.size - 1, numbers.randrange(one.size)))
    way = numbers.choice(("item", "view", "ctypes", "memoryview", "out", "twice"))
    if not one.flags.writeable or way == "ctypes":
        if not one.flags.contiguous:
            return None
        ctypes.c_ubyte.from_address(one.ctypes.data + place * one.itemsize).value ^= 1
        return "ctypes"
    if way == "memoryview" and one.flags.contiguous:
        raw = np.lib.stride_tricks.as_strided(one, (one.size,), (one.itemsize,)).view("u1")
        memoryview(raw)[place * one.itemsize] ^= 1
        return way
    if way == "view":
        one.T.view()[np.unravel_index(0, one.T.shape)] = other_item(one, 0)
        return way
    if way == "out" and one.dtype.kind in "fiuc":
        np.add(one, np.ones((), one.dtype), out=one)
        return way
    where = np.unravel_index(place, one.shape)
    one[where] = other_item(one, place)
    return "item"


def change_frame(value: pd.DataFrame, numbers: random.Random) -> str | None:
    """Change a frame in place."""
    if not value.size:
        value["new"] = pd.Series(dtype="f8")
        return "column"
    way = numbers.choice(("column", "cell", "rename", "drop", "fill", "index"))
    if way == "cell" and {"f", "i"} & set(value):
        name = "f" if "f" in value else "i"
        row = value.index[numbers.choice((0, -1))]
        value.loc[row, name] = value.loc[row, name] + 1
    elif way == "rename":
        value.columns = ["renamed", *value.columns[1:]]
    elif way == "drop":
        value.pop(value.columns[0])
    elif way == "fill":
        for name in set(value) & {"f", "i", "n", "b"}:
            value.loc[:, name] = value[name].iloc[::-1].to_numpy()
        value["new"] = len(value.columns) + 0.5
    elif way == "index":
        value.index = value.index + 1
    else:
        value["new"] = 1
    return way


def assert_same(expected: Any, actual: Any) -> None:
    """Whether two values are equal to the last byte and in every type."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(expected, actual)
    elif hasattr(expected, "indptr") or hasattr(expected, "coords"):
        assert (expected != actual).nnz == 0
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for name in expected:
            assert_same(expected[name], actual[name])
    elif isinstance(expected, np.ndarray):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        assert actual.tobytes() == expected.tobytes()
    elif isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for one, other in zip(expected, actual, strict=True):
            assert_same(one, other)
    else:
        assert (type(actual), actual) == (type(expected), expected)


def examples(
    tmp_path: Path, kinds: tuple[Any, ...] = KINDS
) -> Iterator[tuple[random.Random, Any, Loaded, ArtifactStore]]:
    """Values that were saved by one process and loaded by another: a copy of the original, and the loaded one."""
    for number in range(ROUNDS):
        numbers = random.Random(number)
        value = numbers.choice(kinds)(numbers)
        ref = save(ArtifactStore(LocalBlobs(tmp_path)), value)
        store = ArtifactStore(LocalBlobs(tmp_path))
        loaded = store.read(ref)
        assert_same(value, loaded.value)
        yield numbers, value, loaded, store


def save(store: ArtifactStore, value: Any, before: Loaded | None = None, *, name: str = "x") -> ArtifactRef:
    """Persist one value."""
    saved = store.save_all({name: value}, before={"x": before} if before else {})
    store.settle()
    assert saved.failures == {}
    return saved.refs[name]


def assert_stored(tmp_path: Path, ref: ArtifactRef, expected: Any) -> None:
    """Whether another process loads exactly that value."""
    store = ArtifactStore(LocalBlobs(tmp_path))
    loaded = store.read(ref)
    assert_same(expected, loaded.value)
    store.verify([loaded])


def test_what_was_only_read_keeps_its_reference(tmp_path: Path) -> None:
    """However a value was looked at, saving it again costs no write and gives the same reference."""
    for numbers, value, loaded, store in examples(tmp_path):
        read(loaded.value, numbers)
        assert save(store, loaded.value, loaded) == loaded.ref, type(value)
        assert_stored(tmp_path, loaded.ref, value)


def test_every_change_in_place_is_noticed(tmp_path: Path) -> None:
    """Whatever byte of a loaded value is changed by whatever means, what it is now is kept, and what it was too."""
    changes = 0
    for numbers, value, loaded, store in examples(tmp_path):
        if numbers.random() < 0.5:
            read(loaded.value, numbers)
        way = change(loaded.value, numbers)
        if way is None:
            continue
        expected = pickle.loads(pickle.dumps(loaded.value))
        ref = save(store, loaded.value, loaded)
        assert loaded.ref.key != ref.key, (type(value), way)
        assert_stored(tmp_path, ref, expected)
        assert_stored(tmp_path, loaded.ref, value)
        changes += 1
    assert changes > ROUNDS // 2


def test_what_was_changed_back_keeps_its_reference(tmp_path: Path) -> None:
    """A value whose pages were written to, but which is what it was, is recognised by its content."""
    for numbers, value, loaded, store in examples(tmp_path, (array, nested)):
        for one in arrays(loaded.value):
            if one.flags.contiguous:
                place = one.ctypes.data + numbers.randrange(one.nbytes)
                ctypes.c_ubyte.from_address(place).value ^= 255
                ctypes.c_ubyte.from_address(place).value ^= 255
        assert save(store, loaded.value, loaded) == loaded.ref
        assert_stored(tmp_path, loaded.ref, value)


def test_an_equal_copy_keeps_the_reference(tmp_path: Path) -> None:
    """A value that was replaced by an exact copy is the same artifact."""
    for _, value, loaded, store in examples(tmp_path):
        replaced = ArtifactStore(LocalBlobs(tmp_path)).load(loaded.ref)
        assert save(store, replaced, loaded) == loaded.ref
        assert_stored(tmp_path, loaded.ref, value)


def test_another_name_for_a_loaded_value_costs_nothing(tmp_path: Path) -> None:
    """A loaded value that is kept under a second name has one reference, before and after it is changed."""
    for numbers, value, loaded, store in examples(tmp_path):
        assert save(store, loaded.value, loaded, name="y") == loaded.ref
        if change(loaded.value, numbers) is None:
            continue
        saved = store.save_all({"x": loaded.value, "y": loaded.value}, before={"x": loaded})
        assert saved.refs["x"] == saved.refs["y"]
        assert saved.refs["x"].key != loaded.ref.key
        assert_stored(tmp_path, saved.refs["y"], pickle.loads(pickle.dumps(loaded.value)))
        assert_stored(tmp_path, loaded.ref, value)


def test_a_long_stream_is_compared_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not copied behind the header has the same key as if it was, and each change in it is noticed."""
    texts = ["".join(["te", "xt"]) for _ in range(2)] * 2
    value = {"texts": texts + list(range(400_000)), "array": np.arange(20_000.0)}
    assert Pickle5().encode(value).heads == 2
    ref = save(ArtifactStore(LocalBlobs(tmp_path)), value)
    changes: tuple[Callable[[Any], None], ...] = (
        lambda one: one["texts"].__setitem__(100_000, -1),
        lambda one: one["array"].__setitem__(7, -1.0),
        lambda one: one["texts"].append(3),
    )
    for change_it in changes:
        store = ArtifactStore(LocalBlobs(tmp_path))
        loaded = store.read(ref)
        assert save(store, loaded.value, loaded) == ref
        assert save(store, copy.deepcopy(loaded.value), loaded) == ref
        change_it(loaded.value)
        changed = save(store, loaded.value, loaded)
        assert changed.key != ref.key
        assert_stored(tmp_path, changed, pickle.loads(pickle.dumps(loaded.value)))
    assert_stored(tmp_path, ref, value)
    monkeypatch.setattr(flownb.store.encodings.pickle5, "LARGE_STREAM", 1 << 40)
    assert save(ArtifactStore(LocalBlobs(tmp_path)), value) == ref


def test_a_part_that_moved_or_was_exchanged_is_noticed(tmp_path: Path) -> None:
    """Untouched memory at another place of the value, or another view of it, is not taken for the old value."""
    for numbers, _, loaded, store in examples(tmp_path, (lambda _: {n: np.full(20_000, n, "f8") for n in range(4)},)):
        value = loaded.value
        one, other = numbers.sample(range(4), 2)
        way = numbers.randrange(5)
        if way == 0:
            value[one], value[other] = value[other], value[one]
        elif way == 1:
            value[one] = value[other]
        elif way == 2:
            value[one] = value[one][:-1]
        elif way == 3:
            value[one] = value[one].view("i8")
        else:
            value[one] = value[one].reshape(2, -1)
        expected = pickle.loads(pickle.dumps(value))
        ref = save(store, value, loaded)
        assert loaded.ref.key != ref.key
        assert_stored(tmp_path, ref, expected)


def test_a_change_after_a_save_is_noticed_by_the_next(tmp_path: Path) -> None:
    """A value may be saved, changed and saved again: each save keeps what the value was then."""
    for numbers, value, loaded, store in examples(tmp_path, (array, nested, frame)):
        kept = [(loaded.ref, value)]
        for _ in range(3):
            change(loaded.value, numbers)
            kept.append((save(store, loaded.value, loaded), pickle.loads(pickle.dumps(loaded.value))))
        for ref, expected in kept:
            assert_stored(tmp_path, ref, expected)


def test_a_frame_that_was_saved_can_be_changed(tmp_path: Path) -> None:
    """Saving leaves the live value as it was: its user continues working with it."""
    value = pd.DataFrame({"s": ["a", "b"] * 5})
    save(ArtifactStore(LocalBlobs(tmp_path)), value)
    value.loc[0, "s"] = "z"
    assert value["s"].tolist()[:2] == ["z", "b"]
