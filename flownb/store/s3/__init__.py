"""The datastore in S3: small named files and blobs of one bucket.

`open_s3` makes the two parts that `flownb.store.storage` describes. boto3 and obstore are imported with the first
request, not before.
"""

from __future__ import annotations

from flownb.store.s3.blobs import TRUSTED_AGE, S3Blobs
from flownb.store.s3.bucket import Bucket
from flownb.store.s3.cache import BlobCache, cache_folder, cache_limit
from flownb.store.s3.connection import Options, parse_address
from flownb.store.s3.reader import TransferHook, set_transfer_hook
from flownb.store.s3.storage import S3Storage

__all__ = ["TRUSTED_AGE", "S3Blobs", "S3Storage", "TransferHook", "open_s3", "set_transfer_hook"]


def open_s3(url: str, *, options: Options | None = None, cache: BlobCache | None = None) -> tuple[S3Storage, S3Blobs]:
    """The datastore at ``s3://bucket/prefix``; no request is made yet.

    Parameters
    ----------
    url : str
    options : Options, optional
        None takes them from the environment.
    cache : BlobCache, optional
        None takes folder and limit from the environment; one with a limit of 0 keeps nothing.

    Raises
    ------
    StoreError
        If the URL or a setting is not accepted.
    """
    address = parse_address(url)
    bucket = Bucket(address, options or Options.from_environment())
    if cache is None:
        cache = BlobCache(cache_folder(str(address)), cache_limit())
    return S3Storage(bucket), S3Blobs(bucket, cache if cache.limit else None)
