"""Persisting and loading values of many kinds, beside Metaflow's scheme and the machine's own limit.

Metaflow's scheme is its own code: `pickle.dumps` as its task datastore calls it, and its content-addressed store in a
local folder. The limit is blake3 on all cores and a plain write of the same bytes; for loading, to open and map their
file. Nothing is synced to disk on either side; loading is warm and ends before the value is touched.
"""

from __future__ import annotations

import gc
import importlib.util
import mmap
import os
import pickle
import shutil
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.table import Figure, Row
from flownb.store.datastore import Datastore
from flownb.store.encoding import encode
from flownb.store.hashing import hash_parts, part_size
from flownb.store.local.storage import write_all

__all__ = ["measure", "ours"]

ROUNDS = 5
# Seconds: what takes Metaflow longer is persisted by it three times, or once.
SOME, ONCE = 1.0, 5.0
LIMIT = 1.5
GOAL_100_MB = 0.060
# The limits.
WRITE, MAP = "write + hash", "open + mmap"


@dataclass(frozen=True)
class Times:
    """Median seconds of one value.

    Attributes
    ----------
    persist, load : float
    write, map : float
        The limits of both, see `_limit`.
    size : int
        Bytes that are stored.
    """

    persist: float
    load: float
    write: float
    map: float
    size: int


def measure() -> list[Row]:
    """Medians of five rounds, of ours, the limits and Metaflow's; fewer of Metaflow's that take long."""
    rows: list[Row] = []
    for name, make, goal in _cases():
        value = make()
        rows += _compare(name, value, goal)
        del value
        gc.collect()
    return rows


def ours() -> list[Figure]:
    """Medians of three rounds of ours."""
    figures = []
    for name, make, _ in _cases():
        value = make()
        times = _times(value, 3)
        figures += [Figure(f"persist {name}", times.persist), Figure(f"load {name}", times.load)]
        del value
        gc.collect()
    return figures


def _cases() -> list[tuple[str, Callable[[], Any], str]]:
    """Kinds of values and their goals, a number being a multiple of Metaflow's time.

    What needs a library that is not installed is left out.
    """
    cases: list[tuple[str, Callable[[], Any], str]] = [
        ("numpy 100 MB", lambda: _array(12_500_000), "100 MB"),
        ("numpy 1 GB", lambda: _array(125_000_000), "limit"),
        ("pandas 10M x 5", _frame, "limit"),
        ("pyarrow Table, same", _table, ""),
        ("polars, same", _polars, ""),
        ("scipy sparse", _sparse, ""),
        ("torch state dict 400 MB", _torch, ""),
        ("RandomForest", _forest, ""),
        ("1e6 small dicts", lambda: [{"id": number, "name": f"n{number}"} for number in range(1_000_000)], "0.8"),
        ("10k small arrays", _small_arrays, ""),
        ("pandas object columns", _objects, "0.5"),
    ]
    missing = {"torch"} if importlib.util.find_spec("torch") is None else set()
    return [case for case in cases if case[0].split(" ")[0] not in missing]


def _compare(name: str, value: Any, goal: str) -> list[Row]:
    """The rows of one value."""
    times = _times(value, ROUNDS)
    rounds = [_metaflow(value)]
    first = rounds[0][0]
    rounds += [_metaflow(value) for _ in range((ROUNDS if first < SOME else 3 if first < ONCE else 1) - 1)]
    persisted, loaded = (statistics.median(column) for column in zip(*rounds, strict=True))
    text, met = "", True
    if goal == "limit":
        text, met = f"<= {LIMIT} x {WRITE}", times.persist <= LIMIT * times.write
    elif goal == "100 MB":
        text, met = "<= 60 ms", times.persist <= GOAL_100_MB
    elif goal:
        text, met = f"<= {goal} x Metaflow's", times.persist <= float(goal) * persisted
    what, peer = f"persist {name}, {times.size / 1e6:,.0f} MB", "Metaflow's scheme"
    return [
        Row(what, times.persist, peer, persisted, text, met, "ms", WRITE, times.write),
        Row(f"load {name}", times.load, peer, loaded, "", True, "ms", MAP, times.map),
    ]


def _times(value: Any, rounds: int) -> Times:
    """What ours and the limits take, in turns."""
    found = []
    size = 0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="flownb-bench-") as folder:
            store = Datastore(folder)
            started = perf_counter()
            ref = store.artifacts.save(value, name="value")
            store.artifacts.settle()
            persisted = perf_counter() - started
            started = perf_counter()
            value_again = store.artifacts.read(ref)
            loaded = perf_counter() - started
            del value_again
            size = ref.size
        found.append((persisted, loaded, *_limit(value)))
    persist, load, write, mapped = (statistics.median(column) for column in zip(*found, strict=True))
    return Times(persist, load, write, mapped, size)


def _limit(value: Any) -> tuple[float, float]:
    """Seconds to hash and write the encoded bytes, which are there already; and to open and map their file."""
    _, parts = encode(value)
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as folder:
        path = Path(folder) / "blob"
        started = perf_counter()
        hash_parts(parts, part_size(parts))
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        write_all(file, parts)
        os.close(file)
        written = perf_counter() - started
        started = perf_counter()
        with path.open("rb") as blob, mmap.mmap(blob.fileno(), 0, access=mmap.ACCESS_COPY) as content:
            content[0]
        return written, perf_counter() - started


def _metaflow(value: Any) -> tuple[float, float]:
    """Seconds to persist and to load with Metaflow's own store."""
    from metaflow.datastore.content_addressed_store import ContentAddressedStore
    from metaflow.plugins.datastores.local_storage import LocalStorage

    folder = tempfile.mkdtemp()
    try:
        store = ContentAddressedStore("data", LocalStorage(folder))
        started = perf_counter()
        ((_, key),) = store.save_blobs(iter([pickle.dumps(value, protocol=4)]))
        persisted = perf_counter() - started
        started = perf_counter()
        ((_, blob),) = store.load_blobs([key])
        pickle.loads(blob)
        return persisted, perf_counter() - started
    finally:
        shutil.rmtree(folder)


def _array(length: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).random(length)


def _frame() -> Any:
    import numpy as np
    import pandas as pd

    generator = np.random.default_rng(0)
    numbers = {f"x{number}": generator.random(10_000_000) for number in range(3)}
    words = pd.Series(pd.array(["north", "south east", "west"], dtype="str").take(np.arange(10_000_000) % 3))
    return pd.DataFrame({**numbers, "count": generator.integers(0, 1000, 10_000_000), "place": words})


def _table() -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(_frame())


def _polars() -> Any:
    import polars as pl

    return pl.from_arrow(_table())


def _sparse() -> Any:
    import scipy.sparse

    return scipy.sparse.random(1_000_000, 1_000, density=0.01, format="csr", random_state=0)


def _torch() -> Any:
    import torch

    return {f"layer{number}.weight": torch.rand(2_500, 1_000) for number in range(40)}


def _forest() -> Any:
    import numpy as np
    from sklearn.ensemble import RandomForestRegressor

    generator = np.random.default_rng(0)
    return RandomForestRegressor(40, random_state=0, n_jobs=2).fit(
        generator.random((20_000, 5)), generator.random(20_000)
    )


def _small_arrays() -> Any:
    import numpy as np

    return {f"a{number}": np.full(200, float(number)) for number in range(10_000)}


def _objects() -> Any:
    import pandas as pd

    return pd.DataFrame({f"c{n}": [f"{n} {row}" for row in range(2_000_000)] for n in range(4)}, dtype=object)
