"""``flownb diff A [B]``: what differs between two notebooks, two runs, or a notebook and a run.

The exit status is that of ``diff``: 0 if nothing differs, 1 if something does, 2 if that cannot be said.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flownb.cli.configuration import be_as_a_kernel
from flownb.diff.compare import SECTIONS, compare
from flownb.diff.sides import Sources, latest_run, read_sides
from flownb.diff.text import diff_lines
from flownb.errors import FlownbError, NotFound
from flownb.settings import datastore_root

if TYPE_CHECKING:
    from flownb.store.datastore import Datastore

__all__ = ["diff"]


def diff(sides: Sequence[str], *, sections: Sequence[str], stat: bool, json: bool, datastore: str | None) -> int:
    """``flownb diff A [B] [--only PART] [--stat] [--json]``."""
    try:
        be_as_a_kernel()  # base classes and classes of artifacts may be in modules beside the notebook
        found = compare(*read_sides(sides, _sources(datastore)), sections or SECTIONS)
    except FlownbError as error:
        print(f"flownb: {error.headline}: {error}", file=sys.stderr)
        return 2
    if json:
        print(_as_json(found.plain()))
    else:
        is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        print("\n".join(diff_lines(found, brief=stat, coloured=is_coloured)))
    return 1 if found.differs else 0


def _as_json(plain: object) -> str:
    return json.dumps(plain, indent=2, ensure_ascii=False)


def _sources(place: str | None) -> Sources:
    """Where runs are read from: the datastore that is named, else that of the notebook, else the one here."""

    def opened(notebook: Path | None) -> Datastore:
        from flownb.cli.datastore import open_datastore
        from flownb.runtime.metaflow_names import always_own_imports

        always_own_imports()
        if place is None and notebook is not None:
            folder = notebook.resolve().parent
            sys.path.insert(1, str(folder))
            try:
                return open_datastore(str(datastore_root(folder)))
            except NotFound:  # as beside a file that was exported elsewhere
                with contextlib.suppress(NotFound):
                    return open_datastore(None)
                raise
        return open_datastore(place)

    return Sources(opened, latest_run)
