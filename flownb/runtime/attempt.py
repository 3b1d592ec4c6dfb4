"""One attempt of a task: a step's method executed on its parents' artifacts, and recorded.

An attempt has four phases: *prepare* makes the flow's class and its ``self``, *execute* calls the step's method,
*persist* writes the values that it left, *record* writes down what happened. The step sees nothing of the caller's
namespace, and nothing that it does to its inputs reaches the datastore, another task or the notebook.
"""

from __future__ import annotations

import time
from bdb import BdbQuit
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from flownb.cards.content import CardContent
from flownb.errors import CorruptBlob, FlownbError, ParameterError, StoreError, UnpicklableArtifact
from flownb.flow.graph import Node
from flownb.provenance.dependencies import Dependencies
from flownb.provenance.module_copies import Carried, OwnModules, carried, loaded_texts
from flownb.provenance.record import imported_distributions
from flownb.runtime.cards import CardCollector, OnCard, card_contents, collect_cards, store_cards
from flownb.runtime.current import current
from flownb.runtime.custom_decorators import execute_step, step_function
from flownb.runtime.decorators import (
    CATCH_EXCEPTION,
    Recorded,
    catch,
    check_values,
    retries,
    set_variables,
    time_limit,
    variables,
    written_variables,
)
from flownb.runtime.description import describe_task, graph_info
from flownb.runtime.failure import FailureHandledByCatch, MetaflowExceptionWrapper, StepError, describe, process_died
from flownb.runtime.flowspec import FlowSpec, Inputs, TaskState
from flownb.runtime.freshness import cells_of, fingerprint, imports_of, settings_hash
from flownb.runtime.metaflow_names import own_imports
from flownb.runtime.process import process_state
from flownb.runtime.program import Program, recorded_decorators
from flownb.runtime.shipping import importable
from flownb.runtime.task import TaskResult, TaskSpec, inherited_refs
from flownb.store.artifacts import Loaded, Saved
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, TaskRecord, TaskStatus

__all__ = ["AttemptOptions", "Debug", "lost_attempt", "may_be_tried_again", "run_attempt", "run_task"]

Debug = Callable[[BaseException], None]


@dataclass(frozen=True)
class AttemptOptions:
    """How an attempt is run.

    Attributes
    ----------
    keep : Datastore or None
        Where to persist and record; None records nothing.
    display : callable, optional
        Shows the value of the body's last expression.
    decorated : bool, default True
        Whether the step's decorator lines are executed.
    on_card : callable, optional
        Called at each ``current.card.refresh()``, while the step runs.
    finish : callable, optional
        Called right after the step's body, to show what it left to be shown.
    alone : bool, default False
        Whether this process is the attempt's own. Then all it imported was imported for the attempt and is recorded
        with it, and updating the datastore's index is left to the process that drives the run.
    last : bool, default False
        Whether this process records neither this attempt nor anything after it. Then what it imports is not noted.
    debug : callable, optional
        Called with the exception that the step's code raised, before ``@catch`` has its turn, and while environment
        variables, working folder and `current` are still the task's: opens a debugger, and returns when it is left.
    """

    keep: Datastore | None
    display: Callable[[Any], None] | None = None
    decorated: bool = True
    on_card: OnCard | None = None
    finish: Callable[[], None] = lambda: None
    alone: bool = False
    last: bool = False
    debug: Debug | None = None


def run_task(
    program: Program,
    spec: TaskSpec,
    datastore: Datastore,
    options: AttemptOptions,
    *,
    on_retry: Callable[[TaskResult], None] = lambda result: None,
) -> TaskResult:
    """Run a task, again if it fails and its step says ``@retry``.

    Parameters and result are those of `run_attempt`, and `on_retry`, which is called with the result of a failed
    attempt before the next one begins. Each attempt is recorded and starts from the inherited artifacts as
    they are in the store; the last one is returned.
    """
    result = run_attempt(program, spec, datastore, options)
    while may_be_tried_again(result.error) and spec.attempt < retries(result.decorators):
        on_retry(result)
        spec = replace(spec, attempt=spec.attempt + 1)
        result = run_attempt(program, spec, datastore, options)
    return result


