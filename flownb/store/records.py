"""What the datastore writes down about runs, tasks and artifacts: small immutable JSON manifests.

Takes and gives frozen dataclasses; times are seconds since the epoch, UTC.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

__all__ = [
    "ArtifactRef",
    "CardRecord",
    "ForeachFrame",
    "RunEnd",
    "RunRecord",
    "TaskRecord",
    "TaskStatus",
    "from_json",
    "to_json",
]

TaskStatus = Literal["done", "failed", "interrupted"]


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
        The encoded value itself in base64, for values so small that a file of their own would cost more.
    """

    key: str
    encoding: str
    size: int
    type: str
    inline: str | None = None


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

    @property
    def pathspec(self) -> str:
        """``Flow/run/step/task``."""
        return f"{self.flow}/{self.run}/{self.step}/{self.task}"


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
    tags : tuple of str
    user : str
    started : float
        Seconds since the epoch, UTC.
    """

    flow: str
    run: str
    kind: Literal["run", "work", "spin"]
    notebook: str = ""
    parameters: Mapping[str, ArtifactRef] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    user: str = ""
    started: float = 0.0


@dataclass(frozen=True)
class RunEnd:
    """How a run of a whole flow ended; ``finished`` in seconds since the epoch, UTC."""

    status: Literal["done", "failed", "interrupted"]
    finished: float


def to_json(record: TaskRecord | RunRecord | RunEnd) -> str:
    """A record as JSON with sorted keys."""
    return json.dumps(asdict(record), sort_keys=True, indent=1)


def _ref(value: Any) -> ArtifactRef:
    return ArtifactRef(**value)


def from_json(kind: type, text: str) -> Any:
    """Rebuild a record; unknown keys of a later version are passed over.

    Raises
    ------
    ValueError, TypeError, KeyError
        If `text` is not such a record.
    """
    raw = json.loads(text)
    known = {item.name for item in fields(kind)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in raw.items() if name in known
    }
    for name in ("artifacts", "parameters"):
        if name in values:
            values[name] = {key: _ref(value) for key, value in values[name].items()}
    if "foreach" in values:
        values["foreach"] = tuple(ForeachFrame(**frame) for frame in values["foreach"])
    if "cards" in values:
        cards = [CardRecord(card["type"], card["id"], _ref(card["content"])) for card in values["cards"]]
        values["cards"] = tuple(cards)
    if values.get("source") is not None:
        values["source"] = _ref(values["source"])
    return kind(**values)
