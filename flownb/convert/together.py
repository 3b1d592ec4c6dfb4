"""Which code has to be in one step, because of what no artifact carries.

Each step is a process of its own. What only a process has is lost between steps: the state of a seeded generator, open
files and connections, figures that are drawn on, and that two names share one object.
"""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from flownb.cells.names import ScopeNode
from flownb.convert.effects import root_name
from flownb.convert.known import PLOTTING, RANDOM, SEEDS, UNSTORABLE
from flownb.convert.pieces import Piece, dotted_name, imported_names
from flownb.convert.plain import PlainCell, PlainFunction
from flownb.convert.roles import Roles
from flownb.convert.trees import walk
from flownb.flow.names import SELF_ATTRIBUTES

__all__ = ["Generators", "Join", "Ordered", "order_steps"]

# Functions of numpy.random and random that make a generator of their own.
OWN_GENERATORS = frozenset(
    {"BitGenerator", "Generator", "PCG64", "Random", "RandomState", "SeedSequence", "SystemRandom"}
)
OWN_GENERATORS |= {"default_rng", "get_state", "seed"}
# Arguments with which a function uses a generator of its own.
GIVEN = frozenset({"generator", "random_state", "rng", "seed"})
FRAMEWORKS = {"torch": "torch", "torchvision": "torch", "pytorch_lightning": "torch", "keras": "tensorflow"}
FRAMEWORKS |= {"tensorflow": "tensorflow"}

# What gives several steps their random numbers, for each generator of the process.
OF_GENERATOR = {
    "numpy": "make `rng = np.random.default_rng(0)` and draw from it, as an artifact can carry it, and pass "
    "`random_state=0` to scikit-learn",
    "random": "make `rng = random.Random(0)` and draw from it, as an artifact can carry it",
    "torch": "set the seed in each step",
    "tensorflow": "set the seed in each step",
}


class Generators:
    """Which pieces seed or use the random generators of the whole process."""

    def __init__(self, cells: Sequence[PlainCell], pieces: Sequence[Piece]) -> None:
        self.imported = imported_names(pieces)
        self.functions: dict[str, PlainFunction] = {}
        for cell in cells:
            self.functions.update(cell.functions)
        self.bodies: dict[str, tuple[set[str], set[str]]] = {}
        self.objects: set[str] = set()
        self.is_used = any("seed" in piece.text for piece in pieces)
        self.of: dict[int, tuple[set[str], set[str]]] = {}
        if not self.is_used:
            return
        for piece in pieces:
            for node in piece.nodes:
                self.find_objects(node)
            for name in piece.binds:
                if name in piece.cell.functions:
                    seeds, uses = self.bodies.setdefault(name, (set(), set()))
                    for node in piece.nodes:
                        self.look(node, seeds, uses)
        for piece in pieces:
            seeds, uses = set[str](), set[str]()
            if not any(name in piece.cell.functions for name in piece.binds):
                for node in piece.nodes:
                    self.look(node, seeds, uses)
                for name in piece.reads:
                    body = self.bodies.get(name)
                    if body is not None:
                        seeds |= body[0]
                        uses |= body[1]
            self.of[piece.number] = (seeds, uses - seeds)

    def seeds(self, piece: Piece) -> set[str]:
        """The generators that a piece seeds."""
        return self.of[piece.number][0] if self.is_used else set()

    def uses(self, piece: Piece) -> set[str]:
        """The generators from which a piece takes numbers."""
        return self.of[piece.number][1] if self.is_used else set()

    @cached_property
    def seeded(self) -> frozenset[str]:
        """The generators that any piece seeds."""
        return frozenset(one for seeds, _ in self.of.values() for one in seeds)

    def matters(self, piece: Piece) -> bool:
        """Whether a piece takes numbers from a generator that the notebook seeds."""
        return bool(self.uses(piece) & self.seeded or self.seeds(piece))

    def find_objects(self, node: ast.stmt) -> None:
        """Note the names of estimators that use numpy's generator when they are fitted."""
        if isinstance(node, ast.Assign) and any(_is_random(call) for call in walk(node.value)):
            self.objects |= {one.id for target in node.targets for one in walk(target) if isinstance(one, ast.Name)}

    def look(self, node: ast.AST, seeds: set[str], uses: set[str]) -> None:
        """Note what the calls in a statement do."""
        for call in walk(node):
            if not isinstance(call, ast.Call):
                if isinstance(call, ast.Name | ast.Attribute):
                    framework = FRAMEWORKS.get(self.full(dotted_name(call)).partition(".")[0])
                    if framework is not None:
                        uses.add(framework)
                continue
            full = self.full(dotted_name(call.func))
            last = full.rpartition(".")[2] or getattr(call.func, "attr", "")
            top = full.partition(".")[0]
            seeded = next((which for end, which in SEEDS.items() if full == end or full.endswith(f".{end}")), None)
            if seeded is not None:
                if full.endswith("random.seed"):
                    seeded = ("numpy",) if top == "numpy" else ("random",)
                seeds.update(seeded)
            elif full.startswith("numpy.random."):
                uses |= {"numpy"} if last not in OWN_GENERATORS else set()
            elif top == "random" and "." in full:
                uses |= {"random"} if last not in OWN_GENERATORS else set()
            elif _is_random(call) or self.fits_random(call, last):
                uses.add("numpy")

    def fits_random(self, call: ast.Call, last: str) -> bool:
        """Whether a call fits an estimator that uses numpy's generator, or hands it to a function that may."""
        if last.startswith("fit"):
            return root_name(call.func) in self.objects
        return any(root_name(argument) in self.objects for argument in call.args if last not in ("print", "type"))

    def full(self, name: str) -> str:
        """A dotted name with what the import of its first part stands for."""
        root, dot, rest = name.partition(".")
        return f"{self.imported[root]}{dot}{rest}" if root in self.imported else name


