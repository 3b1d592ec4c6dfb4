"""``flownb runs | timeline | du | gc | rm | index``: what a datastore holds, and clearing it up.

Takes parsed words; prints what was found or removed. These commands need no notebook: they work on the datastore of the
folder they are called in, or on the one that is named.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from flownb.cards.default import size_text
from flownb.cli.help import with_help
from flownb.errors import NotFound, ParameterError, nearest
from flownb.pathspec import safe_name
from flownb.settings import datastore_root
from flownb.store.datastore import Datastore
from flownb.store.garbage import Removed, collect, remove_runs, remove_spins
from flownb.store.index import RunStatus
from flownb.store.usage import Share, measure

__all__ = ["STORE_COMMANDS", "add_commands", "open_datastore", "run_filters", "runs"]

# Commands that take no notebook.
STORE_COMMANDS = ("runs", "timeline", "logs", "index", "gc", "du", "rm")

DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
# Lines a table has at most.
SHOWN = 20
# Runs that are listed at once at most.
MOST_RUNS = 1_000_000


def add_commands(commands: Any) -> None:
    """Add the commands to a parser.

    Parameters
    ----------
    commands : argparse subparsers
    """

    def add(name: str, text: str, command: Any) -> argparse.ArgumentParser:
        sub = with_help(commands, name, text)
        sub.add_argument("--datastore", help="folder or s3://bucket/prefix; default: $FLOWNB_DATASTORE or .flownb here")
        sub.set_defaults(command=command)
        return sub

    sub = add("runs", "List a flow's runs, newest first.", runs)
    sub.add_argument("flow", metavar="NOTEBOOK|FLOW", help="a notebook, or the name of a flow")
    sub.add_argument("--tag", action="append", default=[], help="only runs with this tag; may be repeated")
    sub.add_argument("--user", help="only runs of this user")
    sub.add_argument("--status", help="only runs that are: " + ", ".join(get_args(RunStatus)))
    sub.add_argument("--kind", choices=["run", "work", "spin"], default="run", help="work: of step cells; default: run")
    sub.add_argument("--since", type=_moment, metavar="WHEN", help="only runs begun since: 2d, or 2026-01-31[T12:00]")
    sub.add_argument("--until", type=_moment, metavar="WHEN", help="only runs begun before")
    sub.add_argument("--before", type=_count, metavar="RUN", help="only older runs: for the next page")
    sub.add_argument("--limit", type=_count, default=20, metavar="N", help="lines at most; default: 20")
    sub = add("timeline", "Show when the tasks of a run began and ended.", timeline)
    sub.add_argument("run", metavar="FLOW/RUN")
    sub = add("index", "Rebuild the index, which makes lists fast, from the manifests.", index)
    sub.add_argument("action", choices=["rebuild"])
    sub = add("gc", "Remove what no run needs: superseded results, old runs, and the blobs that were only theirs.", gc)
    sub.add_argument("--keep-last", type=_count, metavar="N", help="keep the newest N runs of each flow")
    sub.add_argument("--older-than", type=_duration, metavar="AGE", help="remove only what is older: 30d, 12h, 2w")
    sub.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    sub.add_argument("--spin", action="store_true", help="remove all that `spin --persist` kept")
    sub = add("du", "Show how much room flows, runs and artifacts take, and what storing them once saved.", du)
    sub.add_argument("place", nargs="?", metavar="FLOW[/RUN]", help="one flow or run; default: all")
    sub = add("rm", "Remove a run; its id is not given again.", rm)
    sub.add_argument("run", metavar="FLOW/RUN", nargs="+")
    sub.add_argument("--force", action="store_true", help="even if it may be running, or another run started from it")


def runs(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb runs FLOW [--tag T] [--user U] [--status S] [--since WHEN] …``."""
    datastore = open_datastore(arguments, rest)
    flow = _known_flow(datastore, safe_name(arguments.flow))
    rows = datastore.index.runs(flow, **run_filters(arguments))
    for row in rows:
        tags = " ".join(f"#{tag}" for tag in row.tags)
        seconds = "died" if row.status == "failed" else ""
        if row.finished is not None:
            seconds = f"{row.finished - row.started:.1f} s"
        line = f"{f'{flow}/{row.run}':<{len(flow) + 8}} {row.status:<11} {_when(row.started)} {seconds:>10}  {row.user}"
        print(f"{line}  {tags}".rstrip())
    if not rows:
        print("no such runs")
    elif len(rows) == arguments.limit:
        print(f"… older ones: --before {rows[-1].run}")
    return 0


