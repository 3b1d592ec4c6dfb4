"""A task of a run, run again in this process as it ran there, to look into it with a debugger: ``spin --pdb``.

Takes the record of the task; gives the `TaskSpec` and the `Launch` under which its step sees what it saw in the run:
inputs, foreach item, attempt, ids, tags, decorators of ``--with`` and the branch of its project.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from flownb.errors import ParameterError
from flownb.pathspec import Origin
from flownb.runtime.launch import Launch
from flownb.runtime.program import Program
from flownb.runtime.task import TaskSpec
from flownb.session.latest import no_task
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord, TaskRecord

__all__ = ["edited_since", "launch_facts", "launch_of", "refuse_pdb", "replayed", "task_to_debug"]

LAUNCH = "launch"


def launch_facts(adds: Launch) -> dict[str, Any]:
    """What is recorded of a run's command, as part of its environment; nothing if it adds nothing."""
    if adds == Launch():
        return {}
    decorators = [[name, dict(settings)] for name, settings in adds.decorators]
    return {LAUNCH: json.dumps({"with": decorators, "branch": adds.branch, "production": adds.production})}


def launch_of(run: RunRecord) -> Launch:
    """What a run's command added to its flow."""
    facts = json.loads(run.environment.get(LAUNCH, "{}"))
    decorators = tuple((str(name), settings) for name, settings in facts.get("with", ()))
    return Launch(decorators, facts.get("branch"), bool(facts.get("production")))


def task_to_debug(datastore: Datastore, flow: str, step: str, origin: Origin, index: int | None) -> TaskRecord | None:
    """The task that a place means to a debugger: the one it names, else the first of the step that failed there.

    Parameters
    ----------
    datastore : Datastore
    flow, step : str
    origin : Origin
    index : int or None
        Which item of the innermost foreach.

    Returns
    -------
    TaskRecord or None
        None if the place names another step, or the step has no task there: the place then says where its inputs are.

    Raises
    ------
    NotFound
        If there is no such task.
    """
    if origin.step not in (None, step):
        return None
    if origin.task is not None:
        record = datastore.tasks.last_attempt(flow, origin.run, step, origin.task)
        if record is None:
            raise no_task(datastore, flow, origin.run, step, origin.task)
        return record
    tasks = list(datastore.tasks.last_attempts(flow, origin.run, step))
    if index is not None:
        tasks = [task for task in tasks if task.foreach and task.foreach[-1].index == index]
    return next((task for task in tasks if task.exception is not None), next(iter(tasks), None))


def replayed(spec: TaskSpec, record: TaskRecord, run: RunRecord) -> TaskSpec:
    """A spec with the ids, the attempt and the tags that a task had in its run."""
    return replace(spec, run=record.run, task=record.task, attempt=record.attempt, tags=run.tags, origin_run=run.origin)


def edited_since(program: Program, record: TaskRecord) -> str:
    """That the code of a task's step is not the one it ran with, as a sentence; empty if it is, or is not known."""
    now = {"method": program.methods[record.step].code_hash, "shared": program.shared_hash}
    if all(record.fingerprint.get(part, known) == known for part, known in now.items()):
        return ""
    return f"The code of {record.step} was edited since {record.place} ran; this is what the cells have now."


def refuse_pdb(can_debug: bool) -> None:
    """Raise if nobody could answer a debugger.

    Raises
    ------
    ParameterError
    """
    if not can_debug:
        raise ParameterError(
            "`--pdb` cannot open a debugger here.",
            "Nobody can answer its prompt: this front end, or this program's input, does not take any.",
            "Run it in JupyterLab, in a console or in a terminal, or leave --pdb out.",
        )
