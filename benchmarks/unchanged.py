"""A step that inherits 50 artifacts, 5 GB together: untouched, all read, and one of them changed in place.

The peer is what Metaflow does for every artifact that was touched: pickle it and hash it (sha1), before it decides
whether to write; gzip and the write of the changed one are left out in its favour.
"""

from __future__ import annotations

import hashlib
import pickle
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.table import Figure, Row
from flownb.cells.cell import read_cell
from flownb.session.session import Session
from flownb.session.step import run_step

__all__ = ["measure", "ours"]

COUNT, LENGTH = 50, 12_500_000
ROUNDS = 5
GOAL_UNTOUCHED = 0.005


WHAT = {
    "untouched": "step that inherits 5 GB, over its body",
    "read": "… and reads all of it",
    "change": "… and changes one of 50 in place",
}


def measure() -> list[Row]:
    """Medians of whole steps of a session in this process; what the bodies themselves take is taken off."""
    with _session() as session:
        found = {name: _over(session, name) for name in WHAT}
        values = {name: value for name, value in run_step(session, "make").values.items() if name.startswith("x")}
        peer, limit = _metaflow(list(values.values())), _write_and_hash(values["x7"])
    untouched = found["untouched"]
    return [
        Row(WHAT["untouched"], untouched, "-", untouched, "<= 5 ms", untouched <= GOAL_UNTOUCHED),
        Row(WHAT["read"], found["read"], "pickle and sha1", peer, "", True),
        Row(WHAT["change"], found["change"], "pickle and sha1", peer, "", True, "ms", "write + hash of the one", limit),
    ]


def ours() -> list[Figure]:
    """The same, of ours."""
    with _session() as session:
        return [Figure(what, _over(session, name)) for name, what in WHAT.items()]


@contextmanager
def _session() -> Iterator[Session]:
    """A session whose first step has made the values."""
    names = [f"x{number}" for number in range(COUNT)]
    make = "\n".join(
        f"self.{name} = np.random.default_rng({number}).random({LENGTH})" for number, name in enumerate(names)
    )
    read = "total = sum(float(x.sum()) for x in (" + ", ".join(f"self.{name}" for name in names) + "))"
    body = "from time import perf_counter\nstarted = perf_counter()\n{}\nself.seconds = perf_counter() - started"
    cells = (
        f"%%step make\nimport numpy as np\n{make}",
        f"%%step untouched --after make\n{body.format('pass')}",
        f"%%step read --after make\n{body.format(read)}",
        f"%%step change --after make\n{body.format(read + chr(10) + 'self.x7[12345] += 1')}",
    )
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as folder:
        session = Session(folder=Path(folder))
        for source in cells:
            session.define(read_cell(source))
        run_step(session, "make")
        yield session


def _write_and_hash(value: Any) -> float:
    """Median seconds to hash an array on all cores and to write it to a new file."""
    from blake3 import blake3

    content = memoryview(value).cast("B")
    seconds = []
    with tempfile.TemporaryDirectory(prefix="flownb-bench-") as folder:
        for number in range(ROUNDS):
            started = perf_counter()
            blake3(content, max_threads=blake3.AUTO).digest()
            (Path(folder) / str(number)).write_bytes(content)
            seconds.append(perf_counter() - started)
    return statistics.median(seconds)


def _over(session: Session, name: str) -> float:
    """Median seconds of a step, less what its body says it took."""
    seconds = []
    for _ in range(ROUNDS + 1):
        started = perf_counter()
        outcome = run_step(session, name)
        seconds.append(perf_counter() - started - outcome.values["seconds"])
    return float(statistics.median(seconds[1:]))


def _metaflow(values: list[Any]) -> float:
    """Seconds to pickle and hash all 50, as Metaflow does for what a step read."""
    started = perf_counter()
    for value in values:
        hashlib.sha1(pickle.dumps(value, protocol=4)).hexdigest()
    return perf_counter() - started
