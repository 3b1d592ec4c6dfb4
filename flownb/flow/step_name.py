"""What cannot be a step's name, on Metaflow and so here.

Takes a name; gives what is wrong with it. A step with such a name never becomes code: it would break the other steps.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Container

from flownb.flow.self_attributes import SELF_ATTRIBUTES

__all__ = ["LONGEST", "RESERVED", "step_name_problem"]

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
