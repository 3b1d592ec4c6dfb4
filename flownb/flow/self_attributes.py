"""Attributes of ``self`` that are there without a step that sets them (``metaflow/flowspec.py``, 2.19.39)."""

from __future__ import annotations

__all__ = ["INTERNALS", "SELF_ATTRIBUTES"]

# `_catch_exception` is an artifact that @catch sets (`metaflow/plugins/catch_decorator.py`).
ARTIFACT_OF_CATCH = "_catch_exception"
OF_METAFLOW = frozenset({"_current_step", "_foreach_stack", "_graph", "_graph_info", "script_name"})
SELF_ATTRIBUTES = OF_METAFLOW | {
    *("next", "input", "index", "name", "foreach_stack", "merge_artifacts"),
    ARTIFACT_OF_CATCH,
}
# What else an instance has, not meant to be read; our own runtime has none of it.
INTERNALS = frozenset(
    {"cmd", "_cached_input", "_datastore", "_flow_decorators", "_flow_state", "_foreach_num_splits"}
    | {"_foreach_values", "_foreach_var", "_steps", "_success", "_task_ok", "_transition"}
)
