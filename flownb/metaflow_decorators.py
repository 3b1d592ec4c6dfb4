"""Metaflow's decorators: which there are, where they may be, what can be set, and whether they have a meaning here.

This is the one table of them. Cells are read, flows checked, runs started and mutators answered with its look-ups; what
a decorator does to a task that runs here is in `flownb.runtime.decorators`. Names, settings and defaults are those of
``metaflow/plugins`` (2.19.39). Decorators of the user's own are in `flownb.runtime.custom_decorators`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flownb.errors import Message

__all__ = [
    "APPLIED_TO_FLOWS",
    "APPLIED_TO_STEPS",
    "CHECKED",
    "FLOW_DECORATORS",
    "MAX_RETRIES",
    "STEP_DECORATORS",
    "Expression",
    "MetaflowDecorator",
    "WrongValue",
    "defaults_of",
    "dotted_name",
    "is_repeatable",
    "needs_numbers",
    "settings_of",
    "wrong_values",
]

# MAX_ATTEMPTS, less the first attempt and the one of @catch (`metaflow/plugins/retry_decorator.py`).
MAX_RETRIES = 4


@dataclass(frozen=True)
class MetaflowDecorator:
    """What is known of one decorator.

    Attributes
    ----------
    above : {"step", "flow"}
        What it decorates.
    settings : tuple of str or None
        The settings that it accepts; None if they are not checked, because its class is not part of Metaflow itself or
        is of no use to a flow.
    defaults : mapping of str to object
        The values that a mutator finds although nobody wrote them.
    is_applied : bool
        Whether it changes how a flow runs here. All others are written to flow.py and change nothing here.
    is_repeatable : bool
        Whether it may decorate the same step or flow several times.
    numbers : mapping of str to type
        The settings that are numbers, each with the function that reads one.
    class_name : str
        Module and name of Metaflow's class below ``metaflow.plugins``, by which mutators may ask for it.
    """

    above: Literal["step", "flow"] = "step"
    settings: tuple[str, ...] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    is_applied: bool = False
    is_repeatable: bool = False
    numbers: Mapping[str, type[int | float]] = field(default_factory=dict)
    class_name: str = ""


def _step(settings: str, class_name: str, **facts: Any) -> MetaflowDecorator:
    """A step decorator of Metaflow itself, whose settings are checked."""
    return MetaflowDecorator(settings=tuple(settings.split()), class_name=class_name, **facts)


# A step decorator that is known by its name alone.
_NAMED = MetaflowDecorator()

TABLE: Mapping[str, MetaflowDecorator] = {
    "batch": _step(
        "cpu gpu memory image queue iam_role execution_role shared_memory max_swap swappiness inferentia trainium efa "
        "host_volumes efs_volumes use_tmpfs aws_batch_tags tmpfs_tempdir tmpfs_size tmpfs_path ephemeral_storage "
        "log_driver log_options executable privileged",
        "aws.batch.batch_decorator.BatchDecorator",
    ),
    "card": _step(
        "type options scope rank timeout id save_errors customize refresh_interval",
        "cards.card_decorator.CardDecorator",
        defaults={
            "type": "default",
            "options": {},
            "scope": "task",
            "rank": None,
            "timeout": 45,
            "id": None,
            "save_errors": True,
            "customize": False,
            "refresh_interval": 5,
        },
        is_applied=True,
        is_repeatable=True,
    ),
    "catch": _step(
        "var print_exception",
        "catch_decorator.CatchDecorator",
        defaults={"var": None, "print_exception": True},
        is_applied=True,
    ),
    "checkpoint": _NAMED,
    "conda": _step("packages libraries python disabled", "pypi.conda_decorator.CondaStepDecorator"),
    "environment": _step("vars", "environment_decorator.EnvironmentDecorator", defaults={"vars": {}}, is_applied=True),
    "fargate": _NAMED,
    "huggingface_hub": _NAMED,
    "kubernetes": _step(
        "cpu memory disk image image_pull_policy image_pull_secrets service_account secrets node_selector namespace "
        "gpu gpu_vendor tolerations labels annotations use_tmpfs tmpfs_tempdir tmpfs_size tmpfs_path "
        "persistent_volume_claims shared_memory port compute_pool executable hostname_resolution_timeout qos "
        "extended_resources security_context",
        "kubernetes.kubernetes_decorator.KubernetesDecorator",
    ),
    "model": _NAMED,
    "nim": _NAMED,
    "parallel": _step("", ""),
    "pypi": _step("packages python disabled", "pypi.pypi_decorator.PyPIStepDecorator"),
    "resources": _step(
        "cpu gpu disk memory shared_memory",
        "resources_decorator.ResourcesDecorator",
        defaults={"cpu": "1", "gpu": None, "disk": None, "memory": "4096", "shared_memory": None},
        is_applied=True,
        numbers={"cpu": float, "memory": float},
    ),
    "retry": _step(
        "times minutes_between_retries",
        "retry_decorator.RetryDecorator",
        defaults={"times": "3", "minutes_between_retries": "2"},
        is_applied=True,
        numbers={"times": int, "minutes_between_retries": float},
    ),
    "secrets": _step("sources role allow_override", "secrets.secrets_decorator.SecretsDecorator"),
    "slurm": _NAMED,
    "timeout": _step(
        "seconds minutes hours",
        "timeout_decorator.TimeoutDecorator",
        defaults={"seconds": 0, "minutes": 0, "hours": 0},
        is_applied=True,
        numbers={"seconds": int, "minutes": int, "hours": int},
    ),
    "unbounded_test_foreach_internal": _NAMED,
    "conda_base": MetaflowDecorator("flow"),
    "exit_hook": MetaflowDecorator("flow", is_applied=True, is_repeatable=True),
    "project": MetaflowDecorator(
        "flow",
        defaults={"name": None, "production": False, "branch": None},
        is_applied=True,
        class_name="project_decorator.ProjectDecorator",
    ),
    "pypi_base": MetaflowDecorator("flow"),
    "schedule": MetaflowDecorator(
        "flow",
        defaults={"cron": None, "weekly": False, "daily": True, "hourly": False, "timezone": None},
        class_name="aws.step_functions.schedule_decorator.ScheduleDecorator",
    ),
    "trigger": MetaflowDecorator("flow"),
    "trigger_on_finish": MetaflowDecorator("flow"),
}

STEP_DECORATORS = frozenset(name for name, one in TABLE.items() if one.above == "step")
FLOW_DECORATORS = frozenset(name for name, one in TABLE.items() if one.above == "flow")
# Step decorators whose settings are checked.
CHECKED = frozenset(name for name, one in TABLE.items() if one.settings is not None)
APPLIED_TO_STEPS = frozenset(name for name in STEP_DECORATORS if TABLE[name].is_applied)
APPLIED_TO_FLOWS = frozenset(name for name in FLOW_DECORATORS if TABLE[name].is_applied)


def settings_of(name: str) -> tuple[str, ...] | None:
    """The settings that a decorator accepts; None if they are not checked."""
    return TABLE[name].settings if name in TABLE else None


def defaults_of(name: str) -> Mapping[str, Any]:
    """The values of a decorator's settings that nobody wrote, as far as they are of use here."""
    return TABLE[name].defaults if name in TABLE else {}


