"""Who speaks to which server: everything boto3 knows counts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flownb.errors import StoreError
from flownb.store.s3 import open_s3
from flownb.store.s3.connection import open_access


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", None])
def test_profile_and_endpoint_are_those_of_boto3(
    s3_environment: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None
) -> None:
    """Keys, region and endpoint can come from a profile, the endpoint from either variable."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    endpoint = f"endpoint_url = {s3_environment.endpoint}\n" if variable is None else ""
    (tmp_path / "aws-config").write_text(f"[profile work]\nregion = eu-west-1\n{endpoint}")
    (tmp_path / "aws-credentials").write_text(
        f"[work]\naws_access_key_id = {s3_environment.key}\naws_secret_access_key = {s3_environment.secret}\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "work")
    if variable is not None:
        monkeypatch.setenv(variable, s3_environment.endpoint)
    access = open_access("flownb-test")
    assert (access.endpoint, access.region, access.virtual_host) == (s3_environment.endpoint, "eu-west-1", False)
    storage, _ = open_s3(s3_url)
    storage.write("a", b"1")
    assert storage.read("a") == b"1"


def test_an_assumed_role_is_renewed_by_boto3(
    s3_environment: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile with a role asks the token service, here the test's server too."""
    if "FLOWNB_TEST_S3_ENDPOINT" in os.environ:
        pytest.skip("the given server may have no token service")
    (tmp_path / "aws-config").write_text(
        "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/work\nsource_profile = base\n"
    )
    (tmp_path / "aws-credentials").write_text(
        f"[base]\naws_access_key_id = {s3_environment.key}\naws_secret_access_key = {s3_environment.secret}\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_environment.endpoint)
    monkeypatch.setenv("AWS_PROFILE", "role")
    storage, _ = open_s3(s3_url)
    assert storage.create("a", b"1")
    access = storage.bucket._connection().access
    assert access()["token"]
    assert access()["token"] in access.secrets()
    assert access()["access_key_id"] != s3_environment.key


@pytest.mark.parametrize(
    ("bucket", "style", "expected"),
    [
        ("plain", "", ("https://plain.s3.eu-west-1.amazonaws.com", True)),
        ("with.dots", "", ("https://s3.eu-west-1.amazonaws.com", False)),
        ("plain", "s3 =\n  addressing_style = path\n", ("https://s3.eu-west-1.amazonaws.com", False)),
    ],
)
def test_aws_is_addressed_by_virtual_hosts(
    s3_environment: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    bucket: str,
    style: str,
    expected: tuple[str, bool],
) -> None:
    """A bucket is part of the host's name where a certificate covers that and nothing else is asked for."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    (tmp_path / "aws-config").write_text(f"[default]\n{style}")
    access = open_access(bucket)
    assert (access.endpoint, access.virtual_host) == expected


def test_no_credentials(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to get some."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    storage, _ = open_s3(s3_url)
    with pytest.raises(StoreError) as caught:
        storage.read("a")
    assert caught.value.what == f"There are no credentials for `{s3_url}`."
    assert caught.value.fix == "Run `aws configure` or `aws sso login`, or set AWS_PROFILE."


def test_a_profile_that_is_not_there(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names it."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match="nobody"):
        open_s3(s3_url)[0].read("a")


def test_uploads_that_were_given_up_are_cleared(
    s3_environment: Any, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of an old unfinished upload below the prefix go; a young one may still be written."""
    import boto3

    from flownb.store.s3 import storage as module

    client = boto3.client("s3")
    prefix = s3_url.rpartition("/")[2]
    client.create_multipart_upload(Bucket="flownb-test", Key=f"{prefix}/blobs/ab/abc")
    storage, _ = open_s3(s3_url)
    # moto says of every upload that it was begun in 2010.
    monkeypatch.setattr(module, "ABANDONED", 1e10)
    storage.clear_temporary()
    assert len(client.list_multipart_uploads(Bucket="flownb-test", Prefix=prefix).get("Uploads", [])) == 1
    monkeypatch.setattr(module, "ABANDONED", -3600.0)
    storage.clear_temporary()
    assert client.list_multipart_uploads(Bucket="flownb-test", Prefix=prefix).get("Uploads", []) == []
    client.close()


def test_nothing_heavy_is_imported_before_the_first_request(s3_url: str) -> None:
    """Opening a datastore takes no time: boto3 and obstore come with the first request."""
    code = (
        "import sys; from flownb.store.s3 import open_s3; "
        f"open_s3({s3_url!r}); "
        "print(sorted({'boto3', 'botocore', 'obstore', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
