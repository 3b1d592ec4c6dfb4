"""The text of flow.py, and the artifacts that the exported flow could not store.

What a body defines (a lambda, a local class or function) is stored by value here. Metaflow pickles it by name, which
such an object does not have: the step fails there. So a note says it where it is stored, and again at export.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from flownb.cells.notebook import read_document
from flownb.errors import NotFound, UnpicklableArtifact
from flownb.flow.module import requirements
from flownb.runtime.freshness import code_reasons, fingerprint
from flownb.session.session import Session
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = ["constants_only_here", "export_flow", "found_at_export", "only_here"]


def export_flow(
    session: Session, output: str | Path = "flow.py", *, strict: bool = False, kernel_names: Iterable[str] = ()
) -> str:
    """The flow as the text of a Metaflow file.

    Parameters
    ----------
    session : Session
    output : str or Path
        Where the file will be. Its name, and the way from there to the notebook, are named in the header.
    strict : bool, default False
        Whether to refuse a flow whose latest results have artifacts that Metaflow cannot store.
    kernel_names : iterable of str
        Names in the notebook's namespace, for the checks' messages.

    Raises
    ------
    CheckFailed
        If the flow has errors.
    UnpicklableArtifact
        If it is strict, and there is such an artifact.
    """
    from flownb.flow_file.documentation import Documentation, read_documentation
    from flownb.flow_file.writing import flow_file

    session.checks.require(None, kernel_names, again=True, elsewhere=True)
    for one in found_at_export(session) if strict else []:
        raise UnpicklableArtifact(
            f"The flow cannot be exported: {one.what}",
            one.why,
            f"{one.fix} Or export without --strict.",
            artifact=one.artifact,
        )
    path = session.notebook
    output = Path(output)
    document = _document(path) if path is not None else None
    return flow_file(
        session.program(True),
        notebook=_named(path, output) if path is not None else "",
        filename=output.name,
        needs=requirements(session.all_cells()),
        documentation=read_documentation(document, session.flow) if document else Documentation(),
        folder=path.parent if path is not None else None,
    )


def _document(path: Path) -> dict[str, Any] | None:
    """The notebook as it was saved; None if it never was, or is just being written."""
    try:
        return read_document(path)
    except NotFound:
        return None


def _named(notebook: Path, output: Path) -> str:
    """The notebook as a header names it: relative to the file, if both are in one repository, else by its name."""
    folder = output.resolve().parent
    root = next((one for one in folder.parents if (one / ".git").exists()), None)
    root = folder if (folder / ".git").exists() else root
    notebook = notebook.resolve()
    if root is None or root not in notebook.parents:
        return notebook.name
    return Path(os.path.relpath(notebook, folder)).as_posix()


def only_here(record: TaskRecord) -> dict[str, UnpicklableArtifact]:
    """The artifacts that a task made and Metaflow cannot store, by name, with the message for each."""
    named = ((name, record.artifacts[name]) for name in record.captured if name in record.artifacts)
    return {name: _said(name, ref, f"step {record.step}") for name, ref in named if ref.by_value}


def constants_only_here(given: Mapping[str, ArtifactRef]) -> list[UnpicklableArtifact]:
    """The same for what the class body assigns."""
    return [_said(name, ref, "the %%flow cell") for name, ref in given.items() if ref.by_value]


def _said(name: str, ref: ArtifactRef, place: str) -> UnpicklableArtifact:
    """The message that an artifact can be stored here only."""
    fix = "Define it in a %%shared cell."
    if ref.by_value == "a lambda":
        fix = "Write it as a function (`def`) in a %%shared cell."
    return UnpicklableArtifact(
        f"artifact `{name}` of {place} can be stored only by flownb.",
        f"It contains {ref.by_value}, which Metaflow cannot pickle: the exported flow would fail there.",
        fix,
        artifact=name,
    )


def found_at_export(session: Session) -> list[UnpicklableArtifact]:
    """The artifacts that the exported flow could not store, by the latest results whose code has not changed since."""
    program, results = session.program(True), session.results()
    found = constants_only_here(session.start_values.of(program))
    for step in program.graph.order:
        now = fingerprint(program, step)
        for record in _newest(results.latest(step)):
            if not any(one.is_code for one in code_reasons(now, record.fingerprint, step)):
                found += only_here(record).values()
    return found


def _newest(records: Iterable[TaskRecord]) -> list[TaskRecord]:
    """One task of a step for each set of artifacts that only flownb can store."""
    by_names = {tuple(only_here(record)): record for record in records}
    return list(by_names.values())
