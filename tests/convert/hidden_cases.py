"""Plain notebooks with hidden state, and their twins without.

A notebook is its code cells; a cell is its text, or its text with the saved execution count. `FOUND` has, for each
notebook, all findings as `code cell:line …`; `SILENT` has notebooks that come near to a finding and have none.
"""

from __future__ import annotations

__all__ = ["FOUND", "SILENT", "Cells"]

Cells = tuple[str | tuple[str, int | None], ...]

PANDAS = "import pandas as pd\ndf = pd.read_csv('a.csv')"
SKLEARN = "from sklearn.model_selection import KFold, train_test_split\nX, y = [[1], [2]], [1, 2]"

FOUND: list[tuple[Cells, list[str]]] = [
    # undefined-name
    (("print(total)",), ["undefined-name 1:1"]),
    (("totals = [1]", "print(total)", "total.x"), ["undefined-name 2:1 3:1"]),
    (("def f():\n    return rate * 2", "f()"), ["undefined-name 1:2"]),
    (("x = 1", "del x", "print(x)"), ["undefined-name 2:1 3:1"]),
    (("x = 1\ndel x", "y = [x for _ in range(3)]"), ["undefined-name 1:2 2:1"]),
    (("print(__version__)",), ["undefined-name 1:1"]),
    (("%time fit(1)",), ["undefined-name 1:1"]),
    (("%%bash\necho $x", "print(x)"), ["undefined-name 2:1"]),
    # used-above-definition
    (("print(x)", "x = 1"), ["used-above-definition 1:1 2:1"]),
    (("pd.DataFrame(); np.zeros(3)", "import numpy as np\nimport pandas as pd"), ["used-above-definition 1:1 2:1 2:2"]),
    (("x = x + 1",), ["used-above-definition 1:1"]),
    (("def f():\n    return g()", "f()", "def g():\n    return 1"), ["used-above-definition 2:1 3:1"]),
    (("def f(): return g()", "def g(): return h()", "y = f()", "h = len"), ["used-above-definition 3:1 4:1"]),
    ((("print(x)", 2), ("x = 1", 1)), ["used-above-definition 1:1 2:1", "executed-out-of-order 1:0"]),
    # shadowed-name
    (("list = [1, 2]", "print(list(range(3)))"), ["shadowed-name 1:1 2:1"]),
    (("print(sum([1]))", "sum = 3\nprint(sum)"), ["shadowed-name 1:1 2:1"]),
    (("from scipy import stats", "stats = {'n': 1}", "stats.norm()"), ["shadowed-name 1:0 2:1 3:0"]),
    (("import datetime", "from datetime import datetime", "datetime(2020, 1, 1)"), ["shadowed-name 1:1 2:1"]),
    # evaluated-text
    (("x = 3\ny = eval(\"globals()['x']\")",), ["evaluated-text 1:2"]),
    # name-from-magic
    (("from numpy import *", "print(pi)"), ["name-from-magic 1:1 2:1"]),
    (("%pylab inline", "plot(1)"), ["name-from-magic 1:1 2:1"]),
    (("%run helpers.ipynb", "clean(1)\nload(2)"), ["name-from-magic 1:1 2:1 2:2"]),
    (("%%cython\ndef fast(): pass", "fast()"), ["name-from-magic 1:1 2:1"]),
    (("%store -r model", "print(model)"), ["name-from-magic 1:1 2:0"]),
    # output-history
    (("1 + 1", "x = _ + 1"), ["output-history 2:1"]),
    (("1 + 1", "x = Out[1] + _1\nIn[1]"), ["output-history 2:1 2:2"]),
    # executed-out-of-order
    ((("x = 1", 1), ("y = x", 5), ("x = 2", 3)), ["executed-out-of-order 2:0"]),
    ((("x = 1", 1), ("y = 1", 5), ("z = 2", 3)), ["executed-out-of-order 2:0"]),
    # never-executed
    ((("x = 1", 1), ("x = 2", None), ("print(x)", 2)), ["never-executed 2:0"]),
    # changes-own-input
    ((PANDAS, "df = df.dropna()"), ["changes-own-input 2:1"]),
    (("x = 1", "x += 1"), ["changes-own-input 2:1"]),
    (("xs = []", "xs.append(1)", "print(xs)", "for i in range(3):\n    xs.append(i)"), ["changes-own-input 2:1 4:2"]),
    ((PANDAS, "df.drop(columns='a', inplace=True)"), ["changes-own-input 2:1"]),
    ((PANDAS, "df['a'] = df['a'] * 2"), ["changes-own-input 2:1"]),
    ((PANDAS, "df['a'] += 1\ny = df.pop('y')"), ["changes-own-input 2:1 2:2"]),
    ((PANDAS, "del df['a']"), ["changes-own-input 2:1"]),
    (("import random\nrandom.seed(1)\nxs = [1, 2]\nrandom.shuffle(xs)", "xs[0] += 1"), ["changes-own-input 2:1"]),
    # changed-later
    ((PANDAS, "df.head()", "df['a'] = 0"), ["changed-later 3:1"]),
    (("d = {}", "print(d)", "d.update(a=1)"), ["changed-later 3:1"]),
    # shared-object
    ((PANDAS, "df2 = df", "df2['a'] = 1", "print(df)"), ["shared-object 2:1 3:1 4:0"]),
    (("a = [1]\nb = a", "a.append(2)\nprint(b)"), ["changes-own-input 2:1", "shared-object 1:2 2:1"]),
    # defined-twice
    (("def f(): return 1", "print(f())", "def f(): return 2", "f()"), ["defined-twice 1:1 3:1"]),
    # function-reads-changing-name
    (
        ("rate = 1", "def f(x):\n    return x * rate", "f(1)", "rate = 2", "f(1)"),
        ["function-reads-changing-name 1:0 2:2 4:0"],
    ),
    (
        (PANDAS, "def n():\n    return len(df)", "n()", "df = df.dropna()", "n()"),
        ["function-reads-changing-name 1:0 2:2 4:0", "changes-own-input 4:1"],
    ),
    # function-writes-name
    (
        ("count = 0\ndef step():\n    global count\n    count += 1", "step()", "print(count)"),
        ["function-writes-name 1:3 3:0"],
    ),
    (("log = []", "def note(x):\n    log.append(x)", "note(1)", "print(log)"), ["function-writes-name 2:2 4:0"]),
    # default-keeps-value
    (
        ("n = 1", "def f(x=n):\n    return x", "n = 2", "f()"),
        ["default-keeps-value 2:1 3:0"],
    ),
    (
        ("def add(x, to=[]):\n    to.append(x)\n    return to", "add(1)", "add(2)"),
        ["default-keeps-value 1:1 2:0 3:0"],
    ),
    # cannot-be-stored
    (("f = open('a.txt')", "f.read()"), ["cannot-be-stored 1:1 2:0"]),
    (("import sqlite3\ndb = sqlite3.connect('x.db')", "db.execute('select 1')"), ["cannot-be-stored 1:2 2:0"]),
    (("gen = (x for x in range(3))", "print(next(gen))"), ["cannot-be-stored 1:1 2:0"]),
    (("square = lambda x: x * x", "square(2)"), ["cannot-be-stored 1:1 2:0"]),
    (("from threading import Lock\nlock = Lock()", "with lock:\n    pass"), ["cannot-be-stored 1:2 2:0"]),
    (("from multiprocessing import Pool\npool = Pool(2)", "pool.map(len, [[1]])"), ["cannot-be-stored 1:2 2:0"]),
    (("def gen():\n    yield 1\ng = gen()", "next(g)"), ["cannot-be-stored 1:3 2:0"]),
    (
        ("def make(n):\n    def add(x):\n        return x + n\n    return add", "a = make(1)", "a(2)"),
        ["cannot-be-stored 2:1 3:0"],
    ),
    (("from collections import defaultdict\nd = defaultdict(lambda: 0)", "print(d[1])"), ["cannot-be-stored 1:2 2:0"]),
    (("rows = {'a': lambda x: x}", "rows['a'](1)"), ["cannot-be-stored 1:1 2:0"]),
    (("import numpy as np\nxp = np", "xp.zeros(3)"), ["cannot-be-stored 1:2 2:0"]),
    # read-once
    (("pairs = zip([1], [2])", "print(list(pairs))"), ["read-once 1:1 2:0"]),
    # file-between-cells
    ((PANDAS, "df.to_csv('out.csv')", "pd.read_csv('out.csv')"), ["file-between-cells 2:1 3:1"]),
    (
        ("with open('n.txt', 'w') as f:\n    f.write('1')", "print(open('./n.txt').read())"),
        ["file-between-cells 1:1 2:1"],
    ),
    (("import joblib\npath = 'm.pkl'\njoblib.dump({}, path)", "m = joblib.load(path)"), ["file-between-cells 1:3 2:1"]),
    # setting-of-process
    (("import os\nos.chdir('..')", "open('a.txt').read()"), ["setting-of-process 1:2"]),
    (("%cd data", "open('a.txt').read()"), ["setting-of-process 1:1"]),
    (("import os\nos.environ['MODE'] = 'x'", "print(1)"), ["setting-of-process 1:2"]),
    # seed-in-another-cell
    (("import numpy as np\nnp.random.seed(0)", "x = np.random.rand(3)"), ["seed-in-another-cell 1:2 2:1"]),
    (("import random\nrandom.seed(0)", "x = random.random()"), ["seed-in-another-cell 1:2 2:1"]),
    # no-seed
    (("import numpy as np\nx = np.random.rand(3)",), ["no-seed 1:2"]),
    ((SKLEARN, "a, b = train_test_split(X)"), ["no-seed 2:1"]),
    ((SKLEARN, "cv = KFold(5, shuffle=True)"), ["no-seed 2:1"]),
    ((PANDAS, "small = df.sample(10)"), ["no-seed 2:1"]),
    (("import numpy as np\nrng = np.random.default_rng()",), ["no-seed 1:2"]),
    # time, random-identifier, network, environment, asks-for-input
    (("import time\nstart = time.time()", "print(time.time() - start)"), ["time 1:2 2:1"]),
    (("from datetime import datetime\nprint(datetime.now())",), ["time 1:2"]),
    (("import uuid\nprint(uuid.uuid4())",), ["random-identifier 1:2"]),
    (("import requests\nr = requests.get('https://example.org')",), ["network 1:2"]),
    (("import pandas as pd\ndf = pd.read_csv('https://example.org/a.csv')",), ["network 1:2"]),
    (("import os\nprint(os.environ['HOME'], os.getcwd())",), ["environment 1:2"]),
    (("name = input('name? ')",), ["asks-for-input 1:1"]),
    (("from ipywidgets import IntSlider\nw = IntSlider(3)\nw", "x = w.value * 2"), ["widget-value 2:1"]),
    (("from getpass import getpass\npassword = getpass()",), ["asks-for-input 1:2"]),
]

