"""What `datastore.zip` holds: a flow whose steps make a value of every kind that pickles name a class or function for.

`CASES` has, by step and artifact, the code that made the value and an expression that is true of it after it was
loaded. Rows are added when something new can be stored; a row is never changed, for the values are already written.
"""

from __future__ import annotations

__all__ = ["BYTECODE", "CASES", "CELLS", "STAND_INS", "WORDS"]

WORDS = "one\ntwo"
# Those of Metaflow's exceptions that flownb has classes of its own for.
STAND_INS = tuple(
    "CommandException ExternalCommandFailed InvalidDecoratorAttribute MetaflowDataMissing MetaflowException "
    "MetaflowInternalError MetaflowInvalidPathspec MetaflowNamespaceMismatch MetaflowNotFound MetaflowTaggingError "
    "MetaflowUnknownUser MissingInMergeArtifactsException ParameterFieldFailed ParameterFieldTypeMismatch "
    "UnhandledInMergeArtifactsException".split()
)
HEAD = """%%flow Stored
from metaflow import Config, IncludeFile, JSONType, Parameter
settings = Config("settings", default_value={"model": {"depth": 6}, "seeds": [1, {"two": 2}]})
words = IncludeFile("words", default="words.txt")
size = Parameter("size", default=3)
limits = Parameter("limits", type=JSONType, default='{"low": 1}')
CONSTANT = (1, "two")
"""
SHARED = f"""%%shared
STAND_INS = {STAND_INS}
import collections, dataclasses, datetime, enum, functools
from metaflow import UserStepDecorator, user_step_decorator
import flownb.errors

@dataclasses.dataclass
class Point:
    x: int
    y: int = 2

class Colour(enum.Enum):
    RED = 1

class OwnError(Exception):
    pass

def double(x):
    return 2 * x

class Around(UserStepDecorator):
    def pre_step(self, step_name, flow, inputs):
        flow.before = step_name

@user_step_decorator
def marked(step_name, flow, inputs, attributes):
    yield
"""