def run_attempt(program: Program, spec: TaskSpec, datastore: Datastore, options: AttemptOptions) -> TaskResult:
    """Run one attempt of a task in a fresh module, with fresh modules of the user's own.

    Parameters
    ----------
    program : Program
    spec : TaskSpec
    datastore : Datastore
        Where the parents' artifacts are.
    options : AttemptOptions

    Returns
    -------
    TaskResult
        Also when the step's code raised; then `TaskResult.error` is set.

    Raises
    ------
    StoreError
        If the task cannot be recorded.
    """
    job, keep = _Job(program, spec, datastore, options), options.keep
    if options.alone:
        return _run_phases(job)
    own, given = OwnModules(), carried(spec.overrides)
    with own.entered():
        if given:
            job = replace(job, spec=replace(spec, overrides={**spec.overrides, **_opened(given)}))
        result = _run_phases(job)
        # What the notebook holds is to be of the classes that its cells import.
        stored: Mapping[str, ArtifactRef] = result.record.artifacts if keep is not None else {}
        taken = carried(result.values, stored) if own.replaces else {}
    return replace(result, values={**result.values, **_opened(taken, keep)}, notes=tuple(own.notes))


def _opened(values: Mapping[str, Carried | ArtifactRef], datastore: Datastore | None = None) -> dict[str, Any]:
    """Values by name, but those whose classes this process lacks: they then stay as they are."""
    found = {}
    for name, value in values.items():
        with suppress(Exception):
            if isinstance(value, Carried):
                found[name] = value.open()
            elif datastore is not None:
                found[name] = datastore.artifacts.load(value, name=name)
    return found


@dataclass(frozen=True)
class _Job:
    """What is run, and how."""

    program: Program
    spec: TaskSpec
    datastore: Datastore
    options: AttemptOptions

    @property
    def node(self) -> Node:
        """The step in the flow's graph."""
        return self.program.graph[self.spec.step]


@dataclass
class _Task:
    """A task while it is prepared and executed; what it did not reach has its default."""

    state: TaskState
    dependencies: Dependencies = field(default_factory=Dependencies)
    decorators: tuple[Recorded, ...] = ()
    flow_self: FlowSpec | None = None
    inputs: list[FlowSpec] = field(default_factory=list)
    collector: CardCollector | None = None

    @property
    def loaded(self) -> list[Loaded]:
        """The artifacts that it read, those of a join's inputs included."""
        joined = (loaded for one in self.inputs for loaded in one._flownb_state.loaded.values())
        return [*self.state.loaded.values(), *joined]

    @property
    def names_read(self) -> tuple[str, ...]:
        """Names of what it read, sorted."""
        joined = (name for one in self.inputs for name in one._flownb_state.read)
        return tuple(sorted({*self.state.read, *joined}))


@dataclass(frozen=True)
class _Outcome:
    """How the step's code ended.

    Attributes
    ----------
    values : dict of str to object
        What it holds that is to be persisted.
    written : frozenset of str
        Names that the step or ``@catch`` set.
    error : BaseException or None
        What ends the task.
    raised : BaseException or None
        What was raised, also where ``@catch`` took it.
    """

    values: dict[str, Any]
    written: frozenset[str]
    error: BaseException | None
    raised: BaseException | None


@dataclass(frozen=True)
class _Persisted:
    """What was persisted of a task, and what ends it by now."""

    artifacts: dict[str, ArtifactRef]
    captured: tuple[str, ...]
    cards: tuple[CardContent, ...]
    error: BaseException | None


def _run_phases(job: _Job) -> TaskResult:
    """Run one attempt where none of the user's own modules is imported yet."""
    started = time.time()
    task = _Task(_initial_state(job))
    raised = _prepare_and_execute(job, task)
    outcome = _outcome(job, task, raised)
    with ExitStack() as recording:
        outcome = _begin_recording(recording, job.options.keep, outcome)
        persisted = _persist(job, task, outcome)
        record = _record(job, task, persisted, persisted.error or outcome.raised, started)
    captured = persisted.captured
    values = {name: one for name, one in outcome.values.items() if name in captured and name != CATCH_EXCEPTION}
    return TaskResult(record, values, persisted.error, task.decorators, persisted.cards)


# -- prepare


def _initial_state(job: _Job) -> TaskState:
    """What the task's ``self`` knows before its code runs."""
    spec, flow = job.spec, job.program.flow.name
    where = f"{flow}/{spec.run or 'spin'}/{spec.step}/{spec.task or '0'}"
    origin = spec.parents[0].pathspec if len(spec.parents) == 1 else where
    refs = inherited_refs(job.program, spec)
    return TaskState(spec.step, origin, job.datastore, refs, spec.frames, job.node.is_join)


