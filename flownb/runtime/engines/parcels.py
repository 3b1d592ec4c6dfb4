"""What the driver of a run and the hosts of its attempts send each other through an engine.

Takes Python values; gives bytes. An engine's scheduler keeps every message in its memory and sends it twice, so what is
large goes through the datastore, which both ends see, and only its reference through the engine.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flownb.runtime.cards import CardUpdate
from flownb.runtime.failure import StepError
from flownb.runtime.output import Output
from flownb.runtime.task import TaskResult
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, TaskRecord

__all__ = ["Begun", "Finished", "Gone", "Message", "Order", "Refused", "Shown", "pack", "unpack"]

# The largest message in bytes that goes through the engine itself.
LARGEST = 1 << 15


@dataclass(frozen=True)
class Order:
    """What a host needs to run attempts of a run.

    Attributes
    ----------
    topic : str
        What the run is called on the engine; no other has this name.
    program : bytes
        Packed, from `flownb.runtime.shipping.dump_program`.
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
    program: bytes
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
    """An attempt showed something."""

    number: int
    what: Output | CardUpdate


@dataclass(frozen=True)
class Finished:
    """An attempt ended and is recorded; `error` says what ended it, `final` that another attempt cannot help."""

    number: int
    record: TaskRecord
    error: Mapping[str, str] | None
    final: bool

    @classmethod
    def of(cls, number: int, result: TaskResult) -> Finished:
        """The message that tells of a result; what is told of it is what can be sent."""
        error = result.error
        if not isinstance(error, StepError):
            return cls(number, result.record, None, False)
        return cls(number, result.record, error.facts, error.final)

    @property
    def result(self) -> TaskResult:
        """The result that is told of."""
        error: BaseException | None = None
        if self.record.status == "interrupted":
            error = KeyboardInterrupt()
        elif self.error is not None:
            error = StepError(self.error, final=self.final)
        return TaskResult(self.record, {}, error)


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


def pack(value: Any, datastore: Datastore) -> bytes:
    """A value as bytes; of a large one only its reference."""
    text = pickle.dumps(value, protocol=5)
    if len(text) > LARGEST:
        text = pickle.dumps(datastore.save(text, name="message"), protocol=5)
        datastore.settle()
    return text


def unpack(text: bytes, datastore: Datastore) -> Any:
    """The value that `pack` was given."""
    value = pickle.loads(text)
    return pickle.loads(datastore.load(value, name="message")) if isinstance(value, ArtifactRef) else value