SILENT: list[Cells] = [
    # names
    ("x = 1", "print(x, sum([x]))", "display(x)", "get_ipython()"),
    ("def f():\n    return later", "later = 1", "f()"),
    ("try:\n    cached\nexcept NameError:\n    cached = 1",),
    ("if 'model' not in globals():\n    print('none')\nelse:\n    print(model)",),
    ("exec(open('a.py').read())", "print(anything)"),
    ("files = !ls\nprint(files)", "files[0]"),
    ("%%time\nx = 1", "print(x)"),
    ("%time y = 2", "print(y)"),
    ("%%capture out\nprint(1)", "print(out)"),
    (
        "%%html\n<b>unknown</b>",
        "%%bash\necho $unknown",
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot()",
    ),
    ("for i in range(3):\n    if i:\n        print(last)\n    last = i",),
    ("from numpy import *", "x = 1", "print(x)"),
    ("x = 1", "del x", "x = 2", "print(x)"),
    ("x = 1\ndel x",),
    ("def f(n):\n    return 1 if n < 2 else n * f(n - 1)", "f(3)"),
    ("class A:\n    size = 3\n    def get(self):\n        return self.size", "A().get()"),
    ("words = ['a']", "[w for w in words]", "{w: 1 for w in words}", "sorted(words, key=lambda w: w)"),
    ("python = = 1", "print(python)"),
    ("print(__name__, __file__)", "if __name__ == '__main__':\n    print(1)"),
    ("for i in range(3):\n    pass", "for i in range(4):\n    print(i)", "print(i)"),
    ("library(ggplot2)", "x <- c(1, 2) %in% y", "plot(x) + y ~ z", "`a b` = 3"),
    # shadowed-name
    ("id = 3\nprint(id)", "max = 4", "print(max + id)"),
    ("from functools import partial\nprint = partial(print, flush=True)", "print(1)"),
    ("try:\n    import numpy as np\nexcept ImportError:\n    np = None", "print(np)"),
    ("import numpy as np", "import numpy as np\nprint(np)"),
    ("from tqdm import tqdm", "from tqdm.notebook import tqdm", "tqdm([1])"),
    ("import matplotlib.pyplot as plt", "fig, ax = plt.subplots()\nax.plot()", "fig, ax = plt.subplots()\nax.bar()"),
    ("import os.path", "import os", "os.path.join('a')"),
    # output-history
    ("for _ in range(3):\n    print(_)", "a, _ = 1, 2", "print(_)"),
    ("_1 = 3\nprint(_1)",),
    # order
    (("x = 1", 3), ("y = x", 7), ("z = y", 12)),
    (("x = 1", None), ("y = x", None)),
    (("import os\ndef f(): return 1", 9), ("x = 1", 1), ("y = x", 2)),
    (("x = 1", 1), ("# a note", None), ("y = x", 2), ("y", None)),
    # changes
    ("xs = []\nfor i in range(3):\n    xs.append(i)\ntotal = 0\ntotal += 1", "print(xs, total)"),
    (PANDAS + "\ndf = df.dropna()\ndf['a'] = 1", "df.head()", "df.describe()"),
    ("x = '1'", "x = int(x)"),
    (PANDAS, "df['a'] = df['a'].astype(str)\ndf.b = df.b.str.strip()\ndf['c'] = pd.to_datetime(df['c'])"),
    (PANDAS, "df2 = df.copy()\ndf2['a'] = 1", "df2.head()"),
    (PANDAS, "df['a'] = 0", "df.head()"),
    ("model = None\nprint(model)", "model = 3\nprint(model)"),
    ("import pandas as pd\npd.options.display.max_rows = 10", "pd.options.display.max_rows = 20"),
    ("a = [1]\nb = a\nb.append(2)", "print(a, b)"),
    ("a = [1]\nb = a", "b = [2]", "b[0] = 3", "print(a)"),
    ("a = 1", "b = a", "b += 1", "print(a)")[:2],
    ("def f(): return 1", "print(f())", "def f(): return 1", "f()"),
    ("def f(): return 1", "def f(): return 2", "f()"),
    (
        "import seaborn.objects as so\np = so.Plot([1])",
        "p.label(x='a')",
        "p.add(so.Dots())\np.add(so.Line(), color='r')",
    ),
    # functions
    ("rate = 1", "def f(x):\n    return x * rate", "f(1)", "f(2)"),
    ("rate = 1", "def f(x, rate):\n    return x * rate", "rate = 2", "f(1, rate)"),
    ("cache = {}\ndef f(x):\n    if x not in cache:\n        cache[x] = x * 2\n    return cache[x]", "f(1)", "f(2)"),
    ("def f(xs):\n    xs.append(1)\n    out = []\n    out.append(2)\n    return xs, out", "f([])", "f([])"),
    (
        "class Box:\n    items = []\n    def put(self, x):\n        self.items.append(x)",
        "Box().put(1)",
    ),
    ("N = 3\ndef f(x=N, y=None, z=()):\n    return x", "f()", "f()"),
    ("def f(xs=[]):\n    return len(xs)", "f()", "f()"),
    # storing
    ("with open('a.txt') as f:\n    text = f.read()", "print(text)"),
    ("f = open('a.txt')\ntext = f.read()\nf.close()", "print(text)"),
    ("square = lambda x: x * x\nprint(square(2))", "print(1)"),
    ("pairs = list(zip([1], [2]))", "print(pairs)"),
    ("def gen():\n    yield 1", "for x in gen():\n    print(x)", "xs = list(gen())", "print(xs)"),
    ("xs = sorted([1], key=lambda x: -x)", "print(xs)"),
    (PANDAS, "for i, row in df.iterrows():\n    pass", "a = df['x'].apply(lambda v: v)", "print(a)"),
    ("import numpy as np\nx = np.zeros(3)", "print(x)"),
    ("from math import pi\ntau = pi", "print(tau)"),
    # files
    (PANDAS, "df.to_csv('out.csv')", "pd.read_csv('in.csv')"),
    ("open('a.txt', 'w').write('1')\nprint(open('a.txt').read())", "print(1)"),
    ("import sys\nsys.path.append('..')", "import warnings\nwarnings.filterwarnings('ignore')", "print(1)"),
    # outside
    ("import numpy as np\nrng = np.random.default_rng(0)", "rng.normal()"),
    (SKLEARN, "a, b = train_test_split(X, random_state=1)", "train_test_split(X, shuffle=False)", "KFold(5)"),
    ("import random", "random.seed(1)\nx = random.random()"),
    (PANDAS, "df.sample(3, random_state=1)"),
    ("import time\ntime.sleep(1)", "time.strftime('%Y', (2020, 1, 1, 0, 0, 0, 0, 1, 0))"),
    ("import os\nos.path.join('a', 'b')\nos.makedirs('out', exist_ok=True)", "print(1)"),
    ("from datetime import datetime\nday = datetime(2020, 1, 1)", "print(day.time())"),
    ("input = [1, 2]", "print(input)"),
]
