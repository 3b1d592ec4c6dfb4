"""Which modules a flow's cells import.

Takes a `FlowDefinition`; gives module names, without running anything.
"""

from __future__ import annotations

import ast

from flownb.flow.definition import FlowDefinition

__all__ = ["imported_names"]

# What flow code means by these names is flownb's own, see `flownb.runtime.metaflow_names`.
OWN = {"metaflow", "flownb"}


def imported_names(flow: FlowDefinition) -> tuple[str, ...]:
    """Names of all modules that shared cells and step bodies import, in order.

    Parameters
    ----------
    flow : FlowDefinition
    """
    found: dict[str, None] = {}
    trees = [cell.parsed.tree for cell in flow.shared] + [step.body.tree for step in flow.steps]
    for node in (node for tree in trees if tree is not None for node in ast.walk(tree)):
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found[node.module] = None
    return tuple(name for name in found if name.partition(".")[0] not in OWN)
