"""Step decorators that change how a task is run here, with Metaflow's meaning.

Takes the decorators a step's method recorded; gives their effect. ``@card``, ``@environment`` and ``@retry`` are
applied; all others are written to flow.py and have no effect on a local task (`APPLIED` says which).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["APPLIED", "Recorded", "environment", "retries"]

Recorded = tuple[str, Mapping[str, Any]]
APPLIED = frozenset({"card", "environment", "retry"})
# Metaflow's own defaults (`metaflow/plugins/retry_decorator.py`, 2.19.39).
DEFAULT_TIMES = 3
DEFAULT_MINUTES = 2.0


def retries(decorators: Sequence[Recorded]) -> tuple[int, float]:
    """How often a failed task is tried again, and the seconds to wait before each new attempt."""
    for name, settings in decorators:
        if name == "retry":
            minutes = float(settings.get("minutes_between_retries", DEFAULT_MINUTES))
            return int(settings.get("times", DEFAULT_TIMES)), 60 * minutes
    return 0, 0.0


def environment(decorators: Sequence[Recorded]) -> None:
    """Set the variables of ``@environment(vars=…)`` for the task that begins."""
    found = [settings["vars"] for name, settings in decorators if name == "environment"]
    wanted = {str(name): str(value) for variables in found for name, value in variables.items()}
    os.environ.update(wanted)