def is_repeatable(name: str) -> bool:
    """Whether a decorator may decorate the same step or flow several times."""
    return name in TABLE and TABLE[name].is_repeatable


def needs_numbers(name: str) -> bool:
    """Whether a decorator has settings that are numbers."""
    return name in TABLE and bool(TABLE[name].numbers)


def dotted_name(name: str) -> str:
    """The dotted name of Metaflow's class for a decorator."""
    class_name = TABLE[name].class_name if name in TABLE else ""
    return f"metaflow.plugins.{class_name or f'{name}_decorator'}"


@dataclass(frozen=True)
class Expression:
    """A setting that is not written out: its value is known only when the flow runs."""

    text: str


@dataclass(frozen=True)
class WrongValue:
    """A value that a decorator cannot work with.

    Attributes
    ----------
    message : Message
    fails : bool
        Whether a run fails by it, here and on Metaflow.
    better : tuple of (str, str) or None
        A setting and its value, as the message's last sentence writes them; None if there is no example.
    """

    message: Message
    fails: bool
    better: tuple[str, str] | None = None


def wrong_values(
    step: str, name: str, settings: Mapping[str, Any], *, open_ended: bool = False
) -> Iterator[WrongValue]:
    """Find the values that a step's decorator cannot work with.

    Parameters
    ----------
    step : str
        The step's name, for the messages.
    name : str
        The decorator's name.
    settings : mapping of str to object
        An `Expression` counts as right.
    open_ended : bool, default False
        Whether there may be more settings than these.
    """

    def wrong(what: str, why: str, better: tuple[str, str], *, fails: bool, also: str = "") -> WrongValue:
        fix = f"Write @{name}({better[0]}={better[1]}){also}."
        return WrongValue(Message(f"@{name} of step {step} {what}.", why, fix), fails, better)

    example = ", for example"
    numbers: dict[str, float] = {}
    known = not open_ended
    for setting, kind in (TABLE[name].numbers if name in TABLE else {}).items():
        value = settings.get(setting, 0)
        if isinstance(value, Expression):
            known = False
        elif not (name == "resources" and value is None):
            try:
                numbers[setting] = kind(value)
            except (TypeError, ValueError, OverflowError):
                known = False
                # A run here reads no other numbers, and whatever reads them on Metaflow fails too.
                fails = name == "timeout" or setting == "times"
                what = f"has {setting}={value!r}"
                yield wrong(what, "Its value has to be a number.", (setting, "2"), fails=fails, also=example)
    match name:
        case "retry" if numbers.get("times", 0) > MAX_RETRIES:
            why = f"Metaflow retries a task at most {MAX_RETRIES} times."
            yield wrong(f"has times={settings['times']!r}", why, ("times", str(MAX_RETRIES)), fails=True)
        case "timeout" if known and sum(numbers.values()) <= 0:
            why = "It limits how long a task runs, in whole seconds."
            yield wrong("has no duration", why, ("minutes", "5"), fails=True, also=example)
        case "environment" if not isinstance(settings.get("vars", {}), Mapping | Expression):
            why, better = "Its value has to be a dict of the variables.", ("vars", '{"NAME": "value"}')
            yield wrong(f"has vars={settings['vars']!r}", why, better, fails=True, also=example)
        case "environment" if not isinstance(settings.get("vars", {}), Expression):
            for variable in settings.get("vars", {}):
                if not isinstance(variable, str) or not variable or "=" in variable or "\0" in variable:
                    what = f"@environment of step {step} sets the variable {variable!r}."
                    fix = "Name the variable with letters, digits and `_`."
                    yield WrongValue(Message(what, "A variable cannot have that name.", fix), fails=variable != "")
        case "catch" if not isinstance(var := settings.get("var"), Expression | None):
            if not isinstance(var, str) or not (var.isidentifier() or not var):
                why = "It names the artifact in which the exception is stored."
                better, fails = ("var", '"failure"'), not isinstance(var, str)
                yield wrong(f"has var={var!r}", why, better, fails=fails, also=example)
