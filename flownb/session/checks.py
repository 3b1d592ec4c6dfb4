"""The static checks of a notebook's flow: errors keep it from running, warnings are shown once.

Also what a user should know of the cells beside that: which are left out of the flow, and what has no effect here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from flownb.errors import CheckFailed, NotFound
from flownb.flow.definition import FlowDefinition
from flownb.flow.graph import FlowGraph
from flownb.flow.lint import Diagnostic, check_flow, errors_of
from flownb.flow.module import metaflow_name
from flownb.flow.names import step_name_problem
from flownb.metaflow_decorators import APPLIED_TO_FLOWS, APPLIED_TO_STEPS

if TYPE_CHECKING:
    from flownb.runtime.decorators import Recorded
    from flownb.runtime.program import Program

__all__ = ["Checks", "left_out_cells", "left_out_magics", "not_applied"]


class Checks:
    """The checks of one session's flow.

    Parameters
    ----------
    flow : callable
        Returns the flow as its cells now define it, and the graph of the user's own steps.

    Attributes
    ----------
    warn : callable
        Shows a warning; each front end sets its own.
    """

    def __init__(self, flow: Callable[[], tuple[FlowDefinition, FlowGraph]]) -> None:
        self.warn: Callable[[Diagnostic], None] = lambda diagnostic: None
        self._flow = flow
        self._passed: dict[str, FlowGraph] = {}
        self._warned: set[tuple[str, int, str]] = set()

    def find(self, *, only: str | None = None, kernel_names: Iterable[str] = ()) -> tuple[Diagnostic, ...]:
        """Check the whole flow, or one step.

        Parameters
        ----------
        only : str, optional
            The step; an empty text checks what belongs to no step.
        kernel_names : iterable of str
            Names in the notebook's namespace, with which a message says when a name exists only there.

        Raises
        ------
        NotFound
            If the whole flow is to be checked and has no steps.
        """
        flow, graph = self._flow()
        if only is None and not (flow.all_steps or flow.unusable or flow.refused):
            raise NotFound(
                "There is no flow here yet.",
                "No cell begins with %%step.",
                "Write %%step NAME on a cell's first line and run it.",
            )
        return check_flow(flow, graph=graph, only=only, kernel_names=kernel_names)

    def require(
        self, only: str | None, kernel_names: Iterable[str], *, again: bool = False, elsewhere: bool = False
    ) -> None:
        """Check, and raise `CheckFailed` if there are errors; a step that passed is not checked again.

        `again` and `elsewhere` are as for `raise_errors`.
        """
        _, graph = self._flow()
        if only is not None and self._passed.get(only) is graph:
            return
        self.raise_errors(self.find(only=only, kernel_names=kernel_names), again=again, elsewhere=elsewhere)
        if only is not None:
            self._passed[only] = graph

    def raise_errors(self, found: Iterable[Diagnostic], *, again: bool = False, elsewhere: bool = False) -> None:
        """Raise `CheckFailed` if there are errors among findings; show the warnings if there are none.

        Parameters
        ----------
        found : iterable of Diagnostic
        again : bool, default False
            Whether to show warnings that were shown before, too.
        elsewhere : bool, default False
            Whether to let pass what fails only in this Python.
        """
        found = tuple(found)
        if errors := errors_of(found, elsewhere=elsewhere):
            raise CheckFailed(errors)
        for one in found:
            one = replace(one, severity="warning")  # an error that does not count here is shown as a warning
            key = (one.cell.source, one.line, one.what)
            if again or key not in self._warned:
                self.warn(one)
            self._warned.add(key)


def not_applied(program: Program, only: str | None = None, added: Iterable[Recorded] = ()) -> list[str]:
    """The decorators that are written to flow.py but have no effect here, as notes.

    Parameters
    ----------
    program : Program
        With the graph of the user's own steps.
    only : str, optional
        A step; None means the whole flow.
    added : iterable of (str, dict)
        What ``--with`` adds to all steps.
    """
    flow = program.flow
    names = dict.fromkeys(name for name, _ in added)
    notes = [f"@{name} of --with is not applied here" for name in names if name not in APPLIED_TO_STEPS]
    places = [
        (name, program.decorators(name), APPLIED_TO_STEPS) for name in program.graph.nodes if only in (None, name)
    ]
    if only is None:
        notes += left_out_magics(flow)
    if flow.header is not None and only is None:
        places.insert(0, ("the flow", flow.header.parsed.decorators, APPLIED_TO_FLOWS))
    for place, decorators, applied in places:
        for decorator in decorators:
            name = metaflow_name(flow, decorator.name)
            if name is not None and name not in applied:
                notes.append(f"@{name} of {place} is written to flow.py; it is not applied here")
    return notes


def left_out_cells(flow: FlowDefinition) -> list[str]:
    """Marked cells that are not part of the flow: they cannot be read, or their step cannot have its name."""
    found = {cell: cell.refusal.what for cell in flow.refused if cell.refusal is not None}
    for step in flow.unusable:
        problem = step_name_problem(step.name, flow.class_names)
        found[step.cell] = problem.message.what if problem is not None else ""
    return [f"{cell.title} is not part of the flow: {found[cell]}" for cell in flow.marked if cell in found]


def left_out_magics(flow: FlowDefinition) -> list[str]:
    """Cell magics above marks, such as ``%%time``, which runs and flow.py ignore."""
    return [
        f"`{magic}` of {cell.title} applies where the cell is executed, and not in runs and flow.py"
        for cell in flow.marked
        for magic in cell.wrappers
    ]
