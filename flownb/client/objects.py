"""Flows, runs and steps, read from the records in a datastore.

Iteration is newest first. Working runs (what executing ``%%step`` cells records) are reached through
`Flow.working_runs`; all other names mean runs of whole flows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from flownb.client.artifacts import TaskData
from flownb.client.base import Named, default_datastore, missing_key, moment, path_parts
from flownb.client.task import Task
from flownb.errors import NotFound, StoreError, TagError, nearest
from flownb.runtime.current import current
from flownb.store.datastore import Datastore
from flownb.store.index import RunStatus, TaskRow
from flownb.store.records import TaskRecord

__all__ = ["Flow", "Metaflow", "Run", "Step", "Task"]

# Runs that are read from the index at once.
PAGE = 50


class Metaflow:
    """All flows of a datastore, by name.

    Parameters
    ----------
    datastore : Datastore, optional
        None means the running task's own, elsewhere ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.
    """

    def __init__(self, *, datastore: Datastore | None = None) -> None:
        self._datastore = datastore or default_datastore()

    @property
    def flows(self) -> list[Flow]:
        """Every flow that has runs, sorted by name."""
        return [Flow(name, datastore=self._datastore) for name in sorted(self._datastore.runs.flows())]

    def __iter__(self) -> Iterator[Flow]:
        return iter(self.flows)

    def __contains__(self, name: str) -> bool:
        return name in self._datastore.runs.flows()

    def __getitem__(self, name: str) -> Flow:
        with missing_key():
            return Flow(name, datastore=self._datastore)

    def __repr__(self) -> str:
        return "Metaflow()"


class Flow(Named, names=1):
    """A flow by name.

    Parameters
    ----------
    name : str
    datastore : Datastore, optional
        None means the running task's own, elsewhere ``$FLOWNB_DATASTORE`` or ``.flownb`` in the current folder.

    Raises
    ------
    NotFound
        If nothing of that flow was recorded.
    """

    def __init__(self, name: str, *, datastore: Datastore | None = None) -> None:
        (self.id,) = path_parts(name, 1, "Flow")
        self.pathspec = name
        self._datastore = datastore or default_datastore()
        if not self._datastore.runs.run_ids(name):
            known = self._datastore.runs.flows()
            raise NotFound(
                f"Flow `{name}` has no runs in `{self._datastore.location}`.{nearest(name, known)}",
                f"The flows there are {', '.join(known)}." if known else "Nothing was recorded there yet.",
                "Run it first, correct the name, or set FLOWNB_DATASTORE.",
            )

    def __repr__(self) -> str:
        return f"Flow('{self.id}')"

    def runs(
        self,
        *tags: str,
        user: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Run]:
        """Runs that match, newest first; they are found in the datastore's index, a page at a time.

        Parameters
        ----------
        *tags : str
            A run has all of them.
        user : str, optional
        status : {"running", "done", "failed", "interrupted"}, optional
        since, until : datetime, optional
            A run began at `since` or later, and before `until`.

        Raises
        ------
        ParameterError
            If `status` is not one of those.
        StoreError
            If the manifests cannot be read.
        """
        return self._find("run", tags, user, status, since, until)

    def working_runs(self) -> Iterator[Run]:
        """Runs that ``%%step`` cells recorded, newest first."""
        return self._find("work")

    def _find(
        self,
        kind: str,
        tags: Iterable[str] = (),
        user: str | None = None,
        status: RunStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Run]:
        """Runs that the index finds; one that was removed meanwhile, or is damaged, is skipped."""
        first, last = (moment.timestamp() if moment else None for moment in (since, until))
        before: str | None = None
        while True:
            rows = self._datastore.index.runs(
                self.id,
                tags=tags,
                user=user,
                status=status,
                kind=kind,
                since=first,
                until=last,
                before=before,
                limit=PAGE,
            )
            for row in rows:
                with contextlib.suppress(NotFound, StoreError):
                    yield Run(f"{self.id}/{row.run}", datastore=self._datastore)
            if len(rows) < PAGE:
                return
            before = rows[-1].run

    __iter__ = runs

    def __getitem__(self, run: str) -> Run:
        with missing_key():
            return Run(f"{self.id}/{run}", datastore=self._datastore)

    def __contains__(self, run: str) -> bool:
        return run in self._datastore.runs.run_ids(self.id)

    @property
    def latest_run(self) -> Run | None:
        """The newest run, however it ended; None if there is none."""
        return next(self.runs(), None)

    @property
    def latest_successful_run(self) -> Run | None:
        """The newest run that succeeded; None if there is none."""
        return next(self.runs(status="done"), None)


class Run(Named, names=2):
    """One run, ``Flow/run``.

    Parameters
    ----------
    pathspec : str
    datastore : Datastore, optional
        As for `Flow`.

    Raises
    ------
    InvalidPathspec
        If the pathspec has more or fewer parts.
    NotFound
        If there is no such run, or it was removed.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        flow, run = path_parts(pathspec, 2, "Flow/run")
        self._datastore = datastore or default_datastore()
        self._record = self._datastore.runs.run(flow, run)
        self.pathspec = pathspec
        self.id = run

    def __repr__(self) -> str:
        return f"Run('{self.pathspec}')"

    def steps(self) -> Iterator[Step]:
        """Steps that have tasks, the latest one first."""
        found = [Step(f"{self.pathspec}/{name}", datastore=self._datastore) for name in self._names()]
        return iter(
            sorted(found, key=lambda step: max((task.created_at for task in step), default=moment(0)), reverse=True)
        )

    __iter__ = steps

    def _names(self) -> list[str]:
        """Names of its steps; a step that asks for its own run is one of them before any of its tasks has ended."""
        names = self._datastore.tasks.steps(self._record.flow, self.id)
        inside = (current.pathspec or "").startswith(f"{self.pathspec}/") and self._datastore is default_datastore()
        return sorted({*names, str(current.step_name)}) if inside else names

    def __contains__(self, name: str) -> bool:
        return name in self._names()

    def __getitem__(self, name: str) -> Step:
        with missing_key():
            return Step(f"{self.pathspec}/{name}", datastore=self._datastore)

    @property
    def status(self) -> RunStatus:
        """``running``, ``done``, ``failed`` or ``interrupted``; a run whose process died has failed."""
        return self._datastore.runs.run_status(self._record.flow, self.id)

    @property
    def finished(self) -> bool:
        """Whether its last step was completed, as in Metaflow; false if it failed, see `status`."""
        return self.status == "done"

    @property
    def successful(self) -> bool:
        """Whether it was completed, and its last step without an exception that ``@catch`` handled."""
        task = self.end_task
        return self.finished and (task is None or task.successful)

    @property
    def created_at(self) -> datetime:
        """When it began, in local time without a time zone."""
        return moment(self._record.started)

    @property
    def finished_at(self) -> datetime | None:
        """When its last step was completed, in local time without a time zone; None until then."""
        task = self.end_task
        return task.finished_at if task else None

    @property
    def tags(self) -> frozenset[str]:
        """All its present tags: the user's and the system's."""
        return self.user_tags | self.system_tags

    @property
    def user_tags(self) -> frozenset[str]:
        """The user's tags: those it was started with, and changes since."""
        return frozenset(self._datastore.runs.tagged(self._record).tags)

    @property
    def system_tags(self) -> frozenset[str]:
        """``project:NAME`` and ``project_branch:NAME`` if the flow has ``@project``; they cannot be removed."""
        return frozenset(self._record.system_tags)

    def add_tag(self, tag: str) -> None:
        """Add a tag; nothing if the run has it. Errors as for `replace_tags`."""
        self.replace_tags([], [tag])

    def add_tags(self, tags: Iterable[str]) -> None:
        """Add tags. Errors as for `replace_tags`."""
        self.replace_tags([], tags)

    def remove_tag(self, tag: str) -> None:
        """Remove a tag; nothing if the run does not have it. Errors as for `replace_tags`."""
        self.replace_tags([tag], [])

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove tags. Errors as for `replace_tags`."""
        self.replace_tags(tags, [])

    def replace_tag(self, tag_to_remove: str, tag_to_add: str) -> None:
        """Remove a tag, then add one. Errors as for `replace_tags`."""
        self.replace_tags([tag_to_remove], [tag_to_add])

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Remove tags, then add others, in one change.

        Parameters
        ----------
        tags_to_remove, tags_to_add : iterable of str

        Raises
        ------
        TagError
            If a tag is not a text, is empty, or is one of the system's and cannot be removed.
        NotFound
            If the run was removed meanwhile.
        """
        removed, added = list(tags_to_remove), list(tags_to_add)
        for tag in (*removed, *added):
            if not isinstance(tag, str) or not tag:
                raise TagError(f"`{tag!r}` is not a tag.", "A tag is a text.", "Pass for example 'good'.")
        now, fixed = self.user_tags, self.system_tags
        for tag in removed:
            if tag in fixed:
                raise TagError(f"The tag `{tag}` cannot be removed.", "It is a tag of the system.", "Leave it out.")
        added = [tag for tag in added if tag not in fixed]
        if set(removed) & now or set(added) - now:
            self._datastore.runs.change_tags(self._record.flow, self.id, remove=removed, add=added)

    @property
    def user(self) -> str:
        """Who started it."""
        return self._record.user

    @property
    def origin_run_id(self) -> str | None:
        """Id of its origin run; None unless it is a resume."""
        return self._record.origin or None

    @property
    def origin_pathspec(self) -> str | None:
        """Pathspec of its origin run; None unless it is a resume."""
        return f"{self._record.flow}/{self._record.origin}" if self._record.origin else None

    @property
    def environment(self) -> dict[str, Any]:
        """Where and with what it was started: Python, platform, host, the notebook's commit; plain values."""
        return dict(self._record.environment)

    @property
    def cells(self) -> list[dict[str, str]]:
        """All code cells of the notebook as they were, in document order; empty if unknown.

        Each is a dict with ``source``, ``kind``, ``name`` and ``id``.

        Raises
        ------
        StoreError
            If they are missing or damaged, or an older version stored them as a pickle.
        """
        ref = self._record.cells
        return [] if ref is None else list(self._datastore.artifacts.load_plain(ref, name="cells", where=self.pathspec))

    def timeline(self) -> list[TaskRow]:
        """All attempts of its tasks that have ended, by their start.

        Each has step, task, attempt, status, and started and finished in seconds since the epoch, UTC.

        Raises
        ------
        StoreError
            If the manifests cannot be read.
        """
        return self._datastore.index.timeline(self._record.flow, self.id)

    @property
    def end_task(self) -> Task | None:
        """The task of the flow's last step; None until it ran."""
        if "end" in self:
            return self["end"].task
        # A last step of another name (`@step(end=True)`) is the step whose task succeeded and leads to no step.
        tasks = [step.task for step in self]
        return next((task for task in tasks if task and task.successful and not task._record.chosen), None)

    @property
    def data(self) -> TaskData | None:
        """The artifacts of the flow's last step; None until it ran."""
        task = self.end_task
        return task.data if task else None


