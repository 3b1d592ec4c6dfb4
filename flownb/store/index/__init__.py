"""The derived index: which runs a flow has, found by tag, user, status and time without reading their manifests."""

from __future__ import annotations

from flownb.store.index.index import Index, RunRow, TaskRow
from flownb.store.index.refresh import Runs, Tasks
from flownb.store.records import RunStatus

__all__ = ["Index", "RunRow", "RunStatus", "Runs", "TaskRow", "Tasks"]