def _prepare_and_execute(job: _Job, task: _Task) -> BaseException | None:
    """Run the first two phases in a process that looks like the task's own; returns what was raised."""
    if job.options.last:
        noted: AbstractContextManager[None] = nullcontext()
    elif job.options.keep is not None:
        noted = task.dependencies.watched()
    else:
        noted = task.dependencies.unrecorded()
    try:
        with process_state(), importable(job.program), noted:
            function = _prepare(job, task)
            _execute(job, task, function)
    except BaseException as raised:  # recorded, then handed to the caller: also KeyboardInterrupt and SystemExit
        if isinstance(raised, BdbQuit) and not job.options.alone:
            # Leaving a debugger stops the step: no retry, no catch.
            return KeyboardInterrupt("the debugger was left").with_traceback(raised.__traceback__)
        return raised
    return None


def _prepare(job: _Job, task: _Task) -> Any:
    """Make the flow's class, its decorators' settings and the task's ``self``; returns the step's method."""
    program, spec, options = job.program, job.spec, job.options
    make_class = partial(program.flow_class, spec.step, display=options.display, decorated=options.decorated)
    set_variables(written_variables(program.decorators(spec.step)) if options.decorated else {})
    flow_class = make_class()
    function = step_function(getattr(flow_class, spec.step))
    task.decorators = recorded_decorators(function)
    check_values(spec.step, task.decorators)
    if set_variables(variables(task.decorators)):  # unknown till now; shared code sees them, as on Metaflow
        flow_class = make_class()
        function = step_function(getattr(flow_class, spec.step))
    task.state.graph = partial(graph_info, program, flow_class)
    task.flow_self = flow_class(task.state)
    _override(task.flow_self, spec.overrides)
    if job.node.is_join:
        job.datastore.artifacts.fetch(ref for parent in spec.parents for ref in parent.artifacts.values())
        task.inputs = [_input(flow_class, parent, job.datastore) for parent in spec.parents]
    return function


def _input(flow_class: type[FlowSpec], parent: TaskRecord, datastore: Datastore) -> FlowSpec:
    """One of a join's ``inputs``."""
    refs, made = dict(parent.artifacts), frozenset(parent.captured)
    return flow_class(TaskState(parent.step, parent.pathspec, datastore, refs, parent.foreach, made=made))


def _override(flow_self: FlowSpec, overrides: Mapping[str, Any]) -> None:
    """Replace inherited values; they count as read, not as set by the step."""
    for name, value in overrides.items():
        on_class = hasattr(type(flow_self), name)  # a parameter looks into the instance first, a constant only there
        (vars(flow_self) if on_class else flow_self._flownb_state.aside)[name] = value


# -- execute


def _execute(job: _Job, task: _Task, function: Any) -> None:
    """Call the step's method, with `current` and the step's time limit as it sees them."""
    spec, options, flow_self = job.spec, job.options, task.flow_self
    assert flow_self is not None
    arguments = [Inputs(task.inputs)] if job.node.is_join else []
    current._set(*describe_task(job.program, spec, flow_self, options.keep))
    task.collector = collect_cards(spec.step, task.decorators, options.on_card)
    current._add(card=task.collector)
    try:
        if spec.lost:
            raise FailureHandledByCatch(spec.lost)
        try:
            with time_limit(task.decorators, spec.step), own_imports():
                execute_step(function, job.node, flow_self, *arguments)
        except Exception as raised:
            if options.debug is not None and not isinstance(raised, BdbQuit):
                options.debug(raised)
            raise
        finally:
            options.finish()
    finally:
        current._clear()


def _outcome(job: _Job, task: _Task, raised: BaseException | None) -> _Outcome:
    """What the step left, and what ``@catch`` leaves of an error."""
    spec, step = job.spec, job.node.step
    own: dict[str, Any] = {}
    error = raised
    if task.flow_self is not None:
        error = _catch(job, task, task.flow_self, raised)
        held = {**task.state.aside, **vars(task.flow_self)}
        own = {name: value for name, value in held.items() if not name.startswith(("__", "_flownb_"))}
    # What a step does to a parameter or constant in place is lost, as in Metaflow; only an override replaces it.
    own = {name: value for name, value in own.items() if name not in spec.given or name in spec.overrides}
    # Metaflow keeps no functions either (`metaflow/datastore/task_datastore.py`, persist, 2.19.39).
    own = {name: value for name, value in own.items() if not isinstance(value, FunctionType | MethodType)}
    caught = catch(task.decorators)
    written = {caught.var} if caught and caught.var else set()
    if error is None and raised is not None:
        written.add(CATCH_EXCEPTION)
    if step:
        written |= {*step.captures, *step.names.self_writes}
    return _Outcome(own, frozenset(written), error, raised)


