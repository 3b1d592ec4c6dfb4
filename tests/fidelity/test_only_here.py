"""What is said to be storable only here is what Metaflow's pickle refuses, and nothing else."""

from __future__ import annotations

from pathlib import Path

from flownb.session.export import export_flow, found_at_export
from flownb.session.step import run_step
from tests.fidelity.metaflow_peer import run_in_metaflow, run_many_in_metaflow
from tests.fidelity.notebook_side import notebook_session

SHARED = """%%shared
import collections, enum, functools, pickle, typing
from dataclasses import dataclass
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
def shared(x=0): return x
class Shared:
    class Inner: pass
@dataclass
class Record:
    n: int = 1
class Color(enum.Enum): RED = 1
Pair = collections.namedtuple("Pair", "a b")
@functools.lru_cache
def cached(x): return x
named = lambda x: x
@functools.wraps(shared)
def wrapped(x=0): return x
def picklable(value):
    try:
        pickle.loads(pickle.dumps(value, protocol=4))
    except Exception:
        return False
    return True"""
# Each is one artifact; the body below defines what begins with `own`.
VALUES = {
    "a_lambda_in_a_list": "[lambda: 0]",
    "a_default_dict": "collections.defaultdict(lambda: 0)",
    "a_local_function": "{'f': own}",
    "an_instance": "Own()",
    "a_class": "[Own]",
    "a_dataclass": "OwnRecord()",
    "an_enum": "OwnColor.RED",
    "a_named_tuple": "OwnPair(1, 2)",
    "a_pipeline": "Pipeline([('f', FunctionTransformer(lambda x: x))])",
    "a_partial": "functools.partial(own, 1)",
    "a_bound_method": "[Own().method]",
    "a_named_lambda": "[named]",
    "a_wrapped": "[wrapped.__wrapped__, wrapped]",
    "plain": "collections.defaultdict(int, a=1)",
    "shared_function": "{'f': shared, 'g': cached}",
    "shared_instance": "[Shared(), Shared.Inner(), Record(), Color.RED, Pair(1, 2)]",
    "shared_pipeline": "Pipeline([('f', FunctionTransformer(shared))])",
    "shared_partial": "functools.partial(shared, 1)",
    "library_function": "[len, functools.reduce, functools.partial(int, base=2)]",
    "typed": "typing.Optional[int]",
}
OWN = """
def own(x): return x
class Own:
    def method(self): return 1
@dataclass
class OwnRecord:
    n: int = 1
class OwnColor(enum.Enum): RED = 1
OwnPair = collections.namedtuple("OwnPair", "a b")
"""
ASSIGNED = "\n".join(f"{name} = {value}" for name, value in VALUES.items())
GIVEN = ", ".join(f"{name}={value}" for name, value in VALUES.items())
ASKED = f"ok = {{name: picklable(value) for name, value in dict({GIVEN}).items()}}"


def test_what_metaflow_cannot_pickle_is_remembered(tmp_path: Path) -> None:
    """One artifact of each kind, stored here; the same values, pickled in a task of Metaflow."""
    asked = notebook_session([SHARED, f"%%step a -> ok\n{OWN}{ASKED}"], tmp_path / "asked")
    theirs = run_in_metaflow(export_flow(asked), tmp_path / "metaflow")
    session = notebook_session([SHARED, f"%%step a -> {', '.join(VALUES)}\n{OWN}{ASSIGNED}"], tmp_path / "stored")
    run_step(session, "a")
    (task,) = session.results().latest("a")
    assert {name: not task.artifacts[name].by_value for name in VALUES} == theirs["a"][0]["ok"]
    assert sum(bool(task.artifacts[name].by_value) for name in VALUES) == len(found_at_export(session))


def test_the_exported_flow_fails_where_it_is_said(tmp_path: Path) -> None:
    """Metaflow stops in the very step, and runs once the remedy is followed."""
    step = "%%step a -> table\nfrom collections import defaultdict\ntable = defaultdict(lambda: 0)"
    remedy = ["%%shared\ndef zero(): return 0", step.replace("lambda: 0", "zero")]
    texts = {}
    for name, cells in {"stored here": [step], "remedy": remedy}.items():
        session = notebook_session(cells, tmp_path / name)
        run_step(session, "a")
        assert bool(found_at_export(session)) == (name == "stored here")
        texts[name] = export_flow(session)
    runs = run_many_in_metaflow(texts, tmp_path / "metaflow")
    assert (runs["stored here"].return_code, runs["remedy"].return_code) == (1, 0)
    assert "table" in runs["stored here"].output
