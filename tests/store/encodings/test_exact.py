"""Values in all their corners: what was stored is what is loaded."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import enum
import fractions
import pickle
import uuid
import zoneinfo
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flownb.store.encoding import decode, encode

pa = pytest.importorskip("pyarrow")

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    """An enum."""

    RED = 1


class Slotted:
    """Has slots, and a state of them alone."""

    __slots__ = ("one", "other")

    def __init__(self, one: Any) -> None:
        self.one = one

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and self.one == other.one and not hasattr(other, "other")

    __hash__ = None  # type: ignore[assignment]  # as Python does for a class with __eq__


class Reduced:
    """Says how it is pickled."""

    def __init__(self, size: int) -> None:
        self.size, self.cache = size, [0] * size

    def __reduce__(self) -> Any:
        return Reduced, (self.size,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reduced) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # as Python does for a class with __eq__


class Stateful:
    """Says what its state is."""

    def __init__(self, size: int) -> None:
        self.size, self.cache = size, [0] * size

    def __getstate__(self) -> Any:
        return self.size

    def __setstate__(self, size: int) -> None:
        self.__init__(size)  # type: ignore[misc]  # as people write it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stateful) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # as Python does for a class with __eq__


class Labelled(np.ndarray[Any, Any]):
    """An array with a label."""

    label = ""

    def __reduce__(self) -> Any:
        make, args, state = super().__reduce__()  # type: ignore[misc]  # numpy's stub gives a str or a tuple
        return make, args, (state, self.label)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        self.label = state[1]


class Frame(pd.DataFrame):
    """A frame with metadata of its own."""

    _metadata = ["source"]  # noqa: RUF012  # pandas' way

    @property
    def _constructor(self) -> Any:
        return Frame


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: float
    tags: list[str] = dataclasses.field(default_factory=list)


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    name, parts = encode(value)
    return decode(name, memoryview(bytearray(b"".join(parts))))


PLAIN: dict[str, Any] = {
    "big_integers": [2**5000, -(2**5000), 2**63, -(2**63) - 1],
    "floats": [0.1, -0.0, float("inf"), 5e-324],
    "complex": [1j, complex(-0.0, 2)],
    "text": ["", "ä\0\ud800", "𝄞" * 2000],
    "bytes": [b"", bytes(5000), bytearray(b"x" * 5000), bytearray()],
    "dates": [
        datetime.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZONE),
        datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(microseconds=-1),
        datetime.time(1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "x")),
    ],
    "decimals": [Decimal("1.10"), Decimal("-0"), Decimal("Infinity"), fractions.Fraction(1, 3)],
    "containers": [
        collections.deque([1, 2], maxlen=3),
        collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list, {"a": [1]}),
        collections.Counter("aab"),
        collections.ChainMap({"a": 1}, {"b": 2}),
        range(1, 10, 3),
        slice(1, None),
        Ellipsis,
        NotImplemented,
        SimpleNamespace(a=1),
    ],
    "objects": [Color.RED, Slotted([1]), Reduced(3), Stateful(2), Point(1.5, ["a"]), uuid.UUID(int=5), Path("a/b")],
    "paths": [PurePosixPath("/a")],
}
ARRAYS: dict[str, Any] = {
    "no_dimension": np.array(5.0),
    "scalar": np.float32(2.5),
    "structured": np.array([(1, "a", (2.0, 3.0))] * 300, dtype=[("i", ">i4"), ("s", "U3"), ("f", "f8", (2,))]),
    "aligned_record": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)).view(np.recarray),
    "fortran": np.asfortranarray(np.arange(2000.0).reshape(40, 50)),
    "big_endian": np.arange(2000, dtype=">f8"),
    "objects": np.array([1, None, "x", [1]], dtype=object),
    "dates": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "durations": np.array([1, 2], "m8[25s]"),
    "empty": np.empty((0, 3), bool),
    "half": np.array([1, np.nan], "f2"),
    "nan_payload": np.array([0x7FF8000000000123, 0xFFF8000000000001], "u8").view("f8"),
    "long_double": np.array([1, 2], np.longdouble),
    "bytes": np.array([b"a", b"\0b"], "S3"),
    "void": np.array([b"abc"], "V3"),
    "strings_of_numpy": np.array(["a" * 40, "b"], dtype=np.dtypes.StringDType()),
    "reversed": np.arange(2000)[::-1],
    "broadcast": np.broadcast_to(np.arange(3), (500, 3)),
}
WHEN = pd.date_range("2020", periods=3, freq="D", tz="Europe/Berlin")
COLUMNS: dict[str, Any] = {
    "objects": pd.Series([1, "a", None, [1], {"b": 2}], dtype=object),
    "interval": pd.Series(pd.interval_range(0, 3, closed="both")),
    "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1.5], fill_value=0)),
    "complex": pd.Series([1j, 2]),
    "float16": pd.Series([1, 2], dtype="f2"),
    "categorical": pd.Series(pd.Categorical(["b", None], categories=["b", "a"], ordered=True)),
    "categories_of_dates": pd.Series(pd.Categorical(WHEN)),
    "zone": pd.Series(WHEN, index=WHEN),
    "seconds": pd.Series(np.array(["2020-01-01", "NaT"], "M8[s]")),
    "period": pd.Series(pd.period_range("2020", periods=3, freq="M")),
    "durations": pd.Series(pd.to_timedelta([1, None], unit="s")),
    "nullable": pd.Series([1, None], dtype="Int8"),
    "nullable_float": pd.Series(pd.array([1.5, None], dtype="Float32")),
    "nullable_boolean": pd.Series([True, None], dtype="boolean"),
    "string": pd.Series(["a", None], dtype="string"),
    "arrow_string": pd.Series(["a", None], dtype="string[pyarrow]"),
    "arrow_list": pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow_decimal": pd.Series([Decimal("1.5"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
    "named": pd.Series([1], name=("a", 1)),
}
DOUBLE = pd.DataFrame([[1, 2]], columns=["a", "a"])
DOUBLE.index = pd.Index([5], name=0)
FRAMES: dict[str, pd.DataFrame] = {
    "repeated_labels": DOUBLE,
    "labels_of_all_kinds": pd.DataFrame({0: [1], "a": [2], None: [3], ("t", 1): [4], pd.Timestamp("2020"): [5]}),
    "levels": pd.DataFrame(
        [[1, 2]],
        index=pd.MultiIndex.from_tuples([(1, "x")], names=["p", None]),
        columns=pd.MultiIndex.from_product([["u"], [1, 2]]),
    ),
    "no_rows": pd.DataFrame({"a": pd.Series([], dtype="category")}),
    "no_columns": pd.DataFrame(index=range(3)),
    "slice_of_a_frame": pd.DataFrame({"a": range(5000), "b": 1.5})[10:4000:3],
}


def same_series(one: pd.Series[Any], other: pd.Series[Any]) -> None:
    """Assert that two series cannot be distinguished."""
    pd.testing.assert_series_equal(one, other, check_freq=True, check_index_type="exact", check_flags=True)
    assert (other.dtype, repr(other.dtype), type(other.array)) == (one.dtype, repr(one.dtype), type(one.array))
    assert (repr(other.index), other.name) == (repr(one.index), one.name)


@pytest.mark.parametrize("name", PLAIN)
def test_pythons_own_values(name: str) -> None:
    """Values of the standard library and of a user's classes come back equal and of their types."""
    for value in PLAIN[name]:
        back = again(value)
        assert back == value
        assert type(back) is type(value)
        if name != "objects":
            assert repr(back) == repr(value)


