"""What in the text of cells can make a value differ from one run to the next: randomness, time, the order of sets.

The text alone never decides that a value is not verified, only two runs of the plain notebook that differ do. It says
when a second run is worth its time, and names the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence

from flownb.convert.plain import PlainCell
from flownb.convert.trees import walk

__all__ = ["RANDOM", "is_seed", "reason_of", "runs_needed", "sources_of"]

RANDOM = "random numbers without a fixed seed"
TIME = "the time"
ORDER = "the order of a set or the hash of a text"
IDENTITY = "a memory address"
PROCESS = "the process, its files or its machine"

# Last parts of names whose use has such an effect.
_WORDS = {
    RANDOM: """
        random randn rand randint choice choices shuffle permutation normal uniform sample default_rng RandomState
        train_test_split KFold StratifiedKFold ShuffleSplit make_classification make_regression make_blobs KMeans
        MLPClassifier MLPRegressor RandomForestClassifier RandomForestRegressor GradientBoostingClassifier uuid1 uuid4
        secrets urandom token_hex SystemRandom bootstrap
    """,
    TIME: """
        time perf_counter monotonic process_time time_ns now today utcnow localtime gmtime ctime strftime default_timer
        timeit getmtime
    """,
    ORDER: "set frozenset hash",
    IDENTITY: "id",
    PROCESS: "getpid tempfile mkdtemp mkstemp gethostname cpu_count requests urlopen",
}
_SOURCES = {word: reason for reason, words in _WORDS.items() for word in words.split()}
# Draws with few possible results.
_FEW = frozenset(["choice", "choices", "randint", "shuffle", "permutation", "sample"])
# Arguments that fix what a call does.
_SEEDS = frozenset(["random_state", "seed"])


def sources_of(cell: PlainCell) -> tuple[str, ...]:
    """What the cell uses that can differ from run to run, in words; empty if nothing is known.

    Examples
    --------
    >>> from flownb.convert.plain import read_plain
    >>> cells = [{"cell_type": "code", "source": "import time; started = time.time()"}]
    >>> sources_of(read_plain({"cells": cells})[0])
    ('the time',)
    """
    return () if cell.tree is None else _sources(cell.tree)


def _sources(tree: ast.AST) -> tuple[str, ...]:
    """The same of any code."""
    fixed = {id(node.func) for node in walk(tree) if isinstance(node, ast.Call) and _is_fixed(node)}
    found: dict[str, None] = {}
    for node in walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _SOURCES and id(node) not in fixed:
                found[_SOURCES[name]] = None
            case ast.Set() | ast.SetComp():
                found[ORDER] = None
    return tuple(found)


def _is_fixed(call: ast.Call) -> bool:
    """Whether a call has a seed among its arguments."""
    named = any(one.arg in _SEEDS and not _is_none(one.value) for one in call.keywords)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return named or (name in ("default_rng", "RandomState") and bool(call.args) and not _is_none(call.args[0]))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def runs_needed(cells: Sequence[PlainCell]) -> int:
    """How many runs of the notebook show which of its values differ from run to run.

    Where few values are possible (the order of a small set, a choice), two runs often agree by luck, so that three are
    made. Where a cell seeds the generator that all code shares, random numbers are taken as fixed: those that are not
    differ in the flow, and then a second run is made anyway.

    Returns
    -------
    int
        1, 2 or 3.
    """
    trees = [cell.tree for cell in cells if cell.tree is not None]
    found = {source for tree in trees for source in _sources(tree)}
    if any(is_seed(node) for tree in trees for node in walk(tree)):
        found.discard(RANDOM)
    drawn = RANDOM in found and any(_last_name(node) in _FEW for tree in trees for node in walk(tree))
    return 3 if drawn or ORDER in found else 1 + bool(found)


def _last_name(node: ast.AST) -> str:
    """The last part of a name; empty for other code."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_seed(node: ast.AST) -> bool:
    """Whether it is a call that sets the state of a random generator which all code shares."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name in ("seed", "set_seed", "manual_seed", "manual_seed_all", "seed_everything", "set_random_seed")


def reason_of(cells: Iterable[PlainCell], *, name: str = "", text: str = "", inputs: Collection[str] = ()) -> str:
    """Why a value or line of these cells differs from run to run, in words.

    Parameters
    ----------
    cells : iterable of PlainCell
    name : str
        The value's name: if the statements that bind it say why, the others do not count.
    text : str
        The lines that differ.
    inputs : collection of str
        Names that the cells read and that differ themselves.
    """
    if "0x" in text:
        return f"it differs from run to run: {IDENTITY}"
    trees = [cell.tree for cell in cells if cell.tree is not None]
    binding = [statement for tree in trees for statement in tree.body if name in _names(statement, ast.Store)]
    found = _reasons(binding, inputs) or _reasons(trees, inputs)
    return f"it differs from run to run{': ' * bool(found)}{', or '.join(found)}"


def _reasons(trees: Sequence[ast.AST], inputs: Collection[str]) -> list[str]:
    """What in some code differs from run to run, and the inputs that it reads."""
    found = dict.fromkeys(source for tree in trees for source in _sources(tree))
    read = {name for tree in trees for name in _names(tree, ast.Load)}
    return [*found, *(f"`{name}`" for name in inputs if name in read)]


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    """Names that some code binds, or reads."""
    return {node.id for node in walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
