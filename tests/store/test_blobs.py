"""A folder and a bucket keep blobs as the public suite says."""

from __future__ import annotations

from flownb.testing import BlobsSuite


class TestBlobs(BlobsSuite):
    """A folder; a bucket, with and without cache and compression: see `blobs` in conftest.py."""
