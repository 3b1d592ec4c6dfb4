"""Read-only access to what was recorded: `Flow`, `Run`, `Step`, `Task`, `DataArtifact`, and cards with `get_cards`.

Names and meaning are those of Metaflow's client (``metaflow/client/core.py``, 2.19.39).
"""

from __future__ import annotations

from flownb.client.artifacts import DataArtifact, TaskData
from flownb.client.base import default_metadata, get_metadata, inspect_spin
from flownb.client.objects import Flow, Metaflow, Run, Step, Task
from flownb.client.task import Card, CardContainer, get_cards

__all__ = [
    "Card",
    "CardContainer",
    "DataArtifact",
    "Flow",
    "Metaflow",
    "Run",
    "Step",
    "Task",
    "TaskData",
    "default_metadata",
    "get_cards",
    "get_metadata",
    "inspect_spin",
]
