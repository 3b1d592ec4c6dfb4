"""Static checks: everything that can be told wrong before anything runs.

Takes a `FlowDefinition`; gives `Diagnostic` objects. One check is one file with one rule and one code.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable

from flownb.flow.artifacts import trace_artifacts
from flownb.flow.definition import FlowDefinition
from flownb.flow.draw import draw_graph
from flownb.flow.graph import FlowGraph
from flownb.flow.lint import (
    assigned_parameter,
    base_class,
    capture_never_assigned,
    caught_split,
    class_value,
    config_attribute,
    cycle,
    decorator_settings,
    decorator_values,
    duplicate_step,
    end_step,
    foreach_items,
    global_statement,
    header_conflict,
    join_without_merge,
    magic_in_step,
    merge_conflict,
    missing_module,
    not_in_a_method,
    order_of_inputs,
    partial_artifact,
    reserved_name,
    syntax_error,
    top_level_flow,
    two_flow_cells,
    unbalanced,
    uncaptured_artifact,
    undefined_name,
    unknown_parent,
    unreachable_step,
    unreadable_cell,
)
from flownb.flow.lint.diagnostic import Diagnostic, LintContext, counted, errors_of, warnings_of

__all__ = ["CHECKS", "Diagnostic", "check_flow", "counted", "errors_of", "warnings_of"]

CHECKS: dict[str, Callable[[LintContext], Iterable[Diagnostic]]] = {
    module.CODE: module.check
    for module in (
        undefined_name,
        uncaptured_artifact,
        magic_in_step,
        top_level_flow,
        unknown_parent,
        cycle,
        unreachable_step,
        unbalanced,
        reserved_name,
        header_conflict,
        syntax_error,
        assigned_parameter,
        partial_artifact,
        global_statement,
        join_without_merge,
        missing_module,
        capture_never_assigned,
        duplicate_step,
        not_in_a_method,
        end_step,
        merge_conflict,
        config_attribute,
        caught_split,
        decorator_settings,
        decorator_values,
        foreach_items,
        order_of_inputs,
        class_value,
        base_class,
        unreadable_cell,
        two_flow_cells,
    )
}


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
        The graph of the user's own steps, if it is drawn already.
    only : str, optional
        Check one step and the shared code, and do not ask for a complete flow.
    kernel_names : iterable of str
        Names in the notebook's namespace, to say when a name exists only there.

    Returns
    -------
    tuple of Diagnostic
        In document order, errors and warnings together; see `errors_of`.
    """
    if flow.unusable:  # they take part in the checks, as they are to take part in the flow
        flow, graph = flow.as_written, None
    graph = graph or draw_graph(flow)
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
