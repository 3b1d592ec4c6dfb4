"""Servers that pass over conditions: they are found out before an id is given twice."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from flownb.errors import StoreError
from flownb.store.datastore import Datastore
from flownb.store.records import RunRecord
from flownb.store.s3 import open_s3
from flownb.store.s3 import storage as storage_module


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is a process that has asked no server."""
    monkeypatch.setattr(storage_module, "_passed", set())


def probes(proxy: Any) -> Counter[str]:
    """Requests for probes, by method; those that delete several objects name none."""
    return Counter(
        asked.method
        for asked in proxy.asked
        if f"/{storage_module.PROBE}" in asked.path or (asked.method == "POST" and "delete" in asked.path)
    )


def test_a_server_without_conditional_writes_is_refused(proxy: Any, s3_url: str) -> None:
    """Where the second creator of a name is answered that it was the first, no run begins, and the error says why."""
    proxy.plan = lambda asked: "unconditional"
    storage, _ = open_s3(s3_url)
    with pytest.raises(StoreError) as caught:
        storage.create("ids/1", b"one")
    assert caught.value.what == (
        f"The datastore `{s3_url}` cannot be written to: the server at http://127.0.0.1:{proxy.port} has no "
        "conditional writes."
    )
    assert "two processes could get one run id" in caught.value.why
    assert "Amazon S3, Ceph RGW, MinIO" in caught.value.fix
    for _ in range(2):
        with pytest.raises(StoreError, match="no conditional writes"):
            Datastore(s3_url).runs.new_run(RunRecord("F", "", "run", started=1.0))
    assert list(storage.entries("")) == []


def test_a_server_is_asked_once_a_process(proxy: Any, s3_url: str) -> None:
    """However many datastores and runs a process opens, one probe is written twice and deleted."""
    for _ in range(3):
        store = Datastore(s3_url)
        store.runs.new_run(RunRecord("F", "", "run", started=1.0))
        store.spins().runs.new_run(RunRecord("F", "", "spin", started=1.0))
    assert probes(proxy) == {"PUT": 2, "POST": 1}
    assert store.storage.files("")[1:] == []


def test_reading_asks_nothing(proxy: Any, s3_url: str) -> None:
    """A process that only reads writes no probe, so that it needs no permission to."""
    store = Datastore(s3_url)
    store.runs.new_run(RunRecord("F", "", "run", started=1.0))
    proxy.asked.clear()
    storage_module._passed.clear()
    reader = Datastore(s3_url)
    assert reader.runs.run("F", "1").run == "1"
    assert (reader.runs.flows(), [row.run for row in reader.index.runs("F")]) == (["F"], ["1"])
    assert not probes(proxy)
    assert {asked.method for asked in proxy.asked} <= {"GET", "HEAD"}


def test_a_lost_answer_to_a_probe_is_not_a_success(proxy: Any, s3_url: str) -> None:
    """A probe whose answers are lost has the same result on a server with conditions and on one without."""
    lost: Counter[bool] = Counter()

    def lose(asked: Any) -> str | None:
        probe = asked.method == "PUT" and storage_module.PROBE in asked.path
        lost[probe] += 1
        return "lost answer" if probe and lost[probe] % 2 else None

    proxy.plan = lose
    storage, _ = open_s3(s3_url)
    assert storage.create("ids/1", b"one")
    assert lost[True] > 2
    storage_module._passed.clear()
    proxy.plan = lambda asked: lose(asked) or "unconditional"
    with pytest.raises(StoreError, match="no conditional writes"):
        storage.create("ids/2", b"two")


def test_who_may_not_delete_can_write(proxy: Any, s3_url: str) -> None:
    """Without the permission to delete, the probe stays until `flownb gc` clears up, and the run begins."""
    proxy.plan = lambda asked: "403 AccessDenied" if asked.method == "POST" else None
    storage, _ = open_s3(s3_url)
    assert storage.create("ids/1", b"one")
    (probe,) = storage.files("")
    assert probe.startswith(storage_module.PROBE)
    proxy.plan = lambda asked: None
    storage.clear_temporary()
    assert storage.files("") == [probe]


def test_probes_of_killed_processes_go(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe is removed once nobody can be using it."""
    storage, _ = open_s3(s3_url)
    storage.write(f"{storage_module.PROBE}0123", b"left")
    storage.write("store.json", b"{}")
    later = time.time() + 30 * 86400.0
    monkeypatch.setattr("flownb.store.s3.storage.time.time", lambda: later)
    storage.clear_temporary()
    assert storage.files("") == ["store.json"]
