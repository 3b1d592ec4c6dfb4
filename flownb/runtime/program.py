"""A flow made executable: the generated source compiled, with every line at its place in the cells.

Takes a `FlowDefinition` and its graph; gives, for each task, a fresh module with the flow's class in it. What is
compiled is the very text that the exporter writes.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import linecache
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from flownb.cells.body import Decorator
from flownb.cells.cell import Cell
from flownb.errors import ParameterError
from flownb.flow.artifacts import ArtifactTrace, trace_artifacts
from flownb.flow.base_classes import own_package
from flownb.flow.decorators import with_added
from flownb.flow.definition import FlowDefinition
from flownb.flow.graph import FlowGraph
from flownb.flow.method import MethodSource, SourceLine, method_source
from flownb.flow.module import (
    class_source,
    future_features,
    hoisted_source,
    metaflow_imports,
    shared_hash,
    shared_source,
    shared_tree_hash,
)
from flownb.metaflow_decorators import STEP_DECORATORS
from flownb.provenance.local_modules import outdated_modules
from flownb.provenance.own_modules import OwnModules
from flownb.provenance.variables import changed_variables, watched
from flownb.runtime.class_body import BODY_CLASS, keep_body
from flownb.runtime.custom_decorators import forget_definitions, initialise, step_function
from flownb.runtime.decorators import Recorded
from flownb.runtime.flowspec import FlowSpec
from flownb.runtime.launch import Launch
from flownb.runtime.metaflow_names import flow_builtins, own_imports, step
from flownb.runtime.mutators import apply_mutators, has_mutators, steps_of
from flownb.runtime.parameters.config import default_configs, plain_configs, resolved_parameters, seen_configs
from flownb.runtime.parameters.config_expr import configs_read, resolve_settings
from flownb.runtime.parameters.parameter import Parameter
from flownb.runtime.process import own_event_loops

__all__ = ["VERSION", "Program", "module_name", "recorded_decorators"]

# What FlowSpec itself has, and what Metaflow never takes for a constant (`metaflow/flowspec.py`, _NON_PARAMETERS).
NOT_CONSTANTS = frozenset({*dir(FlowSpec), "cmd", "foreach_stack", "index", "input", "script_name", "name"})

# In a flow's module: the hash of the shared cells it was made of.
VERSION = "__flownb_shared__"


def module_name(flow: str) -> str:
    """Name of the module that a flow's shared code lives in, so that its classes can be pickled."""
    return f"flownb_flow_{flow}"


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
        Attribute names of parameters and configs where only the executed class tells them; see `parameter_names`.
    launch : Launch, optional
        What the command that starts it adds; None is for a step that runs alone.
    """

    flow: FlowDefinition
    graph: FlowGraph
    configs: Mapping[str, Any] | None = None
    file: str = ""
    known_parameters: frozenset[str] | None = None
    launch: Launch | None = None

    def with_configs(self, configs: Mapping[str, Any]) -> Program:
        """The same program, for a run whose configs have these values (artifacts by name)."""
        return self._again(replace(self, configs=plain_configs(configs)))

    def launched(self, launch: Launch) -> Program:
        """The same program, started by a command that adds this."""
        return self._again(replace(self, launch=launch))

    def _again(self, program: Program) -> Program:
        """Give another program what was worked out from the same cells."""
        kept = ["artifacts", "shared_hash", "shared_tree_hash", "features", "methods", "_module_code"]
        kept += ["_plain_class", "_custom_lines", "own_modules", "_variables"]
        if not self.has_custom:  # else a mutator may make another class of other configs
            kept += ["_class", "declared", "constants"]
        vars(program).update({name: value for name, value in vars(self).items() if name in kept})
        return program

    @cached_property
    def artifacts(self) -> ArtifactTrace:
        """What each step can read."""
        return trace_artifacts(self.flow, self.graph)

    @cached_property
    def shared_hash(self) -> str:
        """Content hash of the shared code and the class body."""
        return shared_hash(self.flow)

    @cached_property
    def shared_tree_hash(self) -> str:
        """The same of the code alone, without comments and the like."""
        return shared_tree_hash(self.flow)

    @cached_property
    def methods(self) -> dict[str, MethodSource]:
        """Each step's source, made when it is first asked for."""
        return _Methods(self)

    @cached_property
    def features(self) -> int:
        """Compiler flags of the shared cells' ``from __future__`` imports."""
        import __future__

        flags = 0
        for name in future_features(self.flow):
            flags |= getattr(__future__, name).compiler_flag
        return flags

    @cached_property
    def source(self) -> list[dict[str, Any]]:
        """The marked cells' texts with what is needed to read them again, in document order."""
        cells = [*([self.flow.header] if self.flow.header else []), *self.flow.shared]
        cells += [step.cell for step in self.flow.steps]
        return [{"source": cell.source, "kind": cell.kind, "name": cell.full_name} for cell in cells]

    @cached_property
    def _custom_lines(self) -> bool:
        """Whether a step has a decorator that is not Metaflow's."""
        known = STEP_DECORATORS - self.flow.redefined
        lines = [one.name for step in self.flow.all_steps for one in step.body.decorators]
        return any(name.rpartition(".")[2] not in known for name in lines)

    @property
    def has_custom(self) -> bool:
        """Whether a step or the flow may have a decorator that is not Metaflow's, which may change all of them."""
        return self.flow.is_open or self._custom_lines

    @cached_property
    def own_modules(self) -> OwnModules:
        """The user's own modules that the classes to look at have imported, and not those of the kernel."""
        return OwnModules(quiet=True)

    @cached_property
    def _variables(self) -> list[str]:
        """What `looked_at` has read of the environment, each as a record has it."""
        return []

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """A block that executes the flow's code to see what it defines: with modules of its own, its reads noted."""
        with self.own_modules.entered(), watched() as reads:
            yield
        if text := reads.lasting():
            self._variables.append(text)

    @property
    def is_outdated(self) -> bool:
        """Whether what was seen of the flow's code may be different now: a module's file, or a variable, changed."""
        changed = any(changed_variables(text, same_command=True) for text in self._variables)
        return changed or bool(outdated_modules(self.own_modules.texts))

    @cached_property
    def _plain_class(self) -> type[FlowSpec]:
        """The flow's class as its source has it, to look at."""
        with self.looked_at():
            return self.flow_class(mutated=False)

    @cached_property
    def _class(self) -> type[FlowSpec]:
        """The flow's class with all steps and what mutators made of it, to look at."""
        if not self.has_custom:
            return self._plain_class
        with self.looked_at():
            flow_class = self.flow_class(every=True)
        return flow_class if has_mutators(flow_class) else self._plain_class

    @cached_property
    def written_parameters(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name, before any mutator changed them."""
        return _parameters_of(self._plain_class)

    @cached_property
    def declared(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name."""
        return _parameters_of(self._class)

    @property
    def parameter_names(self) -> frozenset[str]:
        """Attribute names of parameters and configs; the class is executed only where its source does not say them."""
        if self.known_parameters is not None:
            return self.known_parameters
        return frozenset(self.declared) if self.flow.is_dynamic else self.flow.parameters

    def unexecuted(self) -> Program:
        """The same program, for questions that must not execute the class: its parameters are those in the source."""
        if not self.flow.is_dynamic or self.known_parameters is not None or "declared" in vars(self):
            return self
        program = replace(self, known_parameters=self.flow.parameters)
        vars(program).update({name: value for name, value in vars(self).items() if name != "known_parameters"})
        return program

    def settled(self) -> Program:
        """The same program, for processes that are not to find out again what this one knows."""
        if not self.flow.is_dynamic or self.known_parameters is not None:
            return self
        program = replace(self, known_parameters=self.parameter_names)
        vars(program).update({name: value for name, value in vars(self).items() if name != "known_parameters"})
        return program

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The flow's parameters and configs by attribute name, with the configs' values where they use them."""
        declared = self.declared
        return resolved_parameters(declared, self._config_values(declared.values()))

    def _config_values(self, declared: Iterable[Parameter]) -> Mapping[str, Any]:
        """The configs' values by name."""
        if self.configs is not None:
            return self.configs
        if "_defaults" not in vars(self):
            with self.looked_at():
                vars(self)["_defaults"] = default_configs(declared, self.flow.name)
        values: Mapping[str, Any] = vars(self)["_defaults"]
        return values

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Class-level values, which Metaflow keeps as artifacts of every task, by name."""
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
        step = self.graph[name].step
        return step.body.decorators if step else ()

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

    def compile(self) -> None:
        """Compile all there is, so that processes forked from now on need not."""
        _ = self._module_code
        for name, node in self.graph.nodes.items():
            if name in self.flow.inherited:
                continue
            self._method_code(name, shows=node.step is not None, decorated=True)

    @cached_property
    def _module_code(self) -> tuple[CodeType, ...]:
        """Imports, shared cells and the class without its steps, compiled."""
        header = self.flow.header
        lines = (*class_source(self.flow), SourceLine("    pass", 1, 4))
        names, hoisted = metaflow_imports(self.flow), tuple(hoisted_source(self.flow))
        place = header.filename if header else "<flow>"
        return (
            *([_imports(names)] if names else []),
            *(_compiled(tuple(shared_source(cell)), cell.filename, self.features) for cell in self.flow.shared),
            *([_compiled(hoisted, place, self.features)] if hoisted else []),
            _compiled(lines, place, self.features),
        )

    def flow_class(
        self,
        only: str | None = None,
        *,
        display: Callable[[Any], None] | None = None,
        decorated: bool = True,
        every: bool = False,
        mutated: bool = True,
    ) -> type[FlowSpec]:
        """Execute imports, shared code and class body in a fresh module and give the flow's class.

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
        namespace[VERSION] = self.shared_hash
        forget_definitions(module_name(""))
        for cell in (*self.flow.shared, *([self.flow.header] if self.flow.header else [])):
            _remember(cell)
        with own_imports(self._adopted), own_event_loops():
            for code in self._module_code:
                exec(code, namespace)
            flow_class: type[FlowSpec] = namespace[self.flow.name]
            keep_body(flow_class, namespace)
            if only is not None:
                setattr(flow_class, only, self._method(only, flow_class, display is not None, decorated))
            # A mutator of any step may change this one.
            every = every or (decorated and mutated and bool(flow_class._flownb_mutators or self._custom_lines))
            for name in self._step_names():
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

    @cached_property
    def _adopted(self) -> frozenset[str]:
        """Packages that base classes come from, and that therefore see our names."""
        return frozenset(name for name in map(own_package, self.flow.bases) if name)

    def _step_names(self) -> dict[str, None]:
        """All steps, and those that a ``self.next`` names before their cell ran."""
        names = dict.fromkeys(self.graph.nodes)
        for node in self.graph.nodes.values():
            names.update(dict.fromkeys(node.targets))
        return names

    def _method_code(self, name: str, *, shows: bool, decorated: bool) -> CodeType:
        """Compile one method as part of a class of the flow's name (which decides ``__x`` names)."""
        source = self.methods[name]
        node = self.graph[name]
        lines = source.lines
        if not decorated:
            start = next(i for i, line in enumerate(lines) if line.text.startswith("    @step"))
            lines = lines[start:]
        filename = _remember(node.step.cell) if node.step else "<flownb>"
        shown = len(source.loads) + source.statements - 1 if shows and source.statements else -1
        # Decorators can read what the class body defines, as they can in flow.py.
        base = f"(metaclass={BODY_CLASS})" if self.flow.class_names and self.decorators(name) else ""
        lines = (SourceLine(f"class {self.flow.name}{base}:", 1, 0), *lines)
        return _compiled(lines, filename, self.features, shown, is_method=True)

    def _method(self, name: str, flow_class: type[FlowSpec], shows: bool, decorated: bool) -> Any:
        """Execute the definition of one method, or copy it from the base class that has it."""
        if name in self.flow.inherited:
            above = next(vars(base)[name] for base in flow_class.__mro__[1:] if name in vars(base))
            method = _copied(step_function(above), decorated=decorated)
        else:
            code = self._method_code(name, shows=shows, decorated=decorated)
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
    for field in ("decorators", "wrappers", "config_decorators"):
        setattr(made, field, [copy(one) for one in getattr(function, field)] if decorated else [])
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


class _Methods(dict[str, MethodSource]):
    """Sources of a program's methods by step; a flow of many steps pays for those it runs."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def __missing__(self, name: str) -> MethodSource:
        program = self._program
        self[name] = method_source(program.flow, program.graph[name], program.artifacts)
        return self[name]


def _placeholder(name: str) -> Any:
    """A step that is named but not run."""

    def placeholder(self: FlowSpec) -> None:
        raise AttributeError(f"Step {name} cannot be called.")

    placeholder.__name__ = name
    return step(placeholder)


def _remember(cell: Cell) -> str:
    """Let tracebacks find the cell's own lines; give its file name.

    The header and the decorator lines are shown as comments: tools that show code around an error (IPython's
    stack_data) show nothing of a text that is not Python.
    """
    lines = cell.source.split("\n")
    marked = [*range(1, cell.body_line)]
    for decorator in cell.parsed.decorators:
        first = cell.body_line + decorator.line - 1
        marked += range(first, first + decorator.text.count("\n") + 1)
    for number in marked:
        lines[number - 1] = f"#{lines[number - 1]}"
    shown = [line + "\n" for line in lines]
    linecache.cache[cell.filename] = (len(cell.source), None, shown, cell.filename)
    return cell.filename


@lru_cache(maxsize=64)
def _imports(names: tuple[str, ...]) -> CodeType:
    """The import line that ``flow.py`` begins with."""
    return compile(f"from metaflow import {', '.join(names)}", "<flownb>", "exec", dont_inherit=True)


@lru_cache(maxsize=1024)
def _compiled(
    lines: tuple[SourceLine, ...], filename: str, flags: int, shown: int = -1, *, is_method: bool = False
) -> CodeType:
    """Compile generated source so that each node stands where its cell has it.

    `shown` is the position of the method's statement whose value is displayed, -1 for none.
    """
    text = "".join(line.text + "\n" for line in lines)
    tree = ast.parse(text, filename)
    if shown >= 0:
        _show(tree, shown, text)
    tree = _AsMain().visit(tree)
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            _move(node, lines)
    if is_method:
        _begin_at_first_line(tree)
    code: CodeType = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    return code


class _AsMain(ast.NodeTransformer):
    """Lets code read ``__name__`` as ``"__main__"``, which it is when Metaflow runs flow.py.

    The module's real name differs, so that its classes can be pickled and found again.
    """

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace a read of ``__name__``."""
        if node.id == "__name__" and isinstance(node.ctx, ast.Load):
            return ast.copy_location(ast.Constant("__main__"), node)
        return node


def _show(tree: ast.Module, position: int, text: str) -> None:
    """Display the value of a body's last expression, unless a semicolon ends it, as IPython does."""
    flow_class = tree.body[0]
    assert isinstance(flow_class, ast.ClassDef)
    method = flow_class.body[-1]
    assert isinstance(method, ast.FunctionDef)
    body = method.body
    last = body[position]
    if not isinstance(last, ast.Expr) or _stops(last.value):
        return
    end = text.split("\n")[(last.end_lineno or 1) - 1].encode()[last.end_col_offset or 0 :]
    if end.strip().startswith(b";"):
        return
    name = ast.Name("__flownb_display__", ast.Load())
    call = ast.copy_location(ast.Call(ast.copy_location(name, last.value), [last.value], []), last.value)
    body[position] = ast.copy_location(ast.Expr(call), last)


def _begin_at_first_line(tree: ast.Module) -> None:
    """Let the code of a class's last method begin at its cell's first line, as `_read_as_cell` says that it does.

    Where code begins is where its first decorator does: a first one is added, which gives back what it is given.
    """
    method = tree.body[0].body[-1]  # type: ignore[attr-defined]  # a class
    if method.decorator_list[0].lineno > 1:
        same = ast.parse("lambda method: method", mode="eval").body
        method.decorator_list.insert(0, same)


def _stops(value: ast.expr) -> bool:
    """Whether an expression calls a debugger, which would otherwise stop in the function that displays its value."""
    called = value.func if isinstance(value, ast.Call) else None
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    return name in ("breakpoint", "set_trace")


def _move(node: Any, lines: Sequence[SourceLine]) -> None:
    """Put a node at its cell's line and column; ranges that would end before they begin become empty."""
    first = lines[min(node.lineno, len(lines)) - 1]
    last = lines[min(node.end_lineno or node.lineno, len(lines)) - 1]
    node.lineno, node.col_offset = first.origin, max(node.col_offset - first.added, 0)
    node.end_lineno, node.end_col_offset = last.origin, max((node.end_col_offset or 0) - last.added, 0)
    if (node.end_lineno, node.end_col_offset) < (node.lineno, node.col_offset):
        node.end_lineno, node.end_col_offset = node.lineno, node.col_offset
