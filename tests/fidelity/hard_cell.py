"""One hard case of the cell language: what a notebook holds, and what must come of it.

Every table of cases is made of this type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["HardCell"]


@dataclass(frozen=True)
class HardCell:
    """A notebook, and whether real Metaflow and flownb must agree on it or flownb must refuse it.

    Attributes
    ----------
    name
        Unique; the test's id.
    promise
        One sentence: what a user may rely on.
    cells
        Complete sources of the notebook's cells in order, with their magic lines.
    outcome
        "equal": all artifacts of all of the notebook's own steps are the same in both.
        "refused": a static check refuses the notebook before anything runs.
        "warned": as "equal", and a check gives a warning.
    code_about
        For "refused" and "warned": in a few words, what the diagnostic is about.
    """

    name: str
    promise: str
    cells: tuple[str, ...]
    outcome: Literal["equal", "refused", "warned"]
    code_about: str = ""
