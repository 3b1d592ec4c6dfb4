"""Artifacts that flownb can store and Metaflow cannot: said where they are stored, and again at export.

What a body defines (a lambda, a local class or function) is stored by value here. Metaflow pickles it by name, and has
none: the step fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flownb.errors import UnpicklableArtifact
from flownb.runtime.freshness import code_reasons, fingerprint
from flownb.session.state import SessionState
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = ["constants_only_here", "found_at_export", "only_here", "refuse_at_export"]


def only_here(record: TaskRecord) -> dict[str, UnpicklableArtifact]:
    """For each artifact that a task made and Metaflow cannot store, what to say of it, by name."""
    named = ((name, record.artifacts[name]) for name in record.captured if name in record.artifacts)
    return {name: _said(name, ref, f"step {record.step}") for name, ref in named if ref.by_value}


def constants_only_here(given: Mapping[str, ArtifactRef]) -> list[UnpicklableArtifact]:
    """The same for what the class body assigns."""
    return [_said(name, ref, "the %%flow cell") for name, ref in given.items() if ref.by_value]


def _said(name: str, ref: ArtifactRef, place: str) -> UnpicklableArtifact:
    """That an artifact can be stored here only."""
    fix = "Define it in a %%shared cell."
    if ref.by_value == "a lambda":
        fix = "Write it as a function (`def`) in a %%shared cell."
    return UnpicklableArtifact(
        f"artifact `{name}` of {place} can be stored only by flownb.",
        f"It contains {ref.by_value}, which Metaflow cannot pickle: the exported flow would fail there.",
        fix,
        artifact=name,
    )


def found_at_export(session: SessionState) -> list[UnpicklableArtifact]:
    """What the latest results of the steps, as far as their code is the present one, tell of the exported flow."""
    program, results = session.program(True), session.results()
    found = constants_only_here(session.refs(program))
    for step in program.graph.order:
        now = fingerprint(program, step)
        for record in _newest(results.latest(step)):
            if not any(one.is_code for one in code_reasons(now, record.fingerprint, step)):
                found += only_here(record).values()
    return found


def _newest(records: Iterable[TaskRecord]) -> list[TaskRecord]:
    """Those tasks of a step that differ in what only flownb can store."""
    by_names = {tuple(only_here(record)): record for record in records}
    return list(by_names.values())


def refuse_at_export(found: Iterable[UnpicklableArtifact]) -> None:
    """Raise the first, for an export that is strict."""
    for one in found:
        raise UnpicklableArtifact(
            f"The flow cannot be exported: {one.what}",
            one.why,
            f"{one.fix} Or export without --strict.",
            artifact=one.artifact,
        )
