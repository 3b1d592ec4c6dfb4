"""Who speaks to S3 and where it is: boto3's session, credentials, region and endpoint.

Everything boto3 knows counts: profiles, environment, assumed roles, single sign-on, ``AWS_ENDPOINT_URL`` and
``AWS_ENDPOINT_URL_S3``, a profile's ``endpoint_url``, ``addressing_style`` and ``ca_bundle``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Access", "NoCredentials", "open_access"]

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
