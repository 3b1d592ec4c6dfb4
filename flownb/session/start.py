"""The values that a single step has beside its inputs: constants, and parameters and configs at their defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flownb.errors import ParameterError
from flownb.runtime.parameters.config import ConfigParameter, config_environment
from flownb.runtime.parameters.parameter import RunInputs
from flownb.runtime.parameters.start import start_values
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec, inherited_refs
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef

__all__ = ["StartValues", "configured", "datastore_type", "require_parameters"]


class StartValues:
    """Constants and defaults as artifacts, worked out once for each text of the flow.

    Parameters
    ----------
    datastore : Datastore
        Where they are stored.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._latest: tuple[Program, dict[str, ArtifactRef]] | None = None

    def of(self, program: Program) -> dict[str, ArtifactRef]:
        """Constants, and parameters at their defaults; executes shared code and the flow's header.

        Parameters without a default are left out: a single step takes them from its parents.
        """
        known = self._latest
        if known is None or known[0] is not program or not all(map(self._datastore.artifacts.holds, known[1].values())):
            with program.looked_at():
                _ = program.declared  # the module's code may set environment variables
                inputs = RunInputs(environment=config_environment())
                ds_type = datastore_type(self._datastore)
                _, defaults = start_values(program, inputs, ds_type=ds_type, complete=False)
                known = self._latest = (
                    program,
                    self._datastore.artifacts.save_given({**program.constants, **defaults}),
                )
        return known[1]

    def known(self, program: Program) -> Mapping[str, ArtifactRef] | None:
        """The same without executing code: None unless it was worked out for the same shared code."""
        known = self._latest
        return known[1] if known is not None and known[0].shared_hash == program.shared_hash else None


def configured(program: Program, spec: TaskSpec, datastore: Datastore) -> Program:
    """The program with the configs that a task starts with, so that its decorators see what its step sees."""
    declared = {name: one for name, one in program.declared.items() if isinstance(one, ConfigParameter)}
    if not declared:
        return program
    refs, configs = inherited_refs(program, spec), {}
    for name, one in declared.items():
        if name in spec.overrides or name in refs:
            known = name in spec.overrides
            configs[one.name] = spec.overrides[name] if known else datastore.artifacts.load(refs[name], name=name)
    return program.with_configs(configs)


def require_parameters(program: Program, step: str, known: Iterable[str]) -> None:
    """Raise `ParameterError` unless every required parameter has a value."""
    missing = sorted(program.parameters.keys() - set(known))
    if missing:
        one = program.parameters[missing[0]]
        is_config = isinstance(one, ConfigParameter)
        option = f"--config {one.name} FILE" if is_config else f"--{one.name} VALUE"
        raise ParameterError(
            f"Step {step} cannot run alone: {'config' if is_config else 'parameter'} `{one.name}` has no value.",
            "It is required, has no default, and no parent of the step has it.",
            f"Give it a default in the %%flow cell, run the flow once (`%flow run {option}`), or "
            f"`%spin {step} --set {missing[0]}=VALUE`.",
        )


def datastore_type(datastore: Datastore) -> str:
    """What Metaflow calls a datastore of this kind."""
    return "s3" if str(datastore.location).startswith("s3:") else "local"
