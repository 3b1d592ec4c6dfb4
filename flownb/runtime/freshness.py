"""Whether a step's recorded result is still what running it would give, and if not, why.

Takes a `Program` and task records; gives a `Freshness`. Content decides, not time: a parent that was re-run to the same
artifacts leaves its children fresh.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from flownb.cells.cell import Cell
from flownb.errors import MissingResults
from flownb.flow.module import metaflow_name
from flownb.runtime.decorators import Recorded
from flownb.runtime.local_modules import imported_names, local_modules
from flownb.runtime.program import Program
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = [
    "NEVER",
    "Freshness",
    "Reason",
    "ReasonKind",
    "StepState",
    "code_reasons",
    "fingerprint",
    "imports_of",
    "judge",
    "settings_hash",
]

StepState = Literal["never", "running", "fresh", "stale", "failed"]
# Where something stands in memory differs in each process.
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# Decorators that change how a task is run, never what it results in.
WITHOUT_EFFECT = ("retry", "resources", "timeout", "card", "kubernetes", "batch")


ReasonKind = Literal[
    "code", "shared", "module", "artifact", "item", "index", "inputs", "number", "failed", "interrupted", "unrecorded",
    "removed", "gone", "transition", "asked", "stale",
]  # fmt: skip
# What each kind says, of the step, artifact or module that it names.
SAID: Mapping[ReasonKind, str] = {
    "code": "`{}` changed",
    "shared": "shared code changed",
    "module": "module `{}` changed",
    "artifact": "`{}` differs",
    "item": "new items",
    "index": "items moved",
    "inputs": "other tasks are joined",
    "number": "the number of parent tasks differs",
    "failed": "failed before",
    "interrupted": "was interrupted",
    "unrecorded": "had not run",
    "removed": "what it ran on was removed",
    "gone": "`{}` was removed",
    "transition": "its transition changed",
    "asked": "from `{}` on",
    "stale": "`{}` is stale",
}


@dataclass(frozen=True)
class Reason:
    """One reason why a result does not stand for what running its step would give.

    Attributes
    ----------
    kind : ReasonKind
    name : str
        The step, artifact or module it is about, if it is about one.
    """

    kind: ReasonKind
    name: str = ""

    def __str__(self) -> str:
        return SAID[self.kind].format(self.name)

    @property
    def is_cause(self) -> bool:
        """Whether it explains why inputs of later steps differ."""
        return self.kind in ("code", "shared", "module")

    @property
    def is_input(self) -> bool:
        """Whether it is about what the step started from."""
        return self.kind in ("artifact", "item", "index", "inputs", "number")


@dataclass(frozen=True)
class Freshness:
    """The state of a step's latest result; `reasons` say why it is stale, empty otherwise."""

    state: StepState
    reasons: tuple[str, ...] = ()
    tasks: int = 0


NEVER = Freshness("never")


def fingerprint(
    program: Program, step: str, *, loaded: Iterable[str] | None = None, since: float = math.inf
) -> dict[str, str]:
    """Hashes of the code that decides a step's result: its method, the shared code, its decorators, its modules.

    Parameters
    ----------
    program : Program
    step : str
    loaded : iterable of str, optional
        For a task that ran in this process: modules it imported beside those that its code names (a class may have
        come with an artifact). The user's own modules then count as this process imported them.
    since : float, optional
        When it began: modules that were edited later are like no others.
    """
    own = program.flow.redefined
    decorators = [
        one.text
        for one in program.decorators(step)
        if one.name in own or metaflow_name(program.flow, one.name) not in WITHOUT_EFFECT
    ]
    found = {
        "method": program.methods[step].code_hash,
        "shared": program.shared_hash,
        "decorators": "\n".join(decorators),
    }
    names = (*imports_of(program, step), *(loaded or ()))
    modules = local_modules(names, loaded=loaded is not None, since=since) if names else {}
    if modules:
        found["modules"] = " ".join(f"{name}={digest}" for name, digest in modules.items())
    return found


def settings_hash(decorators: Iterable[Recorded]) -> str:
    """Hash of what a step's decorators were given, as far as it decides the result: their lines may be expressions."""
    found = [(name, sorted(settings.items())) for name, settings in decorators if name not in WITHOUT_EFFECT]
    text = ADDRESS.sub("", repr(_ordered(found)))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest() if found else ""


def _ordered(value: Any) -> Any:
    """A value whose text is the same in each process: sets, at any depth of containers, in the order of their texts."""
    if isinstance(value, set | frozenset):
        return ["a set", *sorted(map(repr, map(_ordered, value)))]
    if isinstance(value, dict):
        return {key: _ordered(one) for key, one in value.items()}
    return type(value)(map(_ordered, value)) if type(value) in (list, tuple) else value


def imports_of(program: Program, step: str) -> tuple[str, ...]:
    """Names of the modules that a step's code may import: its own, and that of all steps."""
    own = program.graph[step].step
    cells = [*program.flow.shared, program.flow.header, own.cell if own else None]
    return tuple(dict.fromkeys(name for cell in cells if cell is not None for name in _imports(cell)))


@lru_cache(maxsize=1024)
def _imports(cell: Cell) -> tuple[str, ...]:
    """Names of the modules that a cell imports."""
    return imported_names(cell.parsed.tree)


