"""The attempts that a zygote runs itself: they succeed, and neither the zygote nor a worker keeps anything of them."""

from __future__ import annotations

import atexit
import linecache
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from flownb.runtime.workers.rehearsal import TIMES, rehearse
from tests.conftest import MakeSession
from tests.runtime.workers.runs import ran, values

# More tasks than a zygote forks before it rehearses.
COUNT = 40


def visible() -> dict[str, Any]:
    """What an attempt could leave behind in its process."""
    return {
        "modules": sorted(sys.modules),
        "paths": list(sys.path),
        "variables": dict(os.environ),
        "folder": Path.cwd(),
        "handlers": [signal.getsignal(number) for number in range(1, signal.NSIG)],
        "threads": threading.enumerate(),
        "input": input,
        "streams": (sys.stdout, sys.stderr),
        "callbacks": atexit._ncallbacks(),
        "texts": sorted(linecache.cache),
    }


def test_a_rehearsal_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its attempts succeed, and afterwards the process and its temporary folder are as before."""
    texts = sorted(linecache.cache)
    rehearse()  # imports what it needs
    assert sorted(linecache.cache) == texts
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = visible()
    results = rehearse()
    assert [result.error for result in results] == [None] * 2 * TIMES
    assert results[-1].values == {"y": 1}
    assert visible() == before
    assert list(tmp_path.iterdir()) == []


def test_no_task_sees_whether_its_worker_came_after_the_rehearsal(make_session: MakeSession) -> None:
    """What tasks find in their processes is the same in the first ones and in those that were forked later."""
    session = make_session(
        "%%shared\n"
        "import atexit, gc, linecache, os, signal, sys, threading\n"
        "REHEARSAL = 'flownb.runtime.workers.rehearsal'\n"
        "def look():\n"
        "    return (\n"
        "        sorted(name for name in sys.modules if not name.startswith('flownb.')),\n"
        "        [path for path in sys.path if 'flownb-' not in path],\n"
        "        sorted(os.environ.items()),\n"
        "        os.getcwd(),\n"
        "        [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM)],\n"
        "        [thread.name for thread in threading.enumerate()],\n"
        "        gc.isenabled(),\n"
        "        atexit._ncallbacks(),\n"
        "        sorted(linecache.cache),\n"
        "    )",
        f"%%step start -> xs, first, early\nxs, first, early = list(range({COUNT})), look(), REHEARSAL in sys.modules",
        "%%step each --foreach xs -> seen, late\nseen, late = look(), REHEARSAL in sys.modules",
        "%%step gather --join -> seen, late\nseen, late = [one.seen for one in inputs], [one.late for one in inputs]",
    )
    run = ran(session)
    first, gathered = values(run["start"].task), values(run["gather"].task)
    # The first worker was forked as soon as the program was there, and the last one after the rehearsal.
    assert (first["early"], gathered["late"][-1]) == (False, True)
    assert gathered["seen"] == [first["first"]] * COUNT
