"""What a mutator sees and changes: ``MutableFlow`` and ``MutableStep``, with Metaflow's names.

`apply_mutators` runs the mutators of a flow's class on it, in Metaflow's order: those of the flow, then those of its
steps, first ``pre_mutate`` and then ``mutate``. The rules follow ``metaflow/user_decorators/mutable_flow.py`` and
``mutable_step.py`` of 2.19.39.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any

from flownb.errors import DecoratorError, nearest
from flownb.metaflow_decorators import CHECKED, FLOW_DECORATORS, defaults_of, dotted_name, is_repeatable
from flownb.runtime.custom_decorators import (
    REGISTERED,
    FlowMutator,
    StepMutator,
    UserStepDecorator,
    initialise,
    parse_spec,
    step_function,
)
from flownb.runtime.parameters.config import ConfigParameter
from flownb.runtime.parameters.parameter import Parameter

__all__ = ["MutableFlow", "MutableStep", "apply_mutators", "has_mutators", "steps_of"]

Spec = tuple[str, str, list[Any], dict[str, Any]]


def steps_of(flow_class: type) -> dict[str, Any]:
    """The functions of a flow's steps, its bases' included, by name."""
    found = {name: step_function(getattr(flow_class, name, None)) for name in dir(flow_class) if name[:2] != "__"}
    return {name: function for name, function in found.items() if getattr(function, "is_step", False)}


def has_mutators(flow_class: type) -> bool:
    """Whether the flow, or one of its steps, has a mutator."""
    return bool(flow_class._flownb_mutators) or any(  # type: ignore[attr-defined]  # every FlowSpec has it
        function.config_decorators for function in steps_of(flow_class).values()
    )


def apply_mutators(flow_class: type, configs: Mapping[str, Any]) -> None:
    """Run all mutators on a flow's class, whose steps are all there.

    Parameters
    ----------
    flow_class : type
        Changed in place: its parameters, its decorators and those of its steps.
    configs : mapping of str to object
        The configs' values by attribute name, as steps see them.
    """
    # Methods of a base class in a module are used by other runs of this process too, whose configs may differ.
    mutators: list[Any] = [copy(one) for one in flow_class._flownb_mutators]  # type: ignore[attr-defined]  # as above
    flow_class._flownb_mutators = mutators  # type: ignore[attr-defined]  # a mutator may add others, whose turn comes
    for mutator in mutators:
        initialise(mutator, configs)
    for mutator in mutators:
        mutator.pre_mutate(MutableFlow(flow_class, configs, early=True))
    for function in steps_of(flow_class).values():
        for mutator in function.config_decorators:
            initialise(mutator, configs)
    for function in steps_of(flow_class).values():
        for mutator in function.config_decorators:
            mutator.pre_mutate(MutableStep(flow_class, function, configs, early=True))
    for mutator in mutators:
        mutator.mutate(MutableFlow(flow_class, configs, early=False))
    for function in steps_of(flow_class).values():
        for mutator in function.config_decorators:
            mutator.mutate(MutableStep(flow_class, function, configs, early=False))


class _Mutable:
    """Decorators that can be listed, added and removed."""

    IGNORE, ERROR, OVERRIDE = 1, 2, 3

    def __init__(self, flow_class: Any, target: Any, configs: Mapping[str, Any], *, early: bool) -> None:
        self._flow_cls, self._target, self._configs, self._early = flow_class, target, configs, early

    def _custom(self) -> list[Any]:
        """Its decorators of the user's own."""
        raise NotImplementedError

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """Short name, dotted name, positional and keyword arguments of each decorator."""
        for name, settings in getattr(self._target, "flownb_decorators", ()):
            yield name, dotted_name(name), [], {**defaults_of(name), **settings}
        seen: set[int] = set()
        for one in self._custom():
            if id(one) not in seen:
                seen.add(id(one))
                yield _short(one), one.decorator_name, *one.get_args_kwargs()

    def has_decorator(self, name: str) -> bool:
        """Whether there is a decorator of a short name, or of a dotted one."""
        return bool(self.get_decorator_specs(name))

    def get_decorator_specs(self, name: str) -> list[Spec]:
        """All decorators of a short name, or of a dotted one."""
        return [spec for spec in self.decorator_specs if spec[1 if "." in name else 0] == name]

    def _add_recorded(self, name: str, settings: Mapping[str, Any], duplicates: int, repeatable: bool) -> bool:
        """Add one of Metaflow's decorators, unless there is one already; returns whether it was added."""
        recorded = tuple(getattr(self._target, "flownb_decorators", ()))
        if not repeatable and any(one == name for one, _ in recorded):
            if duplicates == self.ERROR:
                raise DecoratorError(
                    f"A mutator adds @{name}, which is there already.",
                    "It asked for an error in that case (duplicates=ERROR).",
                    "Remove one of the two, or let the mutator pass duplicates=MutableStep.OVERRIDE.",
                )
            if duplicates != self.OVERRIDE:
                return False
            recorded = tuple(one for one in recorded if one[0] != name)
        self._target.flownb_decorators = (*recorded, (name, dict(settings)))
        return True

    def _remove_recorded(self, name: str, settings: Mapping[str, Any] | None) -> bool:
        """Remove Metaflow's decorators of a name, or those of these settings."""
        recorded = tuple(getattr(self._target, "flownb_decorators", ()))
        kept = tuple(
            (one, given)
            for one, given in recorded
            if one != name or (settings is not None and {**defaults_of(one), **given} != dict(settings))
        )
        self._target.flownb_decorators = kept
        return len(kept) < len(recorded)


