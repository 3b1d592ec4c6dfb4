"""One attempt of a task: a step's method run on its parents' artifacts, and recorded.

Takes a `TaskSpec`; gives a `TaskResult`. Nothing of the caller's namespace is seen, and nothing the step does to its
inputs reaches the store, another task or the notebook.
"""

from __future__ import annotations

import time
from bdb import BdbQuit
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from flownb.cards.content import CardContent
from flownb.errors import CorruptBlob, FlownbError, ParameterError, StoreError, UnpicklableArtifact
from flownb.provenance.outside import Outside
from flownb.provenance.own_modules import Carried, OwnModules, carried, loaded_texts
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
from flownb.store.artifacts import Saved
from flownb.store.datastore import Datastore
from flownb.store.records import ArtifactRef, TaskRecord, TaskStatus

__all__ = ["Debug", "lost_attempt", "may_be_tried_again", "run_attempt", "run_task"]

Debug = Callable[[BaseException], None]


def run_task(
    program: Program,
    spec: TaskSpec,
    datastore: Datastore,
    *,
    keep: Datastore | None,
    display: Callable[[Any], None] | None = None,
    decorated: bool = True,
    on_card: OnCard | None = None,
    on_retry: Callable[[TaskResult], None] = lambda result: None,
) -> TaskResult:
    """Run a task, again if it fails and its step says ``@retry``.

    Parameters and result are those of `run_attempt`, and `on_retry`, which is given the result of a failed
    attempt before the next one begins. Each attempt is recorded and starts from the inherited artifacts as
    they are in the store; the last one is returned.
    """
    result = run_attempt(program, spec, datastore, keep=keep, display=display, decorated=decorated, on_card=on_card)
    while may_be_tried_again(result.error) and spec.attempt < retries(result.decorators):
        on_retry(result)
        spec = replace(spec, attempt=spec.attempt + 1)
        result = run_attempt(program, spec, datastore, keep=keep, display=display, decorated=decorated, on_card=on_card)
    return result


def run_attempt(
    program: Program,
    spec: TaskSpec,
    datastore: Datastore,
    *,
    keep: Datastore | None,
    display: Callable[[Any], None] | None = None,
    decorated: bool = True,
    on_card: OnCard | None = None,
    finish: Callable[[], None] = lambda: None,
    alone: bool = False,
    debug: Debug | None = None,
) -> TaskResult:
    """Run one attempt of a task in a fresh module, with fresh modules of the user's own.

    Parameters
    ----------
    program : Program
    spec : TaskSpec
    datastore : Datastore
        Where the parents' artifacts are.
    keep : Datastore or None
        Where to persist and record; None records nothing.
    display : callable, optional
        Shows the value of the body's last expression.
    decorated : bool, default True
        Whether the step's decorator lines are executed.
    on_card : callable, optional
        Told of each ``current.card.refresh()``, while the step runs.
    finish : callable, optional
        Called right after the step's body, to show what it left to be shown.
    alone : bool, default False
        Whether this process is the attempt's own. Then all it imported was imported for the attempt and is recorded
        with it, and telling the datastore's index is left to the process that drives the run.
    debug : callable, optional
        Given the exception that the step's code raised, before ``@catch`` has its turn, and while environment
        variables, working folder and `current` are still the task's: opens a debugger, and returns when it is left.

    Returns
    -------
    TaskResult
        Also when the step's code raised; then `TaskResult.error` is set.

    Raises
    ------
    StoreError
        If the task cannot be recorded.
    """
    run = partial(_attempt, program, datastore=datastore, keep=keep, display=display, decorated=decorated)
    run = partial(run, on_card=on_card, finish=finish, alone=alone, debug=debug)
    if alone:
        return run(spec)
    own, given = OwnModules(), carried(spec.overrides)
    with own.entered():
        if given:
            spec = replace(spec, overrides={**spec.overrides, **_opened(given)})
        result = run(spec)
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


