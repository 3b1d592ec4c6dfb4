"""Where a datastore is in S3, and how it is used: taken from its URL and from the environment."""

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
from collections.abc import Iterable, Iterator
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
    "Failure",
    "Kind",
    "NoCredentials",
    "Options",
    "S3Address",
    "abandon_store",
    "classify",
    "load_obstore",
    "open_access",
    "parse_address",
    "scrub",
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


# MERGED-DOC store.s3.access: Who speaks to S3 and where it is: boto3's session, credentials, region and endpoint.
# Everything boto3 knows counts: profiles, environment, assumed roles, single sign-on, ``AWS_ENDPOINT_URL`` and
# ``AWS_ENDPOINT_URL_S3``, a profile's ``endpoint_url``, ``addressing_style`` and ``ca_bundle``.


# boto3 renews credentials 10 minutes before they end; object_store asks again 5 minutes before what it is told.
LIFETIME = timedelta(minutes=10)


class NoCredentials(Exception):
    """Boto3 found none."""


@dataclass(frozen=True)
class Access:
    """What a client needs.

    Attributes
    ----------
    endpoint : str
        URL without a path; for a virtual host it names the bucket.
    region : str
    virtual_host : bool
        Whether the bucket is named by the host instead of by the path.
    certificates : bytes, optional
        Certificates to trust beside the system's, PEM.
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
        """What must not be shown: as far as it is known without asking for new credentials."""
        values = (getattr(self.credentials, name, None) for name in ("_access_key", "_secret_key", "_token"))
        plain = (self.credentials.__dict__.get(name) for name in ("access_key", "secret_key", "token"))
        return [value for value in (*values, *plain) if isinstance(value, str) and len(value) > 3]

    def unfinished(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Uploads that were begun and neither completed nor given up."""
        for page in self.client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Uploads", ())

    def abort(self, bucket: str, upload: dict[str, Any]) -> None:
        """Give one of them up."""
        self.client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def age(self, bucket: str, key: str) -> float | None:
        """Seconds between an object's last write and now, both as the server says; None if there is no such object."""
        # A listing tells whether there is one without an error, which differs between servers.
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
    """Ask boto3.

    Raises
    ------
    NoCredentials
        If boto3 finds none.
    Exception
        Whatever boto3 raises on a profile or setting it does not accept.
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


# MERGED-DOC store.s3.native: obstore's extension module, usable also in a process forked from one that used it.
# obstore runs on one tokio runtime a process. A fork copies the runtime but none of its threads, so a call in the
# child would wait for ever (https://github.com/developmentseed/obstore/pull/441,
# https://github.com/tokio-rs/tokio/issues/4301). A second copy of the library brings a runtime of its own; the
# child loads one, 30 ms at its first call.


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
    """Keep an object of the parent's runtime for ever.

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
    """A copy in memory, or where there is no such thing in the folder for temporary files."""
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


# MERGED-DOC store.s3.failure: What went wrong in S3, said so that a user can act on it. Takes an exception of
# obstore or boto3; gives its kind and a `StoreError` of three sentences. No text holds credentials.


Kind = Literal[
    "no bucket", "denied", "expired", "refused", "region", "clock", "busy", "unreachable", "no credentials", "profile",
    "conflict", "other",
]  # fmt: skip

_CODES: dict[str, Kind] = {
    "NoSuchBucket": "no bucket",
    "AccessDenied": "denied",
    "AllAccessDisabled": "denied",
    "AccountProblem": "denied",
    "ExpiredToken": "expired",
    "ExpiredTokenException": "expired",
    "TokenRefreshRequired": "expired",
    "InvalidAccessKeyId": "refused",
    "InvalidToken": "refused",
    "InvalidSecurity": "refused",
    "SignatureDoesNotMatch": "refused",
    "PermanentRedirect": "region",
    "TemporaryRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
    "IllegalLocationConstraintException": "region",
    "RequestTimeTooSkewed": "clock",
    "SlowDown": "busy",
    "ServiceUnavailable": "busy",
    "InternalError": "busy",
    "RequestTimeout": "busy",
    "IncompleteBody": "busy",
    "BadDigest": "busy",
    "XAmzContentSHA256Mismatch": "busy",
    "ConditionalRequestConflict": "conflict",
    "OperationAborted": "conflict",
}
# How boto3 names that a login has ended or cannot be renewed.
_LOGIN = ("SSO", "TokenRetrieval", "CredentialRetrieval", "RefreshWithMFA", "MetadataRetrieval")
_TRANSIENT: frozenset[Kind] = frozenset({"busy", "unreachable", "conflict"})
_SECRETS = re.compile(
    r"(?P<keep>(?:AWSAccessKeyId|X-Amz-(?:Signature|Credential|Security-Token)|x-amz-security-token|Signature|Credential"
    r"|access_key_id|secret_access_key|token|SignatureProvided)\W{1,4})[^\s,&<>\"']+"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"
    r"|(?<=://)[^/\s@]+@",
    re.IGNORECASE,
)


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Take credentials out of a text: those given, and whatever looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    return _SECRETS.sub(lambda found: (found["keep"] or "") + "…", text)


