"""A flow's runs: a list of them (``%flow runs``, ``flownb runs``), and one whose results are used (``%flow use``)."""

from __future__ import annotations

import contextlib
import html
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flownb.errors import ParameterError
from flownb.runtime.program import module_kept
from flownb.session.commands import read
from flownb.session.progress import columns, cut, duration
from flownb.session.report import STYLE
from flownb.session.session import Session
from flownb.store.records import ArtifactRef, RunRecord

__all__ = ["RunList", "list_runs", "parse_runs", "use_run"]


def use_run(session: Session, run: str | None, none: bool) -> str:
    """Use the results of a run where the notebook has nothing newer, end that, or say which run is used.

    Parameters
    ----------
    session : Session
    run : str or None
        The run to use; None changes nothing.
    none : bool
        Whether to use no other run again.

    Raises
    ------
    NotFound
        If there is no such run of the flow.
    ParameterError
        If a run is named and `none` is set.
    """
    flow, working = session.flow.name, session.working
    if none and run:
        raise ParameterError(
            f"use was given a run, `{run}`, and --none.",
            "--none ends the use of other runs.",
            "Leave one of them out.",
        )
    if none:
        before = working.use_none(flow)
        was = f" It used run {flow}/{before} before." if before else ""
        return f"{flow}: uses the results of this notebook alone.{was}"
    if run is None:
        return f"{flow}: {working.used(flow) or 'uses the results of this notebook alone'}"
    working.use(flow, run)
    used = working.used(flow)
    session.mark_noted(used)
    return f"{flow}: {used}"


# Columns of one value.
VALUE = 30
HEADINGS = ("run", "started", "status", "time", "parameters", "tags")


@dataclass(frozen=True)
class RunList:
    """Runs, newest first.

    Attributes
    ----------
    flow : str
    rows : tuple of tuple of str
        Of each run: id, start (local time), status, duration, parameters that are not the default, tags.
    more : bool
        Whether there are older ones.
    """

    flow: str
    rows: tuple[tuple[str, ...], ...]
    more: bool = False

    def lines(self) -> list[str]:
        """The list as plain lines, in columns."""
        if not self.rows:
            return [f"{self.flow} has no such runs"]
        table = [HEADINGS, *self.rows]
        widths = [max(columns(row[i]) for row in table) for i in range(len(HEADINGS))]
        lines = [
            "  ".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]
        return [*lines, *(["… older ones: a larger --limit"] if self.more else [])]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        lines = self.lines()
        if not self.rows:
            return {"text/plain": lines[0]}
        head = "".join(f"<th>{name}</th>" for name in HEADINGS)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in self.rows)
        more = f"<div>{lines[-1]}</div>" if self.more else ""
        table = f'<table style="{STYLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'
        return {"text/plain": "\n".join(lines), "text/html": table}


def parse_runs(given: Sequence[str]) -> dict[str, Any]:
    """Read ``--tag nightly --status done --limit 5``.

    Returns
    -------
    dict
        Named arguments of `flownb.store.index.Index.runs`.

    Raises
    ------
    ParameterError
        If a word is not an option, or has a value that does not fit.
    """
    values = read("runs", given)
    status = {"status": values["status"]} if values["status"] is not None else {}
    return {"limit": max(1, values["limit"]), **status, "tags": list(values["tags"])}


def list_runs(session: Session, filters: Mapping[str, Any]) -> RunList:
    """The newest runs of the notebook's flow.

    Parameters
    ----------
    session : Session
    filters : mapping
        What `parse_runs` gives.
    """
    flow, store = session.flow.name, session.datastore
    if flow not in store.runs.flows():
        return RunList(flow, ())
    rows = store.index.runs(flow, **{**filters, "limit": filters["limit"] + 1})
    shown = rows[: filters["limit"]]
    records = store.runs.run_records(flow, [row.run for row in shown])
    defaults = _defaults(session)
    lines = []
    for row, record in zip(shown, records, strict=True):
        seconds = (row.finished or time.time()) - row.started
        is_known = row.finished is not None or row.status == "running"
        lines.append(
            (
                row.run,
                datetime.fromtimestamp(row.started).strftime("%Y-%m-%d %H:%M:%S"),
                row.status if row.finished is not None or row.status != "failed" else "died",
                duration(seconds) if is_known else "",
                "" if record is None else _parameters(session, record, defaults),
                " ".join(row.tags) + (f" (resumed {record.origin})" if record is not None and record.origin else ""),
            )
        )
    return RunList(flow, tuple(lines), len(rows) > len(shown))


def _defaults(session: Session) -> Mapping[str, ArtifactRef]:
    """The parameters' defaults as the notebook now has them; empty if they cannot be worked out."""
    with contextlib.suppress(Exception), module_kept(session.flow.name):  # code of the user's, which may raise anything
        return session.start_values.of(session.program(False))
    return {}


def _parameters(session: Session, record: RunRecord, defaults: Mapping[str, ArtifactRef]) -> str:
    """A run's parameters that are not the default."""
    found = []
    for name, ref in record.parameters.items():
        if name in defaults and defaults[name].key == ref.key:
            continue
        try:
            text = " ".join(repr(session.datastore.artifacts.load(ref, name=name)).split())
        except Exception as error:  # one value must not keep the list from being shown
            text = f"<{type(error).__name__}>"
        found.append(f"{name}={cut(text, VALUE)}")
    return " ".join(found)
