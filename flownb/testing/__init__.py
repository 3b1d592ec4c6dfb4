"""Behaviour suites for people who add an encoding or a storage: the same that flownb's own have to pass.

Each suite is a class to derive a test class from; docs/datastore.md shows how. Only this package imports pytest, which
has to be installed.
"""

from __future__ import annotations

import pytest

# So that a failing assertion shows the values that it compared.
pytest.register_assert_rewrite("flownb.testing.blobs", "flownb.testing.encodings", "flownb.testing.storage")

from flownb.testing.blobs import BlobsSuite  # noqa: E402  # after the line above
from flownb.testing.encodings import EncodingSuite  # noqa: E402  # after the line above
from flownb.testing.storage import StorageSuite  # noqa: E402  # after the line above

__all__ = ["BlobsSuite", "EncodingSuite", "StorageSuite"]
