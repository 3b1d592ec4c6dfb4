"""What the datastore writes down about runs, tasks and artifacts: small immutable JSON manifests.

Times are seconds since the epoch, UTC. Values that are stored can contain these classes: a field is only ever added,
with a plain default (docs/compatibility.md).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, TypeAlias, TypeVar

from flownb.store.statuses import RunStatus, TaskStatus
from flownb.store.validation import learn_types, require_texts, require_types

__all__ = [
    "AnyRecord",
    "ArtifactRef",
    "CardRecord",
    "Claim",
    "Execution",
    "ForeachFrame",
    "Packed",
    "RunEnd",
    "RunRecord",
    "RunStatus",
    "TagChange",
    "TaskRecord",
    "TaskStatus",
    "from_json",
    "learn_records",
    "to_json",
]

AnyRecord: TypeAlias = "TaskRecord | RunRecord | RunEnd | Execution | Claim | TagChange"
Record = TypeVar("Record", bound="AnyRecord")


@dataclass(frozen=True)
class Packed:
    """Where a value is in a blob that it shares.

    Attributes
    ----------
    key : str
        The blob's key.
    size : int
        The blob's length in bytes.
    offset : int
        Where the value begins.
    """

    key: str
    size: int
    offset: int


@dataclass(frozen=True)
class ArtifactRef:
    """Where an artifact's value is.

    Attributes
    ----------
    key : str
        blake3 of the encoded value, 64 hexadecimal digits; equal values of one encoding have equal keys.
    encoding : str
        Name of the encoding.
    size : int
        Encoded length in bytes.
    type : str
        The value's type, such as ``"pandas.DataFrame"``.
    inline : str or None
        The encoded value itself in base64, for values so small that anything else would cost more.
    packed : Packed or None
        The blob it shares with others that were saved together; None means that a blob of its own has the name `key`.
    by_value : str
        What it contains that Metaflow cannot pickle (``"a lambda"``, ``"the class `C`"``); empty for other values.
    """

    key: str
    encoding: str
    size: int
    type: str
    inline: str | None = None
    packed: Packed | None = None
    by_value: str = ""

    @property
    def blob(self) -> tuple[str, int] | None:
        """Key and length of the blob it needs, None if it needs none."""
        if self.inline is not None:
            return None
        return (self.packed.key, self.packed.size) if self.packed else (self.key, self.size)


@dataclass(frozen=True)
class ForeachFrame:
    """One level of foreach above a task: Metaflow's ``foreach_stack`` entry.

    Attributes
    ----------
    step : str
        The step that started the foreach.
    var : str
        The artifact it runs over.
    num_splits : int
        How many items it has.
    index : int
        This task's item, from 0.
    """

    step: str
    var: str
    num_splits: int
    index: int


@dataclass(frozen=True)
class CardRecord:
    """One card of a task.

    Attributes
    ----------
    type : str
        As in ``@card(type=…)``.
    id : str or None
        As in ``@card(id=…)``.
    content : ArtifactRef
        Where its plain data is.
    """

    type: str
    id: str | None
    content: ArtifactRef


@dataclass(frozen=True)
class TaskRecord:
    """One finished attempt of one task.

    Attributes
    ----------
    flow, run, step, task : str
        The pathspec's parts.
    attempt : int
        From 0.
    status : {"done", "failed", "interrupted"}
    parents : tuple of str
        ``run/step/task`` of the tasks whose artifacts it started from.
    foreach : tuple of ForeachFrame
        Outermost first.
    artifacts : dict of str to ArtifactRef
        All it has, inherited ones included.
    captured : tuple of str
        Names it set or changed itself.
    chosen : tuple of str
        The steps its transition led to.
    fingerprint : dict of str to str
        Hashes of the code that made its result, see `flownb.runtime.freshness`.
    source : ArtifactRef or None
        The texts of all marked cells at that time, in document order.
    exception : dict or None
        ``type``, ``message``, ``traceback`` of the error that ended it.
    started, finished : float
        Seconds since the epoch, UTC.
    cards : tuple of CardRecord
        One for each ``@card``, from top to bottom.
    read : tuple of str or None
        Names it read of what it inherited, missing ones too, and what else it looked at (see
        `flownb.runtime.flowspec`); of a join, those it read of its inputs. None means that it may have read all.
    splits : (str, int) or None
        Artifact and number of items of the foreach it starts.
    origin : str
        ``run/step/task`` of the task it was cloned from; empty if it ran.
    distributions : ArtifactRef or None
        Versions, by name, of the installed distributions that its process had imported when it ended.
    """

    flow: str
    run: str
    step: str
    task: str
    attempt: int
    status: TaskStatus
    parents: tuple[str, ...] = ()
    foreach: tuple[ForeachFrame, ...] = ()
    artifacts: Mapping[str, ArtifactRef] = field(default_factory=dict)
    captured: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    source: ArtifactRef | None = None
    exception: Mapping[str, str] | None = None
    started: float = 0.0
    finished: float = 0.0
    cards: tuple[CardRecord, ...] = ()
    read: tuple[str, ...] | None = None
    splits: tuple[str, int] | None = None
    origin: str = ""
    distributions: ArtifactRef | None = None

    @property
    def pathspec(self) -> str:
        """``Flow/run/step/task``."""
        return f"{self.flow}/{self.place}"

    @property
    def place(self) -> str:
        """``run/step/task``, as records of its flow name it."""
        return f"{self.run}/{self.step}/{self.task}"


@dataclass(frozen=True)
class RunRecord:
    """A run as it was begun.

    Attributes
    ----------
    flow, run : str
    kind : {"run", "work", "spin"}
        A whole flow, a notebook's working run, or spun tasks that were kept.
    notebook : str
        The notebook's path as the kernel or command line knew it, or empty.
    parameters : dict of str to ArtifactRef
    constants : dict of str to ArtifactRef
        What the flow's class body assigns, which every task has too.
    tags : tuple of str
    user : str
    started : float
        Seconds since the epoch, UTC.
    nonce : str
        Unlike that of any other run: shows which of several processes took an id.
    removed : float
        When the run was removed, in seconds since the epoch, UTC; 0 while it is there. Of a removed run nothing but
        this record stays, so that its id is never used again.
    cleared : bool
        Whether the files of a removed run are gone.
    origin : str
        Id of the run that it resumed; empty for a run from the start.
    environment : dict of str to object
        Where and by what it was started: Python, platform, host, the notebook's commit; plain values, see
        `flownb.provenance.record.run_environment`.
    cells : ArtifactRef or None
        The texts of all code cells of the notebook, scratch cells too where its file could be read.
    source : ArtifactRef or None
        The texts of the marked cells as its tasks record them.
    system_tags : tuple of str
        Tags that no user gave: the project and its branch.
    chosen : tuple of str
        Names of the parameters and configs whose values the user gave for this run.
    defaults : dict of str to ArtifactRef
        The values those would have had without that, as far as they are known.
    notebook_id : str
        Which notebook it belongs to, whatever its file is called; see `flownb.session.identity`. Empty in records of
        older versions, and for code that no notebook holds.
    path : str
        Where the notebook's file was: relative to the folder that the datastore is in, absolute if it is elsewhere.
    host : str
        The machine that an absolute `path` is on.
    continues : tuple of str
        Ids of the working runs whose results are the notebook's too: those it had before this one.
    uses : str
        Id of the run whose results count where the notebook has no newer ones (``%flow use``); of a working run.
    used_since : float
        When that began, in seconds since the epoch, UTC.
    """

    flow: str
    run: str
    kind: Literal["run", "work", "spin"]
    notebook: str = ""
    parameters: Mapping[str, ArtifactRef] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user: str = ""
    started: float = 0.0
    nonce: str = ""
    constants: Mapping[str, ArtifactRef] = field(default_factory=dict)
    removed: float = 0.0
    cleared: bool = False
    origin: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    cells: ArtifactRef | None = None
    source: ArtifactRef | None = None
    system_tags: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    defaults: Mapping[str, ArtifactRef] = field(default_factory=dict)
    notebook_id: str = ""
    path: str = ""
    host: str = ""
    continues: tuple[str, ...] = ()
    uses: str = ""
    used_since: float = 0.0

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Tags that it is found by, each once, sorted."""
        return tuple(sorted({*self.tags, *self.system_tags}))

    def refs(self) -> Iterator[tuple[str, ArtifactRef]]:
        """All it refers to, by name: parameters and their defaults, constants, the cells' texts."""
        yield from self.parameters.items()
        yield from self.constants.items()
        yield from self.defaults.items()
        if self.cells is not None:
            yield "cells", self.cells
        if self.source is not None:
            yield "source", self.source


