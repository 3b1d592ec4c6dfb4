"""A folder and a bucket keep small named files as the public suite says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from flownb.testing import StorageSuite


class TestStorage(StorageSuite):
    """A folder, then a bucket: see `storage` in conftest.py."""

    @pytest.fixture(autouse=True)
    def _written_at_once(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bucket's file that grows is written again at once, so that its test does not wait."""
        if "while_it_grows" in request.node.name:
            monkeypatch.setattr("flownb.store.s3.storage.REWRITTEN", 0.0)


def test_a_system_without_file_locks_can_import_both() -> None:
    """Where Python has no `fcntl` (Windows), the folder's and the bucket's modules can still be imported."""
    code = "import sys; sys.modules['fcntl'] = None; import flownb.store.local, flownb.store.s3"
    subprocess.run([sys.executable, "-c", code], check=True)
