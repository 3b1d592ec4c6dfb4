"""How much room a datastore takes, by flow, run and artifact; and which blobs its records refer to.

Clearing up (`flownb.store.garbage`) and measuring both start from `recorded_runs`: each run with the keys that its
manifests name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, Claim, Execution, RunEnd, RunRecord, TaskRecord

__all__ = ["RecordedRun", "Share", "Usage", "measure", "recorded_runs", "references", "removals"]

# What has not ended counts as running while something was recorded in it for less than this, in seconds, unless it is
# known that its process died.
RUNNING_SECONDS = 24 * 3600.0


@dataclass
class RecordedRun:
    """A run with all that was recorded of it.

    Attributes
    ----------
    datastore : Datastore
        The one it is in: the notebook's, or that of spins.
    record : RunRecord
    end : RunEnd or None
    attempts : list of TaskRecord
    executions : list of (str, Execution)
        With the names of their files, oldest first; of a working run.
    claims : dict of str to Claim
        Tasks that were begun and not yet recorded, by id; of a working run.
    damaged : list of str
        Names of files that cannot be read: what they refer to is not known.
    touched : float
        When its newest file was written, in seconds since the epoch, UTC.
    """

    datastore: Datastore
    record: RunRecord
    end: RunEnd | None
    attempts: list[TaskRecord] = field(default_factory=list)
    executions: list[tuple[str, Execution]] = field(default_factory=list)
    claims: dict[str, Claim] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    touched: float = 0.0

    @property
    def pathspec(self) -> str:
        """``Flow/run``."""
        return f"{self.record.flow}/{self.record.run}"

    def is_running(self, now: float) -> bool:
        """Whether it is running, or may be: if it is not known whether its process is alive, age decides."""
        if self.record.kind == "work":
            return any(now - claim.started < RUNNING_SECONDS for claim in self.claims.values())
        if self.end is not None:
            return False
        if self.record.kind == "run":
            # A minute without a heartbeat, which a list calls dead, can be a process that was cut off and comes back.
            if self.datastore.runs.alive(self.record.flow, [self.record.run], silent=RUNNING_SECONDS)[0]:
                return True
            if self.datastore.storage.has_locks:
                return False
        return now - self.touched < RUNNING_SECONDS

    def refs(self) -> Iterator[tuple[TaskRecord | None, str, ArtifactRef]]:
        """All references: the attempt or None for the run itself, the artifact's name, where its value is."""
        yield from ((None, name, ref) for name, ref in self.record.refs())
        for attempt in self.attempts:
            yield from ((attempt, name, ref) for name, ref in references(attempt))


def references(attempt: TaskRecord) -> Iterator[tuple[str, ArtifactRef]]:
    """All an attempt refers to: its artifacts, the cells' source, what it had imported, its cards."""
    yield from attempt.artifacts.items()
    if attempt.source is not None:
        yield "source", attempt.source
    if attempt.distributions is not None:
        yield "distributions", attempt.distributions
    for card in attempt.cards:
        yield "card", card.content


def recorded_runs(datastore: Datastore, *, flows: Iterable[str] | None = None) -> Iterator[RecordedRun]:
    """All runs of some flows, or of all, that were not removed."""
    for flow in datastore.runs.flows() if flows is None else flows:
        for run, record, end in _records(datastore, flow):
            if record is None:
                found = _read(datastore, RunRecord(flow, run, "run"), end)
                found.damaged.append(f"flows/{flow}/{run}/run.json")
                yield found
            elif not record.removed:
                yield _read(datastore, record, end)


def removals(datastore: Datastore) -> Iterator[RunRecord]:
    """Marks of removed runs whose files are not all gone."""
    for flow in datastore.runs.flows():
        yield from (mark for _, mark, _ in _records(datastore, flow) if mark and mark.removed and not mark.cleared)


def _records(datastore: Datastore, flow: str) -> Iterator[tuple[str, RunRecord | None, RunEnd | None]]:
    """Ids and records of a flow's runs, newest first; None for a record that cannot be read."""
    ids = datastore.runs.run_ids(flow)
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        for run, record, end in zip(
            some, datastore.runs.run_records(flow, some), datastore.runs.run_ends(flow, some), strict=True
        ):
            if record is not None or datastore.runs.has_run(flow, run):
                yield run, record, end


def _read(datastore: Datastore, record: RunRecord, end: RunEnd | None) -> RecordedRun:
    """All that was recorded of a run."""
    flow, run = record.flow, record.run
    found = RecordedRun(datastore, record, end)
    for name, attempt in datastore.tasks.attempts(flow, run):
        if attempt is None:
            found.damaged.append(name)
        else:
            found.attempts.append(attempt)
    times = [record.started, *(attempt.finished for attempt in found.attempts)]
    if record.kind == "work":
        found.executions = list(datastore.tasks.numbered_executions(flow, run))
        claims = datastore.tasks.claims(flow, run, without={attempt.task for attempt in found.attempts})
        found.claims = {task: claim for task, claim in claims.items() if claim is not None}
        found.damaged += [f"flows/{flow}/{run}/ids/{task}.json" for task, claim in claims.items() if claim is None]
        times += [claim.started for claim in found.claims.values()]
    found.touched = max(times)
    return found


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
    """Values by whatever they are grouped by: key to size, and how often each was recorded again."""

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
            log_bytes = sum(entry.size for entry in store.logs.files(one.record.flow, one.record.run))
            logs += log_bytes
            if flow not in (None, one.record.flow) or run not in (None, one.record.run):
                continue
            place = one.pathspec if store is datastore else f"spin/{one.pathspec}"
            for name, ref, is_new in _values(one):
                for groups, group in ((flows, one.record.flow), (runs, place), (artifacts, name)):
                    _add(groups.setdefault(group, _Group()), ref, is_new)
            if log_bytes:
                for groups, group in ((flows, one.record.flow), (runs, place), (artifacts, "(logs)")):
                    groups.setdefault(group, _Group()).sizes[f"logs of {place}"] = log_bytes
    blobs = {entry.name: entry.size for entry in datastore.blobs.entries()}
    unneeded = sum(size for key, size in blobs.items() if key not in needed)
    return Usage(sum(blobs.values()), unneeded, logs, _shares(flows), _shares(runs), _shares(artifacts), tuple(damaged))


def _values(run: RecordedRun) -> Iterable[tuple[str, ArtifactRef, bool]]:
    """Names and places of all values, and whether they were recorded there or only passed on."""
    yield from ((name, ref, True) for name, ref in run.record.refs())
    for attempt in run.attempts:
        yield from ((name, ref, _is_own(attempt, name)) for name, ref in references(attempt))


def _is_own(attempt: TaskRecord, name: str) -> bool:
    """Whether a task recorded a value itself; its source and cards always are its own."""
    return name not in attempt.artifacts or name in attempt.captured


def _add(group: _Group, ref: ArtifactRef, is_new: bool) -> None:
    group.sizes[ref.key] = ref.size
    group.times[ref.key] = group.times.get(ref.key, 0) + is_new


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
