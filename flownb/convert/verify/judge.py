"""The process that runs the proposed flow and compares its artifacts with what the plain notebook held.

It is started by `flownb.convert.verify.flow`, because comparing values executes code of their classes. The flow is run
as `flownb run` does it. Classes that the notebook defines are found in the flow's shared cells, under the names that
they have in the notebook, so that both values are of one class.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import reprlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.convert.verify.report import NOT_COMPARABLE
from flownb.convert.verify.snapshots import ref_from_data, shape_of
from flownb.equality import same_value
from flownb.errors import CheckFailed, FlownbError, StepFailed
from flownb.library import library_first

if TYPE_CHECKING:
    from flownb.runtime.program import Program
    from flownb.runtime.workers.server import ServerPool
    from flownb.session.session import Session
    from flownb.store.datastore import Datastore
    from flownb.store.records import ArtifactRef

__all__ = ["describe_difference", "main"]

# How Python, and flownb's checks, say that a step does not find a name.
UNDEFINED = re.compile(r"name '(\w+)' is not defined|cannot access local variable '(\w+)'|reads `(\w+)`, which")
# What the same class or function is called in a flow that flownb runs, and in a notebook.
FLOW_MODULE = re.compile(r"\bflownb_flow_\w+\.")
# Characters of a value that a table shows.
SHOWN = 60


def main(request_file: str, path: Sequence[str]) -> None:
    """Carry out one request and write the answer.

    Parameters
    ----------
    request_file : str
        JSON: ``notebook``, the flow's file; ``store``, the folder of the datastore; ``answer``, the file to write;
        ``runs``, whether to run the flow; ``expected``, by step and name, the references of the plain values that its
        artifacts should equal; ``pairs``, references of two plain values each.
    path : sequence of str
        Where the notebook imports from.
    """
    from flownb.runtime.workers.server import ServerPool, surroundings

    request = json.loads(Path(request_file).read_text(encoding="utf-8"))
    os.environ.setdefault("MPLBACKEND", "agg")
    servers = ServerPool()
    if request["runs"]:
        servers.start(surroundings(Path.cwd(), path))  # it imports at the same time as this process
    judge = _Judge(request, servers)
    library_first()
    sys.path[:] = path
    answer = judge.answer()
    servers.close()
    place = Path(request["answer"])
    place.with_suffix(".part").write_text(json.dumps(answer), encoding="utf-8")
    place.with_suffix(".part").replace(place)


class _Judge:
    """One request."""

    def __init__(self, request: dict[str, Any], servers: ServerPool) -> None:
        from flownb.cells.notebook import read_notebook
        from flownb.runtime.metaflow_names import always_own_imports
        from flownb.session.run import begin_run  # noqa: F401 # before the user's folder is in the path
        from flownb.session.session import Session

        self._request = request
        self._session: Session = Session(folder=Path.cwd())
        self._session.servers = servers
        self._session.checks.warn = lambda diagnostic: None
        self._session.open(read_notebook(request["notebook"]).cells)
        always_own_imports()

    @property
    def _datastore(self) -> Datastore:
        return self._session.datastore

    def answer(self) -> dict[str, Any]:
        """Run the flow if that is asked for, then compare."""
        found: dict[str, Any] = {"printed": {}, "artifacts": {}, "failure": None, "verdicts": {}, "pairs": []}
        folder = Path.cwd()
        if self._request["runs"]:
            found.update(self._run())
        os.chdir(folder)  # the shared cells may work elsewhere
        found["verdicts"] = self._verdicts(found["artifacts"])
        found["pairs"] = self._pairs()
        try:
            if _has_uncomparable(found):  # maybe for want of a class that the notebook defines
                with self._classes(self._session.program(True)):
                    found["verdicts"] = self._verdicts(found["artifacts"])
                    found["pairs"] = self._pairs()
        except Exception as error:  # the shared cells are executed in this process, too
            text = str(error) if isinstance(error, FlownbError) else f"{type(error).__name__}: {error}"
            found["failure"] = found["failure"] or {"step": "", "error": text, "name": ""}
        found["artifacts"] = {
            step: {name: asdict(ref) for name, ref in refs.items()} for step, refs in found["artifacts"].items()
        }
        return found

    def _run(self) -> dict[str, Any]:
        """Run the flow: what its steps printed, their artifacts, and what ended it early."""
        from flownb.runtime.events import Event, TaskEnded, TaskOutput
        from flownb.session.options import RunOptions
        from flownb.session.run import begin_run

        printed: dict[str, list[str]] = {}
        errors: dict[str, str] = {}

        def watch(event: Event) -> None:
            match event:
                case TaskOutput(kind="stdout"):
                    printed.setdefault(event.step, []).append(event.text)
                case TaskEnded(error=error) if error:
                    errors[event.step] = error

        failure: dict[str, str] | None = None
        run = None
        try:
            run = begin_run(self._session, RunOptions())
            self._session.events.subscribe(watch)
            run.drive()
        except CheckFailed as error:
            first: Any = error.diagnostics[0]
            text = f"{first.code}: {first.message}"
            failure = {"step": first.step, "error": text, "name": _undefined(text)}
        except StepFailed as error:
            step = error.pathspec.split("/")[2]
            text = errors.get(step) or error.why
            failure = {"step": step, "error": text, "name": _undefined(text)}
        except FlownbError as error:
            failure = {"step": "", "error": str(error), "name": ""}
        except Exception as error:  # the shared cells are executed in this process, too
            failure = {"step": "", "error": f"{type(error).__name__}: {error}", "name": ""}
        return {
            "printed": {step: FLOW_MODULE.sub("__main__.", "".join(texts)) for step, texts in printed.items()},
            "artifacts": self._artifacts(run.pathspec) if run is not None else {},
            "failure": failure,
        }

    def _artifacts(self, pathspec: str) -> dict[str, dict[str, ArtifactRef]]:
        """References of all artifacts of each step that ended well."""
        flow, run = pathspec.split("/")
        tasks = self._datastore.tasks
        return {
            step: {name: ref for name, ref in record.artifacts.items() if not name.startswith("_")}
            for step in tasks.steps(flow, run)
            for record in tasks.last_attempts(flow, run, step)
            if record.status == "done"
        }

    @contextlib.contextmanager
    def _classes(self, program: Program) -> Any:
        """Make what the shared cells define known under the names that it has in a notebook."""
        from flownb.runtime.program import module_kept

        with module_kept(program.flow.name), program.own_modules.entered():
            module = sys.modules[program.flow_class().__module__]
            main_module = sys.modules["__main__"]
            for name, value in vars(module).items():
                if not (name.startswith("__") and name.endswith("__")):
                    setattr(main_module, name, value)
            yield

    def _pairs(self) -> list[str]:
        """How the two values of each pair differ."""
        return [self._difference(*map(ref_from_data, pair)) for pair in self._request["pairs"]]

    def _verdicts(self, artifacts: Mapping[str, Mapping[str, ArtifactRef]]) -> dict[str, dict[str, str]]:
        """What differs, by step and name; an empty text for what is the same."""
        found: dict[str, dict[str, str]] = {}
        for step, names in self._request["expected"].items():
            if step in artifacts:
                found[step] = {
                    name: self._difference(ref_from_data(ref), artifacts[step].get(name)) for name, ref in names.items()
                }
        return found

    def _difference(self, plain: ArtifactRef | None, other: ArtifactRef | None) -> str:
        """How a stored value differs from another; empty if it does not."""
        if plain is None or other is None:
            return (
                "" if plain is other else "it does not exist" if other is None else "it does not exist in the notebook"
            )
        if plain.key == other.key and plain.encoding == other.encoding:
            return ""
        try:
            a, b = (self._datastore.artifacts.load(ref) for ref in (plain, other))
            return "" if same_value(a, b) else describe_difference(a, b)
        except Exception as error:  # code of the values' own classes
            return f"{NOT_COMPARABLE}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _has_uncomparable(found: Mapping[str, Any]) -> bool:
    """Whether a value could not be loaded, or not be compared."""
    texts = [*found["pairs"], *(text for names in found["verdicts"].values() for text in names.values())]
    return any(text.startswith(NOT_COMPARABLE) for text in texts)


def _undefined(text: str) -> str:
    """The name that a step did not find, from its error; empty for other errors."""
    found = UNDEFINED.search(text)
    return next(name for name in found.groups() if name) if found else ""


def describe_difference(plain: Any, other: Any) -> str:
    """Say shortly how two values differ.

    Examples
    --------
    >>> describe_difference([1, 2], [1])
    '[1, 2] in the notebook, [1] in the flow'
    """
    kinds = [type(one).__qualname__ for one in (plain, other)]
    if kinds[0] != kinds[1]:
        return f"{_short(plain)} ({kinds[0]}) in the notebook, {_short(other)} ({kinds[1]}) in the flow"
    shapes = [getattr(one, "shape", None) is not None and shape_of(one) for one in (plain, other)]
    if shapes[0] != shapes[1]:
        return f"{shapes[0]} in the notebook, {shapes[1]} in the flow"
    columns = _columns(plain, other)
    if columns:
        return f"other values in {columns}"
    texts = [_short(plain), _short(other)]
    if texts[0] == texts[1]:
        return f"another {kinds[0]}"
    return f"{texts[0]} in the notebook, {texts[1]} in the flow"


def _columns(plain: Any, other: Any) -> str:
    """Columns of two data frames that differ; empty for other values."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(plain, pandas.DataFrame):
        return ""
    if list(plain.columns) != list(other.columns):
        return "the names of its columns"
    names = [str(name) for n, name in enumerate(plain.columns) if not same_value(plain.iloc[:, n], other.iloc[:, n])]
    return f"column{'s' * (len(names) > 1)} {', '.join(names[:4])}{' …' * (len(names) > 4)}" if names else ""


def _short(value: Any) -> str:
    """A value's text on one line."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = SHOWN
    try:
        text = " ".join(short.repr(value).split())
    except Exception:  # a __repr__ of the user's
        text = f"<{type(value).__qualname__}>"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