def run_filters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Which runs are to be listed, as arguments of `flownb.store.index.Index.runs`."""
    names = ("user", "status", "kind", "since", "until", "before")
    filters = {name: getattr(arguments, name) for name in names}
    return {**filters, "tags": arguments.tag, "limit": min(arguments.limit, MOST_RUNS)}


def timeline(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb timeline FLOW/RUN``."""
    datastore = open_datastore(arguments, rest)
    flow, run = _run_place(arguments.run)
    start = datastore.runs.run(flow, run).started
    rows = datastore.index.timeline(flow, run)
    for row in rows:
        name = f"{row.step}/{row.task}" + (f" (attempt {row.attempt})" if row.attempt else "")
        print(f"{row.started - start:9.2f} s  {row.finished - row.started:9.2f} s  {row.status:<11} {name}")
    known = {(row.step, row.task, row.attempt) for row in rows}
    lost = sorted(set(datastore.tasks.task_names(flow, run)) - known)
    records = datastore.tasks.task_records(flow, run, lost)  # one may have ended just now
    unread = [one for one, record in zip(lost, records, strict=True) if record is None]
    _say_unread([f"flows/{flow}/{run}/steps/{step}/{task}/{attempt}.json" for step, task, attempt in unread])
    return 0


def index(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb index rebuild``."""
    found = open_datastore(arguments, rest).index.rebuild()
    print(f"the index has {_many(sum(found.values()), 'run')} of {_many(len(found), 'flow')}")
    return 0


def gc(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb gc [--keep-last N] [--older-than 30d] [--dry-run] [--spin]``."""
    datastore = open_datastore(arguments, rest)
    if arguments.spin:
        if arguments.dry_run or arguments.keep_last is not None or arguments.older_than is not None:
            raise ParameterError(
                "`--spin` goes with no other option of gc.", "It removes all spins that were kept.", "Call gc twice."
            )
        print(_removed(remove_spins(datastore), dry_run=False))
        return 0
    removed = collect(
        datastore, keep_last=arguments.keep_last, older_than=arguments.older_than, dry_run=arguments.dry_run
    )
    for pathspec in removed.runs:
        print(f"{'would remove' if arguments.dry_run else 'removed'} run {pathspec}")
    print(_removed(removed, dry_run=arguments.dry_run))
    return 0


def du(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb du [FLOW[/RUN]]``."""
    datastore = open_datastore(arguments, rest)
    flow, run = _place(arguments.place) if arguments.place else (None, None)
    if flow is not None:
        _known_flow(datastore, flow)
        if run is not None:
            datastore.runs.run(flow, run)
    usage = measure(datastore, flow=flow, run=run)
    if flow is None:
        _table("flow", usage.flows)
    elif run is None:
        _table("run", usage.runs)
    _table("artifact", usage.artifacts)
    _say_unread(usage.damaged)
    stored = size_text(usage.blobs + usage.logs)
    print(
        f"{stored} in {datastore.location}; storing equal values once saved {size_text(usage.saved)}; "
        f"nothing needs {size_text(usage.unneeded)} of it" + (" (flownb gc removes that)" if usage.unneeded else "")
    )
    return 0


def rm(arguments: argparse.Namespace, rest: list[str]) -> int:
    """``flownb rm FLOW/RUN … [--force]``."""
    datastore = open_datastore(arguments, rest)
    removed = remove_runs(datastore, [_run_place(place) for place in arguments.run], force=arguments.force)
    for pathspec in removed.runs:
        print(f"removed run {pathspec}")
    print(_removed(removed, dry_run=False))
    return 0


def open_datastore(arguments: argparse.Namespace, rest: list[str]) -> Datastore:
    """The datastore that is meant; it has to be there."""
    if rest:
        raise ParameterError(f"`{rest[0]}` is not understood.", "This command does not take it.", "Leave it out.")
    datastore = Datastore(arguments.datastore or datastore_root())
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
        raise ParameterError(f"`{text}` names no run.", "A run is FLOW/RUN.", f"Write for example {flow}/7.")
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


def _moment(text: str) -> float:
    """A moment in seconds since the epoch: an age (``2d``) or a date, with a time if need be; local."""
    try:
        return time.time() - _duration(text)
    except argparse.ArgumentTypeError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is no moment; write 2d, 2026-01-31 or 2026-01-31T12:00") from None


def _when(seconds: float) -> str:
    """A moment, local time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def _count(text: str) -> int:
    """A number of runs."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is no number of runs")
    return int(text)


def _duration(text: str) -> float:
    """Seconds in ``30d``, ``12h``, ``45m``, ``10s`` or ``2w``."""
    found = DURATION.match(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"`{text}` is no age; write for example 30d, 12h or 2w")
    return float(found[1]) * SECONDS[found[2]]


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