class MutableStep(_Mutable):
    """A step as a mutator sees it."""

    def __init__(self, flow_class: Any, function: Any, configs: Mapping[str, Any], *, early: bool) -> None:
        super().__init__(flow_class, function, configs, early=early)
        self._my_step = function

    @property
    def flow(self) -> MutableFlow:
        """The flow that the step is part of."""
        return MutableFlow(self._flow_cls, self._configs, early=self._early)

    def _custom(self) -> list[Any]:
        return [*self._my_step.wrappers, *self._my_step.config_decorators]

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: list[Any] | None = None,
        deco_kwargs: dict[str, Any] | None = None,
        duplicates: int = _Mutable.IGNORE,
    ) -> Any:
        """Add a decorator, given as itself or as a text such as ``"retry:times=2"``.

        Returns
        -------
        object or None
            What was added; None if there was one already and `duplicates` says to leave it.

        Raises
        ------
        DecoratorError
            If it is not a decorator of steps, or a mutator that comes too late.
        """
        kind, arguments, settings = _chosen(deco_type, deco_args, deco_kwargs)
        if isinstance(kind, str):
            if kind in FLOW_DECORATORS:
                raise _unknown(kind, "steps")
            if arguments:
                raise DecoratorError(f"@{kind} takes no positional arguments.", "A mutator passes some.", "Name them.")
            added = self._add_recorded(kind, settings, duplicates, is_repeatable(kind))
            return (kind, settings) if added else None
        if not self._early and issubclass(kind, StepMutator):
            raise _too_late("Adding", kind)
        if not issubclass(kind, UserStepDecorator | StepMutator):
            raise _unknown(kind.__name__, "steps")
        if any(one.decorator_name == kind.decorator_name for one in self._custom()):
            if duplicates != self.OVERRIDE:
                return None
            self._drop(kind.decorator_name, None)
        added = kind(*arguments, **settings)
        added.statically_defined = False
        added(self._my_step)
        initialise(added, self._configs)
        return added

    def remove_decorator(
        self, deco_name: str, deco_args: list[Any] | None = None, deco_kwargs: dict[str, Any] | None = None
    ) -> bool:
        """Remove the decorators of a name, or those of a name with these arguments; whether there were any."""
        wanted = None if deco_args is None and deco_kwargs is None else (deco_args or [], deco_kwargs or {})
        named = [one for one in self._custom() if deco_name in (one.decorator_name, _short(one))]
        if named:
            if not self._early and any(isinstance(one, StepMutator) for one in named):
                raise _too_late("Removing", type(named[0]))
            return self._drop(named[0].decorator_name, wanted)
        return self._remove_recorded(deco_name, None if wanted is None else wanted[1])

    def _drop(self, name: str, wanted: tuple[list[Any], dict[str, Any]] | None) -> bool:
        """Remove decorators of the user's own by their dotted name, and by their arguments."""
        before = len(self._custom())
        for field in ("wrappers", "config_decorators"):
            kept = [
                one
                for one in getattr(self._my_step, field)
                if one.decorator_name != name or (wanted is not None and one.get_args_kwargs() != wanted)
            ]
            setattr(self._my_step, field, kept)
        return len(self._custom()) < before