def judge(
    program: Program,
    latest: Callable[[str], Sequence[TaskRecord]],
    parents_of: Callable[[TaskRecord], Sequence[TaskRecord]],
    given: Mapping[str, ArtifactRef],
) -> dict[str, Freshness]:
    """Judge every step of the user's graph.

    Parameters
    ----------
    program : Program
    latest : callable
        Gives a step's latest tasks in foreach order, none if it never ran.
    parents_of : callable
        Gives the tasks that a task started from; raises `MissingResults` if one was removed.
    given : mapping of str to ArtifactRef
        The parameters and constants that running now would start with.

    Returns
    -------
    dict of str to Freshness
        In the order of the graph.
    """
    found: dict[str, Freshness] = {}
    # Why a step is stale by itself; what comes after it names the same cause.
    causes: dict[str, list[str]] = {}
    for name in program.graph.order:
        tasks = latest(name)
        above = {parent for parent in program.graph[name].parents if parent != name}
        if not tasks:
            found[name] = NEVER
            continue
        if any(task.status != "done" for task in tasks):
            failed = min(tasks, key=lambda task: ("failed", "interrupted", "done").index(task.status))
            stopped = failed.status == "interrupted"
            message = failed.status if stopped else (failed.exception or {}).get("type", failed.status)
            found[name] = Freshness("failed", (message,), len(tasks))
            continue
        causes[name] = [str(one) for one in code_reasons(fingerprint(program, name), tasks[0].fingerprint, name)]
        try:
            above_all = [parent for task in tasks for parent in _own_parents(program, task, parents_of)]
        except MissingResults:
            causes[name].append(str(Reason("removed")))
            found[name] = Freshness("stale", tuple(causes[name]), len(tasks))
            continue
        before = [parent for parent in above_all if parent.step != name]
        ran_from = {parent.step for parent in before}
        if above:
            now = [task for parent in sorted(above & ran_from) for task in latest(parent)]
            differs = _artifact_reasons(before, now)
        else:
            kept = tasks[0].artifacts
            differs = [
                str(Reason("artifact", name))
                for name, ref in sorted(given.items())
                if name in kept and kept[name].key != ref.key
            ]
        inherited = [
            cause for parent in program.graph[name].parents if parent in above for cause in causes.get(parent, ())
        ]
        causes[name] += inherited
        reasons = tuple(dict.fromkeys([*causes[name], *differs]))
        if not reasons and any(found[parent].state == "stale" for parent in above & ran_from):
            reasons = tuple(
                str(Reason("stale", parent)) for parent in sorted(above & ran_from) if found[parent].state == "stale"
            )
        found[name] = Freshness("stale" if reasons else "fresh", reasons, len(tasks))
    return {name: found[name] for name in program.graph.nodes if name in found}


def _own_parents(
    program: Program,
    task: TaskRecord,
    parents_of: Callable[[TaskRecord], Sequence[TaskRecord]],
    below: frozenset[str] = frozenset(),
) -> list[TaskRecord]:
    """The tasks a task started from; steps that a run adds (start, bridges) only pass on what they inherit."""
    found: list[TaskRecord] = []
    below |= {task.place}  # damaged records may name each other
    for parent in parents_of(task):
        if parent.step in program.graph:
            found.append(parent)
        elif parent.place not in below:
            found += _own_parents(program, parent, parents_of, below)
    return found


def code_reasons(now: Mapping[str, str], before: Mapping[str, str], step: str) -> list[Reason]:
    """What changed in the code of a step between two fingerprints."""
    reasons = []
    # Settings are known where the decorator lines were executed.
    other = "settings" in before and "settings" in now and before["settings"] != now["settings"]
    if other or before.get("method") != now["method"] or before.get("decorators") != now["decorators"]:
        reasons.append(Reason("code", step))
    if before.get("shared") != now["shared"]:
        reasons.append(Reason("shared"))
    had, has = (dict(entry.split("=") for entry in one.get("modules", "").split()) for one in (before, now))
    # What a task imported that its code does not name is looked up by name.
    has = {**local_modules(had.keys() - has.keys()), **has}
    changed = {name for name in had.keys() | has.keys() if had.get(name) != has.get(name)}
    return reasons + [Reason("module", name) for name in sorted(changed)]


def _artifact_reasons(before: Sequence[TaskRecord], now: Sequence[TaskRecord]) -> list[str]:
    """Which inherited artifacts have other content than when the task ran."""
    old, new = _by_place(before), _by_place(now)
    if old.keys() != new.keys():
        return [str(Reason("number"))]
    reasons: dict[str, None] = {}
    for place, task in old.items():
        one, other = task.artifacts, new[place].artifacts
        for name in sorted(set(one) | set(other)):
            if name not in one or name not in other or one[name].key != other[name].key:
                reasons[str(Reason("artifact", name))] = None
    return list(reasons)


def _by_place(tasks: Sequence[TaskRecord]) -> dict[tuple[str, tuple[int, ...]], TaskRecord]:
    """Tasks by step and foreach indexes; of a step that went back to itself the last one counts."""
    return {(task.step, tuple(frame.index for frame in task.foreach)): task for task in tasks}
