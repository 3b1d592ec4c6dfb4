"""What is said of a conversion: the steps with their cells and captures, what became of other code, what to know of it.

`report_lines` is for people, `as_json` for tools, such as the view in JupyterLab.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.convert.proposal import Finding, Part, Place, Proposal

if TYPE_CHECKING:
    from flownb.convert.verify.report import Verification

__all__ = ["as_json", "is_good", "report_lines"]

WIDTH = 110
# How each kind of finding is introduced.
KINDS = {
    "refused": "error",
    "hidden": "hidden state",
    "unstorable": "cannot be stored",
    "unverifiable": "cannot be verified",
    "left_out": "not in the flow",
}


def is_good(proposal: Proposal, verification: Verification | None) -> bool:
    """Whether there is a flow, and no proof against it."""
    refused = any(finding.kind == "refused" for finding in proposal.findings)
    return not refused and (verification is None or verification.verified)


def report_lines(proposal: Proposal, verification: Verification | None) -> list[str]:
    """A table of the steps, what became of other code, findings, offers, and the result of the proof."""
    found: list[str] = []
    if proposal.steps:
        rows = [("step", "cells", "captures")]
        rows += [(step.name, _numbers(step.cells), ", ".join(step.captures) or "-") for step in proposal.steps]
        found += [f"{proposal.flow_name}: {len(proposal.steps)} step{'s' * (len(proposal.steps) > 1)}", *_table(rows)]
    for title, parts in (("%%shared", proposal.shared), ("scratch", proposal.scratch)):
        if parts:
            found.append(f"{title}: {_places(parts)}")
    if proposal.parameters:
        found.append(f"parameters: {', '.join(name for name, _ in proposal.parameters)}")
    if proposal.requirements:
        found.append(f"requirements: {', '.join(proposal.requirements)}")
    for finding in sorted(proposal.findings, key=lambda one: one.kind != "refused"):
        if not finding.harmless:
            found += ["", *_finding(finding)]
    found += _harmless([finding for finding in proposal.findings if finding.harmless])
    for offer in proposal.offers:
        found += ["", *_wrapped(f"offer, step {offer.step}, {_place(offer.place)}: {offer.text}")]
        for cell in offer.cells:
            found += ["", textwrap.indent(cell, "    ")]
    if verification is not None:
        found += ["", verification.text()]
    return found


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows in columns; a last column that is too wide continues below."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    found: list[str] = []
    for row in rows:
        first = "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)) + "  "
        found += textwrap.wrap(
            row[-1],
            WIDTH,
            initial_indent=first,
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return found


def _numbers(cells: Sequence[int]) -> str:
    """Numbers of cells; three or more that follow each other as a range."""
    runs: list[list[int]] = []
    for cell in sorted(cells):
        if runs and runs[-1][-1] == cell - 1:
            runs[-1].append(cell)
        else:
            runs.append([cell])
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(texts)


def _places(parts: Iterable[Part]) -> str:
    """The places of parts, whole cells as ranges."""
    whole = [part.place.cell for part in parts if not part.place.line]
    texts = [f"cell{'s' * (len(whole) > 1)} {_numbers(whole)}"] if whole else []
    texts += [_place(part.place) for part in parts if part.place.line]
    return "; ".join(texts)


def _place(place: Place) -> str:
    """A place in the plain notebook."""
    if not place.line:
        return f"cell {place.cell}"
    if place.end_line > place.line:
        return f"cell {place.cell}, lines {place.line}-{place.end_line}"
    return f"cell {place.cell}, line {place.line}"


def _finding(finding: Finding) -> list[str]:
    """A finding: its places, and its sentences below."""
    places = "; ".join(_place(place) for place in finding.places)
    first = f"{KINDS[finding.kind]} ({finding.code})" + (f", {places}" if places else "")
    message = finding.message
    rest = [line for text in (message.why, message.fix) if text for line in _wrapped(text, "    ")]
    return [*_wrapped(f"{first}: {message.what}"), *rest]


def _harmless(findings: Sequence[Finding]) -> list[str]:
    """Findings that make no difference in the flow, in short: their codes with the cells."""
    if not findings:
        return []
    cells: dict[str, set[int]] = {}
    for finding in findings:
        cells.setdefault(finding.code, set()).update(place.cell for place in finding.places)
    short = "; ".join(f"{code} in cell{'s' * (len(some) > 1)} {_numbers(sorted(some))}" for code, some in cells.items())
    return ["", *_wrapped(f"harmless in a flow (--json says more): {short}")]


def _wrapped(text: str, before: str = "") -> list[str]:
    """A text in lines that fit the terminal; `before` begins each, and all but the first are indented further."""
    width = min(max(shutil.get_terminal_size((WIDTH, 24)).columns, 60), WIDTH)
    return textwrap.wrap(
        text,
        width,
        initial_indent=before,
        subsequent_indent=f"{before}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(
    proposal: Proposal, verification: Verification | None, *, notebook: Path, output: Path, written: bool
) -> dict[str, Any]:
    """The same as JSON.

    Parameters
    ----------
    proposal : Proposal
    verification : Verification or None
    notebook, output : Path
    written : bool
        Whether `output` was written.
    """
    return {
        "notebook": str(notebook),
        "output": str(output) if written else None,
        "flow": proposal.flow_name,
        "changed": proposal.changed,
        "steps": [
            {"name": step.name, "cells": step.cells, "captures": step.captures, "loads": step.loads}
            for step in proposal.steps
        ],
        "shared": [asdict(part.place) for part in proposal.shared],
        "scratch": [asdict(part.place) for part in proposal.scratch],
        "parameters": [{"name": name, "source": source} for name, source in proposal.parameters],
        "requirements": proposal.requirements,
        "findings": [
            {
                "kind": finding.kind,
                "code": finding.code,
                "places": [asdict(place) for place in finding.places],
                "what": finding.message.what,
                "why": finding.message.why,
                "fix": finding.message.fix,
                "harmless": finding.harmless,
            }
            for finding in proposal.findings
        ],
        "offers": [
            {"step": offer.step, "place": asdict(offer.place), "text": offer.text, "cells": offer.cells}
            for offer in proposal.offers
        ],
        "verification": verification.to_json() if verification is not None else None,
    }