def _attempt(
    program: Program,
    spec: TaskSpec,
    *,
    datastore: Datastore,
    keep: Datastore | None,
    display: Callable[[Any], None] | None,
    decorated: bool,
    on_card: OnCard | None,
    finish: Callable[[], None],
    alone: bool,
    debug: Debug | None,
) -> TaskResult:
    """Run one attempt where none of the user's own modules is imported yet."""
    flow = program.flow
    started = time.time()
    node = program.graph[spec.step]
    refs = inherited_refs(program, spec)
    where = f"{flow.name}/{spec.run or 'spin'}/{spec.step}/{spec.task or '0'}"
    state = TaskState(spec.step, _origin(spec, where), datastore, refs, spec.frames, node.is_join)
    own: dict[str, Any] = {}
    decorators: tuple[Recorded, ...] = ()
    collector: CardCollector | None = None
    cards: tuple[CardContent, ...] = ()
    error: BaseException | None = None
    happened: BaseException | None = None
    inputs: list[FlowSpec] = []
    flow_self: FlowSpec | None = None
    outside = Outside()
    try:
        with process_state(), importable(program), outside.watched():
            set_variables(written_variables(program.decorators(spec.step)) if decorated else {})
            flow_class = program.flow_class(spec.step, display=display, decorated=decorated)
            function = step_function(getattr(flow_class, spec.step))
            decorators = recorded_decorators(function)
            check_values(spec.step, decorators)
            if set_variables(variables(decorators)):  # unknown till now; shared code sees them, as on Metaflow
                flow_class = program.flow_class(spec.step, display=display, decorated=decorated)
                function = step_function(getattr(flow_class, spec.step))
            state.graph = partial(graph_info, program, flow_class)
            flow_self = flow_class(state)
            _override(flow_self, spec.overrides)
            arguments: list[Any] = []
            if node.is_join:
                datastore.artifacts.fetch(ref for parent in spec.parents for ref in parent.artifacts.values())
                inputs = [_input(flow_class, parent, datastore) for parent in spec.parents]
                arguments.append(Inputs(inputs))
            current._set(*describe_task(program, spec, flow_self, keep))
            collector = collect_cards(spec.step, decorators, on_card)
            current._add(card=collector)
            try:
                if spec.lost:
                    raise FailureHandledByCatch(spec.lost)
                try:
                    with time_limit(decorators, spec.step), own_imports():
                        execute_step(function, node, flow_self, *arguments)
                except Exception as raised:
                    if debug is not None and not isinstance(raised, BdbQuit):
                        debug(raised)
                    raise
                finally:
                    finish()
            finally:
                current._clear()
    except BaseException as raised:  # recorded, then handed to the caller: also KeyboardInterrupt and SystemExit
        if isinstance(raised, BdbQuit) and not alone:  # whoever leaves a debugger stops the step; no retry, no catch
            raised = KeyboardInterrupt("the debugger was left").with_traceback(raised.__traceback__)
        error = happened = raised
    if flow_self is not None:
        error = _catch(decorators, spec, state, flow_self, node.targets, error)
        held = {**state.aside, **vars(flow_self)}
        own = {name: value for name, value in held.items() if not name.startswith(("__", "_flownb_"))}
    # What a step does to a parameter or constant in place is lost, as in Metaflow; only an override replaces it.
    own = {name: value for name, value in own.items() if name not in spec.given or name in spec.overrides}
    # Metaflow keeps no functions either (`metaflow/datastore/task_datastore.py`, persist, 2.19.39).
    own = {name: value for name, value in own.items() if not isinstance(value, FunctionType | MethodType)}
    caught = catch(decorators)
    written = frozenset([caught.var] if caught and caught.var else ())
    if error is None and happened is not None:
        written |= {CATCH_EXCEPTION}
    if node.step:
        written |= {*node.step.captures, *node.step.names.self_writes}
    artifacts: dict[str, ArtifactRef] = dict(state.refs)
    captured: tuple[str, ...] = ()
    failure: UnpicklableArtifact | None = None
    with ExitStack() as recording:
        if keep is not None:
            try:
                recording.enter_context(keep.recording())
            except KeyboardInterrupt as interrupt:  # while another process clears up; what was computed is kept
                error = error or interrupt
                recording.enter_context(keep.recording())
        read = [*state.loaded.values(), *(one for other in inputs for one in other._flownb_state.loaded.values())]
        try:
            datastore.artifacts.verify(read)
            artifacts, captured, failure = _persist(own, state, written, keep)
            cards = card_contents(
                collector, given=spec.given, here=captured, values=own, artifacts=artifacts, datastore=datastore
            )
        except KeyboardInterrupt as interrupt:
            error = error or interrupt
        except CorruptBlob as damaged:  # what was read is not what was stored, so nothing that came of it is kept
            damaged.__cause__ = error
            error, artifacts, captured, cards = damaged, dict(state.refs), (), ()
        error = error or failure
        happened = error or happened
        status: TaskStatus = "done"
        if error is not None:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        mark: dict[str, str] = {}
        if keep is not None:
            mark = fingerprint(program, spec.step, loaded=loaded_texts(started), since=started)
            mark["settings"] = settings_hash(decorators)
            touched = [artifacts[name] for name in captured if name in artifacts] + [one.ref for one in read]
            mark |= _outside_parts(program, spec.step, outside, mark, decorators, touched)
        if happened is not None:  # @catch keeps a traceback, which has the lines
            mark = {part: digest for part, digest in mark.items() if not part.endswith("_tree")}
        record = TaskRecord(
            flow.name,
            spec.run,
            spec.step,
            spec.task,
            spec.attempt,
            status,
            parents=tuple(parent.place for parent in spec.parents),
            foreach=spec.frames,
            artifacts=artifacts,
            captured=captured,
            chosen=state.targets or (),
            fingerprint=mark,
            exception=describe(happened) if happened is not None else None,
            started=started,
            finished=time.time(),
            read=tuple(sorted({*state.read, *(name for other in inputs for name in other._flownb_state.read)})),
            splits=(state.foreach, state.num_splits) if state.foreach is not None and error is None else None,
        )
        if keep is not None:
            source = spec.source or keep.artifacts.save_plain(program.source, name="source")
            record = replace(record, source=source, cards=store_cards(cards, keep))
            if alone:
                record = replace(
                    record, distributions=keep.artifacts.save_plain(imported_distributions(), name="distributions")
                )
            keep.tasks.write_task(record, made={*captured, *state.loaded}, index=not alone)
    values = {name: value for name, value in own.items() if name in captured and name != CATCH_EXCEPTION}
    return TaskResult(record, values, error, decorators, cards)


