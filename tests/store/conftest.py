"""Datastores to test on: a folder, and a real S3 server on loopback.

``FLOWNB_TEST_S3_ENDPOINT`` names a server that runs already (Ceph's ``radosgw``, MinIO); its keys are taken from
``FLOWNB_TEST_S3_KEY`` and ``FLOWNB_TEST_S3_SECRET``.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flownb.store.local import LocalBlobs, LocalStorage
from flownb.store.s3 import open_s3
from flownb.store.storage import Blobs, Storage

BUCKET = "flownb-test"


@dataclass(frozen=True)
class S3Server:
    """Where a server is and who may use it."""

    endpoint: str
    key: str
    secret: str

    @property
    def port(self) -> int:
        """Its port on loopback."""
        return int(self.endpoint.rpartition(":")[2])


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket, for all tests of this process."""
    import boto3

    given = os.environ.get("FLOWNB_TEST_S3_ENDPOINT")
    process = None
    if given:
        key, secret = os.environ["FLOWNB_TEST_S3_KEY"], os.environ["FLOWNB_TEST_S3_SECRET"]
        server = S3Server(given.rstrip("/"), key, secret)
    else:
        command = [sys.executable, str(Path(__file__).parent / "s3" / "server.py")]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        server = S3Server(f"http://127.0.0.1:{int(process.stdout.readline())}", "AKIAFLOWNBTESTKEY001", "test-secret")
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
    )
    if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=BUCKET)
    client.close()
    yield server
    if process is not None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.wait(120)
        process.stdout.close()


@pytest.fixture
def s3_environment(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> S3Server:
    """The environment in which ``s3://`` means the test's server, and nothing of the developer's own account counts."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FLOWNB_S3_", "FLOWNB_CACHE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.secret)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("FLOWNB_CACHE", str(tmp_path / "cache"))
    return s3_server


@pytest.fixture
def s3_url(s3_environment: S3Server) -> str:
    """An empty place in the bucket, for this test alone."""
    return f"s3://{BUCKET}/{secrets.token_hex(6)}"


@pytest.fixture(params=["local", "s3"])
def datastore_location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a test's datastore is: a folder, then a bucket."""
    return str(tmp_path / "store") if request.param == "local" else str(request.getfixturevalue("s3_url"))


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Small files by name: in a folder, then in a bucket."""
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    return open_s3(request.getfixturevalue("s3_url"))[0]


@pytest.fixture(params=["local", "s3", "s3-uncached", "s3-lz4", "s3-zstd"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """Blobs by key: in a folder, then in a bucket, with and without cache and compression."""
    if request.param == "local":
        return LocalBlobs(tmp_path / "store" / "blobs")
    url = request.getfixturevalue("s3_url")
    _, _, variant = request.param.partition("-")
    if variant == "uncached":
        monkeypatch.setenv("FLOWNB_CACHE_SIZE", "0")
    elif variant:
        monkeypatch.setenv("FLOWNB_S3_COMPRESSION", variant)
    return open_s3(url)[1]
