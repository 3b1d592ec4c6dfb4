"""How much room a datastore takes, and for what.

Takes a datastore; gives bytes by flow, run and artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flownb.store.datastore import Datastore
from flownb.store.log_reader import log_files
from flownb.store.records import ArtifactRef, TaskRecord
from flownb.store.references import RecordedRun, recorded_runs, references

__all__ = ["Share", "Usage", "measure"]


@dataclass
class Share:
    """The room that one flow, run or artifact takes.

    Attributes
    ----------
    name : str
        ``Flow``, ``Flow/run``, an artifact's name, or ``(logs)`` for what tasks wrote and displayed.
    stored : int
        Bytes of the values it refers to, each counted once.
    alone : int
        Bytes that no other of its kind refers to: what removing it would free.
    saved : int
        Bytes that values recorded more than once would have taken again.
    """

    name: str
    stored: int = 0
    alone: int = 0
    saved: int = 0


@dataclass(frozen=True)
class Usage:
    """The room a datastore takes, in bytes.

    Attributes
    ----------
    blobs : int
        All blobs, as stored.
    unneeded : int
        Blobs that nothing refers to: what ``flownb gc`` would free.
    logs : int
        All logs of tasks.
    flows, runs, artifacts : list of Share
        Largest first.
    damaged : tuple of str
        Manifests that cannot be read, whose values are left out.
    """

    blobs: int
    unneeded: int
    logs: int
    flows: list[Share]
    runs: list[Share]
    artifacts: list[Share]
    damaged: tuple[str, ...] = ()

    @property
    def saved(self) -> int:
        """Bytes that values recorded more than once would have taken again."""
        return sum(share.saved for share in self.flows)


@dataclass
class _Group:
    """Values by whatever they are grouped by: key to size, and how often each was recorded anew."""

    sizes: dict[str, int] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)


def measure(datastore: Datastore, *, flow: str | None = None, run: str | None = None) -> Usage:
    """Measure a datastore, or what one flow or run has of it.

    Parameters
    ----------
    datastore : Datastore
    flow, run : str, optional
        None means all.

    Returns
    -------
    Usage
        `Usage.blobs`, `Usage.unneeded` and `Usage.logs` are the whole datastore's.
    """
    flows: dict[str, _Group] = {}
    runs: dict[str, _Group] = {}
    artifacts: dict[str, _Group] = {}
    needed: set[str] = set()
    logs = 0
    damaged: list[str] = []
    datastore.require_outermost("measured")
    stores = (datastore, datastore.spins())
    for store in stores:
        for one in recorded_runs(store):
            needed.update(ref.blob[0] for _, _, ref in one.refs() if ref.blob is not None)
            needed.update(key for claim in one.claims.values() for key in claim.needs)
            damaged += one.damaged
            log_bytes = sum(entry.size for entry in log_files(store, one.record.flow, one.record.run))
            logs += log_bytes
            if flow not in (None, one.record.flow) or run not in (None, one.record.run):
                continue
            place = one.pathspec if store is datastore else f"spin/{one.pathspec}"
            for name, ref, anew in _values(one):
                for groups, group in ((flows, one.record.flow), (runs, place), (artifacts, name)):
                    _add(groups.setdefault(group, _Group()), ref, anew)
            if log_bytes:
                for groups, group in ((flows, one.record.flow), (runs, place), (artifacts, "(logs)")):
                    groups.setdefault(group, _Group()).sizes[f"logs of {place}"] = log_bytes
    blobs = {entry.name: entry.size for entry in datastore.blobs.entries()}
    unneeded = sum(size for key, size in blobs.items() if key not in needed)
    return Usage(sum(blobs.values()), unneeded, logs, _shares(flows), _shares(runs), _shares(artifacts), tuple(damaged))


def _values(run: RecordedRun) -> Iterable[tuple[str, ArtifactRef, bool]]:
    """Names and places of all values, and whether they were recorded anew or only passed on."""
    yield from ((name, ref, True) for name, ref in run.record.refs())
    for attempt in run.attempts:
        yield from ((name, ref, _is_own(attempt, name)) for name, ref in references(attempt))


def _is_own(attempt: TaskRecord, name: str) -> bool:
    """Whether a task recorded a value itself; its source and cards always are its own."""
    return name not in attempt.artifacts or name in attempt.captured


def _add(group: _Group, ref: ArtifactRef, anew: bool) -> None:
    group.sizes[ref.key] = ref.size
    group.times[ref.key] = group.times.get(ref.key, 0) + anew


def _shares(groups: dict[str, _Group]) -> list[Share]:
    """What each group takes, largest first."""
    owners: dict[str, int] = {}
    for group in groups.values():
        for key in group.sizes:
            owners[key] = owners.get(key, 0) + 1

    def total(group: _Group, count: Callable[[str], int]) -> int:
        return sum(size * count(key) for key, size in group.sizes.items())

    shares = [
        Share(
            name,
            total(group, lambda key: 1),
            total(group, lambda key: owners[key] == 1),
            total(group, lambda key, times=group.times: max(times.get(key, 1) - 1, 0)),  # type: ignore[misc]  # a default
        )
        for name, group in groups.items()
    ]
    return sorted(shares, key=lambda share: (-share.stored, share.name))