def _catch(job: _Job, task: _Task, flow_self: FlowSpec, error: BaseException | None) -> BaseException | None:
    """What ``@catch`` leaves of an error; None if it takes the error, and the task continues with the next steps."""
    catches, state = catch(task.decorators), task.state
    last = job.spec.attempt >= retries(task.decorators) or not may_be_tried_again(error)
    # Metaflow catches only what the step's own code raises, too.
    if catches is None or isinstance(error, StoreError | ParameterError | KeyboardInterrupt):
        return error
    if error is not None and not last:
        return error
    kept = None
    if error is not None:
        kept = MetaflowExceptionWrapper(error)
        setattr(flow_self, CATCH_EXCEPTION, kept)
        state.targets, state.foreach = job.node.targets, None
        if catches.print_exception:
            print(f"@catch caught an exception from {state.step}")
            print("".join(f">  {line}\n" for line in kept.stacktrace.splitlines()), end="")
    if catches.var:
        setattr(flow_self, catches.var, kept)
    return None


# -- persist


def _begin_recording(recording: ExitStack, keep: Datastore | None, outcome: _Outcome) -> _Outcome:
    """Keep other processes from removing what is about to be written; waits while one of them clears up."""
    if keep is None:
        return outcome
    try:
        recording.enter_context(keep.recording())
    except KeyboardInterrupt as interrupt:  # what was computed is kept all the same
        recording.enter_context(keep.recording())
        return replace(outcome, error=outcome.error or interrupt)
    return outcome


def _persist(job: _Job, task: _Task, outcome: _Outcome) -> _Persisted:
    """Persist what the step left, and collect its cards."""
    spec, error = job.spec, outcome.error
    artifacts: dict[str, ArtifactRef] = dict(task.state.refs)
    captured: tuple[str, ...] = ()
    cards: tuple[CardContent, ...] = ()
    failure: UnpicklableArtifact | None = None
    try:
        job.datastore.artifacts.verify(task.loaded)
        artifacts, captured, failure = _save(outcome, task.state, job.options.keep)
        cards = card_contents(
            task.collector,
            given=spec.given,
            here=captured,
            values=outcome.values,
            artifacts=artifacts,
            datastore=job.datastore,
        )
    except KeyboardInterrupt as interrupt:
        error = error or interrupt
    except CorruptBlob as damaged:  # what was read is not what was stored, so nothing that came of it is kept
        damaged.__cause__ = error
        return _Persisted(dict(task.state.refs), (), (), damaged)
    return _Persisted(artifacts, captured, cards, error or failure)


def _save(
    outcome: _Outcome, state: TaskState, keep: Datastore | None
) -> tuple[dict[str, ArtifactRef], tuple[str, ...], UnpicklableArtifact | None]:
    """Write the values that the step holds; unchanged inherited values keep their reference.

    Every value that was read is compared with what it was, for it may have been changed in place; equal content is not
    written twice. A value that cannot be persisted does not keep the others from being persisted. Returns all
    artifacts, the names that the step wrote (`outcome.written`, or new) or changed in place, and the first failure.
    """
    own = outcome.values
    captured = [name for name in own if name not in state.loaded or name in outcome.written]
    saved = keep.artifacts.save_all(own, before=state.loaded) if keep is not None else Saved({}, {})
    failures = dict(saved.failures)
    changed = [n for n, ref in saved.refs.items() if n in state.loaded and state.loaded[n].ref.key != ref.key]
    captured += [name for name in changed if name not in captured]
    failure: UnpicklableArtifact | None = None
    first = next((failures[name] for name in own if name in failures), None)
    if first is not None:
        failure = UnpicklableArtifact(f"Step {state.step}: {first.what}", first.why, first.fix, artifact=first.artifact)
        failure.__cause__ = first.__cause__
    return {**state.refs, **saved.refs}, tuple(captured), failure


# -- record


