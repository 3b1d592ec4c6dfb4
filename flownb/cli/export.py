"""``flownb export NOTEBOOK``: write the flow as a Metaflow file, or check that this was done."""

from __future__ import annotations

import sys
from pathlib import Path

from flownb.cli.notebook import open_notebook
from flownb.session.checks import left_out_magics
from flownb.session.export import export_flow, found_at_export
from flownb.session.exported_file import compared, print_check, print_export, print_requirements

__all__ = ["export"]


def export(notebook: Path, output: Path, check: bool, force: bool, requirements: bool, strict: bool) -> int:
    """``flownb export NOTEBOOK -o flow.py``."""
    is_stdout = str(output) == "-"
    # Opening a notebook changes the working folder.
    place = Path("flow.py").resolve() if is_stdout else output.resolve()
    session = open_notebook(notebook)
    text = export_flow(session, place, strict=strict)
    if check and not is_stdout:
        return 0 if print_check(compared(session, place, text), output) else 1
    for found in found_at_export(session):
        print(f"warning: {found}", file=sys.stderr)
    for note in left_out_magics(session.flow):
        print(f"note: {note}", file=sys.stderr)
    if is_stdout:
        print(text, end="")
    else:
        print_export(session, compared(session, place, text), output, force=force)
        if requirements:
            print_requirements(session, place, force=force)
    return 0
