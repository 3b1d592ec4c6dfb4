"""A flow made executable: its class executed in a fresh module, and what is declared in it.

What is executed is `FlowCode`, the text that the exporter writes. A `Program` adds what one run or one step brings:
the values of its configs and what its command adds. Programs of the same cells share a `ProgramCache`.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

from flownb.cells.body import Decorator
from flownb.errors import ParameterError
from flownb.flow.artifacts import ArtifactTrace
from flownb.flow.decorators import with_added
from flownb.flow.definition import FlowDefinition
from flownb.flow.graph import FlowGraph
from flownb.flow.method import MethodSource
from flownb.provenance.module_copies import OwnModules
from flownb.provenance.module_hashes import outdated_modules
from flownb.provenance.variables import changed_variables, watched
from flownb.runtime.custom_decorators import forget_definitions, initialise, step_function
from flownb.runtime.decorators import Recorded
from flownb.runtime.flow_code import FlowCode, keep_body, remember_cell
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.launch import Launch
from flownb.runtime.metaflow_names import flow_builtins, own_imports, step
from flownb.runtime.mutators import apply_mutators, has_mutators, steps_of
from flownb.runtime.parameters.config import default_configs, plain_configs, resolved_parameters, seen_configs
from flownb.runtime.parameters.config_expr import configs_read, resolve_settings
from flownb.runtime.parameters.parameter import Parameter
from flownb.runtime.process import own_event_loops

__all__ = ["VERSION", "Program", "ProgramCache", "module_kept", "module_name", "recorded_decorators"]

# What FlowSpec itself has, and what Metaflow never takes for a constant (`metaflow/flowspec.py`, _NON_PARAMETERS).
NOT_CONSTANTS = frozenset({*dir(FlowSpec), "cmd", "foreach_stack", "index", "input", "script_name", "name"})

# In a flow's module: the hash of the shared cells it was made of.
VERSION = "__flownb_shared__"


def module_name(flow: str) -> str:
    """Name of the module that a flow's shared code lives in, so that its classes can be pickled."""
    return f"flownb_flow_{flow}"


@contextlib.contextmanager
def module_kept(flow: str) -> Iterator[None]:
    """Put the flow's module back afterwards: the notebook's scratch cells hold its classes."""
    name = module_name(flow)
    before = sys.modules.get(name)
    try:
        yield
    finally:
        if before is not None:
            sys.modules[name] = before


class _Looks:
    """What executing the flow's code to look at it has used, and the class as its source has it."""

    def __init__(self) -> None:
        self.own_modules = OwnModules(quiet=True)
        self.variables: list[str] = []
        self.plain_class: type[FlowSpec] | None = None


class _Declared:
    """A flow's class with all steps and what mutators made of it, and what is declared there."""

    def __init__(self) -> None:
        self.flow_class: type[FlowSpec] | None = None
        self.parameters: dict[str, Parameter] | None = None
        self.constants: dict[str, Any] | None = None


class ProgramCache:
    """What was worked out from a program, each part once for all the programs for which it is the same.

    Attributes
    ----------
    code : FlowCode or None
        Shared by all programs of the same cells.
    looks : object
        The own modules and variables that looking at the flow's class has read, and that class before any mutator
        changed it; shared like `code`.
    declared : object
        The class, parameters and constants; of another program where configs or mutators may change them.
    default_configs : mapping or None
        Default values of configs; of this program alone.
    imports : dict of str to tuple of str
        By step, the modules that its code may import, see `flownb.runtime.freshness.imports_of`.
    """

    def __init__(self) -> None:
        self.code: FlowCode | None = None
        self.looks = _Looks()
        self.declared = _Declared()
        self.default_configs: Mapping[str, Any] | None = None
        self.imports: dict[str, tuple[str, ...]] = {}

    def for_other_values(self, *, same_class: bool) -> ProgramCache:
        """The cache of a program of the same cells with other configs, or started by another command.

        Parameters
        ----------
        same_class : bool
            Whether the flow's class is certainly the same for both.
        """
        other = ProgramCache()
        other.code, other.looks = self.code, self.looks
        if same_class:
            other.declared = self.declared
        return other


