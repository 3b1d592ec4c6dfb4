"""Plain notebooks and the flows proposed for them, as the texts of their cells; markdown begins with ``md ``."""

from __future__ import annotations

__all__ = ["CASES", "REFUSED"]

# What it shows: the plain cells, and the cells of the flow below `%load_ext flownb` and `%%flow`.
CASES: dict[str, tuple[list[str], list[str]]] = {
    "imports, functions and constants of mixed cells are shared": (
        [
            "import math\nRATE = 0.5\ndef half(x):\n    return x * RATE\n\nxs = [half(4)]\nxs.append(1)",
            "print(math.sqrt(sum(xs)))",
        ],
        [
            "%%shared\nimport math\nRATE = 0.5\ndef half(x):\n    return x * RATE",
            "%%step make_xs -> xs\nxs = [half(4)]\nxs.append(1)\n\nprint(math.sqrt(sum(xs)))",
        ],
    ),
    "a cell that only looks is scratch, and what it looks at is captured": (
        ["import pandas as pd\ndf = pd.read_csv('a.csv')\ndf = df.dropna()", "df.head()", "n = len(df)\nprint(n)"],
        [
            "%%shared\nimport pandas as pd",
            "%%step load_df -> df\ndf = pd.read_csv('a.csv')\ndf = df.dropna()",
            "df.head()",
            "%%step report -> n\nn = len(df)\nprint(n)",
        ],
    ),
    "what code between the cells of a step looks at is captured, too": (
        [
            "md # A",
            "xs = open('a').readlines()",
            "md # B",
            "best = max(xs)",
            "import matplotlib.pyplot as plt\nplt.bar(xs, best)",
            "second = best - 1\nprint(second)",
            "md # C",
            "print(xs)",
        ],
        [
            "md # A",
            "%%step a -> xs\nxs = open('a').readlines()",
            "md # B",
            "%%shared\nimport matplotlib.pyplot as plt",
            "%%step b -> best, second\nbest = max(xs)\n\nsecond = best - 1\nprint(second)",
            "plt.bar(xs, best)",
            "md # C",
            "%%step c\nprint(xs)",
        ],
    ),
    "a cell that calls a function which only steps have is part of a step": (
        ["xs = [3, 1]\nxs.append(2)", "def total(k):\n    return k * sum(xs)", "total(0)", "y = total(2)\nprint(y)"],
        [
            "%%step make_xs -> xs\nxs = [3, 1]\nxs.append(2)",
            "%%step report -> y\ndef total(k):\n    return k * sum(xs)\n\ntotal(0)\n\ny = total(2)\nprint(y)",
        ],
    ),
    "headings are steps, and markdown stays above them": (
        [
            "md # Report",
            "md ## 1. Load the data",
            "xs = list(range(3))",
            "md And then some.",
            "xs.append(4)",
            "md ## 2. Sum",
            "total = sum(xs)",
            "md ## 3. Say it",
            "print(total)",
        ],
        [
            "md # Report",
            "md ## 1. Load the data",
            "md And then some.",
            "%%step load_data -> xs\nxs = list(range(3))\n\nxs.append(4)",
            "md ## 2. Sum",
            "%%step sum_step -> total\ntotal = sum(xs)",
            "md ## 3. Say it",
            "%%step say\nprint(total)",
        ],
    ),
    "what changes in place is captured again": (
        ["md # A", "d = dict(a=1)", "md # B", "d['b'] = 2", "md # C", "print(d)"],
        [
            "md # A",
            "%%step a -> d\nd = dict(a=1)",
            "md # B",
            "%%step b -> d\nd['b'] = 2",
            "md # C",
            "%%step c\nprint(d)",
        ],
    ),
    "a function that reads values of steps is defined in the steps that use it": (
        [
            "md # Make",
            "scale = float(input())",
            "def scaled(x):\n    return x * scale",
            "md # Use",
            "a = scaled(2)",
            "md # Use again",
            "b = scaled(a)\nprint(b)",
        ],
        [
            "md # Make",
            "%%step make -> scale\nscale = float(input())",
            "md # Use",
            "%%step use -> a\ndef scaled(x):\n    return x * scale\n\na = scaled(2)",
            "md # Use again",
            "%%step use_again -> b\ndef scaled(x):\n    return x * scale\n\nb = scaled(a)\nprint(b)",
        ],
    ),
    "a seed belongs to the code that uses the generator": (
        [
            "import numpy as np\nnp.random.seed(0)",
            "md # Load",
            "n = len(open('a').read())",
            "md # Draw",
            "x = np.random.rand(n)",
            "md # Again",
            "y = np.random.rand(n)",
            "md # End",
            "print(x.sum() + y.sum())",
        ],
        [
            "%%shared\nimport numpy as np",
            "md # Load",
            "%%step load -> n\nn = len(open('a').read())",
            "md # Draw",
            "md # Again",
            "%%step draw -> x, y\nnp.random.seed(0)\n\nx = np.random.rand(n)\n\ny = np.random.rand(n)",
            "md # End",
            "%%step end_step\nprint(x.sum() + y.sum())",
        ],
    ),
    "what cannot be stored keeps its cells together": (
        ["md # Open", "f = open('a')", "md # Read", "rows = f.readlines()", "md # Count", "print(len(rows))"],
        [
            "md # Open",
            "md # Read",
            "%%step open_step -> rows\nf = open('a')\n\nrows = f.readlines()",
            "md # Count",
            "%%step count\nprint(len(rows))",
        ],
    ),
    "two names of one object stay together until it has changed": (
        ["md # One", "a = list('ab')\nb = a", "md # Two", "b.append('c')", "md # Three", "print(a)"],
        [
            "md # One",
            "md # Two",
            "%%step one -> a, b\na = list('ab')\nb = a\n\nb.append('c')",
            "md # Three",
            "%%step three\nprint(a)",
        ],
    ),
    "names that no artifact can have stay inside a step": (
        ["md # One", "input = open('a').read()", "md # Two", "n = len(input)", "md # Three", "print(n)"],
        [
            "md # One",
            "md # Two",
            "%%step one -> n\ninput = open('a').read()\n\nn = len(input)",
            "md # Three",
            "%%step three\nprint(n)",
        ],
    ),
    "a counter that functions bind with global stays in module code": (
        [
            "calls = 0\n\ndef call():\n    global calls\n    calls += 1",
            "md # One",
            "call()",
            "md # Two",
            "call()\nprint(calls)",
        ],
        [
            "%%shared\ncalls = 0\n\ndef call():\n    global calls\n    calls += 1",
            "md # One",
            "md # Two",
            "%%step one\ncall()\n\ncall()\nprint(calls)",
        ],
    ),
    "a function defined twice is defined in the steps that use each": (
        [
            "def f(x):\n    return x",
            "md # One",
            "a = f(1)",
            "def f(x):\n    return 2 * x",
            "md # Two",
            "print(a, f(1))",
        ],
        [
            "md # One",
            "%%step one -> a\ndef f(x):\n    return x\n\na = f(1)",
            "md # Two",
            "%%step two\ndef f(x):\n    return 2 * x\n\nprint(a, f(1))",
        ],
    ),
    "settings of the process are shared, or apply below their place": (
        [
            "import warnings\nimport pandas as pd\nwarnings.filterwarnings('ignore')",
            "md # One",
            "s = pd.Series([0.12345])\nprint(s)",
            "md # Two",
            "pd.set_option('display.precision', 2)\nprint(s)",
        ],
        [
            "%%shared\nimport warnings\nimport pandas as pd\nwarnings.filterwarnings('ignore')",
            "md # One",
            "%%step one -> s\ns = pd.Series([0.12345])\nprint(s)",
            "md # Two",
            "%%step two\npd.set_option('display.precision', 2)\nprint(s)",
        ],
    ),
    "magics stay beside shared code, or become scratch": (
        [
            "%matplotlib inline\nimport math",
            "%load_ext autoreload\nx = math.pi * 2\nprint(x)",
            "%%bash\nls",
            "!pip install numpy",
        ],
        [
            "%%shared\n%matplotlib inline\nimport math",
            "%load_ext autoreload",
            "%%step report -> x\nx = math.pi * 2\nprint(x)",
            "%%bash\nls",
            "!pip install numpy",
        ],
    ),
    "a wrapper stays above the step of its cell": (
        ["%%time\nxs = list(range(3))\nxs.sort()"],
        ["%%time\n%%step make_xs -> xs\nxs = list(range(3))\nxs.sort()"],
    ),
    "scratch cells in the middle of a step are below it": (
        ["md # One", "xs = list(range(3))", "len(xs)", "xs.append(1)", "md # Two", "print(xs)"],
        [
            "md # One",
            "%%step one -> xs\nxs = list(range(3))\n\nxs.append(1)",
            "len(xs)",
            "md # Two",
            "%%step two\nprint(xs)",
        ],
    ),
    "display is imported": (
        ["xs = list(range(3))\ndisplay(xs)\nprint(xs)"],
        [
            "%%shared\nfrom IPython.display import display",
            "%%step make_xs -> xs\nxs = list(range(3))\ndisplay(xs)\nprint(xs)",
        ],
    ),
    "only constants are a step, too": (["speed = 90"], ["%%step make_speed -> speed\nspeed = 90"]),
    "the results of a step are captured": (
        ["md # A", "def f(n):\n    return n", "rate = f(2)\nrest = f(3)\nrate", "md # B", "print(rest)"],
        [
            "md # A",
            "%%shared\ndef f(n):\n    return n",
            "%%step a -> rate, rest\nrate = f(2)\nrest = f(3)\nrate",
            "md # B",
            "%%step b\nprint(rest)",
        ],
    ),
}

# What has no flow: the cells, and the code of each error with its places.
REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "await at the top level": (["import asyncio\nawait asyncio.sleep(0)\nx = 1"], ["FN004 1:2"]),
    "a value from the shell": (["names = !ls", "n = len(names)\nprint(n)"], ["magic-makes-value 1:1"]),
    "a value that %time makes": (["%time x = sum([1, 2])", "print(x)"], ["magic-makes-value 1:1"]),
    "the history of outputs": (["x = list('ab')\nx", "print(Out[1])"], ["output-history 2:1"]),
    "a name that nothing defines": (["print(lost)"], ["undefined-name 1:1"]),
    "global in a function of a step": (
        ["n = len(open('a').read())", "def more():\n    global n\n    n += 1", "more()\nprint(n)"],
        ["global-statement 2:2 1:1"],
    ),
    "nothing to run": (["import math"], ["no-steps 1:0"]),
}