def _outside_parts(
    program: Program,
    step: str,
    outside: Outside,
    mark: Mapping[str, str],
    decorators: Sequence[Recorded],
    values: Iterable[ArtifactRef],
) -> dict[str, str]:
    """What made a task's result beside its code, as parts of its fingerprint."""
    with_command = variables(program.launch.decorators if program.launch else ())
    if any(one.name == "environment" for one in program.decorators(step)):  # it counts, and --with does not
        with_command = {}
    return outside.parts(
        imports_of(program, step),
        [cell.source for cell in cells_of(program, step)],
        [entry.partition("=")[0] for entry in mark.get("modules", "").split()],
        types=[ref.type for ref in values],
        own=variables(decorators).keys() - with_command.keys(),
        added=with_command,
    )


def lost_attempt(program: Program, spec: TaskSpec, datastore: Datastore, reason: str, status: TaskStatus) -> TaskResult:
    """The result of an attempt whose process is gone.

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


def _catch(
    decorators: Sequence[Recorded],
    spec: TaskSpec,
    state: TaskState,
    flow_self: FlowSpec,
    targets: tuple[str, ...],
    error: BaseException | None,
) -> BaseException | None:
    """What ``@catch`` leaves of an error; None if it takes it, and the task goes on to the next steps."""
    catches = catch(decorators)
    last = spec.attempt >= retries(decorators) or not may_be_tried_again(error)
    # What is no exception of the step's own code, Metaflow does not catch either.
    if catches is None or isinstance(error, StoreError | ParameterError | KeyboardInterrupt):
        return error
    if error is not None and not last:
        return error
    kept = None
    if error is not None:
        kept = MetaflowExceptionWrapper(error)
        setattr(flow_self, CATCH_EXCEPTION, kept)
        state.targets, state.foreach = targets, None
        if catches.print_exception:
            print(f"@catch caught an exception from {state.step}")
            print("".join(f">  {line}\n" for line in kept.stacktrace.splitlines()), end="")
    if catches.var:
        setattr(flow_self, catches.var, kept)
    return None


def _origin(spec: TaskSpec, where: str) -> str:
    """The pathspec that messages name for an inherited artifact."""
    return spec.parents[0].pathspec if len(spec.parents) == 1 else where


def _input(flow_class: type[FlowSpec], parent: TaskRecord, datastore: Datastore) -> FlowSpec:
    """One of a join's ``inputs``."""
    refs, made = dict(parent.artifacts), frozenset(parent.captured)
    return flow_class(TaskState(parent.step, parent.pathspec, datastore, refs, parent.foreach, made=made))


def _override(flow_self: FlowSpec, overrides: Mapping[str, Any]) -> None:
    """Replace inherited values; they count as read, not as set by the step."""
    for name, value in overrides.items():
        on_class = hasattr(type(flow_self), name)  # a parameter looks into the instance first, a constant only there
        (vars(flow_self) if on_class else flow_self._flownb_state.aside)[name] = value


def _persist(
    own: dict[str, Any], state: TaskState, written: frozenset[str], keep: Datastore | None
) -> tuple[dict[str, ArtifactRef], tuple[str, ...], UnpicklableArtifact | None]:
    """Persist what the step holds; unchanged inherited values keep their reference.

    Every value that was read is compared with what it was, for it may have been changed in place; equal content is not
    written twice. One value that cannot be persisted does not keep the others from it. The names given back
    are those the step wrote (`written`, or new) and those it changed in place.
    """
    captured = [name for name in own if name not in state.loaded or name in written]
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
