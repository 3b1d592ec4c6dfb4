"""What differs in the facts that are recorded of two runs: how they ended, tags, and what they were made with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from flownb.errors import StoreError
from flownb.session.progress import duration
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord, TaskRecord

__all__ = ["FactChange", "fact_changes", "run_title"]

# Facts of a run's environment that are compared, and their names.
ENVIRONMENT = {
    "python": "Python",
    "implementation": "implementation",
    "platform": "platform",
    "machine": "machine",
    "host": "host",
    "flownb": "flownb",
    "launch": "added by the command",
}


@dataclass(frozen=True)
class FactChange:
    """A fact that differs; a side that does not have it has an empty text."""

    name: str
    before: str
    after: str


def fact_changes(
    datastores: tuple[Datastore, Datastore],
    records: tuple[RunRecord, RunRecord],
    tasks: tuple[Iterable[TaskRecord], ...],
) -> list[FactChange]:
    """What differs in the facts of two runs.

    Parameters
    ----------
    datastores : (Datastore, Datastore)
    records : (RunRecord, RunRecord)
    tasks : (iterable of TaskRecord, iterable of TaskRecord)
        Their tasks, whose packages are compared.
    """
    sides = zip(datastores, records, tasks, strict=True)
    old, new = ({**_facts(*side[:2]), **_packages(side[0], side[2])} for side in sides)
    return [
        FactChange(name, old.get(name, ""), new.get(name, ""))
        for name in dict.fromkeys([*old, *new])
        if old.get(name, "") != new.get(name, "")
    ]


def run_title(datastore: Datastore, record: RunRecord) -> str:
    """A run with when it began and how it ended."""
    kind = {"run": "run", "work": "working run", "spin": "spin"}[record.kind]
    status = f", {datastore.runs.run_status(record.flow, record.run)}" if record.kind == "run" else ""
    began = datetime.fromtimestamp(record.started).strftime("%Y-%m-%d %H:%M:%S")
    return f"{kind} {record.flow}/{record.run} ({began}{status})"


def _facts(datastore: Datastore, record: RunRecord) -> dict[str, str]:
    """Facts of one run, by name."""
    end = datastore.runs.run_end(record.flow, record.run)
    found = {
        "status": datastore.runs.run_status(record.flow, record.run) if record.kind == "run" else record.kind,
        "time": "" if end is None else duration(end.finished - record.started),
        "user": record.user,
        "tags": ", ".join(datastore.runs.tagged(record).all_tags),
        "resumed from": record.origin and f"{record.flow}/{record.origin}",
    }
    found |= {shown: str(record.environment.get(name, "")) for name, shown in ENVIRONMENT.items()}
    git = record.environment.get("git")
    if isinstance(git, Mapping):
        dirty = {True: " with changes", None: " (perhaps with changes)"}.get(git.get("dirty"), "")
        found["commit"] = f"{str(git.get('commit') or 'none')[:12]}{dirty}"
        found["branch"] = str(git.get("branch") or "")
    return found


def _packages(datastore: Datastore, tasks: Iterable[TaskRecord]) -> dict[str, str]:
    """The versions of all packages that tasks had imported; of several versions of one all of them."""
    refs = {task.distributions.key: task.distributions for task in tasks if task.distributions is not None}
    found: dict[str, set[str]] = {}
    for ref in refs.values():
        with contextlib.suppress(StoreError):  # a list that is damaged, or a pickle of an older version
            for name, version in dict(datastore.artifacts.load_plain(ref, name="list of distributions")).items():
                found.setdefault(str(name), set()).add(str(version))
    return {f"package {name}": ", ".join(sorted(found[name])) for name in sorted(found)}
