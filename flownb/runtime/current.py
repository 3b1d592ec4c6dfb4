"""``current``: what a step can know about its own task while it runs.

Takes what the runtime sets before a task; gives Metaflow's attributes (``metaflow/metaflow_current.py``, 2.19.39).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from flownb.runtime.cards import CardCollector, no_card

__all__ = ["Current", "current"]


class Current:
    """Facts about the running task; every attribute is None outside of one.

    Attributes
    ----------
    flow_name, run_id, step_name, task_id : str or None
    retry_count : int
    origin_run_id : str or None
    pathspec : str or None
        ``Flow/run/step/task``.
    namespace, username : str or None
    tags : frozenset of str
    is_running_flow : bool
    parameters : SimpleNamespace
        The flow's parameters by attribute name.
    card : CardCollector
        The step's cards; `CardNotFound` without a ``@card`` line.
    """

    def __init__(self) -> None:
        self._facts: Mapping[str, Any] = {}

    def _set(self, **facts: Any) -> None:
        """Describe the task that begins now."""
        self._facts = facts

    def _add(self, **facts: Any) -> None:
        """Describe more of the task that runs."""
        self._facts = {**self._facts, **facts}

    def _clear(self) -> None:
        """Forget the task that has ended."""
        self._facts = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute `name`, or `default` outside of a task and for a name there is not."""
        return getattr(self, name, default) if self._facts else default

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    @property
    def is_running_flow(self) -> bool:
        """Whether a task is running."""
        return bool(self._facts)

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
        return f"{self.flow_name}/{self.run_id}/{self.step_name}/{self.task_id}" if facts else None

    @property
    def namespace(self) -> str | None:
        """The namespace new runs belong to."""
        return f"user:{self.username}" if self._facts else None

    @property
    def username(self) -> str | None:
        """Who runs."""
        return self._facts.get("username")

    @property
    def tags(self) -> frozenset[str]:
        """Tags the run was started with."""
        return frozenset(self._facts.get("tags", ()))

    @property
    def parameters(self) -> SimpleNamespace:
        """The flow's parameters."""
        return SimpleNamespace(**self._facts.get("parameters", {}))

    @property
    def card(self) -> CardCollector:
        """The step's cards."""
        found: CardCollector | None = self._facts.get("card")
        if found is None:
            raise no_card(self.step_name)
        return found


current = Current()
