"""A flow as its cells define it: header, shared code and steps, before anything is checked.

`define_flow` makes a `FlowDefinition` of the cells of a notebook. What the cells mean together (order, artifacts,
source) is worked out in the sibling modules, each from a `FlowDefinition`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from flownb.cells.assignment import analyse_names
from flownb.cells.body import Decorator, StepBody
from flownb.cells.cell import DEFAULT_FLOW_NAME, Cell
from flownb.cells.header import StepHeader
from flownb.cells.names import BodyNames, import_names
from flownb.flow.base_classes import BaseClass, ClassMethods, base_classes, class_methods, inherited_steps
from flownb.flow.names import step_name_problem
from flownb.metaflow_decorators import FLOW_DECORATORS

__all__ = ["CONFIG_ATTRIBUTES", "PYTHON_BUILTINS", "FlowDefinition", "Step", "define_flow"]

# IPython adds these to builtins; a flow that runs on Metaflow does not have them.
IPYTHON_BUILTINS = {"display", "get_ipython", "__IPYTHON__", "exit", "quit"}
PYTHON_BUILTINS = frozenset(
    (set(dir(builtins)) - IPYTHON_BUILTINS)
    | {"__name__", "__file__", "__doc__", "__builtins__", "__class__", "__spec__", "exit", "quit"}
)
PARAMETER_CLASSES = {"Parameter", "IncludeFile", "Config"}
# Expressions whose value is certainly not a function.
VISIBLE = ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr | ast.ListComp | ast.DictComp
# With these, and with sys.modules, code can define names without writing them down.
HIDING = frozenset({"__builtins__", "builtins", "exec", "globals", "vars"})
# Attributes that every config has in a class body on Metaflow, so that `cfg.NAME` is not a value of the config
# (`metaflow/user_configs/config_parameters.py`, 2.19.39).
CONFIG_ATTRIBUTES = frozenset(
    {"IS_CONFIG_PARAMETER", "get", "init", "is_string_type", "items", "keys", "kwargs", "load_parameter", "name"}
    | {"option_kwargs", "parser", "separator", "values"}
)


@dataclass(frozen=True)
class Step:
    """One step cell, and what the methods do that it can call.

    `is_throw_away` says that the body is not the cell's own but one to try something with, which need not set what the
    header captures.
    """

    cell: Cell
    methods: ClassMethods | None = None
    is_throw_away: bool = False

    @property
    def name(self) -> str:
        """The step's name."""
        return self.cell.name

    @property
    def header(self) -> StepHeader:
        """The step's header."""
        assert self.cell.header is not None
        return self.cell.header

    @property
    def body(self) -> StepBody:
        """The parsed body."""
        return self.cell.parsed

    @cached_property
    def names(self) -> BodyNames:
        """Names the body reads and binds; captures count as read at its end, what methods do as done by the body."""
        return analyse_names(self.body.tree, captures=self.header.captures, methods=self.methods)

    @property
    def is_last(self) -> bool:
        """Whether its name, or its own ``@step(end=True)``, makes it the flow's last step."""
        return self.name == "end" or self.body.is_end

    @property
    def captures(self) -> tuple[str, ...]:
        """Names after ``->``."""
        return self.header.captures


