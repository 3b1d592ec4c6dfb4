"""Whether a run that has not ended is still running, or its process died.

Where there are file locks, a process holds one on its run's record, and the system releases it when the process ends.
In a bucket, on a file system without locks, and for a run of another machine (whose locks are perhaps not visible
here), the heartbeat decides: a small file below the run that is rewritten every `BEAT_SECONDS`. Only its age counts, by
the clock of the place it is in.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence

from flownb.errors import StoreError
from flownb.store.records import RunRecord
from flownb.store.storage import Storage

__all__ = ["BEAT_SECONDS", "SILENT_SECONDS", "Liveness"]

# Seconds between two heartbeats of a run, and without one after which it counts as dead.
BEAT_SECONDS, SILENT_SECONDS = 10.0, 60.0


class Liveness:
    """Marks and heartbeats of runs; a run is named by its folder in the storage.

    Parameters
    ----------
    storage : Storage
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        # Functions that remove the marks of this process's runs.
        self._held: dict[str, Callable[[], None]] = {}
        self._beating: threading.Thread | None = None

    def begin(self, folder: str, content: bytes) -> bool:
        """Write a run's record, marked as that of a living process; False if the name is taken."""
        held = self._storage.create_held(f"{folder}/run.json", content)
        if held is not None:
            self._held[folder] = held
        return held is not None

    def end(self, folder: str) -> None:
        """Remove the mark of a run that has ended."""
        self._held.pop(folder, lambda: None)()

    def beat(self, folder: str) -> None:
        """Write a run's heartbeat; raises nothing, and does not wait for a server."""
        if self._beating is not None and self._beating.is_alive():
            return  # the server does not answer; the next heartbeat replaces this one

        def write() -> None:
            with contextlib.suppress(StoreError):
                self._storage.write(f"{folder}/heartbeat.json", json.dumps({"at": time.time()}).encode())

        if self._storage.has_locks:
            write()
        else:
            self._beating = threading.Thread(target=write, name="flownb-heartbeat", daemon=True)
            self._beating.start()

    def alive(
        self,
        folders: Sequence[str],
        records: Callable[[Sequence[str]], Sequence[RunRecord | None]],
        *,
        silent: float = SILENT_SECONDS,
    ) -> list[bool]:
        """Whether the processes that began runs are alive, as far as that is known.

        Parameters
        ----------
        folders : sequence of str
        records : callable
            Reads the records of some of them.
        silent : float
            Seconds without a heartbeat after which a run counts as dead.
        """
        found: dict[str, bool] = {}
        for folder in folders:
            held = folder in self._held or self._storage.is_held(f"{folder}/run.json")
            if held is not None:
                found[folder] = held
        dead = [folder for folder, held in found.items() if not held]
        here = socket.gethostname()
        elsewhere = {
            folder
            for folder, record in zip(dead, records(dead) if dead else (), strict=True)
            if record is not None and record.environment.get("host", here) != here
        }
        asked = [folder for folder in folders if folder not in found or folder in elsewhere]
        for file in ("heartbeat.json", "run.json"):  # a run that has just begun has no heartbeat yet
            asked = [folder for folder in asked if not found.get(folder)]
            ages = self._storage.ages([f"{folder}/{file}" for folder in asked]) if asked else ()
            for folder, age in zip(asked, ages, strict=True):
                found[folder] = age is not None and age <= silent
        return [found[folder] for folder in folders]
