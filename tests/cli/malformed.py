"""A datastore in which everything was recorded that can be, and manifests of it with one value changed.

For tests of what looks at a datastore: whatever a manifest says, commands and client end, with a result or an error.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flownb.cli.main import main
from flownb.client import Flow, Run
from flownb.session.session import Session
from flownb.session.step import run_step
from flownb.store.datastore import Datastore

__all__ = ["VALUES", "Changed", "changed", "looks", "places", "recorded", "within"]

CELLS = (
    '%%flow F\nalpha = Parameter("alpha", default=1)\nconstant = 7',
    "%%shared\nimport json",
    "%%step load -> xs\nxs = [1, 2]\nprint('loaded')",
    "%%step each --foreach xs -> y\n@card\nfrom flownb import current\ny = self.input * self.alpha\n"
    "current.card.append('text')\nprint(y)",
    "%%step collect --join -> total\ntotal = sum(one.y for one in inputs)",
    "%%step fail -> z\nassert total < 0 or json.loads('true'), total\nz = [0] * 5000",
)
# A deep one is refused as JSON, a long number as a number.
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 3.5, 1e20, -1e300, float("nan"), float("inf"), 10**18, 10**25, "", "x", "1", "..", "\0"),
    *("1/load/1", "2/collect/4", "9/x/9", "../../x/1", "F", "\ud800", "é" * 300, "done", "running", "work", "pickle5"),
    *([], {}, [1], ["x"], [None], [["x"]], {"x": 1}, {"x": {"y": [{}]}}, [{"step": "a"}], "plain"),
)
# What no command needs; many more, and it goes round in circles.
MOST_CALLS = 3_000_000


class Changed(tuple[str, tuple[str | int, ...]]):
    """A manifest's name and a path into its JSON."""


def recorded(folder: Path) -> Path:
    """Run a notebook every way there is, and give its datastore."""
    import nbformat.v4

    notebook = folder / "nb.ipynb"
    cells = [nbformat.v4.new_code_cell(text) for text in CELLS]
    notebook.write_text(nbformat.v4.writes(nbformat.v4.new_notebook(cells=cells)))
    words = (["run", "--tag", "t"], ["run", "--alpha", "2"], ["resume"], ["spin", "collect", "--persist"])
    for command, *more in words:
        main([command, "nb.ipynb", *more, *(["--executor", "inline"] if command in ("run", "resume") else [])])
    session = Session(notebook, folder=folder)
    from flownb.cells.notebook import read_notebook

    session.open(read_notebook(notebook).cells)
    for step in ("load", "each", "collect"):
        run_step(session, step)
    store = folder / ".flownb"
    Datastore(store).runs.change_tags("F", "1", add=["more"])
    main(["rm", "F/2", "--force"])
    return store


def places(store: Path) -> list[Changed]:
    """All values in all manifests and logs."""
    found = []
    for path in sorted([*store.rglob("*.json"), *store.rglob("*.jsonl")]):
        lines = path.read_bytes().splitlines()
        raw = [json.loads(line) for line in lines] if path.suffix == ".jsonl" else json.loads(lines[0])
        found += [Changed((str(path.relative_to(store)), place)) for place in _paths(raw)]
    return found


def _paths(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Paths of all values at any depth."""
    yield above
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from _paths(one, (*above, key))


def changed(store: Path, place: Changed, value: Any, *, removed: bool = False) -> None:
    """Replace one value of a datastore, or remove it, as someone would who edits the file and drops its checksum."""
    name, path = place
    file = store / name
    is_log = file.suffix == ".jsonl"
    raw = [json.loads(line) for line in file.read_bytes().splitlines()] if is_log else json.loads(file.read_bytes())
    if isinstance(raw, dict):
        raw.pop("sum", None)
    if not path:
        raw = value
    else:
        *above, last = path
        inner = raw
        for key in above:
            inner = inner[key]
        if removed:
            inner.pop(last, None) if isinstance(inner, dict) else inner.pop(last)
        else:
            inner[last] = value
    lines = raw if is_log and isinstance(raw, list) else [raw]
    file.write_text("".join(json.dumps(line) + ("\n" if is_log else "") for line in lines))
    shutil.rmtree(store / "index", ignore_errors=True)
    shutil.rmtree(store / "spin" / "index", ignore_errors=True)


def looks(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that looks at a datastore or clears it up, by name; each is to end without a traceback."""
    for words in (
        *("runs F", "runs F --kind work", "runs F --tag t", "timeline F/1", "timeline F/3", "timeline F/4", "logs F"),
        *("logs F/1", "logs F/3/each", "logs F/4/collect", "du", "du F", "du F/1", "status nb.ipynb", "show nb.ipynb"),
        *("card nb.ipynb each", "card nb.ipynb each --from 1", "check nb.ipynb", "index rebuild", "gc --dry-run"),
        *("gc --keep-last 1", "rm F/3", "rm F/1 --force", "gc --spin"),
    ):
        yield f"flownb {words}", lambda words=words: main(words.split())
    store = Datastore(folder / ".flownb")
    yield "client", lambda: _read_all(store)


def _read_all(store: Datastore) -> None:
    """Every attribute of every object of the client."""
    from flownb.errors import FlownbError

    def read(one: object) -> list[object]:
        values: list[object] = [repr(one)]
        for name in dir(type(one)):
            if name.startswith("_") and name not in ("_repr_html_",):
                continue
            try:
                value = getattr(one, name)
                if name.startswith("_repr"):
                    value = value()
                values.append(list(value) if hasattr(value, "__next__") else value)
            except (FlownbError, AttributeError):
                continue
        return values

    def tried(make: Callable[[], Any]) -> list[Any]:
        try:
            return list(make())
        except FlownbError:
            return []

    read(Flow("F", datastore=store))
    for number in ("1", "3", "4"):
        for run in tried(lambda number=number: [Run(f"F/{number}", datastore=store)]):
            read(run)
            for step in tried(lambda run=run: run):
                read(step)
                for task in tried(lambda step=step: step):
                    read(task)
                    for artifact in tried(lambda task=task: task):
                        read(artifact)


def within(work: Callable[[], object], most: int = MOST_CALLS) -> object:
    """Do something, in a bounded number of calls of functions."""
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += 1
        if count > most:
            sys.setprofile(None)
            raise AssertionError("it does not end")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        return work()
    finally:
        sys.setprofile(before)
