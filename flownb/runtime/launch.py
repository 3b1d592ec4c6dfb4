"""What the command that starts a run adds to its flow: decorators for all steps, and the branch of its project.

It comes from options and environment variables, and a program carries it to its tasks. The rules follow
``metaflow/decorators.py`` and ``metaflow/plugins/project_decorator.py`` of 2.19.39.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flownb.errors import ParameterError
from flownb.flow.decorators import decorator_spec
from flownb.runtime.decorators import Recorded
from flownb.runtime.parameters.parameter import FALSE, TRUE
from flownb.settings import user_name

__all__ = ["PROJECT", "Launch", "launch", "project_facts", "project_settings", "project_tags"]

PROJECT = ("project_name", "branch_name", "is_user_branch", "is_production", "project_flow_name")
# What a project or branch may not be called.
NOT_IN_NAMES, LONGEST_NAME = re.compile("[^a-z0-9_]"), 128
# The first that is set counts.
BRANCH_VARIABLES = ("METAFLOW_FLOW_BRANCH", "METAFLOW_BRANCH")
PRODUCTION_VARIABLES = ("METAFLOW_FLOW_PRODUCTION", "METAFLOW_PRODUCTION")
DECORATORS_VARIABLE = "METAFLOW_DEFAULT_DECOSPECS"


@dataclass(frozen=True)
class Launch:
    """What a run's command adds to its flow.

    Attributes
    ----------
    decorators : tuple of (str, dict)
        Added to each step that does not have a decorator of that name.
    branch : str or None
    production : bool
        Of the ``@project``.
    """

    decorators: tuple[Recorded, ...] = ()
    branch: str | None = None
    production: bool = False


def launch(
    decorators: Sequence[Recorded] = (),
    branch: str | None = None,
    production: bool = False,
    environment: Mapping[str, str] = os.environ,
    *,
    default_decorators: bool = False,
) -> Launch:
    """The launch that options describe, and environment variables where an option is not given.

    Parameters
    ----------
    decorators : sequence of (str, dict)
    branch : str, optional
    production : bool, default False
    environment : mapping of str to str
    default_decorators : bool, default False
        Whether the decorators of METAFLOW_DEFAULT_DECOSPECS are added too, as Metaflow does in ``run`` and ``resume``.

    Raises
    ------
    ParameterError
        If a variable cannot be understood.
    """
    if branch is None:
        branch = next((environment[name] for name in BRANCH_VARIABLES if name in environment), None)
    if not production:
        name = next((name for name in PRODUCTION_VARIABLES if name in environment), None)
        text = environment[name].lower() if name is not None else FALSE[0]
        if text not in TRUE + FALSE:
            raise ParameterError(
                f"The environment variable {name} cannot be `{text}`.",
                "It says whether the run is one of the project's production branch.",
                "Set it to 1 or 0, or unset it.",
            )
        production = text in TRUE
    more = environment.get(DECORATORS_VARIABLE, "").split() if default_decorators else ()
    return Launch((*decorators, *map(decorator_spec, more)), branch, production)


def project_settings(decorators: Sequence[Recorded]) -> Mapping[str, Any] | None:
    """The settings of ``@project`` among a flow's decorators; None without it."""
    return next((settings for name, settings in decorators if name == "project"), None)


def project_facts(flow: str, settings: Mapping[str, Any], given: Launch | None = None) -> dict[str, Any]:
    """What ``@project`` adds to `current`.

    Parameters
    ----------
    flow : str
    settings : mapping
        As in ``@project(name=…, branch=…, production=…)``.
    given : Launch, optional
        What the run's command says; None looks at the environment.

    Raises
    ------
    ParameterError
        If the project has no name, Metaflow does not accept a name, or the decorator and the command disagree.
    """
    given = given if given is not None else launch()
    for option, value, default in (("branch", given.branch, None), ("production", given.production, False)):
        if option in settings and value != default and settings[option] != value:
            raise ParameterError(
                f"The {option} of the project is given twice: @project({option}={settings[option]!r}) and {value!r}.",
                f"@project in the %%flow cell says one thing; --{option} or METAFLOW_{option.upper()} another.",
                "Leave one of them out.",
            )
    name = settings.get("name")
    branch, production = settings.get("branch", given.branch), settings.get("production", given.production)
    for what, text in (("project", name or ""), ("branch", branch or None)):
        if text is not None and (not text or NOT_IN_NAMES.search(text) or len(text) > LONGEST_NAME):
            where = "@project(name=…) in the %%flow cell"
            if what == "branch":
                where = "@project(branch=…) in the %%flow cell" if "branch" in settings else "--branch"
            raise ParameterError(
                f"`{text}` cannot be the name of a {what}.",
                f"A name has up to {LONGEST_NAME} lowercase letters, digits and underscores.",
                f"Correct {where}.",
            )
    if branch:
        full = f"{'prod' if production else 'test'}.{branch}"
    else:
        full = "prod" if production else f"user.{os.environ.get('METAFLOW_OWNER', user_name())}"
    values = (name, full, branch is None and not production, production, f"{name}.{full}.{flow}")
    return dict(zip(PROJECT, values, strict=True))


def project_tags(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The system tags of a run of a project."""
    return (f"project:{facts['project_name']}", f"project_branch:{facts['branch_name']}")
