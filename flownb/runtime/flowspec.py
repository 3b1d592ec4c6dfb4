"""``self`` and ``inputs`` inside a step.

Inherited artifacts are loaded when they are first read; what a step sets stays in memory until the task is recorded.
The meaning of each name is Metaflow's (``metaflow/flowspec.py``, 2.19.39).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flownb.errors import (
    ArtifactNotFound,
    ForeachError,
    MergeConflict,
    MissingInMerge,
    TransitionError,
    UnhandledInMerge,
    nearest,
)
from flownb.runtime import metaflow_attributes
from flownb.runtime.decorators import CATCH_EXCEPTION
from flownb.runtime.foreach import UNORDERED, count_items, item_at
from flownb.runtime.metaflow_attributes import GraphView
from flownb.store.artifacts import Loaded
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, ForeachFrame

__all__ = ["INDEX", "INPUT", "MERGED", "STACK", "FlowSpec", "Inputs", "TaskState"]

# What a step may read beside artifacts, as `TaskState.read` names it: the item of its foreach and the position,
# all open foreachs, and (of a join) the names of all artifacts its inputs have.
INPUT, INDEX, STACK, MERGED = "self.input", "self.index", "self.foreach_stack", "self.merge_artifacts"


@dataclass
class TaskState:
    """What a `FlowSpec` instance knows about its task.

    Attributes
    ----------
    step : str
    where : str
        The task's or its origin's pathspec, for messages.
    datastore : Datastore
    refs : dict of str to ArtifactRef
        Inherited artifacts, not loaded until read.
    frames : tuple of ForeachFrame
    is_join : bool
    loaded : dict of str to Loaded
        Inherited artifacts that were loaded.
    read : dict of str to None
        Names of inherited artifacts the body read, also of those that do not exist, and what else it read.
    aside : dict of str to object
        Inherited values that only an item or the transition needed; they count as read when the body asks for them.
    targets : tuple of str or None
        The steps that ``self.next`` named; None before it was called.
    foreach : str or None
    num_splits : int
    made : frozenset of str
        Of a joined task, the artifacts that it set itself.
    graph : callable
        Makes ``current.graph``.
    """

    step: str
    where: str
    datastore: Datastore
    refs: dict[str, ArtifactRef]
    frames: tuple[ForeachFrame, ...] = ()
    is_join: bool = False
    loaded: dict[str, Loaded] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)
    aside: dict[str, Any] = field(default_factory=dict)
    targets: tuple[str, ...] | None = None
    foreach: str | None = None
    num_splits: int = 0
    made: frozenset[str] = frozenset()
    graph: Callable[[], dict[str, Any]] = dict


class FlowSpec:
    """Base of the flow's class; an instance is the ``self`` of one task."""

    _flownb_state: TaskState
    # Mutators that decorate the flow's class or a class above it, in the order in which they run.
    _flownb_mutators: Sequence[Any] = ()
    # Names and settings of the class's own decorators and of those above it.
    flownb_decorators: Sequence[tuple[str, Mapping[str, Any]]] = ()

    def __init__(self, state: TaskState) -> None:
        object.__setattr__(self, "_flownb_state", state)

    def __getattr__(self, name: str) -> Any:
        """Load an inherited artifact on first read."""
        state: TaskState = object.__getattribute__(self, "__dict__").get("_flownb_state")
        if state is None or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        state.read[name] = None
        value = state.aside.pop(name) if name in state.aside else self._flownb_load(name)
        object.__getattribute__(self, "__dict__")[name] = value
        return value

    def _flownb_load(self, name: str) -> Any:
        """Load an inherited artifact."""
        state = self._flownb_state
        ref = state.refs.get(name)
        if ref is None:
            known = sorted(state.refs)
            raise ArtifactNotFound(
                f"Step {state.step} reads `self.{name}`, which is not an artifact here.{nearest(name, known)}",
                f"It inherits {', '.join(f'`{n}`' for n in known)}." if known else "It inherits no artifacts.",
                f"Assign self.{name} in an earlier step, or correct the name.",
            )
        loaded = state.loaded[name] = state.datastore.artifacts.read(ref, name=name, where=state.where)
        return loaded.value

    def _flownb_look(self, name: str) -> Any:
        """The value of an artifact without noting a read: if a foreach grows, its other tasks stay as they are."""
        state = self._flownb_state
        if name in self.__dict__ or hasattr(type(self), name):
            return getattr(self, name)
        if name not in state.aside:
            state.aside[name] = self._flownb_load(name)
        return state.aside[name]

    def __reduce__(self) -> Any:
        """Refuse to be pickled: ``self`` is the task, not a value."""
        raise TypeError("a function or object refers to the step's `self`, which is not an artifact")

    @property
    def name(self) -> Any:
        """The flow's name, or what this step set it to, which is kept as an artifact that no later step reads."""
        return self.__dict__.get("name", type(self).__name__)

    @name.setter
    def name(self, value: Any) -> None:
        self.__dict__["name"] = value

    @property
    def script_name(self) -> str:
        """Name of the file that the flow is exported to."""
        return "flow.py"

    @property
    def _current_step(self) -> str:
        return self._flownb_state.step

    @property
    def _graph_info(self) -> dict[str, Any]:
        return self._flownb_state.graph()

    @property
    def _graph(self) -> GraphView:
        return GraphView(self._graph_info)

    @property
    def _foreach_stack(self) -> list[metaflow_attributes.ForeachFrame]:
        items = [item for _, _, item in self.foreach_stack()]
        return metaflow_attributes.foreach_frames(self._flownb_state.frames, items, self._graph_info)

    @property
    def index(self) -> int | None:
        """Position of this task in the innermost foreach, None outside of one."""
        self._flownb_state.read[INDEX] = None
        frames = self._flownb_state.frames
        return frames[-1].index if frames else None

    @property
    def input(self) -> Any:
        """The item of this task in the innermost foreach, None outside of one."""
        self._flownb_state.read[INPUT] = None
        frames = self._flownb_state.frames
        return self._flownb_item(frames[-1]) if frames else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """Open foreachs, outermost first, each as (index, number of splits, item)."""
        self._flownb_state.read[STACK] = None
        return [(frame.index, frame.num_splits, self._flownb_item(frame)) for frame in self._flownb_state.frames]

    def _flownb_item(self, frame: ForeachFrame) -> Any:
        """The item of one foreach level; None when its artifact is not inherited (after an inner join)."""
        try:
            items = self._flownb_look(frame.var)
        except AttributeError:
            return None
        return item_at(items, frame.index)

    def next(self, *targets: Any, foreach: str | None = None, condition: str | None = None, **unknown: Any) -> None:
        """Name the step or steps that come next; the last statement of a step.

        Parameters
        ----------
        *targets : methods of self, or one dict of them
        foreach : str, optional
            Name of the artifact whose items become tasks.
        condition : str, optional
            Name of the artifact that chooses among the dict's keys.

        Raises
        ------
        TransitionError
            If called twice, with something that is not a step, or with a condition that no case matches.
        ForeachError
            If the foreach artifact cannot be iterated or is empty.
        """
        state = self._flownb_state
        where = f"Step {state.step}"
        if "num_parallel" in unknown:
            raise TransitionError(
                f"{where} starts @parallel tasks (num_parallel={unknown['num_parallel']!r}).",
                "flownb does not run them; Metaflow does.",
                "Export the flow and run it with Metaflow, or write a foreach over range(N).",
            )
        if unknown:
            raise TransitionError(
                f"{where} passes `{next(iter(unknown))}` to self.next.", "It takes foreach and condition.", "Remove it."
            )
        if state.targets is not None:
            raise TransitionError(f"{where} calls self.next twice.", "A step has one transition.", "Remove one call.")
        if condition is not None:
            if len(targets) != 1 or not isinstance(targets[0], dict) or not targets[0]:
                raise TransitionError(
                    f"{where} has a condition but no cases.",
                    "A switch takes one dictionary from value to step.",
                    f'Write self.next({{"x": self.a, "y": self.b}}, condition="{condition}").',
                )
            cases = targets[0]
            try:
                value = self._flownb_look(condition)
            except AttributeError as error:
                raise TransitionError(
                    f"{where} switches on `self.{condition}`, which does not exist.",
                    "The condition names an artifact.",
                    f"Assign self.{condition} in this step.",
                ) from error
            if value not in cases:
                raise TransitionError(
                    f"{where} switches on `{condition}`, whose value {value!r} is not one of its cases.",
                    f"The cases are {', '.join(map(repr, cases))}.",
                    "Add a case, or set the artifact to one of them.",
                )
            state.targets = (self._flownb_step(cases[value]),)
            return
        state.targets = tuple(self._flownb_step(target) for target in targets)
        if foreach is not None:
            state.num_splits = self._flownb_splits(foreach)
            state.foreach = foreach

    def _flownb_step(self, target: Any) -> str:
        """Name of the step of a bound method."""
        function = getattr(target, "__func__", None)
        if function is None or not getattr(function, "is_step", False):
            raise TransitionError(
                f"Step {self._flownb_state.step} passes {target!r} to self.next, which is not a step.",
                "self.next takes steps, such as self.train.",
                "Name a step.",
            )
        return str(function.__name__)

    def _flownb_splits(self, foreach: str) -> int:
        """Number of items of a foreach artifact."""
        step = self._flownb_state.step
        try:
            items = self._flownb_look(foreach)
        except ArtifactNotFound as error:
            raise ForeachError(
                f"Step {step} starts a foreach over `{foreach}`, which is not an artifact.",
                "A foreach runs over an artifact of the step that starts it.",
                f"Capture `{foreach}` in {step} as well, or assign self.{foreach}.",
            ) from error
        return count_items(items, var=foreach, step=step)

    def merge_artifacts(
        self, inputs: Inputs, exclude: Sequence[str] | None = None, include: Sequence[str] | None = None
    ) -> None:
        """Merge artifacts of the joined tasks that this step did not set itself.

        Parameters
        ----------
        inputs : Inputs
        exclude, include : sequence of str, optional
            Names to leave out, or the only names to merge.

        Raises
        ------
        UnhandledInMerge
            If a name has different values in the inputs.
        MissingInMerge
            If an included name is in none of them.
        MergeConflict
            If this step is not a join, or both options are given.
        """
        state = self._flownb_state
        if not state.is_join:
            raise MergeConflict(
                f"Step {state.step} calls merge_artifacts, but is not a join.", "Only joins have inputs.", "Add --join."
            )
        if include and exclude:
            raise MergeConflict(
                f"Step {state.step} passes include and exclude to merge_artifacts.",
                "They contradict each other.",
                "Pass one of them.",
            )
        found: dict[str, ArtifactRef] = {}
        unresolved: list[str] = []
        for one in inputs:
            one._flownb_state.read.update(dict.fromkeys(include or (MERGED,)))
            for name, ref in one._flownb_state.refs.items():
                if (include and name not in include) or name in (exclude or ()) or self._flownb_has(name):
                    continue
                if found.setdefault(name, ref).key != ref.key:
                    unresolved.append(name)
        conflicts = list(dict.fromkeys(unresolved))
        if conflicts:
            names = ", ".join(f"`{name}`" for name in conflicts)
            why = "The joined tasks have different values for it."
            if CATCH_EXCEPTION in conflicts:
                why += f" @catch keeps in `{CATCH_EXCEPTION}` what it caught, and they failed differently."
            raise UnhandledInMerge(
                f"Step {state.step} cannot merge {names}.",
                why,
                f"Set self.{conflicts[0]} before calling merge_artifacts, or pass exclude={conflicts!r}.",
                names=unresolved,
            )
        missing = [name for name in include or () if name not in found and not self._flownb_has(name)]
        if missing:
            raise MissingInMerge(
                f"Step {state.step} includes `{missing[0]}` in merge_artifacts, which no joined task has.",
                "An included name must be an artifact of at least one of them.",
                "Correct the name or remove it.",
                names=missing,
            )
        for name, ref in found.items():
            if ref.type in UNORDERED and sum(name in one._flownb_state.made for one in inputs) > 1:
                self._flownb_warn_of_set(name, state.datastore.artifacts.load(ref, name=name, where=state.where))
        state.refs.update(found)

    def _flownb_warn_of_set(self, name: str, value: Any) -> None:
        """Warn of a set that several tasks made alike, unless its items have the same order in every process."""
        if len(value) > 1 and not all(isinstance(item, int | float | None) for item in value):
            warnings.warn(
                f"Step {self._flownb_state.step} merges `{name}`, a set that several of the joined tasks made. "
                "Equal sets of texts are pickled in another order in each process, so on Metaflow they often conflict. "
                f"Make it a sorted list, or set self.{name} before the merge.",
                stacklevel=3,
            )

    def _flownb_has(self, name: str) -> bool:
        """Whether the step has `name` already, without loading it."""
        return name in self.__dict__ or name in self._flownb_state.refs or hasattr(type(self), name)


class Inputs:
    """The tasks a join brings together: ``inputs.left.x``, ``inputs[0].x``, or iterated.

    Parameters
    ----------
    flows : sequence of FlowSpec
        In foreach order, or in the order the split names its branches.
    """

    def __init__(self, flows: Sequence[FlowSpec]) -> None:
        self.flows = list(flows)
        for flow in self.flows:
            self.__dict__[flow._flownb_state.step] = flow

    def __getitem__(self, position: int) -> FlowSpec:
        return self.flows[position]

    def __iter__(self) -> Iterator[FlowSpec]:
        return iter(self.flows)

    def __len__(self) -> int:
        return len(self.flows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        steps = list(dict.fromkeys(flow._flownb_state.step for flow in self.flows))
        raise ArtifactNotFound(
            f"`inputs.{name}` is not a joined step.{nearest(name, steps)}",
            f"This join brings together {', '.join(steps)}.",
            f"Write inputs.{steps[0]} or inputs[0]." if steps else "",
        )