class MutableFlow(_Mutable):
    """A flow as a mutator sees it."""

    def __init__(self, flow_class: Any, configs: Mapping[str, Any], *, early: bool) -> None:
        super().__init__(flow_class, flow_class, configs, early=early)

    def _custom(self) -> list[Any]:
        return list(self._flow_cls._flownb_mutators)

    def _declared(self) -> dict[str, Parameter]:
        """Parameters and configs by attribute name."""
        found = {name: getattr(self._flow_cls, name, None) for name in dir(self._flow_cls)}
        return {name: one for name, one in found.items() if isinstance(one, Parameter)}

    @property
    def configs(self) -> Iterator[tuple[str, Any]]:
        """Each config's name and its value."""
        for one in self._declared().values():
            if isinstance(one, ConfigParameter):
                yield one.name, self._configs.get(one.name)

    @property
    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter by its attribute's name."""
        for name, one in self._declared().items():
            if not isinstance(one, ConfigParameter):
                yield name, one

    @property
    def steps(self) -> Iterator[tuple[str, MutableStep]]:
        """Each step by name, in no particular order."""
        for name, function in steps_of(self._flow_cls).items():
            yield name, MutableStep(self._flow_cls, function, self._configs, early=self._early)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        function = step_function(getattr(self._flow_cls, name))
        if getattr(function, "is_step", False):
            return MutableStep(self._flow_cls, function, self._configs, early=self._early)
        declared = self._declared().get(name)
        if declared is None:
            raise AttributeError(name)
        return self._configs.get(declared.name) if isinstance(declared, ConfigParameter) else declared

    def add_parameter(self, name: str, value: Any, overwrite: bool = False) -> None:
        """Give the flow a parameter; only in ``pre_mutate``.

        Raises
        ------
        DecoratorError
            If it comes too late, is not a parameter, or its name is taken.
        """
        if not self._early:
            raise _too_late("Adding", f"the parameter `{name}`")
        if not isinstance(value, Parameter) or isinstance(value, ConfigParameter):
            raise DecoratorError(
                f"A mutator adds `{name}`, which is not a parameter.",
                f"It is {value!r}.",
                "Pass a Parameter or an IncludeFile to add_parameter.",
            )
        if hasattr(self._flow_cls, name) and not overwrite:
            raise DecoratorError(
                f"A mutator adds the parameter `{name}`, but the flow has something of that name.",
                "A parameter becomes an attribute of the flow.",
                "Choose another name, or pass overwrite=True.",
            )
        setattr(self._flow_cls, name, value)

    def remove_parameter(self, parameter_name: str) -> bool:
        """Remove a parameter, by its own name; only in ``pre_mutate``; whether there was one."""
        if not self._early:
            raise _too_late("Removing", f"the parameter `{parameter_name}`")
        for name, one in self.parameters:
            if one.name == parameter_name:
                if name not in vars(self._flow_cls):
                    raise DecoratorError(
                        f"A mutator removes the parameter `{parameter_name}`, which a base class of the flow declares.",
                        "Only what the flow's own class declares can be removed.",
                        "Decorate the base class with the mutator.",
                    )
                delattr(self._flow_cls, name)
                return True
        return False

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: list[Any] | None = None,
        deco_kwargs: dict[str, Any] | None = None,
        duplicates: int = _Mutable.IGNORE,
    ) -> Any:
        """Add a decorator of flows, given as itself or as a text; only in ``pre_mutate``.

        Raises
        ------
        DecoratorError
            If it comes too late, or is not a decorator of flows.
        """
        kind, arguments, settings = _chosen(deco_type, deco_args, deco_kwargs)
        if not self._early:
            raise _too_late("Adding", kind if isinstance(kind, str) else kind.__name__)
        if isinstance(kind, str):
            if kind not in FLOW_DECORATORS:
                raise _unknown(kind, "flows")
            added = self._add_recorded(kind, settings, duplicates, is_repeatable(kind))
            return (kind, settings) if added else None
        if not issubclass(kind, FlowMutator):
            raise _unknown(kind.__name__, "flows")
        mutators = self._flow_cls._flownb_mutators
        same = [one for one in mutators if one.decorator_name == kind.decorator_name]
        if same and duplicates != self.OVERRIDE:
            return None
        mutators[:] = [one for one in mutators if one not in same]
        made = kind(*arguments, **settings)
        made.statically_defined = False
        made._flow_cls = self._flow_cls
        mutators.append(made)  # it runs after those that are there
        initialise(made, self._configs)
        return made

    def remove_decorator(
        self, deco_name: str, deco_args: list[Any] | None = None, deco_kwargs: dict[str, Any] | None = None
    ) -> bool:
        """Remove the decorators of a name; only in ``pre_mutate``; whether there were any."""
        if not self._early:
            raise _too_late("Removing", deco_name)
        if any(deco_name in (one.decorator_name, _short(one)) for one in self._custom()):
            raise DecoratorError(
                f"A mutator removes the mutator {deco_name}.",
                "The mutators of a flow are being run.",
                "Remove its line above the flow instead.",
            )
        return self._remove_recorded(deco_name, deco_kwargs)


