"""Whatever is edited between two runs: a resume gives what running the whole flow again would give."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flownb.cells.cell import read_cell
from flownb.errors import StepFailed
from flownb.runtime.scheduler import RunStopped
from flownb.session.options import ResumeOptions, RunOptions
from flownb.session.resume import Resume
from flownb.session.run import begin_run
from flownb.session.session import Session

INLINE = RunOptions(executor="inline")
SHARED = ("%%shared\nK = 1", "%%shared\nK = 2")
LOAD = tuple(
    f"%%step load -> xs, y\nxs = {xs}\ny = {y}"
    for xs in ("[1, 2, 3]", "[3, 1]", "[0, 1, 2, 3]", "[1, 1, 2]", "(1, 2, 3)", "'abc'")
    for y in ("0", "[5]")
)
TRAIN = tuple(
    f"%%step train --foreach xs -> m\n{body}"
    for body in (
        "m = [self.input]",
        "m = [self.input] * K",
        "m = [self.input, self.index]",
        "m = [f[:2] for f in self.foreach_stack()]",
        "m = [y]",
        "m = [self.input, len(self.xs)]",
        "m = [hasattr(self, 'z')]",
        "first = self.input\nself.xs = [first]\nm = [first]",
        "y.append(self.input) if isinstance(y, list) else None\nm = [1]",
        "m = [self.input]\nassert self.input != 1",
        "m = [self.input]\nself.z = 1",
    )
)
SCORE = tuple(
    f"%%step score -> s\n{body}" for body in ("s = m", "s = (m, y)", "s = self.input", "s = 1", "self.m = s = 2")
)
PICK = tuple(
    f"%%step pick --join -> best\n{body}"
    for body in (
        "best = [i.s for i in inputs]",
        "best = inputs[0].s",
        "best = len(list(inputs))",
        "self.y = 7\nself.merge_artifacts(inputs, exclude=['m', 's', 'xs'])\nbest = 0",
        "best = [i.index for i in inputs]",
        "best = [getattr(i, 'z', None) for i in inputs]",
    )
)
REPORT = ("%%step report -> text\ntext = str(best)", "%%step report -> text\ntext = hasattr(self, 'y')")
NOTEBOOK = st.tuples(*map(st.sampled_from, (SHARED, LOAD, TRAIN, SCORE, PICK, REPORT)))


def open_session(folder: Path, cells: tuple[str, ...]) -> Session:
    """A session of its own, as in a new kernel."""
    session = Session(folder=folder)
    session.open(read_cell(source, number=number) for number, source in enumerate(cells, 1))
    return session


def attempt(session: Session, *, resume: bool) -> str:
    """Run or resume; give the id of the new run and whether it ended well."""
    begun = Resume(session, ResumeOptions(run=INLINE)).begin() if resume else begin_run(session, INLINE)
    try:
        begun.drive()
    except (StepFailed, RunStopped):
        return f"{begun.pathspec.split('/')[1]} failed"
    return f"{begun.pathspec.split('/')[1]} done"


def left(session: Session, run: str) -> dict[Any, Any]:
    """All that a run left: each task's place, where it led, its artifacts' values."""
    found = {}
    for step in session.datastore.tasks.steps("NotebookFlow", run):
        for task in session.datastore.tasks.last_attempts("NotebookFlow", run, step):
            place = (step, tuple((frame.step, frame.var, frame.num_splits, frame.index) for frame in task.foreach))
            values = {name: session.datastore.artifacts.load(ref) for name, ref in task.artifacts.items()}
            found[place] = (task.status, task.chosen, task.splits, sorted(task.captured), values)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(NOTEBOOK, min_size=2, max_size=4))
def test_a_resume_gives_what_a_run_gives(notebooks: list[tuple[str, ...]]) -> None:
    """After any edits, also after runs that failed, all tasks and artifacts are those of a fresh run."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        outcome = attempt(open_session(Path(one), notebooks[0]), resume=False)
        for cells in notebooks[1:]:
            session = open_session(Path(one), cells)
            outcome = attempt(session, resume=True)
        fresh = open_session(Path(other), notebooks[-1])
        expected = attempt(fresh, resume=False)
        run, ended = outcome.split()
        assert ended == expected.split()[1]
        resumed, whole = left(session, run), left(fresh, "1")
        if ended == "done":
            assert resumed == whole
        else:  # which tasks were still tried differs, not what they left
            both = whole.keys() & resumed.keys()
            assert {place: resumed[place] for place in both} == {place: whole[place] for place in both}