def test_small_facts_that_equality_overlooks() -> None:
    """Fold and zone of a time, a deque's limit, a default factory and a NaN are kept."""
    when = again(PLAIN["dates"][0])
    assert (when.fold, when.tzinfo) == (1, ZONE)
    assert (again(PLAIN["containers"][0]).maxlen, again(PLAIN["containers"][2]).default_factory) == (3, list)
    assert again(float("nan")) != again(float("nan"))
    assert again(Color.RED) is Color.RED


def test_references_inside_one_value_are_kept() -> None:
    """What is one object is one object after loading, and what leads to itself still does."""
    part = [np.arange(1000.0)]
    value: dict[str, Any] = {"a": part, "b": part, "view": part[0]}
    value["me"] = value
    back = again(value)
    assert back["a"] is back["b"]
    assert back["a"][0] is back["view"]
    assert back["me"] is back
    nested: tuple[Any, ...] = ([],)
    nested[0].append(nested)
    loop = again(nested)
    assert loop[0][0] is loop


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    """Type, dtype, shape and every bit are kept."""
    array = ARRAYS[name]
    back = again(array)
    assert (type(back), back.dtype, back.shape) == (type(array), array.dtype, array.shape)
    assert back.dtype.isalignedstruct == array.dtype.isalignedstruct
    if array.dtype.hasobject or name == "strings_of_numpy":
        assert back.tolist() == array.tolist()
    else:
        assert back.tobytes() == array.tobytes()
    if name == "fortran":
        assert back.flags.f_contiguous


