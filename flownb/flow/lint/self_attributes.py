"""Attributes of ``self`` that are there without a step that sets them (``metaflow/flowspec.py``, 2.19.39)."""

from __future__ import annotations

__all__ = ["SELF_ATTRIBUTES"]

# The last is an artifact that @catch sets (`metaflow/plugins/catch_decorator.py`).
SELF_ATTRIBUTES = frozenset({"next", "input", "index", "name", "foreach_stack", "merge_artifacts", "_catch_exception"})
