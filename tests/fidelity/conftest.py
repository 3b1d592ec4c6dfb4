"""Make the fidelity modules importable by their full name.

It puts the repository's root on `sys.path`, whichever way pytest was started.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[2])

# `python -m pytest` adds the working directory, `pytest` does not; both must find `tests.fidelity`.
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
