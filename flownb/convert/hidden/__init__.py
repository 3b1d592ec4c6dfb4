"""Hidden state of a plain notebook: what its results depend on besides the text of its cells from top to bottom.

Each module has the checks of one topic; each check is one function with one code (docs/hidden-state.md). The checks
read text and saved execution counts; nothing is executed. A check is silent where it cannot be sure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flownb.collector import collector_paused
from flownb.convert.hidden import changes, files, functions, names, order, outside, randomness, storing
from flownb.convert.hidden.notebook import Notebook
from flownb.convert.plain import PlainCell
from flownb.convert.proposal import Finding, Proposal

__all__ = ["CHECKS", "find_hidden"]

CHECKS: dict[str, Callable[[Notebook], Iterable[Finding]]] = {
    "undefined-name": names.check_undefined_name,
    "used-above-definition": names.check_used_above_definition,
    "shadowed-name": names.check_shadowed_name,
    "name-from-magic": names.check_name_from_magic,
    "output-history": names.check_output_history,
    "evaluated-text": names.check_evaluated_text,
    "executed-out-of-order": order.check_executed_out_of_order,
    "never-executed": order.check_never_executed,
    "changes-own-input": changes.check_changes_own_input,
    "changed-later": changes.check_changed_later,
    "shared-object": changes.check_shared_object,
    "defined-twice": changes.check_defined_twice,
    "function-reads-changing-name": functions.check_reads_changing_name,
    "function-writes-name": functions.check_writes_name,
    "default-keeps-value": functions.check_default_keeps_value,
    "cannot-be-stored": storing.check_cannot_be_stored,
    "read-once": storing.check_read_once,
    "file-between-cells": files.check_file_between_cells,
    "setting-of-process": files.check_setting_of_process,
    "seed-in-another-cell": randomness.check_seed_in_another_cell,
    "no-seed": randomness.check_no_seed,
    "time": outside.check_time,
    "random-identifier": outside.check_random_identifier,
    "network": outside.check_network,
    "environment": outside.check_environment,
    "asks-for-input": outside.check_asks_for_input,
    "widget-value": outside.check_widget_value,
}


@collector_paused()
def find_hidden(
    cells: tuple[PlainCell, ...], proposal: Proposal | None = None, *, notebook: Notebook | None = None
) -> tuple[Finding, ...]:
    """Find hidden state.

    Parameters
    ----------
    cells : tuple of PlainCell
        All code cells, in document order.
    proposal : Proposal, optional
        The steps that are proposed. What cells of one step share passes through no store, so it is not reported.
    notebook : Notebook, optional
        What is known of the cells with that proposal, if they have been read already.

    Returns
    -------
    tuple of Finding
        In the order of the first cell that each names.
    """
    if sum(cell.problem is not None for cell in cells) > len(cells) / 2:
        return ()  # it is in another language
    notebook = notebook or Notebook(cells, proposal)
    found = [one for check in CHECKS.values() for one in check(notebook)]
    return tuple(sorted(found, key=lambda one: (one.places[0].cell, one.places[0].line) if one.places else (0, 0)))
