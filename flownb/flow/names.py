"""Attributes of ``self`` that are there without a step that sets them (``metaflow/flowspec.py``, 2.19.39)."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container
from pathlib import Path

from flownb.cells.cell import DEFAULT_FLOW_NAME

__all__ = ["INTERNALS", "LONGEST", "RESERVED", "SELF_ATTRIBUTES", "default_flow_name", "step_name_problem"]


# `_catch_exception` is an artifact that @catch sets (`metaflow/plugins/catch_decorator.py`).
ARTIFACT_OF_CATCH = "_catch_exception"
OF_METAFLOW = frozenset({"_current_step", "_foreach_stack", "_graph", "_graph_info", "script_name"})
SELF_ATTRIBUTES = OF_METAFLOW | {
    *("next", "input", "index", "name", "foreach_stack", "merge_artifacts"),
    ARTIFACT_OF_CATCH,
}
# What else an instance has, not meant to be read; our own runtime has none of it.
INTERNALS = frozenset(
    {"cmd", "_cached_input", "_datastore", "_flow_decorators", "_flow_state", "_foreach_num_splits"}
    | {"_foreach_values", "_foreach_var", "_steps", "_success", "_task_ok", "_transition"}
)
# MERGED-DOC flow.step_name: What cannot be a step's name, on Metaflow and so here. Takes a name; gives what is
# wrong with it. A step with such a name never becomes code: it would break the other steps.


# `metaflow/flowspec.py`, FlowSpec and _NON_PARAMETERS; `metaflow/lint.py`, check_reserved_words (2.19.39).
RESERVED = SELF_ATTRIBUTES | {"cmd", "script_name"}
# Flows and steps are names of folders, here and in Metaflow's local datastore: no common file system takes longer ones.
LONGEST = 255


def step_name_problem(name: str, class_names: Container[str]) -> tuple[str, str, str] | None:
    """Say what is wrong with a step's name.

    Parameters
    ----------
    name : str
    class_names : container of str
        Names that the ``%%flow`` cell defines.

    Returns
    -------
    tuple of (str, str, str) or None
        What happened, why, and a better name, which may be empty; None if the name is good.
    """
    what = f"`{name}` cannot be a step's name."
    if name in RESERVED:
        return what, "Metaflow keeps it for itself.", f"{name.strip('_')}_step"
    if keyword.iskeyword(name):
        return what, "It is a keyword of Python.", f"{name.lower()}_step"
    if re.search("[^a-z0-9_]", name) or not name.isidentifier() or name[0] == "_":
        plain = "".join(one for one in unicodedata.normalize("NFKD", name.lower()) if not unicodedata.combining(one))
        better = re.sub("[^a-z0-9_]+", "_", plain).strip("_")
        if better and not better.isidentifier():
            better = f"step_{better}"
        if keyword.iskeyword(better) or better in RESERVED:
            better += "_step"
        return what, "Metaflow takes lowercase letters, digits and `_`, not first a digit or `_`.", better[:LONGEST]
    if len(name) > LONGEST:
        return (
            f"`{name[:20]}…` cannot be a step's name.",
            f"It has {len(name)} characters; it is the name of a folder, which has at most {LONGEST}.",
            "",
        )
    if name in class_names:
        return (
            f"`{name}` is a step and a name in the %%flow cell.",
            "Both would be attributes of one class.",
            f"{name}_step",
        )
    return None


# MERGED-DOC flow.default_name: What a flow is called when no cell names it. Takes the notebook's file; gives the
# name of a class. Metaflow takes any Python class's name for the flow's, and the datastore makes it a folder's, so
# it is made of ASCII letters, digits and `_`.


# A file's name may be as long as a flow's folder can be; a class is called something shorter.
LONGEST_DEFAULT = 60


def default_flow_name(notebook: Path | None) -> str:
    """Name a flow after its notebook's file.

    Parameters
    ----------
    notebook : Path or None
        None if it is not known.

    Returns
    -------
    str
        ``NotebookFlow`` where the file's name has no letters or digits of ASCII, not even below their accents.

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
