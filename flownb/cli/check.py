"""``flownb check NOTEBOOK``: print what the static checks find; nothing is executed, and no datastore is opened."""

from __future__ import annotations

from pathlib import Path

from flownb.cli.notebook import open_notebook
from flownb.flow.lint import counted, errors_of
from flownb.session.checks import left_out_magics

__all__ = ["check"]


def check(notebook: Path, strict: bool) -> int:
    """``flownb check NOTEBOOK [--strict]``."""
    session = open_notebook(notebook, executes=False)
    found = session.checks.find()
    for diagnostic in found:
        print(diagnostic)
    for note in left_out_magics(session.flow):
        print(f"note: {note}")
    print(f"{session.flow.name}: {len(session.flow.all_steps)} steps, {counted(found)}")
    return 1 if errors_of(found) or (found and strict) else 0