@dataclass(frozen=True)
class FlowDefinition:
    """The cells of one flow.

    Attributes
    ----------
    name : str
        The class name in ``flow.py``.
    header : Cell or None
        The ``%%flow`` cell.
    shared : tuple of Cell
        ``%%shared`` cells in document order.
    steps : tuple of Step
        Step cells in document order; two may have the same name, which a check reports.
    unusable : tuple of Step
        Step cells whose name no step can have. They are not in `steps`, because as code they would break the others.
    refused : tuple of Cell
        Marked cells whose mark cannot be read.
    marked : tuple of Cell
        All marked cells in document order.
    """

    name: str
    header: Cell | None
    shared: tuple[Cell, ...]
    steps: tuple[Step, ...]
    unusable: tuple[Step, ...] = ()
    refused: tuple[Cell, ...] = ()
    marked: tuple[Cell, ...] = ()

    @property
    def as_written(self) -> FlowDefinition:
        """The flow with its unusable steps in their places; only checks use it, as it cannot be executed."""
        if not self.unusable:
            return self
        left_out = {step.cell: step for step in self.unusable}
        below: dict[str, list[Step]] = {}
        above = ""
        for cell in self.marked:
            if cell in left_out:
                below.setdefault(above, []).append(left_out[cell])
            elif cell.kind == "step" and cell.refusal is None:
                above = cell.name
        found = below.pop("", [])
        for step in self.steps:
            found += [step, *below.pop(step.name, [])]
        return replace(self, steps=tuple(found), unusable=())

    def step(self, name: str) -> Step | None:
        """The first step of that name, of a cell or else of a base class."""
        place = self._places.get(name)
        return self.steps[place[0]] if place else self.inherited.get(name)

    def steps_named(self, names: Iterable[str]) -> list[Step]:
        """The step cells of some names, in document order."""
        return [self.steps[place] for place in sorted(place for name in names for place in self._places.get(name, ()))]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where the step cells of a name are among all step cells."""
        found: dict[str, list[int]] = {}
        for place, step in enumerate(self.steps):
            found.setdefault(step.name, []).append(place)
        return found

    @cached_property
    def _bases(self) -> tuple[tuple[BaseClass, ...], bool, bool]:
        """The base classes that were found, whether these are all, and whether one is Metaflow's."""
        names = self.header.bases if self.header is not None else ()
        return base_classes(names, self.shared) if names else ((), True, True)

    @property
    def bases(self) -> tuple[BaseClass, ...]:
        """Base classes of the user's own whose source is known, in the order in which Python looks names up in them."""
        return self._bases[0]

    @property
    def has_root(self) -> bool:
        """Whether one of the base classes is Metaflow's ``FlowSpec``, as far as that is known."""
        return self._bases[2]

    @cached_property
    def inherited(self) -> dict[str, Step]:
        """Steps that come from base classes and that no cell replaces, by name."""
        own = {step.name for step in self.steps}
        methods = class_methods(self.header, self.shared) if self.header is not None else None
        return {name: _step(cell, methods) for name, cell in inherited_steps(self.bases).items() if name not in own}

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of base classes, then those of cells in document order, then a last step of a base class."""
        above = [step for step in self.inherited.values() if not step.is_last]
        below = [step for step in self.inherited.values() if step.is_last]
        return (*above, *self.steps, *below)

    @cached_property
    def is_dynamic(self) -> bool:
        """Whether only the executed class shows which of its attributes are parameters.

        That is so if the class is open, and if a class body takes a value from a function or from other code.
        """
        return self.is_open or any(not _is_plain(node) for body in self._class_bodies for node in body)

    @property
    def _class_bodies(self) -> list[list[ast.stmt]]:
        """Statements of the class body and of the class bodies of its bases."""
        bodies = [base.node.body for base in self.bases]
        if self.header is not None and self.header.parsed.tree is not None:
            bodies.append(self.header.parsed.tree.body)
        return bodies

    @property
    def _class_decorators(self) -> tuple[Decorator, ...]:
        """Decorators of the flow's class and of its bases."""
        own = self.header.parsed.decorators if self.header is not None else ()
        above = [Decorator(f"@{ast.unparse(one)}", 1) for base in self.bases for one in base.node.decorator_list]
        return (*own, *above)

    @property
    def hoisted(self) -> tuple[ast.Import | ast.ImportFrom, ...]:
        """Imports at the top level of the class body, which are written at module level.

        Metaflow persists what a class body binds, and a module cannot be persisted.
        """
        tree = self.header.parsed.tree if self.header is not None else None
        return tuple(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)) if tree else ()

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Names that the shared cells define at module level, and those that the class body imports."""
        names: set[str] = set()
        for cell in self.shared:
            analysed = analyse_names(cell.parsed.tree)
            names.update(analysed.assigned, analysed.globals_declared)
        names.update(name for node in self.hoisted for name in import_names(node))
        return frozenset(names)

    @cached_property
    def is_open(self) -> bool:
        """Whether the flow's class may have attributes that its source does not show.

        That is so if the source of a base class is not found, or the class has a decorator that is not Metaflow's.
        """
        known = FLOW_DECORATORS - self.redefined
        if not self._bases[1] or any(one.name.rpartition(".")[2] not in known for one in self._class_decorators):
            return True
        return not all(_binds_what_it_names(node) for body in self._class_bodies for node in body)

    @cached_property
    def redefined(self) -> frozenset[str]:
        """Names of Metaflow's decorators that shared code gives a meaning of its own."""
        theirs = {
            alias.asname or alias.name
            for tree in (*(cell.parsed.tree for cell in self.shared), ast.Module(list(self.hoisted), []))
            if tree is not None
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("metaflow", "flownb")
            for alias in node.names
        }
        return self.shared_names - theirs

    @cached_property
    def has_hidden_names(self) -> bool:
        """Whether code of the flow may define names at module level without an assignment that names them."""
        cells = [*([self.header] if self.header else []), *self.shared, *(step.cell for step in self.steps)]
        return any(
            (isinstance(node, ast.Name) and node.id in HIDING)
            or (isinstance(node, ast.Attribute) and node.attr == "modules")
            for cell in cells
            if any(word in cell.source for word in (*HIDING, "modules"))
            for node in (ast.walk(cell.parsed.tree) if cell.parsed.tree is not None else ())
        )

    @cached_property
    def has_star_import(self) -> bool:
        """Whether a shared cell imports ``*``, so that its names cannot be known without running it."""
        return any(
            isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
            for cell in self.shared
            if cell.parsed.tree is not None
            for node in ast.walk(cell.parsed.tree)
        )

    @cached_property
    def class_names(self) -> dict[str, str]:
        """Names in the class bodies of the flow and its bases, each ``"parameter"``, ``"constant"`` or ``"method"``."""
        return {name: kind for name, (kind, _) in self._class_body.items()}

    @cached_property
    def _class_body(self) -> dict[str, tuple[str, ast.expr | None]]:
        """Kind of each name in the class body, and the expression that gives its value."""
        found: dict[str, tuple[str, ast.expr | None]] = {}
        tree = self.header.parsed.tree if self.header else None
        inherited = [node for base in reversed(self.bases) for node in base.node.body]
        replaced = {step.name for step in self.steps}
        for node in (*inherited, *(tree.body if tree else ())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in self.inherited:
                continue
            if node in inherited and getattr(node, "name", "") in replaced:
                continue  # a step cell replaces what a base has under that name
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found[node.name] = ("method", None)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in (part for one in targets for part in ast.walk(one)):
                    if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                        found[target.id] = ("parameter" if _class_called(node.value) else "constant", node.value)
        return found

    def keeps(self, name: str) -> bool:
        """Whether a name of the class body certainly holds a parameter or a value, and no function."""
        kind, value = self._class_body.get(name, ("", None))
        return kind == "parameter" or (kind == "constant" and isinstance(value, VISIBLE))

    @cached_property
    def configs(self) -> frozenset[str]:
        """Attribute names of the flow's configs."""
        return frozenset(n for n, (_, value) in self._class_body.items() if value and _class_called(value) == "Config")

    @cached_property
    def default_files(self) -> tuple[str, ...]:
        """Paths that configs and included files have as their default, if they are written out."""
        return tuple(
            keyword.value.value
            for _, value in self._class_body.values()
            if isinstance(value, ast.Call) and _class_called(value) in ("Config", "IncludeFile")
            for keyword in (*value.keywords, *(ast.keyword("default", one) for one in value.args[1:2]))
            if keyword.arg == "default"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        )

    @cached_property
    def parameters(self) -> frozenset[str]:
        """Attribute names of the flow's parameters."""
        return frozenset(name for name, kind in self.class_names.items() if kind == "parameter")

    @property
    def class_artifacts(self) -> frozenset[str]:
        """Class-level names that every step can read as artifacts: parameters and constants."""
        return frozenset(name for name, kind in self.class_names.items() if kind != "method")


# Functions that a class body may call whose results are values and never parameters.
_VALUES = frozenset(
    {"abs", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "range", "round", "set", "sorted", "str"}
    | {"sum", "tuple", "zip"}
)


def _is_plain(node: ast.stmt) -> bool:
    """Whether a statement of a class body binds only the names that are written in it, to values that are visible."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.Pass):
        return True
    if isinstance(node, ast.ImportFrom):
        return all(alias.name != "*" for alias in node.names)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    value = node.value
    if value is None or _class_called(value):
        return True
    calls = [part for part in ast.walk(value) if isinstance(part, ast.Call)]
    if isinstance(value, ast.Name | ast.Attribute):
        return False  # may be a Parameter that shared code made
    return all(isinstance(call.func, ast.Name) and call.func.id in _VALUES for call in calls)


def _class_called(node: ast.expr) -> str:
    """Parameter, IncludeFile or Config, if an expression constructs one; otherwise empty."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name if name in PARAMETER_CLASSES else ""


def _binds_what_it_names(node: ast.stmt) -> bool:
    """Whether a statement of the class body binds the names that are written in it, and no others."""
    if isinstance(node, ast.ImportFrom):
        return all(alias.name != "*" for alias in node.names)
    if isinstance(node, ast.Expr):
        return not any(isinstance(one, ast.Call) for one in ast.walk(node))
    simple = ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.Pass
    return isinstance(node, simple) and not any(
        isinstance(one, ast.Name) and one.id in {*HIDING, "locals"} for one in ast.walk(node)
    )


def define_flow(cells: Iterable[Cell], *, default_name: str = DEFAULT_FLOW_NAME) -> FlowDefinition:
    """Collect the marked cells of a notebook.

    Parameters
    ----------
    cells : iterable of Cell
        In document order; scratch cells are left out. Of several ``%%flow`` cells the first one counts, and FN031
        reports the others.
    default_name : str
        The flow's name when no cell names it.

    Returns
    -------
    FlowDefinition
    """
    marked = tuple(cell for cell in cells if cell.kind != "scratch")
    known = [cell for cell in marked if cell.refusal is None]
    header = next((cell for cell in known if cell.kind == "flow"), None)
    shared = tuple(cell for cell in known if cell.kind == "shared")
    methods = class_methods(header, shared) if header is not None else None
    flow = FlowDefinition(
        name=header.name if header else default_name,
        header=header,
        shared=shared,
        steps=tuple(_step(cell, methods) for cell in known if cell.kind == "step"),
        refused=tuple(cell for cell in marked if cell.refusal is not None),
        marked=marked,
    )
    unusable = tuple(step for step in flow.steps if step_name_problem(step.name, flow.class_names))
    if not unusable:
        return flow
    left_out = set(map(id, unusable))
    steps = tuple(step for step in flow.steps if id(step) not in left_out)
    return replace(flow, steps=steps, unusable=unusable)


@lru_cache(maxsize=4096)
def _step(cell: Cell, methods: ClassMethods | None) -> Step:
    """One `Step` for each cell, so that after an edit only the edited cell is analysed again."""
    return Step(cell, methods or None)
