"""Where a datastore is in S3, and how it is used: taken from its URL and from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from flownb.errors import StoreError

__all__ = ["Compression", "Options", "S3Address", "parse_address"]

Compression = Literal["none", "lz4", "zstd"]


@dataclass(frozen=True)
class S3Address:
    """A bucket and the prefix in it; `prefix` has no slash at either end."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def key(self, name: str) -> str:
        """The object's name in the bucket."""
        return f"{self.prefix}/{name}".strip("/") if self.prefix else name.strip("/")


@dataclass(frozen=True)
class Options:
    """How S3 is used.

    Attributes
    ----------
    patience : float
        Seconds until a server that cannot be reached is an error: ``$FLOWNB_S3_TIMEOUT``, else 30.
    compression : str
        Of what is written; ``$FLOWNB_S3_COMPRESSION``, else ``none``.
    """

    patience: float = 30.0
    compression: Compression = "none"

    @classmethod
    def from_environment(cls) -> Options:
        """Read the variables.

        Raises
        ------
        StoreError
            If one has a value that is not accepted.
        """
        patience = os.environ.get("FLOWNB_S3_TIMEOUT") or "30"
        if not re.fullmatch(r"\d+(\.\d+)?", patience) or float(patience) == 0:
            raise StoreError(
                f"FLOWNB_S3_TIMEOUT is `{patience}`.",
                "It has to be a number of seconds above 0.",
                "Set it to 30, or unset it.",
            )
        compression = os.environ.get("FLOWNB_S3_COMPRESSION") or "none"
        if compression not in get_args(Compression):
            raise StoreError(
                f"FLOWNB_S3_COMPRESSION is `{compression}`.",
                f"Accepted are {', '.join(get_args(Compression))}.",
                "Set it to one of these, or unset it.",
            )
        return cls(float(patience), cast(Compression, compression))


def parse_address(url: str) -> S3Address:
    """Read ``s3://bucket/prefix``.

    Raises
    ------
    StoreError
        If it is no such URL, or holds credentials, which would end up in notebooks and logs.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise StoreError(
            f"The datastore's URL for bucket `{parts.netloc.rpartition('@')[2]}` holds credentials.",
            "URLs are stored and shown, and whoever sees one could use them.",
            "Write s3://bucket/prefix; keys belong in the environment or in ~/.aws/credentials.",
        )
    names = [name for name in parts.path.split("/") if name]
    if (
        parts.scheme != "s3"
        or parts.query
        or parts.fragment
        or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}", parts.netloc)
        or any(name in (".", "..") for name in names)
    ):
        shown = url.partition("?")[0]
        raise StoreError(
            f"`{shown}` is no place for a datastore.",
            "A datastore in S3 is named by its bucket and a prefix in it.",
            "Write s3://bucket/prefix.",
        )
    return S3Address(parts.netloc, "/".join(names))
