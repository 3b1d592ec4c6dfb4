"""What is proposed for the notebooks of the corpus, as it is stored to notice every change of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flownb.convert.proposal import Proposal

__all__ = ["PROPOSALS", "summary"]

PROPOSALS = Path(__file__).parent / "corpus" / "proposals.json"


def summary(proposal: Proposal) -> dict[str, Any]:
    """Steps with their cells and captures, parameters, and codes of refusals, as JSON has them."""
    found: dict[str, Any] = {
        "steps": {
            step.name: f"{' '.join(map(str, step.cells))} -> {', '.join(step.captures)}" for step in proposal.steps
        }
    }
    if proposal.parameters:
        found["parameters"] = [line for _, line in proposal.parameters]
    refused = [one.code for one in proposal.findings if one.kind == "refused"]
    if refused:
        found["refused"] = refused
    return found
