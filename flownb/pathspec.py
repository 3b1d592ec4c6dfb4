"""Pathspecs: ``Flow/run/step/task``, as Metaflow writes them.

Every text that a user types as a pathspec is checked here, so that no name can lead outside of the datastore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flownb.errors import NotFound

__all__ = ["Origin", "parse_origin", "safe_name"]

SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")


def safe_name(name: str) -> str:
    """Return `name` if it can be a folder's name.

    Raises
    ------
    NotFound
        If it could name a place outside of its folder, or is empty.
    """
    if not SAFE.match(name) or ".." in name:
        raise NotFound(
            f"`{name}` is not the name of a flow, run, step or task.",
            "Such names are letters, digits and `_`, `-`, `.`.",
            "Check the pathspec.",
        )
    return name


@dataclass(frozen=True)
class Origin:
    """Where a spin takes its inputs from: a run, and perhaps one of its tasks."""

    run: str
    step: str | None = None
    task: str | None = None


def parse_origin(text: str, flow: str) -> Origin:
    """Read ``7``, ``7/train``, ``7/train/3`` or the same with the flow's name in front.

    Raises
    ------
    NotFound
        If it has more parts, or names another flow.

    Examples
    --------
    >>> parse_origin("7/train/3", "F")
    Origin(run='7', step='train', task='3')
    """
    parts = [safe_name(part) for part in text.strip().strip("/").split("/")]
    if len(parts) > 1 and parts[0] == flow:
        parts = parts[1:]
    elif not parts[0].isdigit():
        raise NotFound(
            f"`{text}` is not a place in flow {flow}.",
            "A place is RUN, RUN/STEP or RUN/STEP/TASK.",
            f"Write for example --from 7/train/3 or --from {flow}/7.",
        )
    if len(parts) > 3:
        raise NotFound(f"`{text}` has {len(parts)} parts.", "A place is RUN, RUN/STEP or RUN/STEP/TASK.", "")
    return Origin(*parts)
