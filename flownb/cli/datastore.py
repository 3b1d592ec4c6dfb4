"""``flownb runs | timeline | du | gc | rm | index``: what a datastore contains, and clearing it up.

These commands need no notebook: they work on the datastore of the folder they are called in, or on the datastore that
``--datastore`` names.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flownb.cards.default import size_text
from flownb.errors import NotFound, ParameterError, nearest
from flownb.pathspec import safe_name
from flownb.settings import datastore_root
from flownb.store.datastore import Datastore
from flownb.store.garbage import Removed, collect, remove_runs, remove_spins
from flownb.store.usage import Share, measure

__all__ = ["du", "gc", "index", "open_datastore", "rm", "run_filters", "runs", "timeline"]

# Lines a table has at most.
SHOWN = 20
# Runs that are listed at once at most.
MOST_RUNS = 1_000_000


def runs(flow: str, *, datastore: str | None, **filters: Any) -> int:
    """``flownb runs FLOW [--tag T] [--user U] [--status S] [--since WHEN] …``."""
    store = open_datastore(datastore)
    flow = _known_flow(store, safe_name(flow))
    rows = store.index.runs(flow, **run_filters(**filters))
    for row in rows:
        tags = " ".join(f"#{tag}" for tag in row.tags)
        seconds = "died" if row.status == "failed" else ""
        if row.finished is not None:
            seconds = f"{row.finished - row.started:.1f} s"
        line = f"{f'{flow}/{row.run}':<{len(flow) + 8}} {row.status:<11} {_when(row.started)} {seconds:>10}  {row.user}"
        print(f"{line}  {tags}".rstrip())
    if not rows:
        print("no such runs")
    elif len(rows) == filters["limit"]:
        print(f"… older ones: --before {rows[-1].run}")
    return 0


def run_filters(*, tags: Sequence[str], limit: int, **filters: Any) -> dict[str, Any]:
    """Which runs are to be listed, as arguments of `flownb.store.index.Index.runs`."""
    return {**filters, "tags": list(tags), "limit": min(limit, MOST_RUNS)}


def timeline(run: str, *, datastore: str | None) -> int:
    """``flownb timeline FLOW/RUN``."""
    store = open_datastore(datastore)
    flow, run = _run_place(run)
    start = store.runs.run(flow, run).started
    rows = store.index.timeline(flow, run)
    for row in rows:
        name = f"{row.step}/{row.task}" + (f" (attempt {row.attempt})" if row.attempt else "")
        print(f"{row.started - start:9.2f} s  {row.finished - row.started:9.2f} s  {row.status:<11} {name}")
    known = {(row.step, row.task, row.attempt) for row in rows}
    lost = sorted(set(store.tasks.task_names(flow, run)) - known)
    records = store.tasks.task_records(flow, run, lost)  # one may have ended just now
    unread = [one for one, record in zip(lost, records, strict=True) if record is None]
    _say_unread([f"flows/{flow}/{run}/steps/{step}/{task}/{attempt}.json" for step, task, attempt in unread])
    return 0


def index(action: str, *, datastore: str | None) -> int:
    """``flownb index rebuild``."""
    found = open_datastore(datastore).index.rebuild()
    print(f"the index has {_many(sum(found.values()), 'run')} of {_many(len(found), 'flow')}")
    return 0


def gc(*, keep_last: int | None, older_than: float | None, dry_run: bool, spin: bool, datastore: str | None) -> int:
    """``flownb gc [--keep-last N] [--older-than 30d] [--dry-run] [--spin]``."""
    store = open_datastore(datastore)
    if spin:
        if dry_run or keep_last is not None or older_than is not None:
            raise ParameterError(
                "`--spin` cannot be given with another option of gc.",
                "It removes all spins that were kept.",
                "Call gc twice.",
            )
        print(_removed(remove_spins(store), dry_run=False))
        return 0
    removed = collect(store, keep_last=keep_last, older_than=older_than, dry_run=dry_run)
    for pathspec in removed.runs:
        print(f"{'would remove' if dry_run else 'removed'} run {pathspec}")
    print(_removed(removed, dry_run=dry_run))
    return 0


def du(place: str | None, *, datastore: str | None) -> int:
    """``flownb du [FLOW[/RUN]]``."""
    store = open_datastore(datastore)
    flow, run = _place(place) if place else (None, None)
    if flow is not None:
        _known_flow(store, flow)
        if run is not None:
            store.runs.run(flow, run)
    usage = measure(store, flow=flow, run=run)
    if flow is None:
        _table("flow", usage.flows)
    elif run is None:
        _table("run", usage.runs)
    _table("artifact", usage.artifacts)
    _say_unread(usage.damaged)
    stored = size_text(usage.blobs + usage.logs)
    print(
        f"{stored} in {store.location}; storing equal values once saved {size_text(usage.saved)}; "
        f"nothing needs {size_text(usage.unneeded)} of it" + (" (flownb gc removes that)" if usage.unneeded else "")
    )
    return 0


def rm(runs: Sequence[str], *, force: bool, datastore: str | None) -> int:
    """``flownb rm FLOW/RUN … [--force]``."""
    removed = remove_runs(open_datastore(datastore), [_run_place(place) for place in runs], force=force)
    for pathspec in removed.runs:
        print(f"removed run {pathspec}")
    print(_removed(removed, dry_run=False))
    return 0


def open_datastore(place: str | None) -> Datastore:
    """The datastore that is meant; it has to exist."""
    datastore = Datastore(place or datastore_root())
    if not datastore.storage.exists("store.json"):
        raise NotFound(
            f"There is no datastore in `{datastore.location}`.",
            "Nothing was recorded there; a notebook's datastore is .flownb beside it, unless it is in S3.",
            "Call this where the notebook is, or name the place: --datastore, or FLOWNB_DATASTORE.",
        )
    return datastore


def _place(text: str) -> tuple[str, str | None]:
    """Flow and run of ``FLOW`` or ``FLOW/RUN``."""
    flow, _, run = text.strip("/").partition("/")
    return safe_name(flow), safe_name(run) if run else None


def _run_place(text: str) -> tuple[str, str]:
    """Flow and run of ``FLOW/RUN``."""
    flow, run = _place(text)
    if run is None:
        raise ParameterError(f"`{text}` does not name a run.", "A run is FLOW/RUN.", f"Write for example {flow}/7.")
    return flow, run


def _known_flow(datastore: Datastore, flow: str) -> str:
    """A flow that is there."""
    known = datastore.runs.flows()
    if flow not in known:
        raise NotFound(
            f"Flow `{flow}` is not in `{datastore.location}`.{nearest(flow, known)}",
            f"The flows there are: {', '.join(known) or 'none'}.",
            "Correct the name, or name another place: --datastore, or FLOWNB_DATASTORE.",
        )
    return flow


def _when(seconds: float) -> str:
    """A moment, local time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _removed(removed: Removed, *, dry_run: bool) -> str:
    """What was removed, on one line."""
    parts = []
    if removed.runs:
        parts.append(_many(len(removed.runs), "run"))
    if removed.tasks:
        parts.append(f"{_many(removed.tasks, 'superseded task')}")
    parts.append(_many(removed.blobs, "blob"))
    verb = "would free" if dry_run else "freed"
    text = f"{verb} {size_text(removed.bytes)} ({', '.join(parts)})"
    if removed.damaged:
        text += f"; no blob was removed, for what `{removed.damaged[0]}` needs cannot be read"
    if removed.waiting:
        text += f"; {size_text(removed.waiting)} more when it is two weeks old, for a bucket has no locks"
    return text


def _say_unread(names: Sequence[str]) -> None:
    """Say which manifests are left out because they cannot be read."""
    if names:
        more = f" and {_many(len(names) - 1, 'other')}" if len(names) > 1 else ""
        print(f"note: the manifest `{names[0]}`{more} cannot be read and is left out", file=sys.stderr)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _table(kind: str, shares: list[Share]) -> None:
    """Print shares, largest first."""
    width = max([len(kind), *(len(share.name) for share in shares[:SHOWN])])
    print(f"{kind:{width}}  {'stored':>9}  {'alone':>9}  {'saved':>9}")
    for share in shares[:SHOWN]:
        sizes = "  ".join(f"{size_text(size):>9}" for size in (share.stored, share.alone, share.saved))
        print(f"{share.name:{width}}  {sizes}")
    if len(shares) > SHOWN:
        print(f"… and {_many(len(shares) - SHOWN, kind)} more")
    print()
