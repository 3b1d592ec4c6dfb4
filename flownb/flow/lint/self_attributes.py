"""Attributes of ``self`` that are there without a step that sets them (``metaflow/flowspec.py``, 2.19.39)."""

from __future__ import annotations

__all__ = ["INTERNALS", "SELF_ATTRIBUTES"]

# The last is an artifact that @catch sets (`metaflow/plugins/catch_decorator.py`).
SELF_ATTRIBUTES = frozenset({"next", "input", "index", "name", "foreach_stack", "merge_artifacts", "_catch_exception"})
# What else an instance has, not meant to be read; our own runtime has none of it.
INTERNALS = frozenset(
    {"cmd", "script_name", "_cached_input", "_current_step", "_datastore", "_flow_decorators", "_flow_state"}
    | {"_foreach_num_splits", "_foreach_stack", "_foreach_values", "_foreach_var", "_graph", "_graph_info", "_steps"}
    | {"_success", "_task_ok", "_transition"}
)
