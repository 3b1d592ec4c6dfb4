"""What is reported about transfers."""

from __future__ import annotations

import pytest

from flownb.store.s3 import reader
from flownb.store.s3.reader import set_transfer_hook, transfer


class Clock:
    """Seconds as the test says."""

    now = 0.0

    def monotonic(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that transfers look at."""
    found = Clock()
    monkeypatch.setattr(reader, "time", found)
    return found


def test_a_short_transfer_is_silent(clock: Clock) -> None:
    """Transfers of less than a second are not reported."""
    calls: list[object] = []
    with transfer("upload", "k", 100, lambda *call: calls.append(call)) as running:
        for _ in range(10):
            clock.now += 0.09
            running.add(10)
    assert calls == []


def test_a_long_transfer_is_reported_ten_times_a_second(clock: Clock) -> None:
    """It begins after a second and ends with all bytes done."""
    calls: list[tuple[object, ...]] = []
    with transfer("download", "k", 1000, lambda *call: calls.append(call)) as running:
        for _ in range(200):
            clock.now += 0.01
            running.add(5)
    assert calls[0] == ("download", "k", 500, 1000)
    assert calls[-1] == ("download", "k", 1000, 1000)
    assert 10 <= len(calls) <= 12


def test_a_failed_transfer_is_ended(clock: Clock) -> None:
    """-1 says that no more will come."""
    calls: list[tuple[object, ...]] = []

    def fail() -> None:
        with transfer("upload", "k", 10, lambda *call: calls.append(call)) as running:
            clock.now += 2
            running.add(5)
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert calls == [("upload", "k", 5, 10), ("upload", "k", -1, 10)]


def test_a_hook_that_raises_disturbs_nothing(clock: Clock) -> None:
    """It is called once, then no more for that transfer."""
    calls: list[object] = []

    def hook(*call: object) -> None:
        calls.append(call)
        raise RuntimeError("no terminal")

    before = set_transfer_hook(hook)
    try:
        with transfer("upload", "k", 10, None) as running:
            for _ in range(5):
                clock.now += 2
                running.add(2)
    finally:
        assert set_transfer_hook(before) is hook
    assert len(calls) == 1
