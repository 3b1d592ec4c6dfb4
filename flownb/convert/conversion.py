"""Converts a plain notebook: proposes a flow, proves it, and repairs the proposal as long as something differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.convert.made_files import missing_files
from flownb.convert.proposal import Constraints, Finding, Proposal
from flownb.convert.propose import propose

if TYPE_CHECKING:
    from flownb.convert.verify.proof import Proof
    from flownb.convert.verify.report import Verification

__all__ = ["Conversion", "convert_document", "prove"]

# How many proposals are executed at most; the last one is a single step.
ROUNDS = 8


@dataclass(frozen=True)
class Conversion:
    """A proposed flow and its proof.

    Attributes
    ----------
    proposal : Proposal
        With a finding for each constraint that a proof added.
    verification : Verification or None
        None if nothing was executed, because it was not asked for, or there is no flow.
    rounds : int
        How many proposals were executed.
    """

    proposal: Proposal
    verification: Verification | None = None
    rounds: int = 0


def convert_document(
    document: dict[str, Any],
    *,
    folder: Path,
    parameters: Sequence[str] = (),
    flow_name: str = "",
    verify: bool = True,
    timeout: float | None = None,
    notify: Callable[[str], None] = lambda text: None,
) -> Conversion:
    """Propose a flow for a plain notebook, and prove it.

    Parameters
    ----------
    document : dict
        As `flownb.cells.notebook.read_document` returns it.
    folder : Path
        The notebook's, a copy of which the runs work in.
    parameters : sequence of str
        Names of constants that become parameters.
    flow_name : str
        Of the flow; empty for a name made from the notebook's file.
    verify : bool, default True
        Whether the notebook and the flow are executed.
    timeout : float, optional
        Seconds that one cell of the notebook may take; None means no limit.
    notify : callable
        Called with what is executed now, in words.

    Returns
    -------
    Conversion
        If the notebook itself fails, `verification` says in which cell, and the proposal is the first one.

    Raises
    ------
    ExecutorError
        If a process cannot be started.
    """

    def made(constraints: Constraints) -> Proposal:
        return propose(document, parameters=parameters, flow_name=flow_name, constraints=constraints)

    proposal = made(Constraints())
    if proposal.changed and (missing := tuple(missing_files(document, proposal, folder))):
        proposal = replace(proposal, findings=(*missing, *_without_magics_of(missing, proposal.findings)))
    refused = any(finding.kind == "refused" for finding in proposal.findings)
    if not verify or not proposal.changed or not proposal.steps or refused:
        return Conversion(proposal)
    from flownb.convert.verify.proof import Proof

    with Proof(document, folder, timeout=timeout, notify=notify) as proof:
        return prove(proposal, made, proof)


def _without_magics_of(missing: Sequence[Finding], findings: Sequence[Finding]) -> list[Finding]:
    """Findings without those that say no more than that these magics are left out."""
    places = {(one.places[0].cell, one.places[0].line) for one in missing}
    places |= {(cell, 0) for cell, _ in places}  # a cell magic is the whole cell
    return [
        one
        for one in findings
        if one.code not in ("magic", "cell-magic") or (one.places[0].cell, one.places[0].line) not in places
    ]


def prove(proposal: Proposal, made: Callable[[Constraints], Proposal], proof: Proof) -> Conversion:
    """Execute proposals until one is verified, or nothing is left to change.

    Parameters
    ----------
    proposal : Proposal
        The first one.
    made : callable
        Returns the proposal that respects constraints.
    proof : Proof

    Returns
    -------
    Conversion
        Of the last proposal.
    """
    from flownb.convert.verify.repair import Repair, everything, remaining, repair, unstorable

    done, merges, last_resort = Repair(), 0, False
    rounds = 0
    while True:
        if proof.execute_plain(proposal).failure is None:
            # What cannot be stored is known before the flow is run.
            found = unstorable(proposal, proof.cells, _held(proof, proposal))
            if found.adds_to(done.constraints):
                done += found
                proposal = made(done.constraints)
                continue
        checked = proof.check(proposal, last=last_resort)
        rounds += 1
        if checked.verification.verified or checked.verification.plain_failure is not None or last_resort:
            break
        found = repair(proposal, proof.cells, checked, _held(proof, proposal), done.constraints, merges)
        merges += any(finding.code == "process-state" for finding in found.findings)
        changed = made((done + found).constraints)
        if changed.document == proposal.document or rounds >= ROUNDS - 1:
            found, last_resort = everything(proposal, proof.cells, checked), True
            changed = made((done + found).constraints)
        if changed.document == proposal.document:
            checked = proof.check(proposal, last=True)
            break
        done += found
        proposal = changed
    added = remaining(done.findings)
    if not checked.verification.verified:  # then one step for everything was of no use
        added = tuple(finding for finding in added if finding.code != "one-step")
    findings = (*proposal.findings, *added)
    return Conversion(replace(proposal, findings=findings), checked.verification, rounds)


def _held(proof: Proof, proposal: Proposal) -> dict[str, Any]:
    """What names hold in the plain notebook at the end of each step."""
    return {step.name: proof.held(max(step.cells, default=0)) for step in proposal.steps}
