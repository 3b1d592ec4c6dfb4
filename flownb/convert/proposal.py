"""What `flownb convert` proposes for a plain notebook: its steps, what each captures, and what a reader must know.

A proposal is data. `flownb.convert.propose` makes it from the text of the cells alone; nothing is executed.
`flownb.convert.verify` executes the plain notebook and the proposed flow, and says where their values differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from flownb.errors import Message

__all__ = ["Constraints", "Finding", "FindingKind", "Offer", "Part", "Place", "Proposal", "ProposedStep", "Role"]

Role = Literal["flow", "shared", "step", "scratch"]
FindingKind = Literal["hidden", "unstorable", "unverifiable", "left_out", "refused"]


@dataclass(frozen=True)
class Constraints:
    """What a proof found out and the next proposal has to respect; cells are numbers of plain code cells.

    Attributes
    ----------
    together : frozenset of (int, int)
        Cells that have to be in one step, with all step code between them, because of a value that cannot be stored,
        or a state of the process that no artifact carries.
    captures : frozenset of (int, str)
        Names that the step with this cell has to capture, because their value changes there.
    steps : frozenset of int
        Cells that looked as if they changed nothing, and whose code has to be in a step.
    local : frozenset of (int, str)
        Names that the step with this cell cannot capture, because their values cannot be stored, and that no later step
        needs.
    """

    together: frozenset[tuple[int, int]] = frozenset()
    captures: frozenset[tuple[int, str]] = frozenset()
    steps: frozenset[int] = frozenset()
    local: frozenset[tuple[int, str]] = frozenset()


@dataclass(frozen=True)
class Place:
    """Lines of a code cell of the plain notebook, as messages name them.

    `cell` is the 1-based number among all code cells, in document order; `line` and `end_line` are 1-based lines of
    its text, 0 where the whole cell is meant.
    """

    cell: int
    line: int = 0
    end_line: int = 0


@dataclass(frozen=True)
class Part:
    """Whole statements of a plain cell that go to one place of the flow, with their text as it is in the cell."""

    place: Place
    text: str
    role: Role


@dataclass(frozen=True)
class ProposedStep:
    """A step of the proposed flow.

    Attributes
    ----------
    name : str
        A legal step name, unique in the flow.
    parts : tuple of Part
        The code of the body, in order.
    captures : tuple of str
        Names behind ``->``, in the order in which the body first binds them.
    loads : tuple of str
        Names that the body reads from its parent.
    """

    name: str
    parts: tuple[Part, ...]
    captures: tuple[str, ...]
    loads: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[int, ...]:
        """Numbers of the plain cells that the body comes from."""
        return tuple(dict.fromkeys(part.place.cell for part in self.parts))


@dataclass(frozen=True)
class Finding:
    """Something about the plain notebook that its author should know.

    Attributes
    ----------
    kind : {"hidden", "unstorable", "unverifiable", "left_out", "refused"}
        Hidden state; a value that cannot be stored; a value that differs from run to run; code that is not part of the
        flow; a reason for which there is no flow.
    code : str
        A stable short name, such as ``"executed-out-of-order"``.
    places : tuple of Place
    message : Message
        What, why, fix.
    harmless : bool
        Whether it makes no difference in the flow, so that nothing needs to be done.
    """

    kind: FindingKind
    code: str
    places: tuple[Place, ...]
    message: Message
    harmless: bool = False


@dataclass(frozen=True)
class Offer:
    """A change that would be possible and is not made: a loop that could be a foreach with a join.

    `cells` are the complete texts of the step cells that would replace `step`.
    """

    step: str
    place: Place
    text: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """The flow proposed for a plain notebook.

    Attributes
    ----------
    flow_name : str
    steps : tuple of ProposedStep
        In order; each one's parent is the one before it.
    shared : tuple of Part
    parameters : tuple of (str, str)
        Name of each parameter and the source of its ``Parameter(…)`` line.
    scratch : tuple of Part
    requirements : tuple of str
    findings : tuple of Finding
    offers : tuple of Offer
    document : dict
        The converted notebook as nbformat JSON.
    changed : bool
        False if the notebook was a flow already, so that `document` equals the input.
    """

    flow_name: str
    steps: tuple[ProposedStep, ...] = ()
    shared: tuple[Part, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    scratch: tuple[Part, ...] = ()
    requirements: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    offers: tuple[Offer, ...] = ()
    document: dict[str, Any] = field(default_factory=dict)
    changed: bool = True
