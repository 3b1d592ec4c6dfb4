"""``current``: what a step can know about its own task while it runs.

Its attributes are Metaflow's (``metaflow/metaflow_current.py``, 2.19.39); the runtime sets them before a task
(`flownb.runtime.description`).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flownb.client_access import client
from flownb.runtime.cards import CardCollector, no_card

if TYPE_CHECKING:
    from flownb.store.datastore import Datastore
    from flownb.store.records import ForeachFrame

__all__ = ["Current", "current"]


class Current:
    """Facts about the running task; outside of one they are None.

    Attributes
    ----------
    flow_name, run_id, step_name, task_id : str or None
    retry_count : int
    origin_run_id : str or None
        The run that is resumed.
    pathspec : str or None
        ``Flow/run/step/task``.
    run, task : Run, Task or None
        Client objects; None in a spin that records nothing. A task that runs has no artifacts yet.
    namespace, username : str or None
    tags : set of str
        Tags the run was started with.
    is_running_flow : bool
    tempdir : str
        ``$METAFLOW_TEMPDIR``, or the current folder.
    parameter_names : list of str
    parameters : SimpleNamespace
        The flow's parameters by attribute name. Not there on Metaflow.
    graph : dict
        The flow's steps, see `flownb.runtime.description.graph_info`.
    card : CardCollector
        The step's cards; `CardNotFound` without a ``@card`` line.
    project_name, branch_name, project_flow_name : str
    is_user_branch, is_production : bool
        With ``@project``.
    """

    def __init__(self) -> None:
        self._facts: Mapping[str, Any] = {}
        self._later: Mapping[str, Callable[[], Any]] = {}

    def _set(self, facts: Mapping[str, Any], later: Mapping[str, Callable[[], Any]]) -> None:
        """Describe the task that begins now; `later` has what is worked out when it is asked for."""
        self._facts, self._later = facts, later

    def _add(self, **facts: Any) -> None:
        """Describe more of the task that runs."""
        self._facts = {**self._facts, **facts}

    @contextlib.contextmanager
    def _starting(self, facts: Mapping[str, Any], later: Mapping[str, Callable[[], Any]]) -> Iterator[None]:
        """Describe a run that is about to start, inside the block: functions that compute defaults may ask."""
        before = self._facts, self._later
        self._set(facts, later)
        try:
            yield
        finally:
            self._set(*before)

    def _clear(self) -> None:
        """Forget the task that has ended."""
        self._facts, self._later = {}, {}

    def __getattr__(self, name: str) -> Any:
        """What only some tasks have, or what costs something."""
        later: Mapping[str, Callable[[], Any]] = self.__dict__.get("_later", {})
        if name in later:
            value = later[name]()
            self._add(**{name: value})
            self._later = {other: function for other, function in later.items() if other != name}
            return value
        own = vars(type(self)).get(name)
        if isinstance(own, property) and own.fget is not None:
            return own.fget(self)  # it raised an AttributeError of its own, and does so again
        if name in self.__dict__.get("_facts", {}) and not name.startswith("_"):
            return self._facts[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute `name`, or `default` if there is none of that name."""
        return getattr(self, name, default)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    @property
    def is_running_flow(self) -> bool:
        """Whether a task is running."""
        return "step_name" in self._facts

    @property
    def flow_name(self) -> str | None:
        """Name of the flow."""
        return self._facts.get("flow_name")

    @property
    def run_id(self) -> str | None:
        """Id of the run."""
        return self._facts.get("run_id")

    @property
    def step_name(self) -> str | None:
        """Name of the step."""
        return self._facts.get("step_name")

    @property
    def task_id(self) -> str | None:
        """Id of the task."""
        return self._facts.get("task_id")

    @property
    def retry_count(self) -> int:
        """How often this task was tried before."""
        return int(self._facts.get("retry_count", 0))

    @property
    def origin_run_id(self) -> str | None:
        """The run this one resumes."""
        return self._facts.get("origin_run_id")

    @property
    def pathspec(self) -> str | None:
        """``Flow/run/step/task``."""
        facts = self._facts
        return f"{self.flow_name}/{self.run_id}/{self.step_name}/{self.task_id}" if "step_name" in facts else None

    @property
    def run(self) -> Any:
        """The run as a client object."""
        datastore = self._datastore
        return client().Run(f"{self.flow_name}/{self.run_id}", datastore=datastore) if datastore else None

    @property
    def task(self) -> Any:
        """The task as a client object."""
        datastore = self._datastore
        if datastore is None:
            return None
        return client().task.running_task(str(self.pathspec), self.retry_count, self._facts["frames"], datastore)

    @property
    def _frames(self) -> tuple[ForeachFrame, ...]:
        """The open foreachs."""
        frames: tuple[ForeachFrame, ...] = self._facts.get("frames", ())
        return frames

    @property
    def _datastore(self) -> Datastore | None:
        return self._facts.get("datastore")

    @property
    def _reads(self) -> Datastore | None:
        """Where its parents are, also for a spin that is recorded elsewhere or nowhere."""
        return self._facts.get("reads")

    @property
    def namespace(self) -> str | None:
        """The namespace new runs belong to."""
        return f"user:{self.username}" if self.is_running_flow else None

    @property
    def username(self) -> str | None:
        """Who runs."""
        return self._facts.get("username")

    @property
    def tags(self) -> set[str]:
        """Tags the run was started with."""
        return set(self._facts.get("tags", ()))

    @property
    def tempdir(self) -> str:
        """Where temporary files go."""
        return os.environ.get("METAFLOW_TEMPDIR", ".")

    @property
    def parameters(self) -> SimpleNamespace:
        """The flow's parameters."""
        # Loaded before they become arguments: at an AttributeError there Python believes that it is not a mapping.
        return SimpleNamespace(**dict(self._facts.get("parameters", {}).items()))

    @property
    def card(self) -> CardCollector:
        """The step's cards."""
        found: CardCollector | None = self._facts.get("card")
        if found is None:
            raise no_card(self.step_name)
        return found


current = Current()
