"""Values that come from outside of the notebook, so that two executions cannot be compared."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flownb.convert.hidden.notebook import Call, Notebook
from flownb.convert.hidden.statements import path_of
from flownb.convert.hidden.texts import at, finding, listed, numbered, verb
from flownb.convert.proposal import Finding, Place

__all__ = []

ASKS = frozenset({"builtins.input", "getpass.getpass", "getpass", "google.colab.files.upload"})
TIME = frozenset(
    {f"datetime.datetime.{name}" for name in ("now", "today", "utcnow")}
    | {f"time.{name}" for name in ("time", "time_ns", "perf_counter", "monotonic", "process_time", "ctime")}
    | {"datetime.date.today", "pandas.Timestamp.now", "pandas.Timestamp.today", "pandas.Timestamp.utcnow"}
    | {"django.utils.timezone.now", "pendulum.now", "arrow.now", "arrow.utcnow"}
)
# These read the clock only if they get no time.
TIME_WITHOUT_ARGUMENT = {"time.localtime": 0, "time.gmtime": 0, "time.strftime": 1}
IDENTIFIERS = frozenset(
    {"uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getpid", "tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.mktemp"}
    | {"tempfile.NamedTemporaryFile", "tempfile.TemporaryDirectory", "tempfile.gettempdir"}
)
NETWORK = frozenset(
    {f"requests.{name}" for name in ("get", "post", "put", "delete", "head", "request", "Session")}
    | {f"httpx.{name}" for name in ("get", "post", "put", "delete", "request", "Client", "AsyncClient")}
    | {"urllib.request.urlopen", "urllib.request.urlretrieve", "urllib.request.Request", "wget.download"}
    | {"yfinance.download", "yfinance.Ticker", "socket.create_connection", "aiohttp.ClientSession", "gdown.download"}
    | {"seaborn.load_dataset", "datasets.load_dataset", "nltk.download", "kagglehub.dataset_download"}
    | {"pandas_datareader.data.DataReader", "openai.OpenAI", "anthropic.Anthropic", "tweepy.API"}
    | {"torch.hub.load", "huggingface_hub.hf_hub_download", "huggingface_hub.snapshot_download"}
)
NETWORK_BEGINNINGS = (
    "sklearn.datasets.fetch_",
    "tensorflow.keras.datasets.",
    "keras.datasets.",
    "torchvision.datasets.",
)
ADDRESSES = ("http://", "https://", "ftp://", "s3://", "gs://")
ENVIRONMENT = frozenset(
    {"os.getenv", "os.environ.get", "os.getcwd", "os.getlogin", "os.cpu_count", "socket.gethostname", "getpass.getuser"}
    | {"multiprocessing.cpu_count", "psutil.cpu_count", "pathlib.Path.cwd", "pathlib.Path.home", "os.path.expanduser"}
    | {"os.listdir", "psutil.virtual_memory", "torch.cuda.is_available", "torch.cuda.device_count"}
)
ENVIRONMENT_BEGINNINGS = ("platform.",)
ENVIRONMENT_NAMES = frozenset({"sys.argv", "sys.platform", "sys.executable", "os.environ"})


def check_asks_for_input(notebook: Notebook) -> Iterator[Finding]:
    """Report ``input()`` and ``getpass()``."""
    uses = [
        use
        for use in _calls(notebook, lambda call: call.path in ASKS)
        if not (use[1] == "input" and "input" in notebook.binders)
    ]
    if uses:
        yield finding(
            "unverifiable",
            "asks-for-input",
            _places(uses),
            f"{_where(uses)} asks its user for a value.",
            "The steps of a run are executed where nobody can answer.",
            "Make it a parameter of the flow (`--parameter NAME`), or read a password from an environment variable.",
        )


def check_time(notebook: Notebook) -> Iterator[Finding]:
    """Report values that depend on the time."""

    def reads_clock(call: Call) -> bool:
        if call.path in TIME_WITHOUT_ARGUMENT:
            return len(call.node.args) <= TIME_WITHOUT_ARGUMENT[call.path]
        word = call.node.args[0] if call.node.args and call.method in ("to_datetime", "Timestamp") else None
        return call.path in TIME or (isinstance(word, ast.Constant) and word.value in ("now", "today"))

    if uses := _calls(notebook, reads_clock):
        yield finding(
            "unverifiable",
            "time",
            _places(uses),
            f"{_where(uses)} reads the clock ({listed(name for _, name, _ in uses)}).",
            "Values that depend on it differ from one execution to the next, so they cannot be compared.",
            "Nothing needs to be done if they are only shown; a date that results depend on can be a parameter.",
        )


def check_random_identifier(notebook: Notebook) -> Iterator[Finding]:
    """Report random identifiers and names of temporary files."""
    if uses := _calls(notebook, lambda call: call.path in IDENTIFIERS or call.path.startswith("secrets.")):
        yield finding(
            "unverifiable",
            "random-identifier",
            _places(uses),
            f"{_where(uses)} makes an identifier or a temporary name ({listed(name for _, name, _ in uses)}).",
            "It is different in each execution, so values that contain it cannot be compared.",
            "Nothing needs to be done if results do not depend on it.",
        )


def check_network(notebook: Notebook) -> Iterator[Finding]:
    """Report values that come from the network."""

    def fetches(call: Call) -> bool:
        if call.path in NETWORK or call.path.startswith(NETWORK_BEGINNINGS):
            return True
        first = call.node.args[0] if call.node.args else None
        return (
            call.method.startswith("read_")
            and isinstance(first, ast.Constant)
            and str(first.value).startswith(ADDRESSES)
        )

    if uses := _calls(notebook, fetches):
        yield finding(
            "unverifiable",
            "network",
            _places(uses),
            f"{_where(uses)} uses the network ({listed(name for _, name, _ in uses)}).",
            "What comes from there may differ from one execution to the next.",
            "Nothing needs to be done if it is always the same; `@retry` on the step repeats it after a failure.",
        )


def check_widget_value(notebook: Notebook) -> Iterator[Finding]:
    """Report values that a cell reads from a widget, which its user may have moved."""
    widgets: dict[str, int] = {}
    for facts in notebook.cells:
        for node in facts.nodes:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                path = path_of(node.value.func, notebook.imports)
                if path.startswith("ipywidgets.") and not path.endswith((".link", ".jslink", ".interact")):
                    widgets.update((one.id, facts.number) for one in node.targets if isinstance(one, ast.Name))
    found: dict[str, list[Place]] = {}
    for facts in notebook.cells:
        for node in facts.nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in ("value", "index"):
                name = node.value.id if isinstance(node.value, ast.Name) else ""
                if name in widgets:
                    found.setdefault(name, []).append(Place(facts.number, node.lineno, node.lineno))
    if found:
        places = [place for some in found.values() for place in some]
        numbers = sorted({place.cell for place in places})
        yield finding(
            "unverifiable",
            "widget-value",
            places,
            f"{numbered(numbers).capitalize()} {verb(numbers, 'reads', 'read')} the value of {listed(found)}, which "
            f"{verb(found, 'is a widget', 'are widgets')}.",
            "A run has nobody who moves it, so the value is the one that it is made with.",
            "Make the value a parameter of the flow (`--parameter NAME`).",
        )


def check_environment(notebook: Notebook) -> Iterator[Finding]:
    """Report values that depend on the machine or on environment variables."""
    uses = _calls(notebook, lambda call: call.path in ENVIRONMENT or call.path.startswith(ENVIRONMENT_BEGINNINGS))
    for facts in notebook.cells:
        stored = {
            node.value for node in facts.nodes if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
        }
        owners = {node.value for node in facts.nodes if isinstance(node, ast.Attribute)} | stored
        for node in facts.nodes:
            if isinstance(node, ast.Attribute) and node not in owners:
                path = path_of(node, notebook.imports)
                if path in ENVIRONMENT_NAMES:
                    uses.append((Place(facts.number, node.lineno, node.lineno), ast.unparse(node), path))
    if uses:
        yield finding(
            "unverifiable",
            "environment",
            _places(uses),
            f"{_where(uses)} depends on the machine ({listed(name for _, name, _ in uses)}).",
            "It may differ where the flow is executed, for example on a cluster.",
            "Nothing needs to be done if it does not; a setting that results depend on can be a parameter.",
        )


def _calls(notebook: Notebook, wanted) -> list[tuple[Place, str, str]]:  # type: ignore[no-untyped-def]
    """Places of calls, with what is called as it is written, and its full name."""
    found: list[tuple[Place, str, str]] = []
    for facts in notebook.cells:
        for call in notebook.calls(facts):
            if wanted(call):
                node = call.node
                found.append(
                    (
                        Place(facts.number, node.lineno, node.end_lineno or node.lineno),
                        ast.unparse(node.func),
                        call.path,
                    )
                )
    return sorted(found, key=lambda one: (one[0].cell, one[0].line))


def _places(uses: list[tuple[Place, str, str]]) -> list[Place]:
    """All places of the uses."""
    return [place for place, _, _ in uses]


def _where(uses: list[tuple[Place, str, str]]) -> str:
    """``Cell 4, line 2,`` or ``Each of cells 4 and 5``: the subject of a sentence in the singular."""
    numbers = sorted({place.cell for place, _, _ in uses})
    if len(numbers) == 1:
        return at(numbers[0], min(place.line for place, _, _ in uses)).capitalize()
    return f"Each of {numbered(numbers)}"
