"""Every error that flownb raises on purpose.

An error says in three sentences what happened, why, and what to do next: a `Message`. The sentences stay attributes, so
that a magic or the command line can lay them out and a test can compare them.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

from flownb.metaflow_errors import (
    Catchable,
    InvalidNextException,
    MetaflowException,
    MetaflowInvalidPathspec,
    MetaflowNotFound,
    MetaflowTaggingError,
    MissingInMergeArtifactsException,
    UnhandledInMergeArtifactsException,
)

__all__ = [
    "ArtifactNotFound",
    "CardError",
    "CardNotFound",
    "CellError",
    "CheckFailed",
    "CorruptBlob",
    "DecoratorError",
    "EditedExport",
    "ExecutorError",
    "FlowFileError",
    "FlownbError",
    "ForeachError",
    "InvalidPathspec",
    "ItemNotFound",
    "MergeConflict",
    "Message",
    "MissingInMerge",
    "MissingResults",
    "NotFound",
    "ParameterError",
    "StepFailed",
    "StoreError",
    "SyncError",
    "TagError",
    "TransitionError",
    "UnhandledInMerge",
    "UnpicklableArtifact",
    "closest",
    "nearest",
]


def closest(word: str, words: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The closest of `words`, if one is close; `cutoff` says how close, from 0 to 1.

    It is the one that `difflib.get_close_matches` finds. A flow may have thousands of names, so letters are counted
    first, and only words that can still be the closest are compared.
    """
    import difflib

    words, letters, size = set(words), _letters(word), len(word)
    if word in words:
        return word
    # No word is closer than its common letters allow; the first one of the heap may be the closest.
    limits = [(-2.0 * (letters & _letters(one)).bit_count() / (size + len(one)), one) for one in words]
    ahead = [pair for pair in limits if pair[0] <= -cutoff]
    heapq.heapify(ahead)
    best, found = cutoff, None
    matcher = difflib.SequenceMatcher(b=word)
    while ahead and -ahead[0][0] >= best:
        one = heapq.heappop(ahead)[1]
        matcher.set_seq1(one)
        ratio = matcher.ratio()
        if ratio > best or (ratio == best and (found is None or one > found)):
            best, found = ratio, one
    return found


_places: dict[tuple[str, int], int] = {}
_unused_place = itertools.count()


@lru_cache(maxsize=16384)
def _letters(word: str) -> int:
    """The letters of a word as bits: one for each letter and how often it occurred before."""
    bits = 0
    for letter, times in Counter(word).items():
        for before in range(times):
            place = _places.get((letter, before))
            bits |= 1 << (_places.setdefault((letter, before), next(_unused_place)) if place is None else place)
    return bits


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``" Did you mean `x`?"`` for the closest of `words`, or an empty string."""
    found = closest(word, words)
    return f" Did you mean `{found}`?" if found is not None else ""


@dataclass(frozen=True)
class Message:
    """What an error or a finding says, one sentence each.

    Attributes
    ----------
    what : str
        What happened, naming the cell, step or pathspec and the bad value.
    why : str
        Why it is refused or failed; may be empty.
    fix : str
        What to do next; may be empty.

    Examples
    --------
    >>> str(Message("Step a reads `x`.", "Nothing defines it.", "Define it."))
    'Step a reads `x`. Nothing defines it. Define it.'
    """

    what: str
    why: str = ""
    fix: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)


class FlownbError(Catchable):
    """Root of all errors that flownb raises on purpose.

    An error that Metaflow has a name for is caught by that name, see `flownb.metaflow_errors`.

    Parameters
    ----------
    what : str
        What happened, naming the cell, step or pathspec and the bad value.
    why : str, optional
        Why it is refused or failed.
    fix : str, optional
        What to do next.
    """

    headline = "flownb stopped"
    line_no: int | None = None
    source_file: str | None = None

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        # What a MetaflowException has; the __init__ of Metaflow's class would leave out `args`.
        self.message = str(self.sentences)
        Exception.__init__(self, self.message)

    @classmethod
    def of(cls, message: Message, **attributes: Any) -> Self:
        """Make an error that says a message; `attributes` are the other arguments of its class."""
        return cls(message.what, message.why, message.fix, **attributes)

    @property
    def sentences(self) -> Message:
        """What happened, why, and what to do next."""
        return Message(self.what, self.why, self.fix)

    def __str__(self) -> str:
        return Exception.__str__(self)

    def _render_traceback_(self) -> list[str]:
        """Make IPython show the message alone: a user's mistake shows no traceback of ours."""
        return [f"{self.headline}: {self}"]


class CellError(FlownbError):
    """A cell's header line or tags cannot be read."""

    headline = "Cell not understood"


