"""Which blobs the records of a datastore refer to.

Takes a datastore; gives, for each run, the keys its manifests name. Clearing up and measuring both start from this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, Claim, Execution, RunEnd, RunRecord, TaskRecord

__all__ = ["RecordedRun", "recorded_runs", "references", "removals"]

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
        """Whether it is going on, or may be: where the process that began it cannot be asked, age decides."""
        if self.record.kind == "work":
            return any(now - claim.started < RUNNING_SECONDS for claim in self.claims.values())
        if self.end is not None:
            return False
        if self.record.kind == "run":
            # A minute without a heartbeat, which a list calls dead, can be a process that was cut off and comes back.
            if self.datastore.alive(self.record.flow, [self.record.run], silent=RUNNING_SECONDS)[0]:
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
    for flow in datastore.flows() if flows is None else flows:
        for run, record, end in _records(datastore, flow):
            if record is None:
                found = _read(datastore, RunRecord(flow, run, "run"), end)
                found.damaged.append(f"flows/{flow}/{run}/run.json")
                yield found
            elif not record.removed:
                yield _read(datastore, record, end)


def removals(datastore: Datastore) -> Iterator[RunRecord]:
    """Marks of removed runs whose files are not all gone."""
    for flow in datastore.flows():
        yield from (mark for _, mark, _ in _records(datastore, flow) if mark and mark.removed and not mark.cleared)


def _records(datastore: Datastore, flow: str) -> Iterator[tuple[str, RunRecord | None, RunEnd | None]]:
    """Ids and records of a flow's runs, newest first; None for a record that cannot be read."""
    ids = datastore.run_ids(flow)
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        for run, record, end in zip(some, datastore.runs(flow, some), datastore.run_ends(flow, some), strict=True):
            if record is not None or datastore.has_run(flow, run):
                yield run, record, end


def _read(datastore: Datastore, record: RunRecord, end: RunEnd | None) -> RecordedRun:
    """All that was recorded of a run."""
    flow, run = record.flow, record.run
    found = RecordedRun(datastore, record, end)
    for name, attempt in datastore.attempts(flow, run):
        if attempt is None:
            found.damaged.append(name)
        else:
            found.attempts.append(attempt)
    times = [record.started, *(attempt.finished for attempt in found.attempts)]
    if record.kind == "work":
        found.executions = list(datastore.numbered_executions(flow, run))
        claims = datastore.claims(flow, run, without={attempt.task for attempt in found.attempts})
        found.claims = {task: claim for task, claim in claims.items() if claim is not None}
        found.damaged += [f"flows/{flow}/{run}/ids/{task}.json" for task, claim in claims.items() if claim is None]
        times += [claim.started for claim in found.claims.values()]
    found.touched = max(times)
    return found
