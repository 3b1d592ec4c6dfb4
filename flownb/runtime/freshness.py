"""Whether a step's recorded result is still what running it would give, and if not, why.

Takes a `Program` and task records; gives a `Freshness`. Content decides, not time: a parent that was re-run to the same
artifacts leaves its children fresh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from flownb.runtime.program import Program
from flownb.store.records import TaskRecord

__all__ = ["Freshness", "StepState", "fingerprint", "judge"]

StepState = Literal["never", "running", "fresh", "stale", "failed"]
# Decorators that change how a task is run, never what it results in.
WITHOUT_EFFECT = ("retry", "resources", "timeout", "card", "kubernetes", "batch")


@dataclass(frozen=True)
class Freshness:
    """The state of a step's latest result; `reasons` say why it is stale, empty otherwise."""

    state: StepState
    reasons: tuple[str, ...] = ()
    tasks: int = 0


def fingerprint(program: Program, step: str) -> dict[str, str]:
    """Hashes of the code that decides a step's result: its method, the shared code, its decorators."""
    decorators = [text for text in program.decorators(step) if text.lstrip("@ ").split("(")[0] not in WITHOUT_EFFECT]
    return {
        "method": program.methods[step].code_hash,
        "shared": program.shared_hash,
        "decorators": "\n".join(decorators),
    }


def judge(
    program: Program,
    latest: Callable[[str], Sequence[TaskRecord]],
    parents_of: Callable[[TaskRecord], Sequence[TaskRecord]],
) -> dict[str, Freshness]:
    """Judge every step of the user's graph.

    Parameters
    ----------
    program : Program
    latest : callable
        Gives a step's latest tasks in foreach order, none if it never ran.
    parents_of : callable
        Gives the tasks that a task started from.

    Returns
    -------
    dict of str to Freshness
        In the order of the graph.
    """
    found: dict[str, Freshness] = {}
    for name in program.graph.order:
        node = program.graph[name]
        tasks = latest(name)
        if not tasks:
            found[name] = Freshness("never")
            continue
        if any(task.status != "done" for task in tasks):
            failed = next(task for task in tasks if task.status != "done")
            message = (failed.exception or {}).get("type", failed.status)
            found[name] = Freshness("failed", (message,), len(tasks))
            continue
        reasons = _code_reasons(fingerprint(program, name), tasks[0].fingerprint, name)
        for parent in node.parents:
            above = found.get(parent)
            if above is not None and above.state == "stale":
                reasons += [reason if "changed" in reason else f"`{parent}` is stale" for reason in above.reasons]
        before = {task.pathspec: task for one in tasks for task in _own_parents(program, one, parents_of)}
        now = {task.pathspec: task for parent in node.parents for task in latest(parent)}
        reasons += _artifact_reasons(list(before.values()), list(now.values()))
        reasons = list(dict.fromkeys(reasons))
        found[name] = Freshness("stale" if reasons else "fresh", tuple(reasons), len(tasks))
    return {name: found[name] for name in program.graph.nodes if name in found}


def _own_parents(
    program: Program, task: TaskRecord, parents_of: Callable[[TaskRecord], Sequence[TaskRecord]]
) -> list[TaskRecord]:
    """The tasks a task started from; steps that a run adds (start, bridges) only pass on what they inherit."""
    found: list[TaskRecord] = []
    for parent in parents_of(task):
        found += [parent] if parent.step in program.graph else _own_parents(program, parent, parents_of)
    return found


def _code_reasons(now: dict[str, str], before: object, step: str) -> list[str]:
    """What changed in the code since the task ran."""
    old = dict(before) if isinstance(before, dict) else {}
    reasons = []
    if old.get("method") != now["method"] or old.get("decorators") != now["decorators"]:
        reasons.append(f"`{step}` changed")
    if old.get("shared") != now["shared"]:
        reasons.append("shared code changed")
    return reasons


def _artifact_reasons(before: Sequence[TaskRecord], now: Sequence[TaskRecord]) -> list[str]:
    """Which inherited artifacts have other content than when the task ran."""
    if [task.pathspec for task in before] == [task.pathspec for task in now]:
        return []
    if len(before) != len(now):
        return ["the number of parent tasks differs"]
    reasons = []
    for old, new in zip(before, now, strict=True):
        for name in sorted(set(old.artifacts) | set(new.artifacts)):
            one, other = old.artifacts.get(name), new.artifacts.get(name)
            if one is None or other is None or one.key != other.key:
                reasons.append(f"`{name}` differs")
    return reasons
