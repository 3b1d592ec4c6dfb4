"""What `current` knows of a task: names, tags, parameters, the project, the flow's graph.

Facts that cost something are worked out when they are first asked for. Each has the type and value it has on Metaflow
(2.19.39): ``metaflow/task.py``, ``graph.py`` (``output_steps``), ``flowspec.py`` (``_graph_info``),
``plugins/project_decorator.py``. The project's branch is checked before anything runs (`check_project`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flownb.cells.body import Decorator
from flownb.errors import ParameterError
from flownb.flow.graph import FlowGraph, Node
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.launch import PROJECT, project_facts, project_settings, project_tags
from flownb.runtime.program import Program
from flownb.settings import user_name

if TYPE_CHECKING:
    from flownb.runtime.task import TaskSpec
    from flownb.store.datastore import Datastore

__all__ = ["check_project", "describe_start", "describe_task", "graph_info"]


def describe_task(
    program: Program, spec: TaskSpec, flow_self: FlowSpec, datastore: Datastore | None
) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Facts about a task, as `Current._set` takes them.

    Parameters
    ----------
    program : Program
    spec : TaskSpec
    flow_self : FlowSpec
        The task's ``self``.
    datastore : Datastore or None
        Where its run is recorded, None for a spin that records nothing.

    Returns
    -------
    dict, dict
        Facts, and functions that compute further ones.
    """
    facts = {
        "flow_name": program.flow.name,
        "run_id": spec.run or "spin",
        "step_name": spec.step,
        "task_id": spec.task or "0",
        "retry_count": spec.attempt,
        "origin_run_id": spec.origin_run or None,
        "username": user_name(),
        "tags": frozenset(spec.tags),
        "parameters": _LazyParameters(flow_self, program),
        "parameter_names": sorted(program.parameter_names),
        "frames": spec.frames,
        "datastore": datastore if spec.run else None,
        "reads": flow_self._flownb_state.datastore,
    }
    flow_class = type(flow_self)
    graph = partial(graph_info, program, flow_class)
    later: dict[str, Callable[[], Any]] = {"graph": graph, "graph_info": graph}
    return facts, {**later, **_project_later(program, flow_class)}


def describe_start(program: Program) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Facts for functions that compute a parameter's default, before any task runs; as for `describe_task`."""
    return {"flow_name": program.flow.name}, _project_later(program, program._class)


def _project_later(program: Program, flow_class: type[FlowSpec]) -> dict[str, Callable[[], Any]]:
    """What ``@project`` adds, worked out when it is asked for: a step that runs alone may do without."""
    if not any(name == "project" for name, _ in getattr(flow_class, "flownb_decorators", ())):
        return {}
    return {name: partial(_project_fact, program, flow_class, name) for name in PROJECT}


