"""Attributes of ``self`` that are not artifacts (``metaflow/flowspec.py``, 2.19.39)."""

from __future__ import annotations

__all__ = ["SELF_ATTRIBUTES"]

SELF_ATTRIBUTES = frozenset({"next", "input", "index", "name", "foreach_stack", "merge_artifacts"})
