"""Another run's results as inputs: ``%flow use RUN`` and ``flownb use``.

Takes a session and what was typed; gives a line that says what holds now.
"""

from __future__ import annotations

from collections.abc import Sequence

from flownb.errors import ParameterError
from flownb.session.state import SessionState

__all__ = ["use_run"]


def use_run(session: SessionState, given: Sequence[str]) -> str:
    """Take the results of a run where the notebook has nothing newer, end that (``--none``), or say what holds.

    Raises
    ------
    NotFound
        If there is no such run of the flow.
    ParameterError
        If more than one run is named, or an option that `use` does not take.
    """
    flow, working = session.flow.name, session.working
    if len(given) > 1:
        raise ParameterError(
            f"use takes one run, and was given {len(given)} words.",
            "A notebook uses the results of one run at a time.",
            "Write `%flow use RUN`, or `%flow use --none` to go back to the notebook's own results.",
        )
    if not given:
        return f"{flow}: {working.used(flow) or 'uses the results of this notebook alone'}"
    if given[0] == "--none":
        before = working.use_none(flow)
        was = f" It used run {flow}/{before} before." if before else ""
        return f"{flow}: uses the results of this notebook alone.{was}"
    if given[0].startswith("-"):
        raise ParameterError(
            f"`{given[0]}` is not an option of use.",
            "It takes a run, or --none.",
            "Write `%flow use RUN` or `%flow use --none`.",
        )
    working.use(flow, given[0])
    used = working.used(flow)
    session.mark_noted(used)
    return f"{flow}: {used}"
