"""Random numbers: drawn without a seed, or with a seed that another cell sets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from flownb.convert.hidden.notebook import Call, Notebook
from flownb.convert.hidden.texts import at, finding, listed, numbered, verb
from flownb.convert.proposal import Finding, Place

__all__ = ["draws_from", "seeded_generators"]

SEEDS = {
    "random.seed": ("random",),
    "numpy.random.seed": ("numpy",),
    "numpy.random.set_state": ("numpy",),
    "torch.manual_seed": ("torch",),
    "torch.cuda.manual_seed": (),
    "torch.cuda.manual_seed_all": (),
    "tensorflow.random.set_seed": ("tensorflow",),
    "tensorflow.set_random_seed": ("tensorflow",),
}
# Functions of libraries, and those that people write, that set all seeds.
ALL_SEEDS = frozenset({"seed_everything", "set_seed", "set_seeds", "set_random_seed", "set_all_seeds", "seed_all"})
EVERY = ("random", "numpy", "torch", "tensorflow")
NOT_DRAWN = {
    "random": frozenset({"seed", "getstate", "setstate", "Random", "SystemRandom"}),
    "numpy": frozenset(
        {
            "seed",
            "default_rng",
            "RandomState",
            "Generator",
            "get_state",
            "set_state",
            "SeedSequence",
            "PCG64",
            "MT19937",
        }
    ),
}
TORCH = frozenset(
    f"torch.{name}"
    for name in ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "rand_like")
) | {"torch.nn.Linear", "torch.nn.Conv2d", "torch.nn.LSTM", "torch.nn.Embedding", "torch.utils.data.random_split"}
GENERATORS = frozenset({"numpy.random.default_rng", "numpy.random.RandomState", "random.Random"})
# Names of scikit-learn that draw from numpy's global generator if they get no random_state.
ESTIMATORS = frozenset(
    {"train_test_split", "ShuffleSplit", "StratifiedShuffleSplit", "GroupShuffleSplit", "RandomForestClassifier"}
    | {"RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor", "DecisionTreeClassifier"}
    | {"DecisionTreeRegressor", "GradientBoostingClassifier", "GradientBoostingRegressor", "BaggingClassifier"}
    | {"BaggingRegressor", "AdaBoostClassifier", "AdaBoostRegressor", "MLPClassifier", "MLPRegressor", "SGDClassifier"}
    | {"SGDRegressor", "Perceptron", "KMeans", "MiniBatchKMeans", "GaussianMixture", "IsolationForest", "TSNE", "NMF"}
    | {"LatentDirichletAllocation", "RandomizedSearchCV", "make_classification", "make_regression", "make_blobs"}
    | {"make_moons", "make_circles", "resample", "shuffle", "permutation_importance", "SpectralClustering"}
)
SHUFFLED = frozenset({"KFold", "StratifiedKFold", "GroupKFold"})


class Draw(NamedTuple):
    """A call that draws random numbers from the global generator of a library."""

    family: str
    cell: int
    line: int
    name: str


def check_no_seed(notebook: Notebook) -> Iterator[Finding]:
    """Report random numbers that nothing above gives a seed."""
    seeds, draws = _read(notebook)
    bare = [one for one in draws if not any(seed <= (one.cell, one.line) for seed in seeds.get(one.family, ()))]
    if bare:
        numbers = sorted({one.cell for one in bare})
        where = (
            at(numbers[0], min(one.line for one in bare)).capitalize()
            if len(numbers) == 1
            else numbered(numbers).capitalize()
        )
        yield finding(
            "unverifiable",
            "no-seed",
            [Place(one.cell, one.line, one.line) for one in bare],
            f"{where} {verb(numbers, 'draws', 'draw')} random numbers without a seed "
            f"({listed(one.name for one in bare)}).",
            "They differ from one execution to the next, so values that depend on them cannot be compared.",
            f"{_seeded(bare[0])} to get the same results each time.",
        )


def _seeded(draw: Draw) -> str:
    """How to give a draw a seed."""
    if draw.name.rpartition(".")[2] in ESTIMATORS | SHUFFLED | {"sample"}:
        return f"Write `{draw.name}(…, random_state=0)`"
    if draw.family == "generator":
        return f"Write `{draw.name}(0)`"
    if draw.family in ("random", "numpy"):
        return "Make a generator with a seed, `rng = np.random.default_rng(0)`, and draw from it"
    return "Set a seed in the cell that draws"


def check_seed_in_another_cell(notebook: Notebook) -> Iterator[Finding]:
    """Report random numbers whose seed another cell sets, for all cells that come after it."""
    seeds, draws = _read(notebook)
    for family in EVERY:
        drawn = [one for one in draws if one.family == family]
        affected: list[Draw] = []
        origin: tuple[int, int] | None = None
        steps = {notebook.step_at(one.cell, one.line) for one in drawn}
        for one in drawn:
            before = [seed for seed in seeds.get(family, ()) if seed <= (one.cell, one.line)]
            if not before:
                continue
            # Each step executes shared code first, so with a seed there the first numbers of all steps are the same.
            shared = notebook.shares(*before[-1])
            if len(steps) > 1 if shared else notebook.apart(before[-1], (one.cell, one.line)):
                affected.append(one)
                origin = origin or before[-1]
        if affected and origin is not None:
            numbers = sorted({one.cell for one in affected})
            names = listed(one.name for one in affected)
            yield finding(
                "hidden",
                "seed-in-another-cell",
                [Place(*origin, origin[1]), *(Place(one.cell, one.line, one.line) for one in affected)],
                f"{numbered(numbers).capitalize()} {verb(numbers, 'draws', 'draw')} random numbers ({names}) "
                f"with the seed of {at(*origin)}.",
                "Each step of a flow is a process of its own, in which the numbers begin again, or have no seed.",
                f"Set the seed in each of these cells, pass `random_state` or a generator, or merge the cells from "
                f"{origin[0]} to {numbers[-1]}.",
            )


def seeded_generators(notebook: Notebook) -> frozenset[str]:
    """Libraries whose global generator the notebook gives a seed, as `draws_from` names them."""
    return frozenset(_read(notebook)[0])


def _read(notebook: Notebook) -> tuple[dict[str, list[tuple[int, int]]], list[Draw]]:
    """Where each library's generator gets a seed, and the calls that draw from it."""
    seeds: dict[str, list[tuple[int, int]]] = {}
    draws: list[Draw] = []
    for facts in notebook.cells:
        for call in notebook.calls(facts):
            place = (facts.number, call.node.lineno)
            families = SEEDS.get(call.path, EVERY if call.method.lstrip("?") in ALL_SEEDS else ())
            for family in families:
                seeds.setdefault(family, []).append(place)
            if family := draws_from(call):
                draws.append(Draw(family, *place, ast.unparse(call.node.func)))
    for places in seeds.values():
        places.sort()
    return seeds, sorted(draws, key=lambda one: (one.cell, one.line))


