"""Hard cells about values: what an artifact may be and must still be in the next step.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["VALUES"]

VALUES = (
    HardCell(
        name="plain_values",
        promise="None, truth values, numbers and text keep their types and digits.",
        cells=(
            "%%step start -> none, yes, whole, part, minus, both, text, blob, nan, inf\n"
            "none, yes, whole, part, minus, both = None, True, 1, 1.5e-300, -0.0, 1 + 2j\n"
            "text, blob, nan, inf = 'a\\x00b', b'\\xff', float('nan'), float('-inf')\n",
            "%%step end -> kinds\nkinds = [type(v).__name__ for v in (none, yes, whole, part, "
            "minus, both, text, blob, nan, inf)]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="huge_ints",
        promise="Integers of thousands of digits are exact, negative ones too.",
        cells=(
            "%%step start -> a, b\na = 10**5000 + 7\nb = -(2**64)\n",
            "%%step end -> c\nc = [a - b, a % 97]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="containers",
        promise="Sets, dicts, tuples and their kin keep type, order and keys of any kind.",
        cells=(
            "%%shared\nfrom collections import ChainMap, Counter, OrderedDict, defaultdict, deque\n",
            "%%step start -> a, b, c, d, e, f, g\na = {1, 'x', (2, frozenset({3}))}\n"
            "b = {2: 'two', 'k': [()], None: {}, (1, 2): {1.5}}\nc = deque([1, 2], maxlen=2)\n"
            "d = defaultdict(list, k=[1])\ne = Counter('abca')\nf = OrderedDict(z=1, a=2)\n"
            "g = ChainMap({'p': 1}, {'q': 2})\n",
            "%%step end -> seen\nc.append(3)\nd['new'].append(2)\nseen = [list(b), list(c), list(d), "
            "e['a'], list(f), g['q']]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="standard_library_values",
        promise="Dates with zones, decimals, fractions, paths, ranges and patterns come back whole.",
        cells=(
            "%%shared\nimport datetime as dt\nimport re\nimport uuid\nfrom decimal import Decimal\n"
            "from fractions import Fraction\nfrom pathlib import PurePosixPath\n",
            "%%step start -> day, noon, span, price, third, path, r, s, p, u, error\n"
            "day = dt.date(2024, 2, 29)\n"
            "noon = dt.datetime(2024, 1, 1, 12, fold=1, tzinfo=dt.timezone(dt.timedelta(hours=2)))\n"
            "span = dt.timedelta(days=1, microseconds=1)\nprice = Decimal('1.10')\n"
            "third = Fraction(1, 3)\npath = PurePosixPath('a/b')\nr = range(0, 10, 3)\n"
            "s = slice(1, None)\np = re.compile('a+', re.I)\nu = uuid.UUID(int=5)\n"
            "error = ValueError('bad', 3)\n",
            "%%step end -> later, total\nlater = noon + span\ntotal = price * 3 + Decimal('NaN')\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="instances_of_shared_classes",
        promise="Instances of classes of shared code are artifacts, and keep their methods.",
        cells=(
            "%%shared\nclass Account:\n    def __init__(self, owner):\n        self.owner = owner\n"
            "        self.log = []\n    def pay(self, n):\n        self.log.append(n)\n"
            "        return self\n    def __eq__(self, other):\n"
            "        return vars(self) == vars(other)\n",
            "%%step start -> a, many\na = Account('ann').pay(1)\nmany = {'x': [a, Account('bob')]}\n",
            "%%step middle\na.pay(2)\n",
            "%%step end -> right, n\nright = isinstance(a, Account) and type(many['x'][0]) is "
            "Account\nn = [a.log, many['x'][0].log]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_dataclass_named_tuple_and_enum",
        promise="Dataclasses, named tuples and enums of shared code come back as themselves.",
        cells=(
            "%%shared\nimport enum\nfrom collections import namedtuple\n"
            "from dataclasses import dataclass, field\nfrom typing import NamedTuple\n\n"
            "@dataclass(frozen=True)\nclass Point:\n    x: int\n"
            "    tags: list = field(default_factory=list)\n\n"
            "@dataclass(slots=True)\nclass Slim:\n    v: float\n\n"
            "class Pair(NamedTuple):\n    left: int\n    right: 'int' = 2\n\n"
            "Old = namedtuple('Old', 'a b')\n\nclass Colour(enum.Enum):\n    RED = 1\n\n"
            "class Bits(enum.IntFlag):\n    A = 1\n    B = 2\n",
            "%%step start -> p, s, q, o, c, f\np = Point(1, ['t'])\ns = Slim(0.5)\nq = Pair(1)\n"
            "o = Old(1, [2])\nc = Colour.RED\nf = Bits.A | Bits.B\n",
            "%%step end -> checks\nchecks = [p == Point(1, ['t']), s.v, q.right, o.b, c is Colour.RED, Bits.B in f]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="nested_shared_class",
        promise="An instance of a class inside a shared class is an artifact.",
        cells=(
            "%%shared\nclass Outer:\n    class Inner:\n        def __init__(self, v):\n"
            "            self.v = v\n        def __eq__(self, other):\n"
            "            return self.v == other.v\n",
            "%%step start -> x\nx = Outer.Inner(3)\n",
            "%%step end -> v\nv = x.v if type(x) is Outer.Inner else None\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_function_inside_a_container",
        promise="Shared functions and classes held in an artifact are the shared ones again.",
        cells=(
            "%%shared\nfrom functools import partial\n\nclass Model:\n    k = 2\n\n"
            "def times(k, v):\n    return k * v\n",
            "%%step start -> table, bound, kind\ntable = {'times': times, 'len': len}\n"
            "bound = partial(times, 3)\nkind = Model\n",
            "%%step end -> seen\nseen = [table['times'](2, 3), bound(4), kind is Model, table['times'] is times]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="class_that_pickles_itself",
        promise="A shared class may say how it is pickled.",
        cells=(
            "%%shared\nclass Lazy:\n    def __init__(self, n):\n        self.n = n\n"
            "        self.cache = [0] * n\n    def __getstate__(self):\n        return {'n': self.n}\n"
            "    def __setstate__(self, state):\n        self.__init__(state['n'])\n"
            "    def __eq__(self, other):\n        return vars(self) == vars(other)\n",
            "%%step start -> x\nx = Lazy(1)\n",
            "%%step middle -> n\nn = x.n\n",
            "%%step end -> n\nn = [n, x.n]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="numpy_values",
        promise="Arrays keep dtype, shape and order; scalars stay NumPy's.",
        cells=(
            "%%shared\nimport numpy as np\n",
            "%%step start -> a, f, s, o, e, t, x\na = np.arange(4, dtype='int16')\n"
            "f = np.asfortranarray(np.ones((2, 2)))\ns = np.array(['b', 'äö'])\n"
            "o = np.array([1, None, 'x'], dtype=object)\ne = np.empty((0, 3), dtype=bool)\n"
            "t = np.array([('a', np.nan)], dtype=[('k', 'U3'), ('v', 'f4')])\nx = a.sum()\n",
            "%%step end -> kinds, view\nkinds = [str(v.dtype) for v in (a, f, s, o, e, t, x)]\n"
            "kinds.append(f.flags.f_contiguous)\nview = a[::2]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="pandas_values",
        promise="Frames keep dtypes, index, names, categories, zones and missing values.",
        cells=(
            "%%shared\nimport pandas as pd\n",
            "%%step start -> df, s, i\ndf = pd.DataFrame({\n"
            "    'c': pd.Categorical(['a', None, 'b'], categories=['b', 'a'], ordered=True),\n"
            "    't': pd.date_range('2024-01-01', periods=3, tz='UTC'),\n"
            "    'n': pd.array([1, None, 3], dtype='Int64'),\n    5: [0.5, float('nan'), 1],\n"
            "}, index=pd.MultiIndex.from_tuples([(1, 'x'), (1, 'y'), (2, 'x')], names=['p', None]))\n"
            "s = pd.Series([1, 'a', None], name='s', dtype=object)\ni = pd.RangeIndex(3, name='r')\n",
            "%%step end -> g, when\ng = df.groupby('p')[5].sum()\nwhen = df['t'].iloc[0]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="fitted_model",
        promise="A fitted scikit-learn model predicts the same in the next step.",
        cells=(
            "%%shared\nimport numpy as np\nfrom sklearn.linear_model import LinearRegression\n",
            "%%step start -> model\nmodel = LinearRegression().fit(np.arange(4.0)[:, None], [1, 3, 5, 7])\n",
            "%%step end -> y\ny = model.predict(np.array([[10.0]])).round(6)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="local_values_that_no_store_could_keep",
        promise="Locks, generators, files and modules are fine as locals that are not captured.",
        cells=(
            "%%shared\nimport threading\n",
            "%%step start -> n\nlock = threading.Lock()\ngen = (i for i in range(3))\n"
            "file = open('/dev/null')\nmath = __import__('math')\nwith lock, file:\n"
            "    n = math.floor(sum(gen))\n",
            "%%step end -> m\nf = lambda: n\nm = f()\n",
        ),
        outcome="equal",
    ),
)
