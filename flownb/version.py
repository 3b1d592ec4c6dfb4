"""The version of flownb; `scripts/version.py` sets it here and in npm's files."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
