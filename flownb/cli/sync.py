"""``flownb sync NOTEBOOK [FLOW.PY]``: take edits of an exported file back into the notebook's cells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from flownb.cli.notebook import open_notebook
from flownb.errors import CheckFailed
from flownb.flow_file.exports import keep_export
from flownb.session.export import export_flow
from flownb.session.options import write_output
from flownb.session.sync import conflict_lines, lost_comments, new_file_text, plan_sync

__all__ = ["sync"]


def sync(notebook: Path, file: Path, take: Literal["notebook", "flow"] | None, dry_run: bool) -> int:
    """``flownb sync NOTEBOOK [FLOW.PY] [--take notebook|flow] [--dry-run]``."""
    shown, path, place = file, notebook.absolute(), file.absolute()
    plan = plan_sync(path, place, take)
    for line in conflict_lines(plan):
        print(line)
    if plan.conflicts and take is None:
        count = len(plan.conflicts)
        print(
            f"nothing was written: {count} conflict{'s' if count > 1 else ''}. Edit one of the files, or take one side "
            "with --take notebook or --take flow",
            file=sys.stderr,
        )
        return 1
    if dry_run:
        print(plan.diff() or f"{notebook} has all of {shown}", end="" if plan.diff() else "\n")
        return 0
    plan.write_notebook()
    if plan.changes_notebook:
        print("\n".join([f"edited {notebook}:", *plan.changes()]))
    for one in plan.left_out:
        print(f"note: the notebook does not have {one}", file=sys.stderr)
    session = open_notebook(notebook)
    try:
        exported = export_flow(session, place)
    except CheckFailed:
        print(f"{shown} was not written: the flow has errors", file=sys.stderr)
        raise
    text = new_file_text(plan, exported)
    if plan.left_out or (text == exported and (lost := lost_comments(plan, exported))):
        return _left_as_it_is(shown, [] if plan.left_out else lost)
    keep_export(path.parent, exported)
    if text == plan.text:
        print(f"{shown} is up to date")
        return 0
    write_output(place, text)
    print(f"wrote {shown}" if text == exported else f"{shown} is up to date")
    return 0


def _left_as_it_is(shown: Path, comments: list[str]) -> int:
    """Say that a file keeps what its next export would not have; the exit status."""
    for one in comments:
        print(f"note: the notebook does not have the comment `# {one}`", file=sys.stderr)
    print(f"{shown} was not written, because it would lose that; `flownb export --force` writes it")
    return 0
