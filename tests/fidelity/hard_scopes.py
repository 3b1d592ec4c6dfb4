"""Hard cells about scopes: comprehensions, lambdas, functions and classes inside a body.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["SCOPES"]

SCOPES = (
    HardCell(
        name="comprehension_scope",
        promise="A comprehension's variable does not touch a name of the body.",
        cells=(
            "%%step start -> x, squares\nx = 10\nsquares = [x * x for x in range(3)]\n",
            "%%step end -> y\ny = {x: v for x, v in enumerate(squares)}\nsquares = [x for x in squares for x in [x]]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="comprehension_reading_inherited_names",
        promise="Nested comprehensions see inherited names, in the iterable and in the body.",
        cells=(
            "%%step start -> values, k\nvalues = [1, 2]\nk = 3\n",
            "%%step end -> table, same, keep\n"
            "table = [[v * w * k for w in values] for v in values]\n"
            "same = [values for values in values]\nkeep = {v for v in values if v < k}\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="generator_expression",
        promise="Generator expressions read inherited names when they are consumed.",
        cells=(
            "%%step start -> values, k\nvalues = [1, 2, 3]\nk = 2\n",
            "%%step end -> total, late\ntotal = sum(v * k for v in values)\n"
            "pending = (v * k for v in values)\nk = 10\nlate = list(pending)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="lambda_scope",
        promise="A lambda's parameter hides an inherited name; other names come through.",
        cells=(
            "%%step start -> x, k\nx, k = 5, 3\n",
            "%%step end -> y, z\nf = lambda x: x * k\ny = f(2)\nz = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="lambda_defaults",
        promise="Defaults of lambdas and functions are evaluated in the body.",
        cells=(
            "%%step start -> k\nk = 3\n",
            "%%step end -> y, z\nf = lambda v, k=k: v * k\n"
            "def g(a, /, b=k, *args, c=k + 1, **more):\n    return a + b + c\n"
            "k = 100\ny = f(2)\nz = g(1)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="late_binding_of_lambdas",
        promise="Lambdas made in a loop share the loop's variable.",
        cells=(
            "%%step start -> seen\nfs = [lambda: i for i in range(3)]\nseen = [f() for f in fs]\n",
            "%%step end -> seen\nfs = []\nfor i in range(3):\n    fs.append(lambda i=i: i)\n"
            "seen = seen + [f() for f in fs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="class_body",
        promise="A class body reads inherited names, and its own names stay its own.",
        cells=(
            "%%step start -> size, width\nsize = 3\nwidth = 1\n",
            "%%step end -> area\nclass Box:\n    width = size * 2\n"
            "    rows = [size for _ in range(2)]\n"
            "    def area(self):\n        return self.width * size\narea = Box().area()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="local_class_with_its_own_self",
        promise="self inside a class that a body defines is that class's self, not the flow.",
        cells=(
            "%%step start -> result\nclass Counter:\n    def __init__(self):\n"
            "        self.total = 0\n    def add(self, n):\n        self.total += n\n"
            "        return self\nresult = Counter().add(2).add(3).total\n",
            '%%step end -> clean\nclean = not hasattr(self, "total")\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="nonlocal",
        promise="A nested function may rebind a local of the body, and the body captures it.",
        cells=(
            "%%step start -> count\ncount = 0\ndef bump():\n    nonlocal count\n    count += 1\nbump()\nbump()\n",
            "%%step end -> n\nn = count\ndef outer():\n    m = n\n    def inner():\n"
            "        nonlocal m, n\n        m += 1\n        n = m\n    inner()\nouter()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="nonlocal_of_an_inherited_name",
        promise="A nested function may rebind an inherited name that the body only passes on.",
        cells=(
            "%%step start -> count\ncount = 5\n",
            "%%step end -> count\ndef bump():\n    nonlocal count\n    count += 1\nbump()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="global_of_a_shared_name",
        promise="A body may rebind a shared name by global; the next step sees the original.",
        cells=(
            "%%shared\nCOUNT = 1\ndef read():\n    return COUNT\n",
            "%%step start -> seen\nglobal COUNT\nCOUNT = COUNT + 1\nseen = read()\n",
            "%%step end -> seen\nseen = [seen, read()]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="global_in_a_nested_function",
        promise="A nested function may rebind a shared name by global.",
        cells=(
            "%%shared\nTOTAL = 0\n",
            "%%step start -> seen\ndef add(n):\n    global TOTAL\n    TOTAL += n\nadd(2)\nadd(3)\nseen = TOTAL\n",
            "%%step end -> after\nafter = TOTAL\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="closure_over_inherited_names",
        promise="Functions of a body see inherited names, and the body's later rebinding of them.",
        cells=(
            "%%step start -> k\nk = 2\n",
            "%%step end -> y, z\ndef times(v):\n    def inner():\n        return v * k\n"
            "    return inner()\ny = times(5)\nk = 3\nz = times(5)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="function_reads_a_name_assigned_later",
        promise="A nested function may read a name that the body assigns after the definition.",
        cells=(
            "%%step start -> y\ndef f():\n    return later + 1\nlater = 3\ny = f()\n",
            "%%step end -> z\nf = lambda: y + more\nmore = 1\nz = f()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="function_parameter_hides_an_inherited_name",
        promise="A parameter named like an artifact is the parameter.",
        cells=(
            "%%step start -> values\nvalues = [1, 2]\n",
            "%%step end -> total, n\ndef count(values):\n    values = list(values) + [0]\n"
            "    return len(values)\ntotal = count(range(5))\nn = count(values)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="recursion",
        promise="Functions of a body may call themselves and each other.",
        cells=(
            "%%step start -> f\ndef fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\nf = fact(5)\n",
            "%%step end -> even\ndef is_even(n):\n    return n == 0 or is_odd(n - 1)\n"
            "def is_odd(n):\n    return n != 0 and is_even(n - 1)\neven = is_even(f)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="return_and_yield_in_nested_functions",
        promise="Nested functions may return, yield and yield from.",
        cells=(
            "%%step start -> xs\ndef pairs(n):\n    for i in range(n):\n        yield i\n"
            "    yield from (7, 8)\n    return\nxs = list(pairs(2))\n",
            "%%step end -> n\ndef size():\n    return len(xs)\nn = size()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="await_in_a_nested_function",
        promise="A nested async function may await, and asyncio.run runs it.",
        cells=(
            "%%shared\nimport asyncio\n",
            "%%step start -> n\nasync def fetch(v):\n    await asyncio.sleep(0)\n    return v\n"
            "async def all_of(vs):\n    return [await fetch(v) for v in vs]\n"
            "n = asyncio.run(all_of([1, 2]))\n",
            "%%step end -> m\nm = sum(n)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="decorator_on_a_local_function",
        promise="A decorator line on top of a body decorates the function under it, not the step.",
        cells=(
            "%%shared\nfrom functools import lru_cache, wraps\n\ndef twice(f):\n    @wraps(f)\n"
            "    def inner(*args):\n        return f(*args) * 2\n    return inner\n",
            "%%step start -> y\n@twice\n@lru_cache(maxsize=None)\ndef f(v):\n    return v + 1\ny = f(3)\n",
            "%%step end -> z, s\nk = 2\n\n@twice\n# why not\ndef g(v):\n    return v + k + y\n"
            "z = g(0)\nclass A:\n    @staticmethod\n    def s():\n        return k\ns = A.s()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="decorator_made_of_an_inherited_name",
        promise="A decorator expression may read an inherited name.",
        cells=(
            "%%shared\ndef add(n):\n    return lambda f: lambda v: f(v) + n\n",
            "%%step start -> k\nk = 2\n",
            "%%step end -> y\n@add(k)\ndef f(v):\n    return v\ny = f(1)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="try_else_finally",
        promise="Names assigned in any clause of try are captured.",
        cells=(
            "%%step start -> a, b, c\ntry:\n    a = 1\nexcept ValueError:\n    b = 0\nelse:\n"
            "    b = a + 1\nfinally:\n    c = 3\n",
            "%%step end -> how\ntry:\n    try:\n        1 / 0\n    finally:\n        how = [a]\n"
            "except ZeroDivisionError:\n    how = how + [b, c]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="loop_else",
        promise="The else clause of for and while runs when the loop was not broken.",
        cells=(
            "%%step start -> n, found\nn = 3\nwhile n:\n    n -= 1\nelse:\n    n = 'done'\n"
            "for v in [1, 2]:\n    if v == 2:\n        found = v\n        break\nelse:\n"
            "    found = None\n",
            "%%step end -> last\nfor c in n:\n    if c == 'x':\n        break\nelse:\n    last = c\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="eval_of_a_local",
        promise="eval and a query string read the body's own locals by name.",
        cells=(
            "%%step start -> base\nbase = 4\n",
            '%%step end -> y\nthr = base + 1\ny = eval("thr * 2 + base")\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="query_of_a_frame",
        promise='df.query("a > @thr") finds the local thr.',
        cells=(
            "%%shared\nimport pandas as pd\n",
            '%%step start -> df\ndf = pd.DataFrame({"a": [1, 2, 3]})\n',
            '%%step end -> kept\nthr = 1\nkept = df.query("a > @thr")\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_functions_and_constants",
        promise="Shared helpers, constants and imports are there in every step.",
        cells=(
            "%%shared\nimport math\nRATE = 2\n\ndef scale(v):\n    return half(v) * RATE\n",
            "%%step start -> y\ny = scale(math.floor(5.5))\n",
            "%%shared\ndef half(v):\n    return v / 2\n",
            "%%step end -> z\nz = scale(y) + RATE\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_cell_below_its_user",
        promise="A shared cell serves the steps above it too.",
        cells=(
            "%%step start -> y\ny = triple(2)\n",
            "%%step end -> z\nz = triple(y)\n",
            "%%shared\ndef triple(v):\n    return v * 3\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_future_import",
        promise="A __future__ import of a shared cell holds for flow.py, wherever its cell stands.",
        cells=(
            "%%shared\nBASE = 1\n",
            "%%shared\nfrom __future__ import annotations\n\ndef f(v: int) -> float:\n    return v + BASE\n",
            "%%step start -> y\ny = f(1)\n",
            "%%step end -> z\nz = f.__annotations__['v']\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="module_name",
        promise="Steps and shared code run as the module __main__, as in flow.py.",
        cells=(
            '%%shared\nMODE = "script" if __name__ == "__main__" else "import"\n',
            "%%step start -> mode\nmode = MODE\n",
            "%%step end -> module\nmodule = __name__\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="scratch_cells_are_invisible",
        promise="A cell without a magic is no part of the flow.",
        cells=(
            "import math\nx = 99\n",
            "%%step start -> x\nx = 1\n",
            "x = 5\n",
            "%%step end -> y\ny = x\n",
        ),
        outcome="equal",
    ),
)
