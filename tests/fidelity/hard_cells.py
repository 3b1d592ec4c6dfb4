"""The corpus of hard cells: every way we know in which a notebook and its flow.py could differ.

One table, gathered from one module per topic.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_names import NAMES
from tests.fidelity.hard_refused_bodies import REFUSED_BODIES
from tests.fidelity.hard_refused_graphs import REFUSED_GRAPHS
from tests.fidelity.hard_refused_names import REFUSED_NAMES
from tests.fidelity.hard_scopes import SCOPES
from tests.fidelity.hard_state import STATE
from tests.fidelity.hard_text import TEXT
from tests.fidelity.hard_values import VALUES

__all__ = ["HARD_CELLS", "HardCell"]

HARD_CELLS: tuple[HardCell, ...] = (
    *NAMES,
    *SCOPES,
    *TEXT,
    *STATE,
    *VALUES,
    *REFUSED_BODIES,
    *REFUSED_NAMES,
    *REFUSED_GRAPHS,
)
