"""What Metaflow's step decorators take: their settings, and the values that these may have.

Takes a decorator's name and settings, read from source or resolved; gives what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flownb.flow.decorator_call import Expression

__all__ = ["MAX_RETRIES", "NUMBERS", "REPEATABLE", "SETTINGS", "wrong_values"]

# `defaults` of each class (`metaflow/plugins`, 2.19.39); other settings are refused when the decorator is made.
SETTINGS: Mapping[str, tuple[str, ...]] = {
    name: tuple(settings.split())
    for name, settings in {
        "batch": "cpu gpu memory image queue iam_role execution_role shared_memory max_swap swappiness inferentia "
        "trainium efa host_volumes efs_volumes use_tmpfs aws_batch_tags tmpfs_tempdir tmpfs_size tmpfs_path "
        "ephemeral_storage log_driver log_options executable privileged",
        "card": "type options scope rank timeout id save_errors customize refresh_interval",
        "catch": "var print_exception",
        "conda": "packages libraries python disabled",
        "environment": "vars",
        "kubernetes": "cpu memory disk image image_pull_policy image_pull_secrets service_account secrets "
        "node_selector namespace gpu gpu_vendor tolerations labels annotations use_tmpfs tmpfs_tempdir tmpfs_size "
        "tmpfs_path persistent_volume_claims shared_memory port compute_pool executable hostname_resolution_timeout "
        "qos extended_resources security_context",
        "parallel": "",
        "pypi": "packages python disabled",
        "resources": "cpu gpu disk memory shared_memory",
        "retry": "times minutes_between_retries",
        "secrets": "sources role allow_override",
        "timeout": "seconds minutes hours",
    }.items()
}
# May stand more than once above a step (`allow_multiple`).
REPEATABLE = frozenset({"card"})
# MAX_ATTEMPTS, less the first attempt and the one of @catch (`metaflow/plugins/retry_decorator.py`).
MAX_RETRIES = 4
NUMBERS: Mapping[str, Mapping[str, type[int | float]]] = {
    "retry": {"times": int, "minutes_between_retries": float},
    "timeout": {"seconds": int, "minutes": int, "hours": int},
    "resources": {"cpu": float, "memory": float},
}


def wrong_values(
    name: str, settings: Mapping[str, Any], *, open_ended: bool = False
) -> Iterator[tuple[str, str, str, bool]]:
    """Say what is wrong with a decorator's values.

    Parameters
    ----------
    name : str
    settings : mapping of str to object
        An `Expression` is taken to be right.
    open_ended : bool, default False
        Whether there may be more settings than these.

    Yields
    ------
    (str, str, str, bool)
        What it says, without a subject and a full stop; why that is wrong; what to write; whether a run fails by it.
    """
    numbers: dict[str, float] = {}
    known = not open_ended
    for setting, kind in NUMBERS.get(name, {}).items():
        value = settings.get(setting, 0)
        if isinstance(value, Expression):
            known = False
        elif not (name == "resources" and value is None):
            try:
                numbers[setting] = kind(value)
            except (TypeError, ValueError, OverflowError):
                known = False
                # A local run looks at no others; where they are looked at, they fail too.
                fails = name == "timeout" or setting == "times"
                fix = f"Write @{name}({setting}=2), for example."
                yield f"says {setting}={value!r}", "It takes a number.", fix, fails
    match name:
        case "retry" if numbers.get("times", 0) > MAX_RETRIES:
            why = f"Metaflow tries a task again {MAX_RETRIES} times at most."
            yield f"says times={settings['times']!r}", why, f"Write @retry(times={MAX_RETRIES}).", True
        case "timeout" if known and sum(numbers.values()) <= 0:
            why = "It limits how long a task runs, in whole seconds."
            yield "says no duration", why, "Write @timeout(minutes=5), for example.", True
        case "environment" if not isinstance(settings.get("vars", {}), Mapping | Expression):
            why = "It takes a dict of the variables."
            fix = 'Write @environment(vars={"NAME": "value"}), for example.'
            yield f"says vars={settings['vars']!r}", why, fix, True
        case "environment" if not isinstance(settings.get("vars", {}), Expression):
            for variable in settings.get("vars", {}):
                if not isinstance(variable, str) or not variable or "=" in variable or "\0" in variable:
                    why, fix = "A variable cannot have that name.", "Name the variable with letters, digits and `_`."
                    yield f"sets the variable {variable!r}", why, fix, variable != ""
        case "catch" if not isinstance(var := settings.get("var"), Expression | None):
            if not isinstance(var, str) or not (var.isidentifier() or not var):
                why = "It names the artifact that takes the exception."
                yield f"says var={var!r}", why, 'Write @catch(var="failure"), for example.', not isinstance(var, str)