class Step(Named, names=3):
    """One step of a run, ``Flow/run/step``.

    Parameters
    ----------
    pathspec : str
    datastore : Datastore, optional
        As for `Flow`.

    Raises
    ------
    InvalidPathspec
        If the pathspec has more or fewer parts.
    NotFound
        If the run has no task of that step.
    """

    def __init__(self, pathspec: str, *, datastore: Datastore | None = None) -> None:
        self._flow, self._run, self.id = path_parts(pathspec, 3, "Flow/run/step")
        self._datastore = datastore or default_datastore()
        self.pathspec = pathspec
        names = self._datastore.tasks.steps(self._flow, self._run)
        # A step may ask for itself before any of its tasks has ended.
        runs_here = (current.pathspec or "").startswith(f"{pathspec}/") and self._datastore is default_datastore()
        if self.id not in names and not runs_here:
            raise NotFound(
                f"Run {self._flow}/{self._run} has no step `{self.id}`.{nearest(self.id, names)}",
                f"Its steps are {', '.join(names)}." if names else "None of its steps ran.",
                "Correct the name.",
            )

    def __repr__(self) -> str:
        return f"Step('{self.pathspec}')"

    def tasks(self) -> Iterator[Task]:
        """Tasks that ended, newest first."""
        for record in reversed(self._records):
            yield Task(record.pathspec, datastore=self._datastore)

    __iter__ = tasks

    def __getitem__(self, task: str) -> Task:
        with missing_key():
            return Task(f"{self.pathspec}/{task}", datastore=self._datastore)

    def __contains__(self, task: str) -> bool:
        return task in self._datastore.tasks.task_ids(self._flow, self._run, self.id)

    @property
    def created_at(self) -> datetime:
        """When its first task began, in local time without a time zone."""
        return min(task.created_at for task in self)

    @property
    def finished_at(self) -> datetime | None:
        """When its last task ended, in local time without a time zone; None while a task is running."""
        times = [task.finished_at for task in self]
        return None if None in times else max(at for at in times if at is not None)

    @property
    def parent_steps(self) -> Iterator[Step]:
        """Steps from whose tasks its tasks started."""
        places = [place.split("/")[1] for record in self._records for place in record.parents]
        return (Step(f"{self._flow}/{self._run}/{name}", datastore=self._datastore) for name in dict.fromkeys(places))

    @property
    def child_steps(self) -> Iterator[Step]:
        """Steps whose tasks started from its tasks."""
        places = {record.place for record in self._records}
        for name in self._datastore.tasks.steps(self._flow, self._run):
            tasks = self._datastore.tasks.last_attempts(self._flow, self._run, name)
            if any(places.intersection(task.parents) for task in tasks):
                yield Step(f"{self._flow}/{self._run}/{name}", datastore=self._datastore)

    @property
    def _records(self) -> Sequence[TaskRecord]:
        return self._datastore.tasks.last_attempts(self._flow, self._run, self.id)

    @property
    def task(self) -> Task | None:
        """The newest task; None if none has ended."""
        return next(self.tasks(), None)
