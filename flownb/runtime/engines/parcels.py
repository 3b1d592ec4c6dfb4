"""What the driver of a run and the hosts of its attempts send each other through an engine.

The messages are those of `flownb.runtime.executor`, each with the number that the driver gave its attempt. An engine's
scheduler keeps every message in its memory and sends it twice, so what is large does not go through it: records are in
the datastore anyway, and what a step shows is stored there for the moment.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flownb.errors import CorruptBlob, StoreError
from flownb.runtime.executor import Ended, Lost, Message
from flownb.runtime.failure import StepError
from flownb.runtime.task import TaskResult, TaskSpec
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef

__all__ = ["Order", "Stored", "pack", "pack_spec", "unpack", "unpack_spec"]

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
        Where the datastore is, and what distinguishes it from another one at the same place.
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
class Stored:
    """Where a message is that was too large to be sent: of an attempt that ended, its record has all there is.

    Attributes
    ----------
    ref : ArtifactRef or None
        Of what was shown; None for an attempt that ended.
    final : bool
        Of an attempt that ended: whether another attempt cannot help.
    """

    ref: ArtifactRef | None = None
    final: bool = False


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
            f"Step {spec.step} cannot start: an earlier task is missing.",
            f"{len(names) - len(parents)} of {len(names)} are not in `{datastore.location}` any more.",
            "Somebody removed them; run the flow again.",
        )
    return replace(spec, parents=parents)


def pack(number: int, message: Message, datastore: Datastore | None = None) -> bytes:
    """A message about an attempt as bytes; of a large one, where in the datastore it is."""
    text = pickle.dumps((number, message), protocol=5)
    if len(text) <= LARGEST or datastore is None:
        return text
    if isinstance(message, Ended):
        error = message.result.error
        stored = Stored(final=isinstance(error, StepError) and error.final)
    else:
        stored = Stored(datastore.artifacts.save(pickle.dumps(message, protocol=5), name="message"))
        datastore.artifacts.settle()
    return pickle.dumps((number, stored), protocol=5)


def unpack(message: Message | Stored, spec: TaskSpec, flow: str, datastore: Datastore) -> Message | None:
    """The message that `pack` was given, except for live objects.

    Parameters
    ----------
    message : Message or Stored
        What was sent.
    spec : TaskSpec
        Of the attempt.
    flow : str
    datastore : Datastore

    Returns
    -------
    Message or None
        None if what was shown is not stored any more, for nothing refers to it; the attempt is lost if its record
        is not.
    """
    if not isinstance(message, Stored):
        return message
    if message.ref is not None:
        try:
            found: Message = pickle.loads(datastore.artifacts.load(message.ref, name="message"))
        except CorruptBlob:
            return None
        return found
    (record,) = datastore.tasks.task_records(flow, spec.run, [(spec.step, spec.task, spec.attempt)])
    if record is None:
        return Lost("What it recorded is gone.")
    error: BaseException | None = None
    if record.status == "interrupted":
        error = KeyboardInterrupt()
    elif record.status == "failed" and record.exception is not None:
        error = StepError(record.exception, final=message.final)
    return Ended(TaskResult(record, {}, error), elsewhere=True)
