"""Which code of a plain notebook is shared, which belongs to steps, and which is left in scratch cells.

Shared are imports, functions, classes, true constants and settings of the process, if all that they read is shared too.
A function or import that cannot be shared is local: it is defined in each step that uses it. A cell that only looks at
values is scratch. All other code is that of a step.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from flownb.cells.names import import_names
from flownb.convert.effects import root_name
from flownb.convert.known import (
    CONSTANT_CALLS,
    LOOKING,
    LOOKING_FUNCTIONS,
    PLOTTING,
    SAVING,
    SETTING_OBJECTS,
    SETTINGS,
)
from flownb.convert.pieces import Piece, dotted_name, imported_names
from flownb.convert.plain import PlainCell, PlainFunction

__all__ = ["PieceRole", "Roles", "decide_roles"]

PieceRole = Literal["shared", "local", "step", "scratch", "parameter"]
SIMPLE = ast.Constant | ast.Name | ast.operator | ast.unaryop | ast.cmpop | ast.boolop | ast.expr_context


@dataclass
class Roles:
    """What each piece is.

    Attributes
    ----------
    pieces : list of Piece
    role : dict of int to str
        By the piece's number.
    shared_names : frozenset of str
    state : frozenset of str
        Shared names that functions bind again with ``global``: all code that uses them has to be in one step.
    """

    pieces: list[Piece]
    role: dict[int, PieceRole] = field(default_factory=dict)
    shared_names: frozenset[str] = frozenset()
    state: frozenset[str] = frozenset()

    def of(self, *roles: PieceRole) -> list[Piece]:
        """The pieces with one of some roles, in document order."""
        return [piece for piece in self.pieces if self.role[piece.number] in roles]


def decide_roles(
    cells: Sequence[PlainCell],
    pieces: list[Piece],
    parameters: Iterable[Piece],
    *,
    steps: frozenset[int] = frozenset(),
    must_run: Callable[[Piece], bool] = lambda piece: False,
    scratch: frozenset[int] = frozenset(),
    constants: bool = True,
) -> Roles:
    """Decide what each piece is.

    Parameters
    ----------
    cells : sequence of PlainCell
    pieces : list of Piece
        Of all cells.
    parameters : iterable of Piece
        Those that become parameters of the flow.
    steps : frozenset of int
        Cells whose code has to be in steps, however it looks.
    must_run : callable
        Whether a piece that only looks has to be in a step, because of what it does to the process.
    scratch : frozenset of int
        Numbers of pieces that stay scratch in any case.
    constants : bool
        Whether constants are shared; if not, they are code of steps.
    """
    return _Decision(cells, pieces, list(parameters), steps, must_run, scratch, constants).roles


class _Decision:
    """Decides the roles of one notebook's pieces."""

    def __init__(
        self,
        cells: Sequence[PlainCell],
        pieces: list[Piece],
        parameters: list[Piece],
        steps: frozenset[int],
        must_run: Callable[[Piece], bool],
        scratch: frozenset[int],
        constants: bool,
    ) -> None:
        self.cells = cells
        self.pieces = pieces
        self.steps = steps
        self.must_run = must_run
        self.scratch = scratch
        self.constants = constants
        self.parameters = {piece.number for piece in parameters}
        self.of_cell: dict[int, list[Piece]] = {}
        self.binders: dict[str, list[Piece]] = {}
        for piece in pieces:
            self.of_cell.setdefault(piece.cell.number, []).append(piece)
            for name in piece.binds if piece.number not in scratch else ():
                self.binders.setdefault(name, []).append(piece)
        self.functions: dict[str, PlainFunction] = {}
        for cell in cells:
            self.functions.update(cell.functions)
        self.mutated = {name for piece in pieces for name in piece.mutated}
        self.mutated |= {name for function in self.functions.values() for name in function.mutated}
        self.mutated |= self.also_mutated()
        self.deleted = {name for piece in pieces for name in piece.deletes}
        # What functions with a `global` statement bind or change is state of the process.
        writing = [function for function in self.functions.values() if function.writes]
        self.globals = {name for function in writing for name in (*function.writes, *function.mutated)}
        self.imported = imported_names(pieces)
        self.roles = Roles(pieces)
        self._same: dict[str, bool] = {}
        self.local: set[str] = set()
        self.decide()

    def also_mutated(self) -> set[str]:
        """Names whose object changes under another name."""
        found: set[str] = set()
        pairs: dict[str, set[str]] = {}
        for piece in self.pieces:
            for statement in piece.statements:
                for new, old, is_part in statement.aliases:
                    pairs.setdefault(new, set()).add(old)
                    if not is_part:
                        pairs.setdefault(old, set()).add(new)
        waiting = [name for name in self.mutated if name in pairs]
        while waiting:
            for other in pairs.get(waiting.pop(), ()):
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        return found

    def decide(self) -> None:
        """Fill the roles."""
        shared = self.shared()
        role = self.roles.role
        for piece in self.pieces:
            number = piece.number
            if number in self.parameters:
                role[number] = "parameter"
            elif number in self.scratch:
                role[number] = "scratch"
            elif number in shared:
                role[number] = "shared"
            elif self.is_local(piece):
                role[number] = "local"
            else:
                role[number] = "step" if piece.statements else "scratch"
        self.local = {name for piece in self.roles.of("local") for name in piece.binds}
        for number, some in self.of_cell.items():
            kinds = {role[piece.number] for piece in some if piece.statements}
            if kinds == {"shared"}:  # magics beside shared code stay there, as comments
                role.update({piece.number: "shared" for piece in some})
            elif number not in self.steps and self.only_looks(some):
                role.update({piece.number: "scratch" for piece in some if role[piece.number] == "step"})
        self.repeat_settings()
        self.roles.shared_names = frozenset(name for piece in self.roles.of("shared") for name in piece.binds)
        self.roles.state = self.roles.shared_names & self.globals

    def repeat_settings(self) -> None:
        """Let a setting apply only to the steps below it, if there is code of steps above it that it may concern."""
        begun = False
        for piece in self.pieces:
            role = self.roles.role[piece.number]
            begun |= role == "step"
            if begun and role == "shared" and all(map(self.is_local_setting, piece.nodes)):
                self.roles.role[piece.number] = "local"

    def is_local_setting(self, node: ast.stmt) -> bool:
        """Whether a statement is a setting that results or printed lines may depend on."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            root = root_name(node.value.func)
        elif isinstance(node, ast.Assign) and all(
            isinstance(one, ast.Attribute | ast.Subscript) for one in node.targets
        ):
            root = root_name(node.targets[0])
        else:
            return False
        # How warnings and figures look is not compared, and sys.path is for imports, which are shared.
        return self.imported.get(root, "").partition(".")[0] not in {*PLOTTING, "sys", "warnings"}

    # What is shared

    def shared(self) -> set[int]:
        """Numbers of the pieces that can be module code."""
        found = {piece.number for piece in self.pieces if piece.statements and self.is_candidate(piece)}
        found -= self.parameters | self.scratch
        waiting = [piece for piece in self.pieces if piece.number in found]
        while waiting:
            self.narrow(found, waiting)
            left_out = found - self.needed_constants(found)
            found -= left_out
            waiting = [one for piece in self.pieces if piece.number in left_out for one in self.concerned(piece)]
        return found

    def narrow(self, found: set[int], waiting: list[Piece]) -> None:
        """Take out candidates until all that is left can be module code, beginning with those that wait."""
        while waiting:
            again: dict[int, Piece] = {}
            for piece in waiting:
                if piece.number in found and not self.can_stay(piece, found):
                    found.discard(piece.number)
                    again.update({other.number: other for other in self.concerned(piece)})
            waiting = list(again.values())

    def concerned(self, piece: Piece) -> list[Piece]:
        """Pieces that read or bind a name of a piece that is not shared."""
        return [one for name in piece.binds for one in (*self.users_at_all.get(name, ()), *self.binders[name])]

    @cached_property
    def users_at_all(self) -> dict[str, list[Piece]]:
        """Pieces that read a name when they are executed, or in a function that they define."""
        found: dict[str, list[Piece]] = {}
        for piece in self.pieces:
            for name in self.needs(piece):
                found.setdefault(name, []).append(piece)
        return found

    def needs(self, piece: Piece) -> set[str]:
        """Names that a piece reads now or later, through the functions that it names and those that it defines."""
        found = set(piece.reads)
        for name in piece.binds:
            function = self.functions.get(name)
            if function is not None and name in piece.cell.functions:
                found |= function.reads.keys() | function.writes.keys()
        return found

    def is_candidate(self, piece: Piece) -> bool:
        """Whether a piece is an import, a definition, a constant, or a setting of the process."""
        return all(self.is_shareable(node) for node in piece.nodes)

    def is_shareable(self, node: ast.stmt) -> bool:
        """Whether a statement is of a kind that can be module code."""
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return True
        if isinstance(node, ast.Pass):
            return True
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is None:
                return False
            if isinstance(node.value, ast.Lambda):
                return True
            if all(isinstance(target, ast.Attribute | ast.Subscript) for target in targets):
                return all(self.is_module_part(target) for target in targets)
            return self.constants and all(map(_is_plain_target, targets)) and self.is_constant(node.value)
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Call) and self.is_setting(node.value)
        if isinstance(node, ast.If):
            return self.is_constant(node.test) and all(map(self.is_shareable, (*node.body, *node.orelse)))
        if isinstance(node, ast.Try):
            handled = [part for handler in node.handlers for part in handler.body]
            imports = any(isinstance(part, ast.Import | ast.ImportFrom) for part in node.body)
            return imports and all(map(self.is_shareable, (*node.body, *handled, *node.orelse, *node.finalbody)))
        return False

    def is_module_part(self, target: ast.expr) -> bool:
        """Whether an assignment's left side is a part of a module, or of what a module hands out: its context."""
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Call):
            call = target.value
            return not call.args and not call.keywords and root_name(call.func) in self.imported
        return root_name(target) in self.imported

    def is_constant(self, node: ast.AST) -> bool:
        """Whether an expression has the same value in every process, if the names in it do."""
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name not in CONSTANT_CALLS or (isinstance(function, ast.Attribute) and not self.is_constant(function)):
                return False
            return all(map(self.is_constant, (*node.args, *(keyword.value for keyword in node.keywords))))
        if isinstance(node, SIMPLE):
            return True
        plain = ast.Attribute | ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.Compare | ast.IfExp | ast.Subscript
        several = ast.Tuple | ast.List | ast.Set | ast.Dict | ast.JoinedStr | ast.FormattedValue | ast.Slice
        return isinstance(node, plain | several | ast.Starred) and all(
            map(self.is_constant, ast.iter_child_nodes(node))
        )

    def is_setting(self, call: ast.Call) -> bool:
        """Whether a call sets something for the whole process."""
        name = dotted_name(call.func)
        parts = name.split(".")
        if not name:  # logging.getLogger("x").setLevel(…)
            return (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in ("setLevel", "disable_max_rows", "enable")
                and root_name(call.func) in self.imported
            )
        if parts[0] not in self.imported and parts[-1] not in ("setLevel", "addHandler"):
            return False
        if parts[-1] == "chdir":
            # A relative one depends on the folder before it, and module code may be executed twice in a process.
            path = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
            return isinstance(path, str) and path.startswith("/")
        if len(parts) == 1:
            return parts[0] in SETTINGS
        if parts[-1] in ("setLevel", "addHandler"):
            return True
        return parts[-1] in SETTINGS or parts[-2] in SETTING_OBJECTS

    def can_stay(self, piece: Piece, found: set[int]) -> bool:
        """Whether a candidate can be module code, if all of `found` are."""
        for name in self.needs(piece):
            others = self.binders.get(name, ())
            if name in self.globals:
                others = [one for one in others if any(name in part.names.assigned for part in one.statements)]
            if any(other.number not in found for other in others):
                return False
        for name in piece.binds:
            others = self.binders[name]
            again = name in self.deleted or any(one.number not in found for one in others if one is not piece)
            if again and not self.only_functions_bind(name, piece):
                return False
            if name in self.mutated and name not in self.imported and name not in self.globals:
                return False
            if len(others) > 1 and not self.same_for_all(name):
                return False
        function = next((self.functions[name] for name in piece.binds if name in piece.cell.functions), None)
        if function is not None and function.writes:
            return all(name in self.binders and self.is_state(name, found) for name in function.writes)
        return True

    def is_state(self, name: str, found: set[int]) -> bool:
        """Whether a name that functions bind again has a constant as its first value, in module code."""
        owners = [piece for piece in self.binders[name] if any(name in one.names.assigned for one in piece.statements)]
        return all(owner.number in found for owner in owners)

    def only_functions_bind(self, name: str, piece: Piece) -> bool:
        """Whether a name is bound by one piece, and else only by functions with ``global``."""
        owners = [one for one in self.binders[name] if any(name in part.names.assigned for part in one.statements)]
        return name not in self.deleted and owners == [piece] and name in self.globals

    def same_for_all(self, name: str) -> bool:
        """Whether all readers of a name that is defined several times read what its last definition gives."""
        if name not in self._same:
            self._same[name] = self._is_same(name)
        return self._same[name]

    def _is_same(self, name: str) -> bool:
        """The same, worked out."""
        others = self.binders[name]
        texts = {ast.dump(node) for other in others for node in other.nodes if name in _bound_by(node)}
        if len(texts) == 1 or name in self.globals:
            return True
        imports = {_import_of(name, node) for other in others for node in other.nodes if name in _bound_by(node)}
        if len(imports) == 1 and None not in imports:
            return True
        last = others[-1].number
        first = others[0].number
        return not any(first < user.number < last for user in self.users_at_all.get(name, ()))

    def needed_constants(self, found: set[int]) -> set[int]:
        """Leave out constants that look like variables of the cells around them, unless functions read them."""
        deferred: set[str] = set()
        for piece in self.pieces:
            if piece.number in found:
                deferred |= self.needs(piece) - piece.binds.keys()
        kept = set(found)
        for some in self.of_cell.values():
            if all(piece.number in found for piece in some if piece.statements):
                continue
            for piece in some:
                assigned = [node for node in piece.nodes if isinstance(node, ast.Assign | ast.AnnAssign)]
                names = {name for node in assigned for name in _bound_by(node)}
                defines = any(isinstance(node.value, ast.Lambda) for node in assigned)
                if names and not defines and not any(name.isupper() or name in deferred for name in names):
                    kept.discard(piece.number)
        return kept

    # What is local, and what only looks

    def is_local(self, piece: Piece) -> bool:
        """Whether a piece defines a function, or imports, and can be repeated in each step that uses it."""
        nodes = piece.nodes
        if not nodes or any(name in self.mutated for name in piece.binds if name not in self.imported):
            return False
        if not all(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Import | ast.ImportFrom)
            or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda))
            for node in nodes
        ):
            return False
        if any(self.functions[name].writes for name in piece.binds if name in self.functions):
            return False
        # Decorators and defaults are evaluated where the function is defined.
        return not any(other.number != piece.number for name in piece.reads for other in self.step_binders(name))

    def step_binders(self, name: str) -> Iterator[Piece]:
        """Pieces that bind a name and are neither imports nor definitions."""
        for piece in self.binders.get(name, ()):
            if not self.is_candidate(piece) or name in self.mutated:
                yield piece

    def only_looks(self, some: list[Piece]) -> bool:
        """Whether the code of a cell that is not shared only looks at values."""
        own = [piece for piece in some if self.roles.role[piece.number] == "step"]
        if not own or any(self.must_run(piece) for piece in own):
            return False
        number = own[0].cell.number
        bound = {name for piece in own for name in piece.binds}
        for piece in own:
            if not self.local.isdisjoint(piece.reads):  # it is defined in steps alone
                return False
            for name in piece.binds:
                if any(other.cell.number != number for other in self.users_at_all.get(name, ())):
                    return False
            if any(name not in bound and name not in self.imported for name in piece.mutated) or piece.deletes:
                return False
        plots = {name for name, full in self.imported.items() if full.partition(".")[0] in PLOTTING}
        drawn = bound | plots
        shows = [self.looks(node, drawn) for piece in own for node in piece.nodes]
        if not all(shows):
            return False
        nodes = [node for piece in own for node in piece.nodes]
        assigns = any(not isinstance(node, ast.Expr) for node in nodes)
        if not assigns:
            return True
        # Values that only this cell uses are made to be looked at if something is drawn of them; else they are results.
        used = {one.id for piece in own for one in piece.inside if isinstance(one, ast.Name)}
        return bool(used & plots)

    def looks(self, node: ast.stmt, drawn: set[str]) -> bool:
        """Whether a statement only looks at values, or draws them on what `drawn` names."""
        if isinstance(node, ast.Expr):
            return self.is_look(node.value, drawn)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            return node.value is None or self.is_look(node.value, drawn)
        if isinstance(node, ast.For):
            return self.is_look(node.iter, drawn) and all(self.looks(one, drawn) for one in (*node.body, *node.orelse))
        if isinstance(node, ast.If):
            return self.is_look(node.test, drawn) and all(self.looks(one, drawn) for one in (*node.body, *node.orelse))
        if isinstance(node, ast.With):
            return all(self.is_look(item.context_expr, drawn) for item in node.items) and all(
                self.looks(one, drawn) for one in node.body
            )
        return isinstance(node, ast.Pass)

    def is_look(self, value: ast.expr, drawn: set[str]) -> bool:
        """Whether an expression has no effect but what is displayed."""
        for node in ast.walk(value):
            if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
                return False
            if isinstance(node, ast.Call) and not self.is_looking_call(node, drawn):
                return False
        return True

    def is_looking_call(self, node: ast.Call, drawn: set[str]) -> bool:
        """Whether a call has no effect but what is displayed."""
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in SAVING and not (name in ("to_html", "to_json", "to_csv") and not node.args and not node.keywords):
            return False
        if isinstance(function, ast.Attribute):
            root = root_name(function)
            return (
                name in LOOKING
                or root in drawn
                or (root in self.imported and name[:1].islower() and self.is_pure(root))
            )
        if name in self.functions:
            return self.is_quiet(name)
        if name in self.imported:
            return name in drawn or name in LOOKING_FUNCTIONS
        return (name in LOOKING_FUNCTIONS and hasattr(builtins, name)) or name == "display"

    def is_pure(self, name: str) -> bool:
        """Whether functions of a module are known to compute and nothing else."""
        return self.imported[name].partition(".")[0] in (
            "math",
            "numpy",
            "statistics",
            "scipy",
            "collections",
            "itertools",
            "operator",
        )

    def is_quiet(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a function of the notebook changes nothing, prints nothing and writes nothing."""
        function = self.functions[name]
        if function.kind == "class" or function.mutated or function.writes or function.changes:
            return False
        return all(self.quiet_bodies.get(one, True) for one in (name, *function.reads) if one in self.functions)

    @cached_property
    def quiet_bodies(self) -> dict[str, bool]:
        """For each function whether its own body prints nothing and writes nothing."""
        found: dict[str, bool] = {}
        for piece in self.pieces:
            for name in piece.cell.functions.keys() & piece.binds.keys():
                speaks = not {*piece.calls}.isdisjoint(SAVING | {"open", "input", "exec", "eval"})
                found[name] = found.get(name, True) and not speaks
        return found


def _is_plain_target(target: ast.expr) -> bool:
    """Whether an assignment's left side is a name, or several."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_plain_target, target.elts))
    return isinstance(target, ast.Name)


def _bound_by(node: ast.stmt) -> set[str]:
    """Names that a simple statement binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set(import_names(node))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}


def _import_of(name: str, node: ast.stmt) -> tuple[str, str] | None:
    """What an import binds a name to: the module, and the name in it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname == name:
                return alias.name, ""
            if alias.asname is None and alias.name.partition(".")[0] == name:
                return name, ""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return "." * node.level + (node.module or ""), alias.name
    return None
