"""``flownb spin NOTEBOOK STEP``: execute one step, and print its report."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from flownb.cli.notebook import open_notebook, print_notes
from flownb.session.options import spin_options
from flownb.session.spin import spin_step

__all__ = ["spin"]


def spin(notebook: Path, **values: Any) -> int:
    """``flownb spin NOTEBOOK STEP [--from …] [--set …]``."""
    options = spin_options(values)
    if options.artifacts_module is not None:
        options = replace(options, artifacts_module=options.artifacts_module.resolve())
    session = open_notebook(notebook)
    print_notes(session)
    debug = _debug if sys.stdin.isatty() else None
    outcome = spin_step(session, options, display=_print_value, debug=debug, last=True)
    print("\n".join(outcome.report.whole().lines()))
    if outcome.task is not None:
        print(f"  kept   {outcome.task.pathspec} in {session.spin_datastore.location}")
    for name, value in outcome.values.items():
        print(f"  {name} = {_short(value)}")
    return 0


def _debug(error: BaseException) -> None:
    """Show an error of a step and open the debugger where it was raised."""
    import pdb

    from flownb.runtime.failure import describe, user_frames

    frames = user_frames(error)
    if frames is not None:
        print(describe(error)["traceback"], end="", file=sys.stderr)
        pdb.post_mortem(frames)


def _print_value(value: object) -> None:
    """Show the value of a body's last expression."""
    if value is not None:
        print(repr(value))


def _short(value: object) -> str:
    """A value on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
