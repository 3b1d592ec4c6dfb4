"""Persisting and loading values of many kinds, beside Metaflow's scheme and the machine's own limit.

Metaflow's scheme is its own code: `pickle.dumps` as its task datastore calls it, and its content-addressed store in a
local folder. The limit is blake3 on all cores and a plain write of the same bytes. Nothing is synced to disk on either
side; loading is warm and ends before the value is touched. Both are measured in turn and with the same median, but for
values that take Metaflow's scheme longer than `PATIENCE`, which it persists once.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import pickle
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.table import Row
from flownb.store.datastore import Datastore
from flownb.store.encoding import encode
from flownb.store.hashing import hash_parts, part_size
from flownb.store.local.storage import write_all

__all__ = ["measure"]

ROUNDS = 5
PATIENCE = 5.0
LIMIT = 1.5
GOAL_100_MB = 0.060


def measure() -> list[Row]:
    """Medians of five rounds of ours, the limit and Metaflow's."""
    rows: list[Row] = []
    for name, make, goal in _cases():
        value = make()
        rows += _compare(name, value, goal)
        del value
        gc.collect()
    return rows


def _cases() -> list[tuple[str, Callable[[], Any], str]]:
    """One row for each kind of value; rows whose library is not installed are left out."""
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
    persist, load, limit, theirs = [], [], [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            store = Datastore(folder)
            started = perf_counter()
            ref = store.artifacts.save(value, name="value")
            store.artifacts.settle()
            persist.append(perf_counter() - started)
            started = perf_counter()
            loaded = store.artifacts.read(ref)
            load.append(perf_counter() - started)
            del loaded
        limit.append(_limit(value))
        if not theirs or theirs[0][0] < PATIENCE:
            theirs.append(_metaflow(value))
    ours, bound = statistics.median(persist), statistics.median(limit)
    text, met = f"{ours / bound:.2f} x write + hash", True
    if goal == "limit":
        text, met = f"{text} (<= {LIMIT} x)", ours <= LIMIT * bound
    elif goal == "100 MB":
        text, met = f"{text} (<= 60 ms)", ours <= GOAL_100_MB
    elif goal:
        text, met = f"{text} (<= {goal} x Metaflow)", ours <= float(goal) * _median(theirs, 0)
    return [
        Row(f"persist {name}, {ref.size / 1e6:,.0f} MB", ours, "Metaflow's scheme", _median(theirs, 0), text, met),
        Row(f"load {name}", statistics.median(load), "Metaflow's scheme", _median(theirs, 1), "", True),
    ]


def _median(rounds: list[tuple[float, float]], number: int) -> float:
    return statistics.median(one[number] for one in rounds)


def _limit(value: Any) -> float:
    """Seconds to hash and write the encoded bytes, which are there already."""
    _, parts = encode(value)
    with tempfile.TemporaryDirectory() as folder:
        started = perf_counter()
        hash_parts(parts, part_size(parts))
        file = os.open(Path(folder) / "blob", os.O_WRONLY | os.O_CREAT)
        write_all(file, parts)
        os.close(file)
        return perf_counter() - started


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
