"""obstore in forked processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from typing import Any

import pytest

from flownb.store.s3 import open_s3
from flownb.store.s3.connection import load_obstore


def _in_child(work: Any) -> int:
    """Call in a forked process; 0 if it gave True. A child that hangs is ended by its own alarm."""
    import signal

    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitpid(pid, 0)[1]


def test_children_and_their_children_use_what_the_parent_opened(s3_url: str) -> None:
    """Each process reads and writes, and the parent's connections stay good."""
    storage, _ = open_s3(s3_url)
    storage.write("parent", b"1")

    def child() -> bool:
        storage.write("child", b"2")
        return storage.read("parent") == b"1" and _in_child(lambda: storage.read("child") == b"2") == 0

    for _ in range(3):
        assert _in_child(child) == 0
        assert storage.read("parent") == b"1"


def test_a_fork_amid_requests_harms_neither(s3_url: str) -> None:
    """While threads of the parent read, children fork, read and end; every read is right."""
    storage, _ = open_s3(s3_url)
    storage.write("a", b"1" * 1000)
    stop, wrong = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            if storage.read("a") != b"1" * 1000:
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert _in_child(lambda: storage.read("a") == b"1" * 1000) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_modules_of_others_stay_as_they_were(s3_url: str) -> None:
    """A child that loads its own copy leaves `sys.modules` alone."""
    storage, _ = open_s3(s3_url)
    storage.exists("a")
    before = {name: module for name, module in sys.modules.items() if name.startswith("obstore")}

    def child() -> bool:
        storage.exists("a")
        after = {name: module for name, module in sys.modules.items() if name.startswith("obstore")}
        return before == after and load_obstore() is not before["obstore._obstore"]

    assert _in_child(child) == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_travels_to_a_worker(s3_url: str, method: str) -> None:
    """A worker of multiprocessing opens the same URL, whichever way it is started."""
    storage, _ = open_s3(s3_url)
    storage.write("a", b"1")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(_read, (s3_url,)) == b"1"


def _read(url: str) -> bytes | None:
    return open_s3(url)[0].read("a")
