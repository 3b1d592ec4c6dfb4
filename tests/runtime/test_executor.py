"""The messages that report what happens to attempts."""

from __future__ import annotations

import pickle
from dataclasses import replace

from flownb.errors import StoreError
from flownb.runtime.executor import Ended
from flownb.runtime.failure import StepError
from flownb.runtime.task import TaskResult
from flownb.session.step import run_step
from flownb.store.records import TaskRecord
from tests.conftest import MakeSession


def record_of(make_session: MakeSession) -> TaskRecord:
    """The record of a task that ran."""
    session = make_session("%%step load -> xs\nxs = [1]")
    run_step(session, "load")
    (run,) = session.datastore.runs.run_ids(session.flow.name)
    (record,) = session.datastore.tasks.last_attempts(session.flow.name, run, "load")
    return record


def test_an_end_arrives_with_its_record(make_session: MakeSession) -> None:
    """What was sent on by a process in between is the same, and whoever receives it knows that it did not record it."""
    ended = Ended(TaskResult(record_of(make_session), {}), lingers=True)
    once = pickle.loads(pickle.dumps(ended))
    assert once == replace(ended, elsewhere=True)
    assert pickle.loads(pickle.dumps(once)) == once


def test_a_changed_copy_is_sent_as_it_is(make_session: MakeSession) -> None:
    """Whoever changes an end that came from elsewhere and sends it on sends the change."""
    record = record_of(make_session)
    arrived = pickle.loads(pickle.dumps(Ended(TaskResult(record, {}))))
    changed = replace(arrived, result=replace(arrived.result, record=replace(record, attempt=1)))
    assert pickle.loads(pickle.dumps(changed)).result.record.attempt == 1


def test_an_error_arrives_as_plain_data(make_session: MakeSession) -> None:
    """An attempt that ended arrives with its record; its error as text, with whether another attempt cannot help."""
    failed = replace(record_of(make_session), status="failed")
    ended = Ended(TaskResult(failed, {}, StoreError("It is gone.", "Somebody removed it.", "Run it again.")))
    arrived = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(ended))))
    assert (arrived.elsewhere, arrived.result.record) == (True, failed)
    assert isinstance(arrived.result.error, StepError)
    assert arrived.result.error.final
    assert arrived.result.error.facts["message"] == "It is gone. Somebody removed it. Run it again."


def test_an_interrupt_arrives_as_one(make_session: MakeSession) -> None:
    """An attempt that was interrupted ends with a KeyboardInterrupt at the other end too."""
    interrupted = replace(record_of(make_session), status="interrupted")
    arrived = pickle.loads(pickle.dumps(Ended(TaskResult(interrupted, {}, KeyboardInterrupt()))))
    assert isinstance(arrived.result.error, KeyboardInterrupt)