class CheckFailed(FlownbError):
    """Static checks found errors, so nothing was run.

    Attributes
    ----------
    diagnostics : tuple of flownb.flow.lint.Diagnostic
        The errors, in document order.
    """

    headline = "Checks failed, nothing was run"

    def __init__(self, diagnostics: tuple[object, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("\n".join(str(diagnostic) for diagnostic in diagnostics))

    def _render_traceback_(self) -> list[str]:
        return [f"{self.headline}:", *str(self).splitlines()]


class NotFound(FlownbError, MetaflowNotFound):
    """A flow, run, step, task or notebook that was asked for does not exist."""

    headline = "Not found"


class FlowFileError(FlownbError):
    """A Metaflow file cannot be read as the cells of a notebook."""

    headline = "Flow file not understood"


class ItemNotFound(FlownbError, KeyError):
    """``flow[…]``, ``run[…]`` or ``step[…]`` names what does not exist; a ``KeyError``, as in Metaflow."""

    headline = "Not found"


class InvalidPathspec(FlownbError, MetaflowInvalidPathspec):
    """A pathspec has too few or too many parts for what it is to name."""

    headline = "Not a pathspec"


class MissingResults(FlownbError):
    """A step cannot run because a parent has no results yet."""

    headline = "Parent without results"


class ParameterError(FlownbError):
    """A parameter is unknown, missing, or has a value that does not fit its type."""

    headline = "Parameter not accepted"


class TagError(ParameterError, MetaflowTaggingError):
    """A tag is not accepted."""

    headline = "Tag not accepted"


class StoreError(FlownbError):
    """The datastore cannot be read or written (read-only folder, full disk, unknown format)."""

    headline = "Datastore problem"


class CorruptBlob(StoreError):
    """A blob is missing, truncated or does not match its key; other artifacts stay readable.

    Attributes
    ----------
    key : str
        The blob's key.
    missing : bool
        Whether the blob does not exist.
    """

    headline = "Corrupted artifact"

    def __init__(self, what: str, why: str = "", fix: str = "", *, key: str, missing: bool = False) -> None:
        self.key = key
        self.missing = missing
        super().__init__(what, why, fix)


class EditedExport(FlownbError):
    """An exported file has edits that another export would lose, or flownb did not write it."""

    headline = "The file was not overwritten"


class SyncError(FlownbError):
    """Edits of an exported file cannot be taken back into its notebook."""

    headline = "Not synchronised"


class UnpicklableArtifact(StoreError):
    """A value assigned to ``self`` cannot be persisted.

    Attributes
    ----------
    artifact : str
        Name of the artifact.
    """

    headline = "Artifact cannot be persisted"

    def __init__(self, what: str, why: str = "", fix: str = "", *, artifact: str) -> None:
        self.artifact = artifact
        super().__init__(what, why, fix)


class ExecutorError(FlownbError):
    """The process or cluster that runs tasks cannot be reached, cannot run them, or ended."""

    headline = "Executor not available"


class ArtifactNotFound(FlownbError, AttributeError, KeyError):
    """An attribute of ``self``, ``inputs`` or a client object is not an artifact of that task.

    It is an ``AttributeError``, so ``hasattr(self, "x")`` works as in Metaflow, and a ``KeyError`` for ``task["x"]``.
    """

    headline = "No such artifact"


class CardError(FlownbError):
    """A card or one of its components is used in a way that Metaflow does not accept."""

    headline = "Card not accepted"


class CardNotFound(CardError, AttributeError):
    """A task has no card, or no card of the id, type or index that was asked for.

    It is an ``AttributeError``, so ``hasattr(current, "card")`` works as in Metaflow.
    """

    headline = "No such card"


class TransitionError(FlownbError, InvalidNextException):
    """``self.next`` was called in a way that Metaflow does not accept."""

    headline = "Transition not accepted"


class ForeachError(TransitionError):
    """The artifact of a foreach cannot be iterated, or has no items."""

    headline = "Foreach not possible"


class MergeConflict(FlownbError, MetaflowException):
    """``merge_artifacts`` was called outside of a join, or in a way that Metaflow does not accept."""

    headline = "Artifacts cannot be merged"


class DecoratorError(FlownbError):
    """A decorator or mutator of the user's own cannot be applied."""

    headline = "Decorator not accepted"


class _UnmergedArtifacts(MergeConflict):
    """Artifacts that ``merge_artifacts`` cannot merge.

    Attributes
    ----------
    artifact_names : list of str
        Their names; a name that differs in several tasks is listed several times, as in Metaflow.
    """

    def __init__(self, what: str, why: str = "", fix: str = "", *, names: Sequence[str] = ()) -> None:
        super().__init__(what, why, fix)
        self.artifact_names = list(names)


class UnhandledInMerge(_UnmergedArtifacts, UnhandledInMergeArtifactsException):
    """``merge_artifacts`` found different values for one name."""


class MissingInMerge(_UnmergedArtifacts, MissingInMergeArtifactsException):
    """No task has a name that ``merge_artifacts`` was asked to include."""


class StepFailed(FlownbError):
    """A step's own code raised while a whole flow ran; the user's exception is ``__cause__``.

    Attributes
    ----------
    pathspec : str
        The failed task, ``Flow/run/step/task``.
    """

    headline = "Step failed"

    def __init__(self, what: str, why: str = "", fix: str = "", *, pathspec: str) -> None:
        self.pathspec = pathspec
        super().__init__(what, why, fix)