def draws_from(call: Call) -> str:
    """Whose global generator a call draws from; ``generator`` for a new one that has no seed."""
    arguments = {one.arg for one in call.node.keywords}
    if call.path in GENERATORS:
        return "" if call.node.args or arguments & {"seed", "x"} else "generator"
    module, _, name = call.path.rpartition(".")
    if module in ("random", "numpy.random"):
        family = module.partition(".")[0]
        return "" if name in NOT_DRAWN[family] else family
    if call.path in TORCH:
        return "" if "generator" in arguments else "torch"
    if module in ("tensorflow.random", "tf.random"):
        return "" if name == "set_seed" else "tensorflow"
    if arguments & {"random_state", "seed", "rng", None}:
        return ""
    if module.startswith("sklearn") and (name in ESTIMATORS or (name in SHUFFLED and _true(call, "shuffle"))):
        return "" if name == "train_test_split" and _false(call, "shuffle") else "numpy"
    samples = name == "sample" and module == "?" and (arguments & {"frac", "n"} or _one_number(call))
    return "numpy" if samples else ""


def _true(call: Call, name: str) -> bool:
    """Whether a keyword of a call is True."""
    return any(
        one.arg == name and isinstance(one.value, ast.Constant) and one.value.value is True
        for one in call.node.keywords
    )


def _false(call: Call, name: str) -> bool:
    """Whether a keyword of a call is False."""
    return any(
        one.arg == name and isinstance(one.value, ast.Constant) and one.value.value is False
        for one in call.node.keywords
    )


def _one_number(call: Call) -> bool:
    """Whether a call has one number as its only argument, or none: ``df.sample(5)``."""
    arguments = call.node.args
    return not arguments or (len(arguments) == 1 and isinstance(getattr(arguments[0], "value", None), int))