@dataclass(frozen=True)
class RunEnd:
    """How a run of a whole flow ended; ``finished`` in seconds since the epoch, UTC."""

    status: Literal["done", "failed", "interrupted"]
    finished: float


@dataclass(frozen=True)
class Execution:
    """One execution of a step in a working run: the tasks it left, in foreach order."""

    step: str
    tasks: tuple[str, ...]
    status: str
    nonce: str = field(default="", compare=False)


@dataclass(frozen=True)
class Claim:
    """A task id that was taken in a working run, and what the task starts from until it is recorded.

    Attributes
    ----------
    step : str
    parents : tuple of str
        ``run/step/task`` of the tasks whose artifacts it reads.
    needs : tuple of str
        Keys of other blobs it reads: the flow's constants and parameters.
    started : float
        Seconds since the epoch, UTC.
    nonce : str
        Unlike that of any other claim.
    """

    step: str
    parents: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    started: float = 0.0
    nonce: str = ""


@dataclass(frozen=True)
class TagChange:
    """Tags that a run lost, and then gained, after it had begun.

    Attributes
    ----------
    removed, added : tuple of str
    nonce : str
        Unlike that of any other change.
    """

    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    nonce: str = ""


# What JSON has as it is: the types themselves, and those that subclasses are of.
SIMPLE = frozenset({str, int, float, bool, type(None)})
SUBCLASSED = (str, int, float, type(None))


