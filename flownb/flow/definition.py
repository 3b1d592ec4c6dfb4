"""A flow as its cells define it: header, shared code and steps, before anything is checked.

Takes cells in document order; gives a `FlowDefinition`. What the cells mean together (order, artifacts, source) is
worked out in the sibling modules, each from a `FlowDefinition`.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

from flownb.cells.assignment import analyse_names
from flownb.cells.body import StepBody
from flownb.cells.cell import DEFAULT_FLOW_NAME, Cell
from flownb.cells.header import StepHeader
from flownb.cells.names import BodyNames
from flownb.flow.class_methods import ClassMethods, class_methods

__all__ = ["CONFIG_ATTRIBUTES", "PYTHON_BUILTINS", "FlowDefinition", "Step", "define_flow"]

# IPython adds these to builtins; a flow that runs on Metaflow does not have them.
IPYTHON_BUILTINS = {"display", "get_ipython", "__IPYTHON__", "exit", "quit"}
PYTHON_BUILTINS = frozenset(
    (set(dir(builtins)) - IPYTHON_BUILTINS)
    | {"__name__", "__file__", "__doc__", "__builtins__", "__class__", "__spec__", "exit", "quit"}
)
PARAMETER_CLASSES = {"Parameter", "IncludeFile", "Config"}
# Metaflow 2.19's flow decorators (`metaflow/plugins/__init__.py`, FLOW_DECORATORS_DESC).
FLOW_DECORATORS = frozenset(
    ["conda_base", "project", "pypi_base", "schedule", "trigger", "trigger_on_finish", "exit_hook"]
)
# Expressions whose value is certainly not a function.
VISIBLE = ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr | ast.ListComp | ast.DictComp
# With these, and with sys.modules, code can define names without writing them down.
HIDING = frozenset({"__builtins__", "builtins", "exec", "globals", "vars"})
# What `cfg.NAME` is in a class body of Metaflow when it is no value of the config: attributes of its own class
# (`metaflow/user_configs/config_parameters.py`, 2.19.39).
CONFIG_ATTRIBUTES = frozenset(
    {"IS_CONFIG_PARAMETER", "get", "init", "is_string_type", "items", "keys", "kwargs", "load_parameter", "name"}
    | {"option_kwargs", "parser", "separator", "values"}
)


@dataclass(frozen=True)
class Step:
    """One step cell, and what the methods do that it can call."""

    cell: Cell
    methods: ClassMethods | None = None

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
        """Names the body reads and binds, its captures counted as read at the end, what methods do as done by it."""
        return analyse_names(self.body.tree, captures=self.header.captures, methods=self.methods)

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
        Step cells in document order; two may carry one name, which a check reports.
    """

    name: str
    header: Cell | None
    shared: tuple[Cell, ...]
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step | None:
        """The first step of that name."""
        return next((step for step in self.steps if step.name == name), None)

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Names that the shared cells define at module level."""
        names: set[str] = set()
        for cell in self.shared:
            analysed = analyse_names(cell.parsed.tree)
            names.update(analysed.assigned, analysed.globals_declared)
        return frozenset(names)

    @cached_property
    def is_open(self) -> bool:
        """Whether the flow's class may have attributes that its source does not show."""
        if self.header is None:
            return False
        body = self.header.parsed
        if any(one.name.rpartition(".")[2] not in FLOW_DECORATORS - self.shared_names for one in body.decorators):
            return True
        return body.tree is not None and not all(map(_binds_what_it_names, body.tree.body))

    @cached_property
    def has_hidden_names(self) -> bool:
        """Whether code of the flow may define names at module level that are not written there as assigned."""
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
        """Names in the flow's class body, each ``"parameter"``, ``"constant"`` or ``"method"``."""
        return {name: kind for name, (kind, _) in self._class_body.items()}

    @cached_property
    def _class_body(self) -> dict[str, tuple[str, ast.expr | None]]:
        """Kind of each name in the class body, and the expression that gives its value."""
        found: dict[str, tuple[str, ast.expr | None]] = {}
        tree = self.header.parsed.tree if self.header else None
        for node in tree.body if tree else []:
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
        """Paths that configs and included files have as their default, as far as they are written out."""
        return tuple(
            keyword.value.value
            for _, value in self._class_body.values()
            if isinstance(value, ast.Call) and _class_called(value) in ("Config", "IncludeFile")
            for keyword in (*value.keywords, *(ast.keyword("default", one) for one in value.args[1:2]))
            if keyword.arg == "default"
            and isinstance(keyword.value, ast.Constant)
            and isinstance(keyword.value.value, str)
        )

    @property
    def parameters(self) -> frozenset[str]:
        """Attribute names of the flow's parameters."""
        return frozenset(name for name, kind in self.class_names.items() if kind == "parameter")

    @property
    def class_artifacts(self) -> frozenset[str]:
        """Class-level names that every step can read as artifacts: parameters and constants."""
        return frozenset(name for name, kind in self.class_names.items() if kind != "method")


def _class_called(node: ast.expr) -> str:
    """Parameter, IncludeFile or Config, if that is what an expression constructs; else an empty text."""
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
        In document order; scratch cells are passed over. Of several header cells the last one counts.
    default_name : str
        The flow's name when no cell names it.

    Returns
    -------
    FlowDefinition
    """
    cells = tuple(cells)
    header = next((cell for cell in reversed(cells) if cell.kind == "flow"), None)
    methods = class_methods(header) if header is not None else None
    return FlowDefinition(
        name=header.name if header else default_name,
        header=header,
        shared=tuple(cell for cell in cells if cell.kind == "shared"),
        steps=tuple(_step(cell, methods) for cell in cells if cell.kind == "step"),
    )


@lru_cache(maxsize=4096)
def _step(cell: Cell, methods: ClassMethods | None) -> Step:
    """One `Step` for each cell text, so that an edit of one cell analyses one cell."""
    return Step(cell, methods or None)
