"""What went wrong in S3, explained so that a user can act on it; no text contains credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from flownb.errors import StoreError
from flownb.store.s3.connection import NoCredentials

__all__ = ["Failure", "Kind", "classify", "scrub"]

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
# Parts of the names of boto3's errors when a login has ended or cannot be renewed.
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
    """Remove credentials from a text: the given ones, and everything that looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "…")
    return _SECRETS.sub(lambda found: (found["keep"] or "") + "…", text)


class Failure(Exception):
    """A request that failed: obstore's exception without its credentials.

    Attributes
    ----------
    kind : str
    detail : str
        What the server or the network reported, in a few words.
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
                "Set AWS_DEFAULT_REGION to the bucket's region (`aws s3api get-bucket-location` shows it).",
            ),
            "clock": (
                f"The datastore `{location}` refuses requests because this machine's clock is wrong.",
                f"{endpoint} answered {said}.",
                "Set the clock (`timedatectl set-ntp true`), then run the cell again.",
            ),
            "busy": (
                f"The datastore `{location}` did not accept a request within {patience:g} s.",
                f"{endpoint} answered {said}.",
                "Run the cell again later; FLOWNB_S3_TIMEOUT sets for how many seconds it is tried.",
            ),
            "unreachable": (
                f"The datastore `{location}` cannot be reached.",
                f"{endpoint}: {said} for {patience:g} s.",
                "Check the network and AWS_ENDPOINT_URL; FLOWNB_S3_TIMEOUT sets for how many seconds it is tried.",
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
    """What an exception of obstore or boto3 means."""
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