def _record(job: _Job, task: _Task, persisted: _Persisted, raised: BaseException | None, started: float) -> TaskRecord:
    """Write down what happened, if the task is recorded; returns the record."""
    spec, state, keep, error = job.spec, task.state, job.options.keep, persisted.error
    status: TaskStatus = "done"
    if error is not None:
        status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    mark = _fingerprint(job, task, persisted, started) if keep is not None else {}
    if raised is not None:  # @catch keeps a traceback, which has the lines
        mark = {part: digest for part, digest in mark.items() if not part.endswith("_tree")}
    record = TaskRecord(
        job.program.flow.name,
        spec.run,
        spec.step,
        spec.task,
        spec.attempt,
        status,
        parents=tuple(parent.place for parent in spec.parents),
        foreach=spec.frames,
        artifacts=persisted.artifacts,
        captured=persisted.captured,
        chosen=state.targets or (),
        fingerprint=mark,
        exception=describe(raised) if raised is not None else None,
        started=started,
        finished=time.time(),
        read=task.names_read,
        splits=(state.foreach, state.num_splits) if state.foreach is not None and error is None else None,
    )
    if keep is None:
        return record
    source = spec.source or keep.artifacts.save_plain(job.program.code.texts, name="source")
    record = replace(record, source=source, cards=store_cards(persisted.cards, keep))
    if job.options.alone:
        record = replace(
            record, distributions=keep.artifacts.save_plain(imported_distributions(), name="distributions")
        )
    keep.tasks.write_task(record, made={*persisted.captured, *state.loaded}, index=not job.options.alone)
    return record


def _fingerprint(job: _Job, task: _Task, persisted: _Persisted, started: float) -> dict[str, str]:
    """What the result was made with."""
    mark = fingerprint(job.program, job.spec.step, loaded=loaded_texts(started), since=started)
    mark["settings"] = settings_hash(task.decorators)
    artifacts = persisted.artifacts
    touched = [artifacts[name] for name in persisted.captured if name in artifacts]
    touched += [one.ref for one in task.loaded]
    return mark | _dependency_parts(job.program, job.spec.step, task.dependencies, mark, task.decorators, touched)


def _dependency_parts(
    program: Program,
    step: str,
    dependencies: Dependencies,
    mark: Mapping[str, str],
    decorators: Sequence[Recorded],
    values: Iterable[ArtifactRef],
) -> dict[str, str]:
    """What beside its code a task's result was made with, as parts of its fingerprint."""
    with_command = variables(program.launch.decorators if program.launch else ())
    if any(one.name == "environment" for one in program.decorators(step)):  # it counts, and --with does not
        with_command = {}
    return dependencies.parts(
        imports_of(program, step),
        [cell.source for cell in cells_of(program, step)],
        [entry.partition("=")[0] for entry in mark.get("modules", "").split()],
        types=[ref.type for ref in values],
        own=variables(decorators).keys() - with_command.keys(),
        added=with_command,
    )


def lost_attempt(program: Program, spec: TaskSpec, datastore: Datastore, reason: str, status: TaskStatus) -> TaskResult:
    """The result of an attempt whose process died.

    Parameters
    ----------
    program : Program
    spec : TaskSpec
    datastore : Datastore
    reason : str
        What became of the process, as a sentence.
    status : {"failed", "interrupted"}
        What is recorded, unless the process had recorded its attempt before it died.
    """
    flow = program.flow.name
    (record,) = datastore.tasks.task_records(flow, spec.run, [(spec.step, spec.task, spec.attempt)])
    if record is None:
        what = f"Attempt {spec.attempt} of {flow}/{spec.run}/{spec.step}/{spec.task} ended without a result."
        now = time.time()
        record = TaskRecord(
            flow,
            spec.run,
            spec.step,
            spec.task,
            spec.attempt,
            status,
            parents=tuple(parent.place for parent in spec.parents),
            foreach=spec.frames,
            artifacts=inherited_refs(program, spec),
            fingerprint=fingerprint(program, spec.step),
            exception=process_died(f"{what} {reason}").facts,
            started=now,
            finished=now,
        )
        datastore.tasks.write_task(record, made=())
    else:
        datastore.tasks.adopt_task(record)
    failure: BaseException | None = None
    if record.status == "interrupted":
        failure = KeyboardInterrupt()
    elif record.exception is not None and record.status != "done":
        failure = StepError(record.exception)
    return TaskResult(record, {}, failure)


def may_be_tried_again(error: BaseException | None) -> bool:
    """Whether another attempt may help: not after an interrupt, nor after what flownb itself refused."""
    if error is None or isinstance(error, KeyboardInterrupt):
        return False
    return not isinstance(error, FlownbError) and not (isinstance(error, StepError) and error.final)