def to_json(record: AnyRecord) -> bytes:
    """A record as JSON; fields that have their default value are left out."""
    return json.dumps(_plain(record), separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """Dataclasses as dicts without defaults, at any depth."""
    if isinstance(value, dict):
        return {name: one if type(one) in SIMPLE else _plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [one if type(one) in SIMPLE else _plain(one) for one in value]
    if isinstance(value, SUBCLASSED):
        return value
    found = {}
    for name, default in _defaults(value.__class__):
        one = getattr(value, name)
        if one != default:
            found[name] = one if type(one) in SIMPLE else _plain(one)
    return found


@functools.cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """A dataclass's fields with their defaults; `MISSING`, which equals nothing, for those without."""
    return tuple(
        (one.name, one.default if one.default_factory is MISSING else one.default_factory()) for one in fields(kind)
    )


def _ref(value: Any) -> ArtifactRef:
    packed = None if value.get("packed") is None else Packed(**value["packed"])
    ref = ArtifactRef(**{**value, "packed": packed})
    texts = [ref.key, ref.encoding, ref.type, "" if ref.inline is None else ref.inline]
    numbers = [ref.size]
    if packed is not None:
        texts.append(packed.key)
        numbers += [packed.size, packed.offset, packed.size - packed.offset - ref.size]
    if not all(isinstance(one, str) for one in texts) or not all(type(one) is int and one >= 0 for one in numbers):
        raise ValueError("a reference to an artifact has parts of other types")
    return ref


def from_json(kind: type[Record], text: bytes) -> Record:
    """Rebuild a record; unknown keys of a later version are ignored.

    Raises
    ------
    ValueError, TypeError, KeyError
        If `text` is not such a record.
    """
    raw = json.loads(text)
    require_texts(text, raw)
    known = {item.name for item in fields(kind)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in raw.items() if name in known
    }
    for name in ("artifacts", "constants", "parameters", "defaults"):
        if name in values:
            values[name] = {key: _ref(value) for key, value in values[name].items()}
    if "foreach" in values:
        values["foreach"] = tuple(ForeachFrame(**frame) for frame in values["foreach"])
    if "cards" in values:
        values["cards"] = tuple(
            CardRecord(card["type"], card.get("id"), _ref(card["content"])) for card in values["cards"]
        )
    for name in ("source", "cells", "distributions"):
        if values.get(name) is not None:
            values[name] = _ref(values[name])
    record = kind(**values)
    require_types(record)
    return record


def learn_records() -> None:
    """Work out how records are written and read, so that no process that is forked from now on has to."""
    kinds: tuple[type, ...] = (TaskRecord, RunRecord)
    parts: tuple[type, ...] = (ArtifactRef, ForeachFrame, Packed, CardRecord)
    for kind in kinds:
        learn_types(kind)
    for kind in kinds + parts:
        _defaults(kind)
