"""How to reach a bucket: its address, the settings and credentials that boto3 knows, and obstore, which makes requests.

Everything boto3 accepts is accepted: profiles, environment, assumed roles, single sign-on, ``AWS_ENDPOINT_URL`` and
``AWS_ENDPOINT_URL_S3``, a profile's ``endpoint_url``, ``addressing_style`` and ``ca_bundle``.

obstore runs on one tokio runtime in each process. A fork copies the runtime but none of its threads, so a call in the
child would wait for ever (https://github.com/developmentseed/obstore/pull/441,
https://github.com/tokio-rs/tokio/issues/4301). A second copy of the library brings a runtime of its own; a forked
process loads one, in 30 ms, at its first call.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.machinery
import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from flownb.errors import StoreError

__all__ = [
    "Access",
    "Compression",
    "NoCredentials",
    "Options",
    "S3Address",
    "abandon_store",
    "load_obstore",
    "open_access",
    "parse_address",
]

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
        If it is not such a URL, or contains credentials, which would end up in notebooks and logs.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise StoreError(
            f"The datastore's URL for bucket `{parts.netloc.rpartition('@')[2]}` contains credentials.",
            "URLs are stored and shown, and everyone who sees one could use them.",
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
            f"`{shown}` is not a place for a datastore.",
            "A datastore in S3 is named by its bucket and a prefix in it.",
            "Write s3://bucket/prefix.",
        )
    return S3Address(parts.netloc, "/".join(names))


# boto3 renews credentials 10 minutes before they end; object_store asks again 5 minutes before the time it was given.
LIFETIME = timedelta(minutes=10)


class NoCredentials(Exception):
    """Boto3 found no credentials."""


@dataclass(frozen=True)
class Access:
    """What a client needs.

    Attributes
    ----------
    endpoint : str
        URL without a path; with a virtual host it contains the bucket.
    region : str
    virtual_host : bool
        Whether the host name contains the bucket, instead of the path.
    certificates : bytes, optional
        Certificates to trust besides the system's, PEM.
    credentials : object
        Boto3's, which renew themselves where they can.
    client : object
        Boto3's, for what obstore does not offer.
    """

    endpoint: str
    region: str
    virtual_host: bool
    certificates: bytes | None
    credentials: Any
    client: Any

    def __call__(self) -> dict[str, Any]:
        """Current credentials, in obstore's form."""
        frozen = self.credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + LIFETIME,
        }

    def secrets(self) -> list[str]:
        """Texts that must never be shown, as far as they are known without asking for new credentials."""
        values = (getattr(self.credentials, name, None) for name in ("_access_key", "_secret_key", "_token"))
        plain = (self.credentials.__dict__.get(name) for name in ("access_key", "secret_key", "token"))
        return [value for value in (*values, *plain) if isinstance(value, str) and len(value) > 3]

    def unfinished(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Uploads that were begun and neither completed nor aborted."""
        for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Uploads", ())

    def abort(self, bucket: str, upload: dict[str, Any]) -> None:
        """Abort one of them."""
        self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def age(self, bucket: str, key: str) -> float | None:
        """Seconds between an object's last write and now, both as the server says; None if there is no such object."""
        # A listing says without an error whether there is one; errors differ between servers.
        answer = self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        found = next((one for one in answer.get("Contents", ()) if one["Key"] == key), None)
        if found is None:
            return None
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return max(0.0, now.timestamp() - float(found["LastModified"].timestamp()))

    def after_fork(self) -> None:
        """Make the credentials usable in a forked process: a thread of the parent may have held their lock."""
        if hasattr(self.credentials, "_refresh_lock"):
            self.credentials._refresh_lock = threading.Lock()


def open_access(bucket: str) -> Access:
    """Find out from boto3 how to reach a bucket.

    Raises
    ------
    NoCredentials
        If boto3 finds no credentials.
    Exception
        Whatever boto3 raises for a profile or setting that it does not accept.
    """
    import boto3.session  # type: ignore[import-untyped]  # boto3 has no types

    session = boto3.session.Session()
    if session.region_name is None:
        # boto3 reads AWS_DEFAULT_REGION only; the other SDKs read AWS_REGION.
        session = boto3.session.Session(region_name=os.environ.get("AWS_REGION") or "us-east-1")
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentials
    client = session.client("s3")
    endpoint = urlsplit(client.meta.endpoint_url)
    style = (client.meta.config.s3 or {}).get("addressing_style", "auto")
    amazon = (endpoint.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    # A wildcard certificate does not cover a bucket with dots.
    virtual = style == "virtual" or (style == "auto" and amazon and "." not in bucket)
    host = f"{bucket}.{endpoint.netloc}" if virtual else endpoint.netloc
    path = endpoint.path.rstrip("/")
    bundle = session._session.get_config_variable("ca_bundle")
    return Access(
        endpoint=f"{endpoint.scheme}://{host}{path}",
        region=client.meta.region_name,
        virtual_host=virtual,
        certificates=Path(bundle).read_bytes() if bundle else None,
        credentials=credentials,
        client=client,
    )


_NAME = "obstore._obstore"


class _State:
    """What this process has loaded."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.module: ModuleType | None = None
        self.forked = False


_state = _State()


def load_obstore() -> Any:
    """Functions and stores of obstore stores, safe to call in this process."""
    with _state.lock:
        if _state.module is None:
            if _state.forked:
                _state.module = _load_copy()
            else:
                import obstore._obstore

                _state.module = obstore._obstore
        return _state.module


def abandon_store(thing: object) -> None:
    """Never free an object of the parent's runtime.

    Closing its connections here would take them out of the parent's epoll set, which a fork shares.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _after_fork() -> None:
    """Forget the module if the parent may have used it."""
    used = _state.module is not None or _state.forked
    _state.__init__()  # type: ignore[misc]  # the lock may be held by a thread that does not exist here
    _state.forked = used


os.register_at_fork(after_in_child=_after_fork)


def _load_copy() -> ModuleType:
    """Load the library from a copy: the loader knows a library by its inode."""
    spec = importlib.util.find_spec(_NAME)
    assert spec is not None
    assert spec.origin is not None
    with _copy(Path(spec.origin)) as path, _names_kept():
        loader = importlib.machinery.ExtensionFileLoader(_NAME, str(path))
        copied = importlib.util.spec_from_file_location(_NAME, path, loader=loader)
        assert copied is not None
        module = importlib.util.module_from_spec(copied)
        loader.exec_module(module)
    return module


@contextlib.contextmanager
def _copy(library: Path) -> Iterator[Path]:
    """A copy in memory, or, where the system has no such files, in the folder for temporary files."""
    content = library.read_bytes()
    if hasattr(os, "memfd_create"):
        file = os.memfd_create(library.name)
        try:
            with open(file, "wb", closefd=False) as target:
                target.write(content)
            yield Path(f"/proc/self/fd/{file}")
        finally:
            os.close(file)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / library.name
        path.write_bytes(content)
        yield path


@contextlib.contextmanager
def _names_kept() -> Iterator[None]:
    """Leave obstore in `sys.modules` as it was: a copy registers its submodules under the same names."""
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "obstore"}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "obstore"]:
            del sys.modules[name]
        sys.modules.update(before)