def _is_random(call: ast.AST) -> bool:
    """Whether a call is of a function that uses numpy's generator unless it gets another one."""
    if not isinstance(call, ast.Call):
        return False
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = any(keyword.arg in GIVEN and not _is_none(keyword.value) for keyword in call.keywords)
    return name in RANDOM and not given


def _is_none(node: ast.expr) -> bool:
    """Whether an expression is ``None``."""
    return isinstance(node, ast.Constant) and node.value is None


@dataclass(frozen=True)
class Join:
    """Positions in `Ordered.pieces` of code that has to be in one step, from the first to the last.

    Attributes
    ----------
    first, last : int
    why : str
        What they share that no artifact carries, as a clause after "because"; empty if a proof has found it, which says
        so itself.
    fix : str
        What gives more steps.
    """

    first: int
    last: int
    why: str = ""
    fix: str = ""


@dataclass
class Ordered:
    """The code of steps in the order in which the flow executes it.

    Attributes
    ----------
    pieces : list of Piece
    cells : list of int
        For each piece the number of the cell whose step it belongs to; a seed belongs to the code that uses it.
    together : list of Join
        What has to be in one step.
    changed : list of set of str
        For each piece the names whose value may be another one after it, also because they share an object with one.
    unstorable : frozenset of str
        Names whose values cannot be stored.
    """

    pieces: list[Piece] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    together: list[Join] = field(default_factory=list)
    changed: list[set[str]] = field(default_factory=list)
    unstorable: frozenset[str] = frozenset()

    @cached_property
    def last_reads(self) -> dict[str, int]:
        """For each name the last place that reads it."""
        return {name: place for place, piece in enumerate(self.pieces) for name in piece.reads}


def order_steps(
    roles: Roles, generators: Generators, functions: Mapping[str, PlainFunction], together: Iterable[tuple[int, int]]
) -> Ordered:
    """Order the pieces that belong to steps, and find which of them have to be in one step.

    Parameters
    ----------
    roles : Roles
    generators : Generators
    functions : mapping of str to PlainFunction
    together : iterable of (int, int)
        Cells that have to be in one step.
    """
    own = roles.of("step")
    targets = _targets_of_seeds(own, generators)
    found = Ordered()
    moved: dict[int, list[Piece]] = {}
    for piece in own:
        if piece.number in targets:
            moved.setdefault(targets[piece.number].number, []).append(piece)
    for piece in own:
        if piece.number not in targets:
            for one in (*moved.get(piece.number, ()), piece):
                found.pieces.append(one)
                found.cells.append(piece.cell.number)
    _Together(found, roles, generators, functions).find()
    for first, last in together:
        places = [place for place, cell in enumerate(found.cells) if first <= cell <= last]
        if places:
            found.together.append(Join(places[0], places[-1]))
    return found


def _targets_of_seeds(own: list[Piece], generators: Generators) -> dict[int, Piece]:
    """For each piece that only seeds a generator, by its number, the first piece that uses that generator after it."""
    found: dict[int, Piece] = {}
    if not generators.is_used:
        return found
    waiting: list[Piece] = []
    for piece in own:
        seeds, uses = generators.seeds(piece), generators.uses(piece)
        for one in [one for one in waiting if generators.seeds(one) & (uses | seeds)]:
            waiting.remove(one)
            if generators.seeds(one) & uses and one.cell is not piece.cell:
                found[one.number] = piece
        alone = all(isinstance(node, ast.Expr) for node in piece.nodes)
        if seeds and not uses and alone and not piece.binds and not piece.mutated:
            waiting.append(piece)
    return found


