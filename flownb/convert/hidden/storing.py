"""Values that one cell makes and another one uses, and that cannot be stored in between."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.convert.hidden.facts import CellFacts
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.hidden.statements import path_of
from flownb.convert.hidden.texts import at, finding, numbered, verb
from flownb.convert.proposal import Finding, Place
from flownb.convert.trees import walk

__all__ = ["bound_values"]

# What a call returns, by the full name of what is called, and what else can be done than merging the cells.
AGAIN = "open it in each of these cells"
UNSTORABLE: dict[str, tuple[str, str]] = {
    "builtins.open": ("an open file", AGAIN),
    "io.open": ("an open file", AGAIN),
    "gzip.open": ("an open file", AGAIN),
    "zipfile.ZipFile": ("an open file", AGAIN),
    "tarfile.open": ("an open file", AGAIN),
    "h5py.File": ("an open file", AGAIN),
    "tempfile.NamedTemporaryFile": ("an open file", AGAIN),
    "tempfile.TemporaryFile": ("an open file", AGAIN),
    "netCDF4.Dataset": ("an open file", AGAIN),
    "cv2.VideoCapture": ("an open video", AGAIN),
    "csv.reader": ("a reader of an open file", "keep its rows: `list(csv.reader(…))`"),
    "csv.DictReader": ("a reader of an open file", "keep its rows: `list(csv.DictReader(…))`"),
    "csv.writer": ("a writer of an open file", AGAIN),
    "csv.DictWriter": ("a writer of an open file", AGAIN),
    "sqlite3.connect": ("a connection to a database", "connect in each of these cells"),
    "psycopg2.connect": ("a connection to a database", "connect in each of these cells"),
    "psycopg.connect": ("a connection to a database", "connect in each of these cells"),
    "pymysql.connect": ("a connection to a database", "connect in each of these cells"),
    "mysql.connector.connect": ("a connection to a database", "connect in each of these cells"),
    "pyodbc.connect": ("a connection to a database", "connect in each of these cells"),
    "duckdb.connect": ("a connection to a database", "connect in each of these cells"),
    "snowflake.connector.connect": ("a connection to a database", "connect in each of these cells"),
    "sqlalchemy.create_engine": ("an engine of a database", "make it in each of these cells"),
    "pymongo.MongoClient": ("a connection to a database", "connect in each of these cells"),
    "redis.Redis": ("a connection to a database", "connect in each of these cells"),
    "boto3.client": ("a connection to a service", "make it in each of these cells"),
    "boto3.resource": ("a connection to a service", "make it in each of these cells"),
    "google.cloud.bigquery.Client": ("a connection to a service", "make it in each of these cells"),
    "google.cloud.storage.Client": ("a connection to a service", "make it in each of these cells"),
    "socket.socket": ("a socket", AGAIN),
    "urllib.request.urlopen": ("an open connection", "keep what it returns: `urlopen(…).read()`"),
    "threading.Thread": ("a thread", "start and join it in one cell"),
    "threading.Lock": ("a lock", "make it in each of these cells"),
    "threading.RLock": ("a lock", "make it in each of these cells"),
    "threading.Event": ("a lock", "make it in each of these cells"),
    "threading.Condition": ("a lock", "make it in each of these cells"),
    "multiprocessing.Lock": ("a lock", "make it in each of these cells"),
    "multiprocessing.Pool": ("a pool of processes", "make it in each of these cells"),
    "multiprocessing.pool.ThreadPool": ("a pool of threads", "make it in each of these cells"),
    "multiprocessing.Process": ("a process", "start and join it in one cell"),
    "multiprocessing.Queue": ("a queue between processes", "make it in each of these cells"),
    "queue.Queue": ("a queue", "keep its items in a list"),
    "concurrent.futures.ThreadPoolExecutor": ("a pool of threads", "make it in each of these cells"),
    "concurrent.futures.ProcessPoolExecutor": ("a pool of processes", "make it in each of these cells"),
    "subprocess.Popen": ("a process", "start it and wait for it in one cell"),
    "importlib.import_module": ("a module", "import it with an `import` statement"),
    "selenium.webdriver.Chrome": ("a browser", AGAIN),
    "selenium.webdriver.Firefox": ("a browser", AGAIN),
    "pyspark.sql.SparkSession.builder.getOrCreate": ("a Spark session", "make it in each of these cells"),
    "tensorflow.Session": ("a session", "make it in each of these cells"),
    "?.cursor": ("a cursor of a database", "make it in each of these cells"),
    "?.iterrows": ("a generator", "use it in the cell that makes it"),
    "?.getOrCreate": ("a session of a service", "make it in each of these cells"),
    "os.walk": ("a generator", "keep its items in a list: `list(…)`"),
    "os.scandir": ("an iterator of an open folder", "keep its items in a list: `list(…)`"),
    "glob.iglob": ("a generator", "keep its items in a list: `list(…)`"),
    "?.glob": ("a generator", "keep its items in a list: `list(…)`"),
    "?.rglob": ("a generator", "keep its items in a list: `list(…)`"),
    "?.iterdir": ("a generator", "keep its items in a list: `list(…)`"),
    "re.finditer": ("an iterator", "keep its items in a list: `list(…)`"),
}
ITERATORS = frozenset(f"builtins.{name}" for name in ("zip", "map", "filter", "enumerate", "iter", "reversed"))
ITERTOOLS = "itertools."
# Calls that keep a function which they get, in the object that they return.
KEEPS_FUNCTION = frozenset({"partial", "vectorize", "defaultdict"})


def check_cannot_be_stored(notebook: Notebook) -> Iterator[Finding]:
    """Report names whose value cannot be stored, if a cell makes it and another one uses it."""
    for facts in notebook.cells:
        for name, (line, kind, advice) in bound_values(notebook, facts).items():
            if kind == "once":
                continue
            if not (used := _used_apart(notebook, facts, name, line)):
                continue
            yield finding(
                "unstorable",
                "cannot-be-stored",
                [Place(facts.number, line, line), *(Place(number) for number in used)],
                f"`{name}` of {at(facts.number, line)} is {kind}, and {numbered(used)} {verb(used, 'uses', 'use')} it.",
                "A step stores its values for the next step, and this one cannot be stored.",
                f"Merge {numbered([facts.number, *used])} into one, or {advice}.",
            )


def check_read_once(notebook: Notebook) -> Iterator[Finding]:
    """Report ``zip``, ``map`` and other iterators that a cell makes and another one uses."""
    for facts in notebook.cells:
        for name, (line, kind, called) in bound_values(notebook, facts).items():
            if kind != "once" or not (used := _used_apart(notebook, facts, name, line)):
                continue
            yield finding(
                "unstorable",
                "read-once",
                [Place(facts.number, line, line), *(Place(number) for number in used)],
                f"`{name}` of {at(facts.number, line)} is made by `{called}(…)`, which can be read only once, and "
                f"{numbered(used)} {verb(used, 'uses', 'use')} it.",
                "In a plain notebook it is empty after that; in a flow, each step gets it as it was stored.",
                f"Write `list({called}(…))`, or merge {numbered([facts.number, *used])} into one.",
            )


def _used_apart(notebook: Notebook, facts: CellFacts, name: str, line: int) -> list[int]:
    """Cells that use a value of another cell before it gets a new one, and may be parts of another step."""
    ends = next((one for one in notebook.binders[name] if one > facts.number), None)
    readers = set(notebook.readers.get(name, ()))
    for functions in notebook.functions.values():
        for function in functions:
            if name in function.reads:
                readers.update(notebook.used_in(function.name))
    found = [one for one in sorted(readers) if one > facts.number and (ends is None or one <= ends)]
    return [one for one in found if notebook.apart((facts.number, line), (one, 0))]


def bound_values(notebook: Notebook, facts: CellFacts) -> dict[str, tuple[int, str, str]]:
    """Names of a cell that hold such a value at its end: line, what it is, what to do."""
    found: dict[str, tuple[int, str, str]] = {}
    for node in _statements(facts.tree.body if facts.tree is not None else []):
        if not isinstance(node, ast.Assign) or node.value is None:
            continue
        for target in node.targets:
            if isinstance(target, ast.Name):
                found.pop(target.id, None)
                if (kind := _kind(notebook, node.value)) is not None:
                    found[target.id] = (node.lineno, *kind)
            elif isinstance(target, ast.Tuple):
                for one in target.elts:
                    found.pop(getattr(one, "id", ""), None)
    return {name: value for name, value in found.items() if name in facts.names.bound_at_end}


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a cell outside of functions and classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        yield node
        for part in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, part, []))
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(handler.body)


def _kind(notebook: Notebook, value: ast.expr) -> tuple[str, str] | None:
    """What a value is, if it cannot be stored, and what to do; ("once", its maker) for iterators."""
    if isinstance(value, ast.GeneratorExp):
        return "a generator", "make a list of it: `[… for …]`"
    if isinstance(value, ast.Lambda):
        return "a lambda", "define it with `def`"
    if isinstance(value, ast.Name) and value.id in notebook.imports and _is_module(notebook, value.id):
        return "a module", "import it under that name"
    if isinstance(value, ast.Dict | ast.List | ast.Tuple | ast.Set):
        parts = value.values if isinstance(value, ast.Dict) else value.elts
        for part in parts:
            inner = _kind(notebook, part) if isinstance(part, ast.Lambda | ast.GeneratorExp) else None
            if inner is not None:
                holder = type(value).__name__.lower()
                return f"a {holder} with {inner[0]}", inner[1]
    if isinstance(value, ast.Call):
        return _call_kind(notebook, value)
    return None


def _is_module(notebook: Notebook, name: str) -> bool:
    """Whether an import statement without ``from`` binds a name."""
    return all(path.split(".")[-1] == name or "." not in path for path in notebook.imports[name]) and any(
        isinstance(node, ast.Import) and any((one.asname or one.name) == name for one in node.names)
        for facts in notebook.cells
        for node in facts.nodes
    )


def _call_kind(notebook: Notebook, value: ast.Call) -> tuple[str, str] | None:
    """What a call returns."""
    path = path_of(value.func, notebook.imports)
    if path in UNSTORABLE:
        return UNSTORABLE[path]
    if path in ITERATORS or path.startswith(ITERTOOLS):
        if any(isinstance(one, ast.Lambda) for one in value.args):
            return "an iterator with a lambda", "keep its items in a list: `list(…)`"
        return "once", path.removeprefix("builtins.")
    if isinstance(value.func, ast.Name) and value.func.id in notebook.functions:
        return _own_kind(notebook.functions[value.func.id][-1].node)
    name = path.rpartition(".")[2].lstrip("?")
    if name[:1].isupper() or name in KEEPS_FUNCTION:
        arguments = [*value.args, *(one.value for one in value.keywords)]
        if any(isinstance(one, ast.Lambda) for one in arguments):
            return f"an object with a lambda (`{name}(lambda …)`)", "define the function with `def`"
        for one in arguments:  # Pipeline([("name", FunctionTransformer(lambda …))])
            for inner in walk(one):
                if isinstance(inner, ast.Call) and (kind := _call_kind(notebook, inner)) is not None:
                    return (f"an object with {kind[0]}", kind[1]) if "lambda" in kind[0] else None
    return None


def _own_kind(function: ast.AST) -> tuple[str, str] | None:
    """What a function of the notebook returns: a generator, or a function that it defines itself."""
    if not isinstance(function, ast.FunctionDef):
        return None
    inner: set[str] = set()
    returned: list[ast.expr] = []
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.add(node.name)
        elif isinstance(node, ast.Yield | ast.YieldFrom):
            if any(getattr(one, "attr", getattr(one, "id", "")) == "contextmanager" for one in function.decorator_list):
                return None
            return "a generator", "use it in the cell that makes it, or make a list of it"
        elif not isinstance(node, ast.Lambda | ast.ClassDef):
            if isinstance(node, ast.Return) and node.value is not None:
                returned.append(node.value)
            waiting += ast.iter_child_nodes(node)
    for value in returned:
        if isinstance(value, ast.Lambda) or (isinstance(value, ast.Name) and value.id in inner):
            return f"a function that `{function.name}` defines", "make it in each of these cells"
    return None
