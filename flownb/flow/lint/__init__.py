"""Static checks: what is wrong with a flow, found before anything runs.

Each module has the checks of one topic; each check is one function with one code.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable

from flownb.collector import collector_paused
from flownb.flow.artifacts import trace_artifacts
from flownb.flow.build_graph import build_graph
from flownb.flow.definition import FlowDefinition
from flownb.flow.graph import FlowGraph
from flownb.flow.lint import captures, decorators, flow_class, joins, names, syntax
from flownb.flow.lint import graph as graph_checks
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, counted, errors_of, warnings_of

__all__ = ["CHECKS", "Diagnostic", "check_flow", "counted", "errors_of", "warnings_of"]

CHECKS: dict[str, Callable[[LintContext], Iterable[Diagnostic]]] = {
    "FN001": names.check_undefined_name,
    "FN002": captures.check_uncaptured_artifact,
    "FN003": syntax.check_magic_in_step,
    "FN004": syntax.check_top_level_flow,
    "FN005": graph_checks.check_unknown_parent,
    "FN006": graph_checks.check_cycle,
    "FN007": graph_checks.check_unreachable_step,
    "FN008": graph_checks.check_unbalanced,
    "FN009": names.check_reserved_name,
    "FN010": graph_checks.check_header_conflict,
    "FN011": syntax.check_syntax_error,
    "FN012": captures.check_assigned_parameter,
    "FN013": captures.check_partial_artifact,
    "FN014": syntax.check_global_statement,
    "FN015": joins.check_join_without_merge,
    "FN016": names.check_missing_module,
    "FN017": captures.check_capture_never_assigned,
    "FN018": graph_checks.check_duplicate_step,
    "FN019": syntax.check_not_in_a_method,
    "FN020": graph_checks.check_end_step,
    "FN021": joins.check_merge_conflict,
    "FN022": flow_class.check_config_attribute,
    "FN023": decorators.check_caught_split,
    "FN024": decorators.check_decorator_settings,
    "FN025": decorators.check_decorator_values,
    "FN026": captures.check_foreach_items,
    "FN027": joins.check_order_of_inputs,
    "FN028": flow_class.check_class_value,
    "FN029": flow_class.check_base_class,
    "FN030": syntax.check_unreadable_cell,
    "FN031": flow_class.check_two_flow_cells,
}


@collector_paused()
def check_flow(
    flow: FlowDefinition,
    *,
    graph: FlowGraph | None = None,
    only: str | None = None,
    kernel_names: Iterable[str] = (),
) -> tuple[Diagnostic, ...]:
    """Run all checks.

    Parameters
    ----------
    flow : FlowDefinition
    graph : FlowGraph, optional
        The graph of the user's own steps, if it is built already.
    only : str, optional
        Check one step and the shared code, and do not require a complete flow.
    kernel_names : iterable of str
        Names in the notebook's namespace, so that a message can say that a name exists only there.

    Returns
    -------
    tuple of Diagnostic
        In document order, errors and warnings together; see `errors_of`.
    """
    if flow.unusable:  # checks look at all steps, also at those whose name cannot be used
        flow, graph = flow.as_written, None
    graph = graph or build_graph(flow)
    context = LintContext(flow, graph, trace_artifacts(flow, graph), frozenset(kernel_names), _importable, only)
    found = [diagnostic for check in CHECKS.values() for diagnostic in check(context)]
    if only is not None:
        found = [diagnostic for diagnostic in found if diagnostic.step in ("", only)]
    order = {id(step.cell): position for position, step in enumerate(flow.steps)}
    return tuple(sorted(found, key=lambda one: (order.get(id(one.cell), -1), one.line, one.code)))


def _importable(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    if sys.modules.get(module) is not None:
        return True
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