@dataclass(frozen=True)
class Program:
    """A flow that can be run.

    Parameters
    ----------
    flow : FlowDefinition
    graph : FlowGraph
        Complete for runs; a notebook's unfinished graph for single steps.
    configs : mapping of str to object, optional
        The values of a run's configs by name, plain data; None means their defaults, read when first needed.
    file : str
        What ``__file__`` is in the flow's code: the path that flow.py has beside the notebook.
    known_parameters : frozenset of str, optional
        Attribute names of parameters and configs where only the executed class has them; see `parameter_names`.
    launch : Launch, optional
        What the command that starts it adds; None is for a step that runs alone.
    cache : ProgramCache
        What was worked out from it so far.
    """

    flow: FlowDefinition
    graph: FlowGraph
    configs: Mapping[str, Any] | None = None
    file: str = ""
    known_parameters: frozenset[str] | None = None
    launch: Launch | None = None
    cache: ProgramCache = field(default_factory=ProgramCache, compare=False, repr=False)

    def with_configs(self, configs: Mapping[str, Any]) -> Program:
        """The same program, for a run whose configs have these values (artifacts by name)."""
        return replace(self, configs=plain_configs(configs), cache=self._cache_for_other_values())

    def launched(self, launch: Launch) -> Program:
        """The same program, started by a command that adds this."""
        return replace(self, launch=launch, cache=self._cache_for_other_values())

    def of_cells(self, flow: FlowDefinition, graph: FlowGraph) -> Program:
        """A program of other cells with the same configs and command."""
        return replace(self, flow=flow, graph=graph, cache=ProgramCache())

    def _cache_for_other_values(self) -> ProgramCache:
        _ = self.code
        return self.cache.for_other_values(same_class=not self.has_custom)  # else a mutator may make another class

    @property
    def code(self) -> FlowCode:
        """The flow's source, compiled."""
        if self.cache.code is None:
            self.cache.code = FlowCode(self.flow, self.graph)
        return self.cache.code

    @property
    def artifacts(self) -> ArtifactTrace:
        """What each step can read."""
        return self.code.artifacts

    @property
    def shared_hash(self) -> str:
        """Content hash of the shared code and the class body."""
        return self.code.shared_hash

    @property
    def methods(self) -> Mapping[str, MethodSource]:
        """Each step's source, made when it is first asked for."""
        return self.code.methods

    @property
    def has_custom(self) -> bool:
        """Whether a step or the flow may have a decorator that is not Metaflow's, which may change all of them."""
        return self.flow.is_open or self.code.has_custom_decorators

    @property
    def own_modules(self) -> OwnModules:
        """The user's own modules that the classes to look at have imported, and not those of the kernel."""
        return self.cache.looks.own_modules

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """A block that executes the flow's code to see what it defines: with modules of its own, its reads noted."""
        with self.own_modules.entered(), watched() as reads:
            yield
        if text := reads.lasting():
            self.cache.looks.variables.append(text)

    @property
    def is_outdated(self) -> bool:
        """Whether what was seen of the flow's code may be different now: a module's file, or a variable, changed."""
        changed = any(changed_variables(text, same_command=True) for text in self.cache.looks.variables)
        return changed or bool(outdated_modules(self.own_modules.texts))

    @property
    def _plain_class(self) -> type[FlowSpec]:
        """The flow's class as its source has it, to look at."""
        looks = self.cache.looks
        if looks.plain_class is None:
            with self.looked_at():
                looks.plain_class = self.flow_class(mutated=False)
        return looks.plain_class

    @property
    def _class(self) -> type[FlowSpec]:
        """The flow's class with all steps and what mutators made of it, to look at."""
        if not self.has_custom:
            return self._plain_class
        declared = self.cache.declared
        if declared.flow_class is None:
            with self.looked_at():
                flow_class = self.flow_class(every=True)
            declared.flow_class = flow_class if has_mutators(flow_class) else self._plain_class
        return declared.flow_class

    @cached_property
    def written_parameters(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name, before any mutator changed them."""
        return _parameters_of(self._plain_class)

    @property
    def declared(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name."""
        declared = self.cache.declared
        if declared.parameters is None:
            declared.parameters = _parameters_of(self._class)
        return declared.parameters

    @property
    def parameter_names(self) -> frozenset[str]:
        """Attribute names of parameters and configs; the class is executed only where its source does not say them."""
        if self.known_parameters is not None:
            return self.known_parameters
        return frozenset(self.declared) if self.flow.is_dynamic else self.flow.parameters

    def unexecuted(self) -> Program:
        """The same program, for questions that must not execute the class: its parameters are those in the source."""
        known = self.known_parameters is not None or self.cache.declared.parameters is not None
        if not self.flow.is_dynamic or known:
            return self
        return replace(self, known_parameters=self.flow.parameters)

    def settled(self) -> Program:
        """The same program, for processes that are not to find out again what this one knows."""
        if not self.flow.is_dynamic or self.known_parameters is not None:
            return self
        return replace(self, known_parameters=self.parameter_names)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name, with the configs' values where they use them."""
        declared = self.declared
        return resolved_parameters(declared, self._config_values(declared.values()))

    def _config_values(self, declared: Iterable[Parameter]) -> Mapping[str, Any]:
        """The configs' values by name."""
        if self.configs is not None:
            return self.configs
        if self.cache.default_configs is None:
            with self.looked_at():
                self.cache.default_configs = default_configs(declared, self.flow.name)
        return self.cache.default_configs

    @property
    def constants(self) -> dict[str, Any]:
        """Class-level values, which Metaflow keeps as artifacts of every task, by name."""
        declared = self.cache.declared
        if declared.constants is None:
            declared.constants = self._find_constants()
        return declared.constants

    def _find_constants(self) -> dict[str, Any]:
        found = {
            name: getattr(self._class, name)
            for name in dir(self._class)
            if not (name.startswith("_") or name in NOT_CONSTANTS or name in self.declared or name in self.graph)
        }
        # `metaflow/flowspec.py`, _set_constants (2.19.39): what else is callable is a value like any other.
        left_out = (FunctionType, MethodType, property, type)
        found = {name: value for name, value in found.items() if not isinstance(value, left_out)}
        for name, value in found.items() if self.flow.configs else ():
            if configs_read(value):
                raise ParameterError(
                    f"The constant `{name}` of the %%flow cell holds a config's value.",
                    "Metaflow knows configs only when the run starts, and cannot keep such a constant.",
                    f'Read the config in steps, as in self.cfg, or write {name} = Parameter("{name}", default=…).',
                )
        return found

    @property
    def flow_decorators(self) -> tuple[Recorded, ...]:
        """Names and settings of the flow's own decorators."""
        return self.flow_settings(self._class, self.configs or {})

    def flow_settings(
        self, flow_class: type[FlowSpec], configs: Mapping[str, Any] | None = None
    ) -> tuple[Recorded, ...]:
        """Names and settings of the decorators of a class that `flow_class` gave."""
        recorded: tuple[Recorded, ...] = getattr(flow_class, "flownb_decorators", ())
        if not any(configs_read(settings) for _, settings in recorded):
            return recorded
        declared = list(_parameters_of(flow_class).values())
        seen = seen_configs(declared, configs if configs is not None else self._config_values(declared))
        return tuple((name, resolve_settings(settings, seen)) for name, settings in recorded)

    def decorators(self, name: str) -> tuple[Decorator, ...]:
        """A step's decorator lines."""
        return self.code.decorators(name)

    def recorded(self) -> dict[str, tuple[Recorded, ...]]:
        """Names and settings of the decorators of each step that has any; runs shared code and the decorator lines."""
        added = self.launch.decorators if self.launch else ()
        wanted = [name for name in self.graph.nodes if added or self.decorators(name)]
        if not wanted and not self.has_custom:
            return {}
        with self.own_modules.entered():
            if self.has_custom:
                flow_class = self._class if has_mutators(self._class) else self.flow_class(every=True)
                functions = {name: one for name, one in steps_of(flow_class).items() if name in self.graph}
            else:
                flow_class = self.flow_class()
                functions = {name: self._method(name, flow_class, False, True) for name in wanted}
        found = {name: recorded_decorators(function) for name, function in functions.items()}
        return {name: recorded for name, recorded in found.items() if recorded}

    def flow_class(
        self,
        only: str | None = None,
        *,
        display: Callable[[Any], None] | None = None,
        decorated: bool = True,
        every: bool = False,
        mutated: bool = True,
    ) -> type[FlowSpec]:
        """Execute imports, shared code and class body in a fresh module and return the flow's class.

        Parameters
        ----------
        only : str, optional
            The step whose method is wanted; all others are names that can be passed to ``self.next``.
        display : callable, optional
            Shows the value of the last expression of the step's body.
        decorated : bool, default True
            Whether the step's decorator lines are executed.
        every : bool, default False
            Whether the methods of all steps are wanted.
        mutated : bool, default True
            Whether mutators are run. One that the flow or the wanted step has needs the methods of all steps.
        """
        module = ModuleType(module_name(self.flow.name))
        namespace = module.__dict__
        namespace["__builtins__"] = flow_builtins(display)
        namespace["__file__"] = self.file or str(Path("flow.py").absolute())
        sys.modules[module.__name__] = module
        namespace[VERSION] = self.code.shared_hash
        forget_definitions(module_name(""))
        for cell in (*self.flow.shared, *([self.flow.header] if self.flow.header else [])):
            remember_cell(cell)
        with own_imports(self.code.adopted), own_event_loops():
            for code in self.code.module:
                exec(code, namespace)
            flow_class: type[FlowSpec] = namespace[self.flow.name]
            keep_body(flow_class, namespace)
            if only is not None:
                setattr(flow_class, only, self._method(only, flow_class, display is not None, decorated))
            # A mutator of any step may change this one.
            may_mutate = bool(flow_class._flownb_mutators) or self.code.has_custom_decorators
            every = every or (decorated and mutated and may_mutate)
            for name in self.code.step_names:
                if name == only:
                    continue
                if every and name in self.graph:
                    setattr(flow_class, name, self._method(name, flow_class, False, decorated))
                else:
                    setattr(flow_class, name, _placeholder(name))
            if every and decorated and mutated and has_mutators(flow_class):
                self._mutate(flow_class)
        return flow_class

    def _mutate(self, flow_class: type[FlowSpec]) -> None:
        """Run the mutators of a class whose steps are all there, and settle the decorators that they added."""
        declared = list(_parameters_of(flow_class).values())
        apply_mutators(flow_class, seen_configs(declared, self._config_values(declared)))
        for function in steps_of(flow_class).values():
            self._resolve(function, flow_class)

    def _method(self, name: str, flow_class: type[FlowSpec], shows: bool, decorated: bool) -> Any:
        """Execute the definition of one method, or copy it from the base class that has it."""
        if name in self.flow.inherited:
            above = next(vars(base)[name] for base in flow_class.__mro__[1:] if name in vars(base))
            method = _copied(step_function(above), decorated=decorated)
        else:
            code = self.code.method(name, shows=shows, decorated=decorated)
            # The class statement binds the flow's name: keep the real class.
            inner: dict[str, Any] = {}
            namespace = vars(sys.modules[flow_class.__module__])
            exec(code, namespace, inner)
            method = step_function(vars(inner[self.flow.name])[name])
            _bind_class(method, flow_class)
            _read_as_cell(inspect.unwrap(method))
        self._resolve(method, flow_class)
        if decorated and self.launch and self.launch.decorators:
            method.flownb_decorators = with_added(getattr(method, "flownb_decorators", ()), self.launch.decorators)
        return method

    def _resolve(self, method: Any, flow_class: type[FlowSpec]) -> None:
        """Give a step's decorators the values of the configs that they use."""
        recorded: tuple[Recorded, ...] = getattr(method, "flownb_decorators", ())
        wrappers = [one for one in getattr(method, "wrappers", ()) if not one._ran_init]
        if not wrappers and not any(configs_read(settings) for _, settings in recorded):
            return
        declared = list(_parameters_of(flow_class).values())
        seen = seen_configs(declared, self._config_values(declared))
        method.flownb_decorators = tuple((one, resolve_settings(settings, seen)) for one, settings in recorded)
        for wrapper in wrappers:
            initialise(wrapper, seen)


def _parameters_of(flow_class: type[FlowSpec]) -> dict[str, Parameter]:
    """Parameters and configs of a class and its bases, by attribute name; the class's own first."""
    names = dict.fromkeys([*vars(flow_class), *dir(flow_class)])
    found = {name: getattr(flow_class, name, None) for name in names if not name.startswith("__")}
    return {name: value for name, value in found.items() if isinstance(value, Parameter)}


def recorded_decorators(function: Any) -> tuple[Recorded, ...]:
    """Names and settings of a step's decorators: Metaflow's, those of its extensions, the user's own."""
    extensions = [(one.name, dict(one.attributes)) for one in getattr(function, "decorators", ())]
    own = [(one.decorator_name, one.get_args_kwargs()) for one in getattr(function, "wrappers", ())]
    named = [
        (name, {**settings, **{f"{place}": value for place, value in enumerate(given)}})
        for name, (given, settings) in own
    ]
    return (*getattr(function, "flownb_decorators", ()), *extensions, *named)


def _copied(function: Any, *, decorated: bool) -> Any:
    """A base class's method for one task: what its decorators remember, and mutators change, stays with the copy."""
    made = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    made.__dict__.update(vars(function))
    made.__kwdefaults__, made.__doc__ = function.__kwdefaults__, function.__doc__
    for name in ("decorators", "wrappers", "config_decorators"):
        setattr(made, name, [copy(one) for one in getattr(function, name)] if decorated else [])
    if not decorated:
        made.flownb_decorators = ()  # type: ignore[attr-defined]  # where decorators are recorded
    return made


def _bind_class(method: Any, flow_class: type[FlowSpec]) -> None:
    """Let ``super()`` and ``__class__`` in a method mean the flow's class, and not the one it was compiled in."""
    if hasattr(method, "__wrapped__"):
        _bind_class(method.__wrapped__, flow_class)
    if not isinstance(method, FunctionType):
        return
    for name, cell in zip(method.__code__.co_freevars, method.__closure__ or (), strict=True):
        if name == "__class__":
            cell.cell_contents = flow_class


def _read_as_cell(method: Any) -> None:
    """Let tracebacks take the whole cell as the method's source.

    IPython and inspect cut a function's source out of its file from its first line on, and a cell has no def line to
    cut from; code that is called ``<module>`` they show from the file as it is, like any other cell.
    """
    code = getattr(method, "__code__", None)
    if code is not None:
        method.__code__ = code.replace(co_name="<module>")


def _placeholder(name: str) -> Any:
    """A step that is named but not run."""

    def placeholder(self: FlowSpec) -> None:
        raise AttributeError(f"Step {name} cannot be called.")

    placeholder.__name__ = name
    return step(placeholder)