class Failure(Exception):
    """A request that failed: obstore's exception without its credentials.

    Attributes
    ----------
    kind : str
    detail : str
        What the server or the network said, in a few words.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}")

    @property
    def transient(self) -> bool:
        """Whether a later try may succeed."""
        return self.kind in _TRANSIENT

    def explain(self, *, location: str, bucket: str, endpoint: str, region: str, patience: float) -> StoreError:
        """What happened, why, and what to do next."""
        said = self.detail
        texts: dict[Kind, tuple[str, str, str]] = {
            "no bucket": (
                f"The bucket `{bucket}` does not exist.",
                f"{endpoint} answered {said}.",
                "Create it, or set FLOWNB_DATASTORE to s3://bucket/prefix with one that exists.",
            ),
            "denied": (
                f"The datastore `{location}` may not be used with these credentials.",
                f"{endpoint} answered {said}.",
                "Ask for s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on it, or set AWS_PROFILE to a "
                "profile that has them.",
            ),
            "expired": (
                f"The credentials for `{location}` have expired.",
                f"{said}.",
                "Log in again (`aws sso login`), or put new keys into the environment or ~/.aws/credentials, then run "
                "the cell again; no restart is needed.",
            ),
            "refused": (
                f"The credentials for `{location}` are not accepted.",
                f"{endpoint} answered {said}.",
                "Check AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials.",
            ),
            "region": (
                f"The bucket `{bucket}` is not in region {region}.",
                f"{endpoint} answered {said}.",
                "Set AWS_DEFAULT_REGION to the bucket's region (`aws s3api get-bucket-location` tells it).",
            ),
            "clock": (
                f"The datastore `{location}` refuses requests because this machine's clock is wrong.",
                f"{endpoint} answered {said}.",
                "Set the clock (`timedatectl set-ntp true`), then run the cell again.",
            ),
            "busy": (
                f"The datastore `{location}` did not take a request within {patience:g} s of trying.",
                f"{endpoint} answered {said}.",
                "Run the cell again later; FLOWNB_S3_TIMEOUT sets how many seconds are tried.",
            ),
            "unreachable": (
                f"The datastore `{location}` cannot be reached.",
                f"{endpoint}: {said} for {patience:g} s.",
                "Check the network and AWS_ENDPOINT_URL; FLOWNB_S3_TIMEOUT sets how many seconds are tried.",
            ),
            "no credentials": (
                f"There are no credentials for `{location}`.",
                "boto3 found none in the environment, in ~/.aws or on this machine.",
                "Run `aws configure` or `aws sso login`, or set AWS_PROFILE.",
            ),
            "profile": (
                f"The AWS settings for `{location}` cannot be used.",
                f"{said}.",
                "Check AWS_PROFILE and ~/.aws/config.",
            ),
        }
        fallback = (
            f"The datastore `{location}` cannot be used.",
            f"{endpoint}: {said}.",
            "Check FLOWNB_DATASTORE and AWS_ENDPOINT_URL, then run the cell again.",
        )
        return StoreError(*texts.get(self.kind, fallback))


def classify(error: BaseException, secrets: Iterable[str] = ()) -> Failure:
    """Tell what an exception of obstore or boto3 means."""
    kind, detail = _classify(error)
    return Failure(kind, scrub(detail, secrets).strip().rstrip("."))


def _classify(error: BaseException) -> tuple[Kind, str]:
    name, text = type(error).__name__, str(error)
    if isinstance(error, NoCredentials) or name in ("NoCredentialsError", "PartialCredentialsError"):
        return "no credentials", "none found"
    if type(error).__module__.startswith("botocore"):
        answered = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        return _CODES.get(answered) or ("expired" if any(word in name for word in _LOGIN) else "profile"), text
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code: (\d{3})[ \w]*", text)
    if code is not None:
        message = re.search(r"<Message>([^<]*)</Message>", text)
        said = f"{code[1]}: {message[1]}" if message and message[1].strip() else code[1]
        region = re.search(r"<Region>([\w-]+)</Region>", text)
        said += f" (it is in {region[1]})" if region and region[1] not in said else ""
        if code[1] in _CODES:
            return _CODES[code[1]], said
        if status is not None and status[1][0] == "5":
            return "busy", said
        return ("denied" if name == "PermissionDeniedError" else "other"), said
    if name == "UnauthenticatedError":
        # What boto3 raised when it was asked for credentials.
        cause = re.search(r"provider: (?:[\w.]*\.)?(\w+): ([^\n]*)", text)
        if cause is None:
            return "refused", status[0] if status else text.split("\n")[0]
        ended = "Expired" in cause[2] or any(word in cause[1] for word in _LOGIN)
        return ("expired" if ended else "profile"), f"{cause[1]}: {cause[2]}"
    if "redirect" in text.split("\n")[0]:
        return "region", "a redirect to another region"
    if status is not None:
        kind: Kind = {"4": "other", "5": "busy"}.get(status[1][0], "other")  # type: ignore[assignment]  # both are kinds
        return ("denied" if name == "PermissionDeniedError" else kind), status[0].removeprefix("status code: ")
    if re.search(r"HTTP error|NoContentRange|NotPartial|error decoding|connection|timed? ?out", text):
        if "builder error" in text:
            return "other", "the endpoint's URL is not accepted"
        if "kind: Connect" in text:
            return "unreachable", "no connection"
        return "unreachable", "no answer in time" if "Timeout" in text or "TimedOut" in text else "the connection broke"
    return "other", f"{name}: " + text.split("\n")[0]
