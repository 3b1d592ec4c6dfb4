"""A flow whose run can be looked at in its middle.

The last item's task waits until the run's folder has a file called ``go``.
"""

from __future__ import annotations

__all__ = ["CELLS"]

TRAIN = """%%step train --foreach xs -> m
import pathlib, time
m = self.input
print('got', m)
while m == 2 and not pathlib.Path('go').exists():
    time.sleep(0.01)"""
CELLS = (
    "%%flow F",
    "%%step load -> xs\nxs = [0, 1, 2]\nprint('loading')",
    TRAIN,
    "%%step pick --join -> best\nbest = max(task.m for task in inputs)",
)
