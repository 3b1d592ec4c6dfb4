"""How tasks and runs ended, as their records and the commands that list them name it."""

from __future__ import annotations

from typing import Literal

__all__ = ["RunStatus", "TaskStatus"]

TaskStatus = Literal["done", "failed", "interrupted"]
RunStatus = Literal["running", "done", "failed", "interrupted"]