class _LazyParameters(Mapping[str, Any]):
    """The parameters' values, each loaded when it is asked for."""

    def __init__(self, flow_self: FlowSpec, program: Program) -> None:
        self._self = flow_self
        self._names = sorted(program.parameter_names)

    def __getitem__(self, name: str) -> Any:
        return getattr(self._self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _project_fact(program: Program, flow_class: type[FlowSpec], name: str) -> Any:
    settings = project_settings(program.flow_settings(flow_class))
    return project_facts(program.flow.name, settings or {}, program.launch)[name]


def graph_info(program: Program, flow_class: type[FlowSpec]) -> dict[str, Any]:
    """The flow's graph as plain data, Metaflow's ``current.graph``.

    Parameters
    ----------
    program : Program
        For a single step of an unfinished notebook: the part of the graph that exists.
    flow_class : type

    Notes
    -----
    ``line`` and ``source_file`` say where a step is in the notebook; a decorator's attributes are those that are
    written out.
    """
    graph, flow = program.graph, program.flow
    joins = _matching_joins(graph)
    start = graph.entry
    end = graph.exit or next((name for name in reversed(graph.order) if not graph[name].targets), start)
    structure = [*(_block(graph, start, end, joins, frozenset()) if start != end else ()), end]
    order = dict.fromkeys((*_flat(structure), *graph.order))
    constants, parameters = program.constants, program.parameter_names
    made = {name: type(getattr(flow_class, name, None)).__name__ for name in (*parameters, *constants)}
    header = flow.header.parsed.decorators if flow.header else ()
    return {
        "file": "flow.py",
        "start_step": start,
        "end_step": end,
        "parameters": [{"name": name, "type": made[name]} for name in sorted(parameters)],
        "constants": [{"name": name, "type": made[name]} for name in sorted(constants)],
        "steps": {name: _step_info(graph[name], name in (start, end), joins.get(name)) for name in order},
        "graph_structure": structure,
        "doc": inspect.cleandoc(flow_class.__doc__ or "") if flow_class.__doc__ != FlowSpec.__doc__ else "",
        "decorators": _decorators(header),
        "extensions": {"installed": {}},
    }


def _matching_joins(graph: FlowGraph) -> dict[str, str]:
    """For each split and foreach the join that closes it."""
    found: dict[str, str] = {}
    for name in graph.order:
        if graph[name].is_join:
            for frames in graph.arriving(name).values():
                if frames:
                    found[frames[-1].split] = name
    return found


def _block(
    graph: FlowGraph, name: str | None, last: str | None, joins: Mapping[str, str], seen: frozenset[str]
) -> list[Any]:
    """The steps from one to the one before `last`; branches as lists of lists."""
    found: list[Any] = []
    while name is not None and name != last and name in graph and name not in seen:
        node, seen = graph[name], seen | {name}
        found.append(name)
        if node.kind in ("split", "foreach"):
            join = joins.get(name)
            found.append([_block(graph, target, join, joins, seen) for target in node.targets])
            name = join
        elif node.kind == "switch":
            found.append([_block(graph, target, last, joins, seen) for target in node.targets if target != name])
            name = last
        else:
            name = next(iter(node.targets), None)
    return found


def _flat(structure: list[Any]) -> Iterator[str]:
    """The steps of blocks, in order."""
    for one in structure:
        if isinstance(one, list):
            yield from _flat(one)
        elif one is not None:
            yield one


def _step_info(node: Node, outermost: bool, join: str | None) -> dict[str, Any]:
    """One step of `graph_info`."""
    kind = {"split": "split-static", "foreach": "split-foreach", "switch": "split-switch"}.get(node.kind, node.kind)
    if outermost and kind == "linear":
        kind = "start" if node.targets else "end"
    body = node.step.body if node.step else None
    info: dict[str, Any] = {
        "name": node.name,
        "type": kind,
        "line": node.step.cell.body_line if node.step else 0,
        "source_file": node.step.cell.filename if node.step else "",
        "doc": "",
        "decorators": _decorators(body.decorators if body else ()),
        "next": list(node.targets),
        "node_info": {},
    }
    transition = node.transition
    if transition is not None and kind == "split-foreach":
        info["foreach_artifact"] = transition.foreach
    elif transition is not None and kind == "split-switch":
        info["condition"] = transition.condition
        info["switch_cases"] = dict(transition.cases)
    if join is not None:
        info["matching_join"] = join
    return info


def _decorators(written: Sequence[Decorator]) -> list[dict[str, Any]]:
    """Decorator lines, the one nearest to the function first, as Python applies them."""
    return [
        {
            "name": one.name.rpartition(".")[2],
            "attributes": _written(one.text),
            "statically_defined": True,
            "inserted_by": None,
        }
        for one in reversed(written)
    ]


def _written(text: str) -> dict[str, Any]:
    """The settings of a decorator line that are literals."""
    found: dict[str, Any] = {}
    try:
        call = ast.parse(text.strip().removeprefix("@").strip(), mode="eval").body
    except SyntaxError:
        return found
    for keyword in call.keywords if isinstance(call, ast.Call) else ():
        if keyword.arg is not None:
            try:
                found[keyword.arg] = ast.literal_eval(keyword.value)
            except ValueError:
                found[keyword.arg] = ast.unparse(keyword.value)
    return found


def check_project(program: Program, branch: str | None, production: bool) -> tuple[str, ...]:
    """Check what ``@project`` and the options say, and give the run's system tags.

    Parameters
    ----------
    program : Program
        With its configs and its launch.
    branch : str or None
    production : bool
        The options.

    Raises
    ------
    ParameterError
        If Metaflow would refuse it.
    """
    settings = project_settings(program.flow_decorators)
    if settings is not None:
        return project_tags(project_facts(program.flow.name, settings, program.launch))
    if branch is not None or production:
        raise ParameterError(
            f"`--{'production' if production else 'branch'}` needs a flow with @project.",
            f"Flow {program.flow.name} does not belong to a project.",
            'Write @project(name="NAME") first in the %%flow cell, or leave the option out.',
        )
    return ()