def test_masked_arrays() -> None:
    """Data, mask and fill value are kept."""
    array = np.ma.masked_array(np.arange(500.0), mask=np.arange(500) % 3 == 0, fill_value=-1)
    back = again(array)
    assert (
        back.data.tobytes(),
        back.mask.tobytes(),
        back.fill_value,
    ) == (array.data.tobytes(), array.mask.tobytes(), -1.0)


def test_subclasses_and_maps_of_files(tmp_path: Path) -> None:
    """A subclass keeps what it adds; a memmap comes back with its content, whatever becomes of the file."""
    labelled = np.arange(500.0).view(Labelled)
    labelled.label = "mine"
    back = again(labelled)
    assert (type(back), back.label, back[-1]) == (Labelled, "mine", 499.0)
    on_disk = np.memmap(tmp_path / "x", dtype="f8", mode="w+", shape=(500,))
    on_disk[:] = 2.5
    assert again(on_disk).tobytes() == np.full(500, 2.5).tobytes()


@pytest.mark.parametrize("name", COLUMNS)
def test_series(name: str) -> None:
    """Values, dtype, index and name are kept for every dtype of pandas, alone and in a frame."""
    series = COLUMNS[name]
    same_series(series, again(series))
    frame = series.to_frame("x")
    same_series(frame["x"], again(frame)["x"])


def test_nan_payloads_in_a_frame() -> None:
    """Not even the bits of a NaN change."""
    frame = pd.DataFrame({"x": ARRAYS["nan_payload"]})
    assert again(frame)["x"].to_numpy().tobytes() == frame["x"].to_numpy().tobytes()


@pytest.mark.parametrize("name", FRAMES)
def test_frames(name: str) -> None:
    """Labels of all kinds, levels and empty frames are kept."""
    frame = FRAMES[name]
    back = again(frame)
    pd.testing.assert_frame_equal(frame, back, check_index_type="exact", check_column_type="exact")
    assert [type(label) for label in back.columns] == [type(label) for label in frame.columns]
    assert (back.index.names, back.columns.names) == (frame.index.names, frame.columns.names)


def test_attrs_flags_and_subclasses_of_frames() -> None:
    """What a frame carries beside its data is kept."""
    frame = Frame({"a": [1]}).set_flags(allows_duplicate_labels=False)
    frame.attrs["unit"] = {"a": "m"}
    frame.source = "made"
    back = again(frame)
    assert (
        type(back),
        back.attrs,
        back.flags.allows_duplicate_labels,
        back.source,
    ) == (Frame, {"unit": {"a": "m"}}, False, "made")


def test_frequencies() -> None:
    """An index keeps its frequency."""
    index = pd.date_range("2020", periods=5, freq="2B")
    assert again(pd.Series(range(5), index=index)).index.freq == index.freq


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"])
@pytest.mark.parametrize("kind", ["array", "matrix"])
def test_sparse_matrices(form: str, kind: str) -> None:
    """Every format of scipy comes back as that format, with its values."""
    sparse: Any = pytest.importorskip("scipy.sparse")
    dense = (np.arange(2400).reshape(60, 40) % 5 == 0) * 1.5
    matrix = getattr(sparse, f"{form}_{kind}")(dense)
    back = again(matrix)
    assert (type(back), back.dtype, back.shape) == (type(matrix), matrix.dtype, matrix.shape)
    assert back.toarray().tobytes() == matrix.toarray().tobytes()


MODELS = ["RandomForestClassifier", "LogisticRegression", "KMeans", "Pipeline", "GradientBoostingRegressor", "SVC"]


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    """A fitted model has its parameters and predicts the same."""
    pytest.importorskip("sklearn")
    from sklearn.cluster import KMeans
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from sklearn.svm import SVC

    rows = pd.DataFrame({"a": np.arange(60.0) % 7, "b": np.arange(60.0) % 5, "c": ["x", "y", "z"] * 20})
    target = (np.arange(60) % 7 > 3).astype(int)
    numbers = rows[["a", "b"]]
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["c"])])
    made = {
        "RandomForestClassifier": (RandomForestClassifier(5, random_state=0), numbers),
        "LogisticRegression": (LogisticRegression(C=0.5), numbers),
        "KMeans": (KMeans(3, n_init=1, random_state=0), numbers),
        "Pipeline": (Pipeline([("columns", columns), ("model", LogisticRegression())]), rows),
        "GradientBoostingRegressor": (GradientBoostingRegressor(n_estimators=5, random_state=0), numbers),
        "SVC": (SVC(random_state=0), numbers),
    }
    model, given = made[name]
    model.fit(given, target)
    back = again(model)
    assert repr(back.get_params()) == repr(model.get_params())
    assert back.predict(given).tobytes() == model.predict(given).tobytes()
    assert isinstance(pickle.dumps(back), bytes)