CASES: dict[str, dict[str, tuple[str, str]]] = {
    "plain": {
        "numbers": ("numbers = [1, 2.5, True, None, 1 + 2j, 2**80]", "value == [1, 2.5, True, None, 1 + 2j, 2**80]"),
        "texts": (
            "texts = {'a': 'ä', b'b': ('c', bytearray(b'd'))}",
            "value == {'a': 'ä', b'b': ('c', bytearray(b'd'))}",
        ),
        "names": ("names = {'x', 'y', 'z'}", "value == {'x', 'y', 'z'}"),
        "frozen": (
            "frozen = [frozenset({1, 'a'}), {frozenset({2, 3})}]",
            "value == [frozenset({1, 'a'}), {frozenset({2, 3})}]",
        ),
        "day": ("day = datetime.date(2026, 11, 30)", "value.isoformat() == '2026-11-30'"),
    },
    "shared": {
        "point": ("point = Point(1)", "(value.x, value.y, type(value).__qualname__) == (1, 2, 'Point')"),
        "colour": ("colour = Colour.RED", "value is type(value).RED"),
        "own_error": ("own_error = OwnError('why')", "(type(value).__name__, value.args) == ('OwnError', ('why',))"),
        "function": ("function = [double]", "value[0](4) == 8"),
        "decorator": ("decorator = [Around]", "[one.decorator_name for one in value] == ['flownb_flow_Stored.Around']"),
        "decorated": (
            "decorated = Around(a=1)",
            "str(value) == 'Around(flownb_flow_Stored.Around)' and value.get_args_kwargs() == ([], {'a': 1})",
        ),
    },
    "errors": {
        "caught": (
            "from metaflow import Run\ntry:\n    Run('Nobody/1')\nexcept Exception as error:\n"
            "    caught = error.with_traceback(None)",
            "type(value).__name__ == 'NotFound' and isinstance(value, errors.NotFound) and str(value) == "
            "' '.join([value.what, value.why, value.fix])",
        ),
        "corrupt": (
            "corrupt = flownb.errors.CorruptBlob('What.', 'Why.', 'Fix.', key='k', missing=True)",
            "(value.what, value.why, value.fix, value.key, value.missing, str(value)) == ('What.', "
            "'Why.', 'Fix.', 'k', True, 'What. Why. Fix.')",
        ),
        "unpicklable": (
            "unpicklable = flownb.errors.UnpicklableArtifact('What.', artifact='a')",
            "(str(value), value.artifact) == ('What.', 'a') and isinstance(value, errors.StoreError)",
        ),
        "failed": (
            "failed = flownb.errors.StepFailed('What.', pathspec='F/1/a/1')",
            "(str(value), value.pathspec) == ('What.', 'F/1/a/1')",
        ),
        "every_error": (
            "every_error = [getattr(flownb.errors, name) for name in sorted(flownb.errors.__all__) if "
            "name[0].isupper()]",
            "{one.__name__ for one in value} <= {*vars(errors)} and len(value) == 23",
        ),
        "unmerged": (
            "unmerged = [flownb.errors.UnhandledInMerge('What.', names=['a']), "
            "flownb.errors.MissingInMerge('What.', names=['b'])]",
            "[(str(one), one.artifact_names) for one in value] == [('What.', ['a']), ('What.', ['b'])]",
        ),
        "of_metaflow": (
            "from metaflow.exception import MetaflowException, MetaflowNotFound\n"
            "of_metaflow = [MetaflowNotFound('gone'), MetaflowException]",
            "str(value[0]) == 'gone' and type(value[0]).__mro__[1] is value[1]",
        ),
        "every_one_of_metaflow": (
            "import metaflow.exception\n"
            "every_one_of_metaflow = [getattr(metaflow.exception, name) for name in STAND_INS]",
            "[one.__name__ for one in value] == [*STAND_INS]",
        ),
        "timeout": (
            "from metaflow.plugins.timeout_decorator import TimeoutException\ntimeout = TimeoutException('late')",
            "(type(value).__name__, str(value)) == ('TimeoutException', 'late')",
        ),
        "died": (
            "from metaflow.plugins.catch_decorator import FailureHandledByCatch\ndied = FailureHandledByCatch('lost')",
            "(type(value).__name__, str(value)) == ('FailureHandledByCatch', 'lost')",
        ),
        "next_error": (
            "from metaflow.flowspec import InvalidNextException\nnext_error = InvalidNextException('not so')",
            "(type(value).__name__, str(value)) == ('InvalidNextException', 'not so')",
        ),
    },
    "metaflow_names": {
        "config_value": (
            "config_value = settings.model",
            "(value.depth, value['depth'], type(value).__name__) == (6, 6, 'ConfigValue')",
        ),
        "parameter": (
            "from metaflow import Parameter\nparameter = Parameter('size', default=3, help='how many')",
            "(value.name, value.default) == ('size', 3)",
        ),
        "include_file": (
            "from metaflow import IncludeFile\ninclude_file = IncludeFile('words', default='words.txt')",
            "(value.name, value.default) == ('words', 'words.txt')",
        ),
        "config": (
            "from metaflow import Config\nconfig = Config('settings', default_value={'a': 1})",
            "value is not None",
        ),
        "json_type": ("from metaflow import JSONType\njson_type = [JSONType]", "len(value) == 1"),
        "classes": (
            "from metaflow import Config, ConfigValue, FlowMutator, FlowSpec, IncludeFile, Parameter, "
            "StepMutator, UserStepDecorator, config_expr, step, user_step_decorator\n"
            "classes = [Config, ConfigValue, FlowMutator, FlowSpec, IncludeFile, Parameter, StepMutator, "
            "UserStepDecorator, config_expr, step, user_step_decorator]",
            "[one.__name__ for one in value] == ['Config', 'ConfigValue', 'FlowMutator', 'FlowSpec', "
            "'IncludeFile', 'Parameter', 'StepMutator', 'UserStepDecorator', 'config_expr', 'step', "
            "'user_step_decorator']",
        ),
        "mutable": (
            "from metaflow.user_decorators.mutable_flow import MutableFlow\n"
            "from metaflow.user_decorators.mutable_step import MutableStep\n"
            "mutable = [MutableFlow, MutableStep]",
            "[one.__name__ for one in value] == ['MutableFlow', 'MutableStep']",
        ),
    },
    "shown": {
        "markdown": (
            "from metaflow.cards import Markdown\nmarkdown = Markdown('# Title')",
            "type(value).__name__ == 'Markdown'",
        ),
        "table": (
            "from metaflow.cards import Table\ntable = Table([[1, 'a']], headers=['n', 't'])",
            "type(value).__name__ == 'Table'",
        ),
        "image": (
            "from metaflow.cards import Image\nimage = Image(b'\\x89PNG\\r\\n\\x1a\\n', label='L')",
            "type(value).__name__ == 'Image'",
        ),
    },
    "client": {
        "flow": ("from metaflow import Flow\nflow = Flow('Stored')", "repr(value) == \"Flow('Stored')\""),
        "run": (
            "from metaflow import Run, current\nrun = Run(f'Stored/{current.run_id}')",
            "repr(value) == \"Run('Stored/1')\" and value.id == '1'",
        ),
        "step_object": ("step_object = run['shown']", "repr(value) == \"Step('Stored/1/shown')\""),
        "task": (
            "task = step_object.task",
            "value.pathspec.startswith('Stored/1/shown/') and value.finished_at.year >= 2026",
        ),
        "artifact": ("artifact = task['markdown']", "value.id == 'markdown' and value.sha == value.sha.lower()"),
        "task_data": ("task_data = task.data", "'markdown' in value"),
        "cards": (
            "from metaflow.cards import get_cards\ncards = get_cards(task)",
            "len(value) == 1 and value[0].type == 'default'",
        ),
        "everything": ("from metaflow import Metaflow\neverything = Metaflow()", "repr(value) == 'Metaflow()'"),
        "metadata": ("metadata = task.metadata", "isinstance(value, list)"),
        "functions": (
            "from metaflow import default_metadata, get_metadata, inspect_spin\n"
            "functions = [get_cards, default_metadata, get_metadata, inspect_spin]",
            "[one.__name__ for one in value] == ['get_cards', 'default_metadata', 'get_metadata', 'inspect_spin']",
        ),
    },
    "libraries": {
        "array": (
            "import numpy as np\narray = np.full((64, 64), 2.0)",
            "value.shape == (64, 64) and value.sum() == 8192",
        ),
        "frame": (
            "import pandas as pd\nframe = pd.DataFrame({'a': [1, 2], 'b': [0.5, 1.5]})",
            "value.to_dict('list') == {'a': [1, 2], 'b': [0.5, 1.5]}",
        ),
        "arrow": (
            "import pyarrow as pa\narrow = pa.table({'a': [1, 2, None]})",
            "value.to_pydict() == {'a': [1, 2, None]}",
        ),
        "polars": (
            "import polars as pl\npolars = pl.DataFrame({'a': [1, 2], 's': ['x', 'y']})",
            "value.to_dict(as_series=False) == {'a': [1, 2], 's': ['x', 'y']}",
        ),
        "series": ("series = pl.Series('s', [3, 1])", "value.to_list() == [3, 1]"),
        "set_of_a_subclass": (
            "class Names(set):\n    pass\nset_of_a_subclass = Names({'b', 'a'})",
            "sorted(value) == ['a', 'b'] and type(value).__name__ == 'Names'",
        ),
    },
    "by_value": {
        "instance": ("class C:\n    def __init__(self):\n        self.x = 4\ninstance = C()", "value.x == 4"),
        "closure": ("base = [1]\nclosure = [lambda x: double(x) + base[0]]", "value[0](2) == 5"),
        "cached": (
            "@functools.lru_cache(maxsize=3)\ndef add(x):\n    return x + 1\ncached = [add]",
            "value[0](1) == 2",
        ),
        "descriptors": (
            "class D:\n    @property\n    def p(self):\n        return 1\n    @classmethod\n    def c(cls):\n"
            "        return 2\n    @staticmethod\n    def s():\n        return 3\n"
            "    @functools.cached_property\n    def k(self):\n        return 4\ndescriptors = D()",
            "[value.p, value.c(), value.s(), value.k] == [1, 2, 3, 4]",
        ),
        "local_dataclass": (
            "@dataclasses.dataclass(frozen=True, order=True, repr=False)\nclass P:\n    a: int\n"
            "    b: list = dataclasses.field(default_factory=list)\nlocal_dataclass = P(1)",
            "value == type(value)(1, []) and value < type(value)(2)",
        ),
        "local_enum": ("class E(enum.Enum):\n    A = 1\nlocal_enum = [E, E.A]", "value[1] is value[0].A"),
        "local_tuple": (
            "T = collections.namedtuple('T', 'a b', defaults=[2])\nlocal_tuple = T(1)",
            "value == (1, 2) and value._fields == ('a', 'b')",
        ),
        "local_error": ("class E(Exception):\n    pass\nlocal_error = E('why')", "value.args == ('why',)"),
        "local_decorator": (
            "from metaflow import StepMutator\nclass M(StepMutator):\n    def mutate(self, mutable_step):\n"
            "        pass\nlocal_decorator = [M]",
            "value[0].__name__ == 'M' and value[0].__bases__[0].__name__ == 'StepMutator'",
        ),
        "proxy": (
            "import types\nclass W:\n    table = types.MappingProxyType({'a': 1})\nproxy = W()",
            "dict(type(value).table) == {'a': 1}",
        ),
    },
}
# Artifacts that hold bytecode, which only the Python version that wrote it can load.
BYTECODE = frozenset("instance closure cached descriptors local_dataclass local_decorator".split())


def _step(name: str) -> str:
    """The cell of a step that makes its row's artifacts."""
    code = "\n".join(made for made, _ in CASES[name].values())
    return f"%%step {name} -> {', '.join(CASES[name])}\n{code}"


CELLS = (
    HEAD,
    SHARED,
    "%%step start -> items\nprint('written by the first build')\nitems = [10, 20]",
    *(_step(name) for name in ("plain", "shared", "errors", "metaflow_names")),
    "%%step shown --after metaflow_names -> "
    + ", ".join(CASES["shown"])
    + "\n@card\n@environment(vars={'A': 'b'})\n"
    + "\n".join(made for made, _ in CASES["shown"].values())
    + "\nfrom metaflow import current\ncurrent.card.append(Markdown('# Title'))\ncurrent.card.append(Table([[1]]))",
    *(_step(name) for name in ("client", "libraries", "by_value")),
    "%%step each --foreach items -> got\ngot = self.input",
    "%%step gather --join -> total\ntotal = sum(task.got for task in inputs)\n"
    "self.merge_artifacts(inputs, exclude=['got'])",
    "%%step fails\n@catch(var='failure')\n1 / 0",
    "%%step finish -> kind\nkind = failure.type",
)
