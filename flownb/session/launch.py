"""The branch of its project that a run or a spin is asked for, checked before anything runs."""

from __future__ import annotations

from flownb.errors import ParameterError
from flownb.runtime.launch import project_facts, project_settings, project_tags
from flownb.runtime.program import Program

__all__ = ["check_project"]


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
