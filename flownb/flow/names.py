"""Names with a meaning of their own.

These are the attributes that ``self`` always has, the names that a step cannot have, and the name of a flow that no
cell names. A step whose name Metaflow does not accept is reported and never becomes code, since it would break the
other steps. Rules follow ``metaflow/flowspec.py`` (FlowSpec and _NON_PARAMETERS) and ``metaflow/lint.py``
(check_reserved_words), 2.19.39.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from flownb.cells.cell import DEFAULT_FLOW_NAME
from flownb.errors import Message

__all__ = [
    "INTERNALS",
    "LONGEST_NAME",
    "RESERVED",
    "SELF_ATTRIBUTES",
    "NameProblem",
    "default_flow_name",
    "step_name_problem",
]


# `_catch_exception` is an artifact that @catch sets (`metaflow/plugins/catch_decorator.py`).
ARTIFACT_OF_CATCH = "_catch_exception"
OF_METAFLOW = frozenset({"_current_step", "_foreach_stack", "_graph", "_graph_info", "script_name"})
SELF_ATTRIBUTES = OF_METAFLOW | {
    *("next", "input", "index", "name", "foreach_stack", "merge_artifacts"),
    ARTIFACT_OF_CATCH,
}
# Other attributes that an instance has on Metaflow, which are not meant to be read; our own runtime has none of them.
INTERNALS = frozenset(
    {"cmd", "_cached_input", "_datastore", "_flow_decorators", "_flow_state", "_foreach_num_splits"}
    | {"_foreach_values", "_foreach_var", "_steps", "_success", "_task_ok", "_transition"}
)
# Names that no step can have.
RESERVED = SELF_ATTRIBUTES | {"cmd", "script_name"}
# Flows and steps are names of folders, here and in Metaflow's local datastore; file systems allow no longer ones.
LONGEST_NAME = 255
# A default name is shorter than that, because it also names a class.
LONGEST_DEFAULT = 60


@dataclass(frozen=True)
class NameProblem:
    """What is wrong with a step's name, and a better name, which is empty if there is none."""

    message: Message
    better: str = ""


def step_name_problem(name: str, class_names: Container[str]) -> NameProblem | None:
    """Say what is wrong with a step's name.

    Parameters
    ----------
    name : str
    class_names : container of str
        Names that the ``%%flow`` cell defines.

    Returns
    -------
    NameProblem or None
        None if a step can have the name.
    """
    what = f"`{name}` cannot be a step's name."
    if name in RESERVED:
        return _problem(what, "Metaflow reserves it.", f"{name.strip('_')}_step")
    if keyword.iskeyword(name):
        return _problem(what, "It is a keyword of Python.", f"{name.lower()}_step")
    if re.search("[^a-z0-9_]", name) or not name.isidentifier() or name[0] == "_":
        plain = "".join(one for one in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(one))
        better = re.sub("[^a-z0-9_]+", "_", plain).strip("_")
        if better and not better.isidentifier():
            better = f"step_{better}"
        if keyword.iskeyword(better) or better in RESERVED:
            better += "_step"
        why = "Metaflow accepts lowercase letters, digits and `_`, and a letter comes first."
        return _problem(what, why, better[:LONGEST_NAME])
    if len(name) > LONGEST_NAME:
        what = f"`{name[:20]}…` cannot be a step's name."
        why = f"It has {len(name)} characters, and it names a folder, whose name has at most {LONGEST_NAME}."
        return _problem(what, why, "")
    if name in class_names:
        what = f"`{name}` is a step and a name in the %%flow cell."
        return _problem(what, "Both would be attributes of one class.", f"{name}_step")
    return None


def _problem(what: str, why: str, better: str) -> NameProblem:
    """A problem whose remedy is another name."""
    return NameProblem(Message(what, why, f"Call it `{better}`." if better else "Give it another name."), better)


def default_flow_name(notebook: Path | None) -> str:
    """Name a flow after its notebook's file.

    Parameters
    ----------
    notebook : Path or None
        None if it is not known.

    Returns
    -------
    str
        A class name of ASCII letters and digits, which is also a folder's name in the datastore. It is
        ``NotebookFlow`` if the file's name has none of them, not even with an accent.

    Examples
    --------
    >>> default_flow_name(Path("train model-2.ipynb"))
    'TrainModel2Flow'
    >>> default_flow_name(Path("2024 übung.ipynb"))
    'Notebook2024UbungFlow'
    """
    if notebook is None:
        return DEFAULT_FLOW_NAME
    plain = unicodedata.normalize("NFKD", notebook.stem).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", plain)
    name = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST_DEFAULT].removesuffix("Flow")
    if not name:
        return DEFAULT_FLOW_NAME
    return f"Notebook{name}Flow" if name[0].isdigit() else f"{name}Flow"
