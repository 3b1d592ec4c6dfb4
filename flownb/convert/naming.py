"""Names of steps: from the heading or tag above them, else from what they make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Sequence

from flownb.convert.known import SAVING, words
from flownb.convert.pieces import Piece
from flownb.flow.names import step_name_problem

__all__ = ["name_step"]

# Words that say nothing in a step's name.
EMPTY = words(
    """
    a an and are as at be by for from in into is it its let lets of on or our some that the their this to us we with
    section step part
    """
)
LONGEST = 32
# Names of steps that Metaflow gives a meaning, unless the step is the first or last.
ENDS = frozenset({"start", "end"})


def name_step(title: str, pieces: Sequence[Piece], captures: Sequence[str], taken: Container[str], number: int) -> str:
    """Name a step.

    Parameters
    ----------
    title : str
        The text of its heading or tag; empty if it has none.
    pieces : sequence of Piece
        Its code.
    captures : sequence of str
    taken : container of str
        Names that it cannot have.
    number : int
        Its place among all steps, from 1.
    """
    for name in (_slug(title), _after_what_it_does(pieces, captures), f"step_{number}"):
        if not name:
            continue
        candidates = [name, f"{name}_step", *(f"{name}_{count}" for count in range(2, 1000))]
        if name not in ENDS and name not in taken:
            candidates.insert(0, name)
        for candidate in candidates:
            if candidate not in taken and candidate not in ENDS and step_name_problem(candidate, ()) is None:
                return candidate
    return f"step_{number}_of_notebook"


def _slug(title: str) -> str:
    """The words of a heading as a name."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)|<[^>]+>", r"\1", title)  # links, images and HTML
    plain = unicodedata.normalize("NFKD", text.lower().replace("’", "'").replace("'s", ""))
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    words = re.findall(r"[a-z0-9]+", plain)
    while words and (words[0].isdigit() or re.fullmatch(r"[ivx]+|[a-z]", words[0])) and len(words) > 1:
        words.pop(0)  # numbers of sections
    said = [word for word in words if word not in EMPTY] or words
    name = ""
    for word in said:
        longer = f"{name}_{word}" if name else word
        if len(longer) > LONGEST:
            break
        name = longer
    name = name or "".join(said)[:LONGEST]
    if not name or name.isdigit() or name == "_":
        return ""
    return f"step_{name}" if name[0].isdigit() else name


VERBS = (
    (("read_", "load_", "fetch_", "loadtxt", "genfromtxt"), "load"),
    (("train_test_split",), "split"),
    (("fit", "train", "partial_fit"), "fit"),
    (("score", "accuracy_", "mean_squared", "classification_report", "confusion_", "roc_", "f1_", "r2_"), "evaluate"),
    (("predict",), "predict"),
    (("merge", "join", "concat"), "merge"),
    (("dropna", "fillna", "drop_duplicates", "drop"), "clean"),
    (("groupby", "agg", "pivot", "pivot_table"), "aggregate"),
)


def _after_what_it_does(pieces: Sequence[Piece], captures: Sequence[str]) -> str:
    """A name such as ``load_sales``, of what the code calls and what it makes."""
    calls = [call for piece in pieces for call in piece.calls]
    verb = next((verb for starts, verb in VERBS if any(call.startswith(starts) for call in calls)), "")
    made = next((name for name in reversed(captures) if len(name) > 1 and name[0] != "_"), "")
    if len(captures) > 1 and verb in ("load", "clean"):
        made = captures[0]
    if made:
        return _slug(f"{verb or 'make'} {made}")
    if any(call in SAVING and call not in ("print", "makedirs", "mkdir") for call in calls):
        return "save_results"
    if verb:
        return verb
    return "report" if "print" in calls else ""
