"""The comparison of two sides: graph, code, parameters, artifacts, and facts of their runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from flownb.diff.code import CodeChange, StepPairs, code_changes, pair_steps
from flownb.diff.graph import GraphChange, graph_changes
from flownb.diff.parameters import ParameterChange, ParameterValue, declarations, parameter_changes
from flownb.diff.sides import RecordedRun, Side

if TYPE_CHECKING:
    from flownb.diff.artifacts import ArtifactChange, Results, TaskChange
    from flownb.diff.run_facts import FactChange

__all__ = ["SECTIONS", "FlowDiff", "compare"]

SECTIONS = ("graph", "code", "parameters", "artifacts", "run")


@dataclass(frozen=True)
class FlowDiff:
    """What differs between two sides.

    Attributes
    ----------
    before, after : str
        The sides, as they are shown.
    graph : tuple of GraphChange
    code : tuple of CodeChange
    parameters : tuple of ParameterChange
    tasks : tuple of TaskChange
    artifacts : tuple of ArtifactChange
    run : tuple of FactChange
        Facts of both runs, which do not make two sides different.
    notes : tuple of str
        What could not be compared.
    """

    before: str
    after: str
    graph: tuple[GraphChange, ...] = ()
    code: tuple[CodeChange, ...] = ()
    parameters: tuple[ParameterChange, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    artifacts: tuple[ArtifactChange, ...] = ()
    run: tuple[FactChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything but facts of the runs differs."""
        return bool(self.graph or self.code or self.parameters or self.tasks or self.artifacts)

    def plain(self) -> dict[str, Any]:
        """The same as plain data, for JSON; docs/diff.md describes it."""
        return {"format": 1, "differs": self.differs, **asdict(self)}


def compare(before: Side, after: Side, sections: Collection[str] = SECTIONS) -> FlowDiff:
    """Compare two sides.

    Parameters
    ----------
    before, after : Side
    sections : collection of str
        Which of `SECTIONS` to compare.
    """
    notes = [f"the cells of {side.name} are not recorded" for side in (before, after) if not side.has_code]
    found: dict[str, Any] = {}
    pairs = _pairs(before, after)
    is_whole = before.step is None and after.step is None
    if not notes:
        if "graph" in sections and is_whole:
            found["graph"] = graph_changes(before.graph, after.graph, pairs)
        if "code" in sections:
            code = code_changes(before.flow, after.flow, pairs)
            names = pairs.names_before
            found["code"] = code if is_whole else [one for one in code if one.kind != "step" or one.name in names]
        if "parameters" in sections:
            found["parameters"] = _parameters(before, after)
    if before.run is not None and after.run is not None:
        runs = before.run, after.run
        if "artifacts" in sections:
            found["tasks"], found["artifacts"] = _results(*runs, pairs, is_whole=is_whole)
        if "run" in sections and is_whole:
            from flownb.diff.run_facts import fact_changes

            tasks = tuple([task for some in one.tasks.values() for task in some] for one in runs)
            found["run"] = fact_changes((runs[0].datastore, runs[1].datastore), (runs[0].record, runs[1].record), tasks)
    facts = {name: tuple(changes) for name, changes in found.items()}
    return FlowDiff(_title(before), _title(after), **facts, notes=tuple(notes))


def _title(side: Side) -> str:
    """A side as it is shown."""
    if side.run is None:
        return side.name
    from flownb.diff.run_facts import run_title

    found = run_title(side.run.datastore, side.run.record)
    part = "/".join(one for one in (side.run.step, side.run.task) if one is not None)
    return f"{part} of {found}" if part else found


def _pairs(before: Side, after: Side) -> StepPairs:
    """The steps that are compared with each other: all, or those that were named."""
    found = pair_steps(before.flow, after.flow)
    if before.step is None and after.step is None:
        return found
    old = before.step or found.names_before.get(after.step or "", after.step) or ""
    new = after.step or found.same.get(old, old)
    is_there = before.flow.step(old) is not None and after.flow.step(new) is not None
    return StepPairs({old: new} if is_there else {}, (), ())


def _parameters(before: Side, after: Side) -> list[ParameterChange]:
    return parameter_changes(
        declarations(before.flow), declarations(after.flow), _recorded(before.run), _recorded(after.run)
    )


def _recorded(run: RecordedRun | None) -> dict[str, ParameterValue] | None:
    """The values of parameters, configs and constants that a run recorded; a working run has those of its tasks."""
    if run is None:
        return None
    load = run.datastore.artifacts.load
    refs = {**run.record.constants, **run.record.parameters}
    return {
        name: ParameterValue(ref.key, lambda ref=ref, name=name: load(ref, name=name), name in run.record.chosen)  # type: ignore[misc]  # mypy has no types for defaults of a lambda
        for name, ref in refs.items()
        if not name.startswith("_")
    }


def _results(
    before: RecordedRun, after: RecordedRun, pairs: StepPairs, *, is_whole: bool
) -> tuple[list[TaskChange], list[ArtifactChange]]:
    """What differs in the results of two runs."""
    from flownb.diff.artifacts import Results, compare_results

    sides = Results(before.datastore, before.tasks), Results(after.datastore, after.tasks)
    if is_whole:
        steps: list[tuple[str | None, str | None]] = [(pairs.names_before.get(n, n), n) for n in _in_order(after)]
        steps += [(name, None) for name in _in_order(before) if name not in {one for one, _ in steps}]
        return compare_results(*sides, steps)
    # A step that is not in the cells is one that flownb added, which has the same name in both.
    steps = list(pairs.same.items()) or [(before.step or after.step, after.step or before.step)]
    if before.task is not None and after.task is not None:
        return _two_tasks(*sides, steps[0])
    return compare_results(*sides, steps)


def _in_order(run: RecordedRun) -> list[str]:
    """Names of a run's steps, by the start of their first tasks."""
    return sorted(run.tasks, key=lambda step: min(task.started for task in run.tasks[step]))


def _two_tasks(
    before: Results, after: Results, steps: tuple[str | None, str | None]
) -> tuple[list[TaskChange], list[ArtifactChange]]:
    """What differs between two tasks that were named, whatever their places in a foreach are."""
    from flownb.diff.artifacts import Results, compare_results

    old, new = (
        Results(results.datastore, {step or "": tuple(replace(one, foreach=()) for one in results.tasks[step or ""])})
        for results, step in zip((before, after), steps, strict=True)
    )
    return compare_results(old, new, [steps])