def _chosen(
    kind: Any, arguments: list[Any] | None, settings: dict[str, Any] | None
) -> tuple[Any, list[Any], dict[str, Any]]:
    """The class of a decorator of the user's own, or the name of one of Metaflow's, with its arguments."""
    if isinstance(kind, str):
        name, written, named = parse_spec(kind)
        if (written or named) and (arguments or settings):
            raise DecoratorError(
                f"A mutator adds `{kind}` and passes further arguments.",
                "Its arguments are in the text already.",
                "Pass all of them in the text, or all of them as deco_args and deco_kwargs.",
            )
        arguments, settings = arguments or written, settings or named
        if name not in CHECKED and name not in FLOW_DECORATORS:
            return _registered(name), list(arguments), dict(settings)
        return name, list(arguments), dict(settings)
    known = getattr(kind, "flownb_decorator", None)
    if known is None:  # of an installed Metaflow: a partial over the decorator's class
        (*_, decorator_class) = getattr(kind, "args", ()) or (None,)
        known = getattr(decorator_class, "name", None)
    if known is None and not isinstance(kind, type):
        raise _unknown(repr(kind), "steps or flows")
    return known or kind, list(arguments or ()), dict(settings or {})


def _registered(name: str) -> Any:
    """A decorator of the user's own by its dotted name, or by the end of that."""
    found = [one for full, one in REGISTERED.items() if full == name or full.endswith(f".{name}")]
    if not found and "." in name:
        module, _, attribute = name.rpartition(".")
        try:
            found = [getattr(importlib.import_module(module), attribute)]
        except (ImportError, AttributeError):
            found = []
    if not found:
        raise _unknown(name, "steps or flows")
    return found[-1]


def _short(decorator: Any) -> str:
    """The shortest end of a decorator's dotted name that no other has."""
    parts = str(decorator.decorator_name).split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if sum(name == end or name.endswith(f".{end}") for name in REGISTERED) <= 1:
            return end
    return str(decorator.decorator_name)


def _too_late(doing: str, what: Any) -> DecoratorError:
    """The error of a change that only ``pre_mutate`` may make."""
    named = getattr(what, "__name__", what)
    return DecoratorError(
        f"{doing} {named} is too late in `mutate`.",
        "Parameters, decorators of the flow and mutators are settled once `pre_mutate` has run.",
        "Do it in `pre_mutate`.",
    )


def _unknown(name: str, where: str) -> DecoratorError:
    """The error of a name that is not a decorator's."""
    known = sorted({*CHECKED, *FLOW_DECORATORS})
    return DecoratorError(
        f"A mutator adds `{name}`, which is not a decorator of {where}.{nearest(name, known)}",
        f"Metaflow's are {', '.join(known)}; one of your own is known once its module is imported.",
        "Correct the name.",
    )