class _Together:
    """Finds which pieces have to be in one step."""

    def __init__(
        self, found: Ordered, roles: Roles, generators: Generators, functions: Mapping[str, PlainFunction]
    ) -> None:
        self.found = found
        self.roles = roles
        self.generators = generators
        self.functions = functions
        self.reads: dict[str, list[int]] = {}
        self.bound: dict[str, list[int]] = {}
        self.mutated: dict[str, list[int]] = {}
        for place, piece in enumerate(found.pieces):
            for name in piece.reads:
                self.reads.setdefault(name, []).append(place)
            for name in piece.definite - piece.reads.keys():
                self.bound.setdefault(name, []).append(place)
            for name in piece.mutated:
                self.mutated.setdefault(name, []).append(place)

    def find(self) -> None:
        """Fill `together`, `changed` and `unstorable`."""
        pieces = self.found.pieces
        self.found.changed = [{*piece.binds, *piece.mutated} for piece in pieces]
        self.find_generators()
        self.find_shared_state()
        unstorable = self.unstorable()
        self.found.unstorable = frozenset(unstorable)
        for place, piece in enumerate(pieces):
            for name in piece.binds:
                if name in unstorable:
                    why, fix = f"`{name}` cannot be stored", f"make `{name}` again in each step that uses it"
                elif is_illegal(name):
                    why, fix = f"no artifact can be called `{name}`", "use another name"
                elif self.is_definition(piece, name):
                    why = f"`{name}` is not shared code: it reads a value that changes, or its own attributes change"
                    fix = f"let `{name}` use its arguments, imports and constants only"
                else:
                    why = fix = ""
                if why:
                    self.keep(place, self.last_read(name, place), why, fix)
                elif name not in piece.definite:
                    self.find_conditional(name, place)
            for statement in piece.statements:
                for new, old, is_part in statement.aliases:
                    self.find_alias(new, old, place, is_part=is_part)
            if " is " in piece.text:
                self.find_identity(piece, place)

    def keep(self, first: int, last: int, why: str, fix: str) -> None:
        """Note that the pieces from one place to another belong to one step."""
        if last > first:
            self.found.together.append(Join(first, last, why, fix))

    def last_read(self, name: str, place: int) -> int:
        """The last place that reads what `place` binds a name to."""
        bound, reads = self.bound.get(name, ()), self.reads.get(name, ())
        following = bisect_right(bound, place)
        # The code that binds the name again may read it before that.
        until = bisect_right(reads, bound[following]) if following < len(bound) else len(reads)
        return reads[until - 1] if until and reads[until - 1] > place else place

    def find_generators(self) -> None:
        """What uses one seeded generator is in one step, from the seed on."""
        begin: dict[str, int] = {}
        for place, piece in enumerate(self.found.pieces):
            for one in self.generators.uses(piece):
                if one in begin:
                    seed = self.found.pieces[begin[one]]
                    why = f"their random numbers follow from the seed in cell {seed.cell.number}, line {seed.last}"
                    self.keep(begin[one], place, why, OF_GENERATOR[one])
            for one in self.generators.seeds(piece):
                begin[one] = place

    def find_shared_state(self) -> None:
        """What uses names that functions bind again with ``global`` is in one step, and what follows a ``chdir``."""
        for place, piece in enumerate(self.found.pieces):
            if "chdir" in piece.text:
                why, fix = "one of them changes the current folder", "write the folder in the paths of the files"
                self.keep(place, len(self.found.pieces) - 1, why, fix)
        if self.roles.state:
            places = [
                place
                for place, piece in enumerate(self.found.pieces)
                if not self.roles.state.isdisjoint({*piece.reads, *piece.binds, *piece.mutated})
            ]
            if places:
                names = ", ".join(f"`{name}`" for name in sorted(self.roles.state))
                why = f"`global` in functions makes {names} a name of the module"
                self.keep(places[0], places[-1], why, "return the value, and assign it where the function is called")

    def unstorable(self) -> set[str]:
        """Names bound to what cannot be stored."""
        found: set[str] = set()
        local_classes = {
            node.name for piece in self.found.pieces for node in piece.nodes if isinstance(node, ast.ClassDef)
        }
        makers = self.makers
        local_functions = {name for piece in self.roles.of("local") for name in piece.binds if name in self.functions}
        found |= local_functions
        plots = {name for name, full in self.generators.imported.items() if full.partition(".")[0] in PLOTTING}
        known = local_classes | makers
        for piece in self.found.pieces:
            for one in piece.inside:
                if isinstance(one, ast.Assign) and self.is_unstorable(one.value, found, known, plots):
                    names = (node for target in one.targets for node in walk(target) if isinstance(node, ast.Name))
                    found |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
        return found - local_functions

    @cached_property
    def makers(self) -> set[str]:
        """Functions of the notebook that return a generator, or a function that they define."""
        found: set[str] = set()
        for piece in self.roles.pieces:
            for node in piece.nodes:
                if isinstance(node, ast.FunctionDef):
                    inside = {one.name for one in piece.inside if isinstance(one, ast.FunctionDef)} - {node.name}
                    for one in _own(node):
                        value = one.value if isinstance(one, ast.Return) else None
                        returned = isinstance(value, ast.Lambda) or getattr(value, "id", "") in inside
                        if isinstance(one, ast.Yield | ast.YieldFrom) or returned:
                            found.add(node.name)
        return found

    def is_unstorable(self, value: ast.expr, known: set[str], makers: set[str], plots: set[str]) -> bool:
        """Whether a value cannot be stored, as far as its text shows."""
        if isinstance(value, ast.GeneratorExp | ast.Lambda):
            return True
        if isinstance(value, ast.Tuple | ast.List):
            return any(self.is_unstorable(one, known, makers, plots) for one in value.elts)
        if isinstance(value, ast.Dict):
            return any(self.is_unstorable(one, known, makers, plots) for one in value.values)
        if isinstance(value, ast.ListComp | ast.SetComp):
            return self.is_unstorable(value.elt, known, makers, plots)
        if isinstance(value, ast.DictComp):
            return self.is_unstorable(value.value, known, makers, plots)
        if isinstance(value, ast.Name):
            return value.id in known
        if isinstance(value, ast.Subscript):
            return self.is_unstorable(value.value, known, makers, plots)
        if not isinstance(value, ast.Call):
            return False
        name = getattr(value.func, "attr", getattr(value.func, "id", ""))
        if name in makers:
            return True
        if isinstance(value.func, ast.Attribute):
            root = root_name(value.func)
            if root in plots and name[:1].islower() and name not in ("load_dataset", "color_palette", "get_cmap"):
                return True
            if root in known:
                return name in UNSTORABLE or name in ("execute", "begin", "plot", "hist", "bar", "scatter", "imshow")
            if name in ("plot", "hist", "boxplot") or (
                isinstance(value.func.value, ast.Attribute) and value.func.value.attr == "plot"
            ):
                return True
        return name in UNSTORABLE

    def is_definition(self, piece: Piece, name: str) -> bool:
        """Whether a piece binds a name to a function, class or module, which no step can pass on."""
        return any(name in statement.names.definitions for statement in piece.statements)

    def find_conditional(self, name: str, place: int) -> None:
        """A name that may have no value here can be captured only if the code below cannot do without it."""
        if name in self.bound and self.bound[name][0] < place:
            return
        last = self.last_read(name, place)
        if last > place and not self.is_needed(name, place, last):
            why = f"`{name}` has a value only if a condition is met"
            self.keep(place, last, why, f"give `{name}` a value in any case")

    def is_needed(self, name: str, place: int, last: int) -> bool:
        """Whether some code below certainly reads a name."""
        return any(
            name in statement.names.definite
            for other in self.reads.get(name, ())
            if place < other <= last
            for statement in self.found.pieces[other].statements
        )

    def find_identity(self, piece: Piece, place: int) -> None:
        """Whether two names have one object can be asked only in the process that made it."""
        for one in piece.inside:
            if isinstance(one, ast.Compare) and any(isinstance(sign, ast.Is | ast.IsNot) for sign in one.ops):
                sides = [one.left, *one.comparators]
                roots = [root_name(side) for side in sides if not isinstance(side, ast.Constant)]
                made = [bound[0] for name in roots if (bound := self.bound.get(name))]
                if len(roots) == len(sides) and made:
                    why = f"`{ast.unparse(one)}` asks whether two names have one object"
                    self.keep(min(made), place, why, "compare the values with `==`")

    def find_alias(self, new: str, old: str, place: int, *, is_part: bool) -> None:
        """Two names that share an object stay in one process up to the last change that both have to see."""
        if new in self.found.unstorable or old in self.found.unstorable:
            return
        end = len(self.found.pieces)
        for name in (new, old):
            bound = self.bound.get(name, ())
            following = bisect_right(bound, place)
            end = min(end, bound[following] if following < len(bound) else end)
        for name, other in ((new, old), (old, new)):
            changes = self.mutated.get(name, ())
            if is_part and name == old:
                continue
            for change in changes[bisect_left(changes, place) : bisect_left(changes, end)]:
                if self.last_read(other, change) > change:
                    self.found.changed[change].add(other)
                    why = f"`{new}` shares an object with `{old}`, and cell {self.found.cells[change]} changes it"
                    self.keep(place, change, why, f"copy it where `{new}` is made, if the change is for one name only")


def _own(node: ast.AST) -> Iterable[ast.AST]:
    """The nodes of a function's own body, without functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ScopeNode):
            yield child
            yield from _own(child)


def is_illegal(name: str) -> bool:
    """Whether no artifact can have a name."""
    return name in SELF_ATTRIBUTES or name in ("self", "inputs") or name.startswith("__")
