"""``flownb export NOTEBOOK``: write the flow as a Metaflow file."""

from __future__ import annotations

import sys
from pathlib import Path

from flownb.cli.notebook import open_notebook
from flownb.session.checks import left_out_magics
from flownb.session.export import export_flow, found_at_export
from flownb.session.options import write_output

__all__ = ["export"]


def export(notebook: Path, output: Path, strict: bool) -> int:
    """``flownb export NOTEBOOK -o flow.py``."""
    place = output if str(output) == "-" else output.resolve()
    session = open_notebook(notebook)
    text = export_flow(session, "flow.py" if str(output) == "-" else output.name, strict=strict)
    for found in found_at_export(session):
        print(f"warning: {found}", file=sys.stderr)
    for note in left_out_magics(session.flow):
        print(f"note: {note}", file=sys.stderr)
    if str(output) == "-":
        print(text, end="")
        return 0
    write_output(place, text)
    print(f"wrote {output} ({len(text.splitlines())} lines); run it with: python {output} run")
    return 0
