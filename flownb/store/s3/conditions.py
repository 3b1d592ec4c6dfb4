"""Whether a server has conditional writes, without which two processes could be given one run id.

Takes a bucket; raises if it takes an object a second time that was to be written only unless it is there. Some servers
do not know ``If-None-Match: *`` and pass over it
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
"""

from __future__ import annotations

import contextlib
import secrets

from flownb.errors import StoreError
from flownb.store.s3.bucket import Bucket

__all__ = ["PROBE", "require_conditions"]

# What the names of probes begin with, directly below the datastore's prefix.
PROBE = "probe-"
# Endpoints and buckets that passed.
_passed: set[tuple[str, str]] = set()


def require_conditions(bucket: Bucket) -> None:
    """Raise unless the server refuses to create what is there; asked once for each process and bucket.

    Threads and processes that ask at once each use an object of their own.

    Raises
    ------
    StoreError
        If the server has no conditional writes, or cannot be used.
    """
    place = bucket.endpoint, bucket.address.bucket
    if place in _passed:
        return
    # In the name and in the content, so that nobody else's try is taken for ours.
    name = f"{PROBE}{secrets.token_hex(8)}"
    try:
        # A first try that is refused was preceded by one whose answer was lost, and which may have failed since.
        while not bucket.create(name, name.encode()) and bucket.head(name) is None:
            continue
        refused = not bucket.create(name, name.encode())
    finally:
        # Who may write but not delete leaves it to `flownb gc`.
        with contextlib.suppress(StoreError):
            bucket.delete([name])
    if not refused:
        raise StoreError(
            f"The datastore `{bucket.location}` cannot be written to: the server at {bucket.endpoint} has no "
            "conditional writes.",
            "It wrote an object anew that was to be created only once (`If-None-Match: *`), so two processes could be "
            "given one run id.",
            "Use a server that has them: Amazon S3, Ceph RGW, MinIO, Cloudflare R2.",
        )
    _passed.add(place)
