"""What the driver of a run and the hosts of its attempts send each other through an engine.

Takes Python values; gives bytes. An engine's scheduler keeps every message in its memory and sends it twice, so what is
large does not go through it: records are in the datastore anyway, and there both ends see what a step shows, too.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flownb.errors import CorruptBlob, StoreError
from flownb.runtime.cards import CardUpdate
from flownb.runtime.failure import StepError
from flownb.runtime.task import Output, TaskResult, TaskSpec
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = [
    "Begun",
    "Finished",
    "Gone",
    "Message",
    "Order",
    "Refused",
    "Shown",
    "pack_result",
    "pack_shown",
    "pack_spec",
    "unpack_result",
    "unpack_shown",
    "unpack_spec",
]

# The largest message in bytes that goes through the engine itself.
LARGEST = 1 << 15


@dataclass(frozen=True)
class Order:
    """What a host needs to run attempts of a run.

    Attributes
    ----------
    topic : str
        What the run is called on the engine; no other has this name.
    location, token : str
        Where the datastore is, and what tells that one from another at the same place.
    folder : str
        Where the driver works.
    path : tuple of str
        Where it imports from.
    variables : dict of str to str
        Environment variables.
    alike : bool
        Whether the host is a process of the driver's own, so that path and variables are all there are; else they are
        added to the host's.
    """

    topic: str
    location: str
    token: str
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    alike: bool


@dataclass(frozen=True)
class Begun:
    """An attempt, by the number its driver gave it, has begun on the worker at an address."""

    number: int
    address: str


@dataclass(frozen=True)
class Shown:
    """An attempt showed something; what is large is in the datastore."""

    number: int
    what: Output | CardUpdate | ArtifactRef


@dataclass(frozen=True)
class Finished:
    """An attempt ended and is recorded.

    Attributes
    ----------
    number : int
    record : TaskRecord or None
        None if it is large: it is in the datastore.
    error : dict or None
        What ended it, see `flownb.runtime.failure.describe`; of a large record, what stands there.
    final : bool
        Whether another attempt cannot help.
    """

    number: int
    record: TaskRecord | None
    error: Mapping[str, str] | None
    final: bool


@dataclass(frozen=True)
class Gone:
    """What ran an attempt is gone, for the reason given."""

    number: int
    reason: str


@dataclass(frozen=True)
class Refused:
    """A host cannot run attempts of this run, for the reason given; `store` says whether the datastore is to blame."""

    message: str
    store: bool


Message = Begun | Shown | Finished | Gone | Refused


def pack_spec(spec: TaskSpec) -> bytes:
    """What an attempt is to run, as bytes; of many parents only the names."""
    text = pickle.dumps((spec, "", ()), protocol=5)
    if len(text) <= LARGEST or not spec.parents:
        return text
    names = tuple((parent.step, parent.task, parent.attempt) for parent in spec.parents)
    return pickle.dumps((replace(spec, parents=()), spec.parents[0].flow, names), protocol=5)


def unpack_spec(text: bytes, datastore: Datastore) -> TaskSpec:
    """What `pack_spec` was given.

    Raises
    ------
    StoreError
        If a parent is not recorded any more.
    """
    spec, flow, names = pickle.loads(text)
    assert isinstance(spec, TaskSpec)
    if not names:
        return spec
    found = datastore.tasks.task_records(flow, spec.run, names)
    parents = tuple(record for record in found if record is not None)
    if len(parents) < len(names):
        raise StoreError(
            f"Step {spec.step} cannot start: a task before it is gone.",
            f"{len(names) - len(parents)} of {len(names)} are not in `{datastore.location}` any more.",
            "Somebody removed them; run the flow again.",
        )
    return replace(spec, parents=parents)


def pack_result(number: int, result: TaskResult) -> bytes:
    """How an attempt ended, as bytes; without what is recorded if that is much."""
    error, final = None, False
    if isinstance(result.error, StepError):
        error, final = result.error.facts, result.error.final
    text = pickle.dumps(Finished(number, result.record, error, final), protocol=5)
    if len(text) > LARGEST:
        text = pickle.dumps(Finished(number, None, None, final), protocol=5)
    return text


def unpack_result(message: Finished, spec: TaskSpec, flow: str, datastore: Datastore) -> TaskResult | None:
    """What `pack_result` was given, except for live objects; None if it is not recorded any more."""
    record, facts = message.record, message.error
    if record is None:
        (record,) = datastore.tasks.task_records(flow, spec.run, [(spec.step, spec.task, spec.attempt)])
        if record is None:
            return None
        facts = record.exception if record.status == "failed" else None
    error: BaseException | None = None
    if record.status == "interrupted":
        error = KeyboardInterrupt()
    elif facts is not None:
        error = StepError(facts, final=message.final)
    return TaskResult(record, {}, error)


def pack_shown(shown: Shown, datastore: Datastore) -> bytes:
    """What an attempt shows, as bytes; of what is large, where it is for now."""
    text = pickle.dumps(shown, protocol=5)
    if len(text) > LARGEST:
        ref = datastore.artifacts.save(pickle.dumps(shown.what, protocol=5), name="message")
        datastore.artifacts.settle()
        text = pickle.dumps(Shown(shown.number, ref), protocol=5)
    return text


def unpack_shown(shown: Shown, datastore: Datastore) -> Output | CardUpdate | None:
    """What `pack_shown` was given; None if the datastore was cleared up meanwhile, for nothing refers to it."""
    what: Any = shown.what
    if isinstance(what, ArtifactRef):
        try:
            what = pickle.loads(datastore.artifacts.load(what, name="message"))
        except CorruptBlob:
            return None
    assert isinstance(what, Output | CardUpdate)
    return what
