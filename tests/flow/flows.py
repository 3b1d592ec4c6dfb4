"""Flows made of cell texts, for the tests of this folder.

Cells are given as complete sources; from them come the definition, the graphs, the program and the diagnostics.
"""

from __future__ import annotations

from flownb.cells.cell import read_any_cell
from flownb.flow.artifacts import ArtifactTrace, trace_artifacts
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.definition import FlowDefinition, define_flow
from flownb.flow.graph import FlowGraph
from flownb.flow.method import MethodSource, method_source

__all__ = ["artifacts", "built", "define", "method", "shipped"]


def define(*cells: str) -> FlowDefinition:
    """The flow of these cells."""
    return define_flow(read_any_cell(source, number=number) for number, source in enumerate(cells, 1))


def built(*cells: str) -> FlowGraph:
    """The graph of the user's own steps."""
    return build_graph(define(*cells))


def shipped(*cells: str) -> FlowGraph:
    """The graph that runs and ships."""
    return complete_graph(built(*cells))


def artifacts(*cells: str) -> ArtifactTrace:
    """What each step can read."""
    flow = define(*cells)
    return trace_artifacts(flow, build_graph(flow))


def method(name: str, *cells: str) -> MethodSource:
    """The source of one step in the graph that ships."""
    flow = define(*cells)
    graph = complete_graph(build_graph(flow))
    return method_source(flow, graph[name], trace_artifacts(flow, graph))
