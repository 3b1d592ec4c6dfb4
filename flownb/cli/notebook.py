"""A notebook opened by a command of the terminal, and what several of these commands say about it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flownb.cells.notebook import read_notebook
from flownb.cli.configuration import be_as_a_kernel
from flownb.cli.messages import in_terminal
from flownb.session.checks import left_out_cells
from flownb.session.session import Session

__all__ = ["open_notebook", "print_notes", "say_what_is_left_out"]


def open_notebook(path: Path, *, executes: bool = True) -> Session:
    """A session on a notebook file, in the notebook's folder, where steps run as in a kernel.

    Parameters
    ----------
    path : Path
    executes : bool, default True
        Whether the command may execute code of the notebook, or read its results.
    """
    notebook = read_notebook(path)
    session = Session(path.resolve(), folder=path.resolve().parent)
    session.checks.warn = _print_warning
    session.open(notebook.cells)
    os.chdir(path.resolve().parent)
    be_as_a_kernel()
    if executes:
        _prepare_to_execute(session)
    return session


def _prepare_to_execute(session: Session) -> None:
    """Open the datastore, and have the modules of steps import flownb's names for Metaflow's."""
    from flownb.runtime.metaflow_names import always_own_imports
    from flownb.session.transfers import show_transfers

    show_transfers(session.datastore.location)
    always_own_imports()


def _print_warning(diagnostic: object) -> None:
    """Show a warning of the checks beside the command's own output."""
    print(diagnostic, file=sys.stderr)


def print_notes(session: Session) -> None:
    """Say beside the command's own output where results come from."""
    for note in session.notes():
        print(f"note: {in_terminal(str(note))}", file=sys.stderr)


def say_what_is_left_out(session: Session) -> None:
    """Say which cells are not part of the flow, where no check does."""
    for note in left_out_cells(session.flow):
        print(f"note: {note}", file=sys.stderr)
