"""URLs and settings of a datastore in S3."""

from __future__ import annotations

import pytest

from flownb.errors import StoreError
from flownb.store.s3 import open_s3
from flownb.store.s3.connection import Options, S3Address, parse_address


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://bucket/a/b", "bucket", "a/b"),
        ("s3://my.bucket-1/", "my.bucket-1", ""),
        ("s3://bucket", "bucket", ""),
        ("s3://bucket//a//b/", "bucket", "a/b"),
    ],
)
def test_a_url_names_bucket_and_prefix(url: str, bucket: str, prefix: str) -> None:
    """Slashes at the ends and doubled ones mean nothing."""
    assert parse_address(url) == S3Address(bucket, prefix)


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "s3://b", "http://bucket/a", "s3://bucket/../a", "s3://bu cket/a"])
def test_what_is_not_a_url_of_a_bucket_is_refused(url: str) -> None:
    """The error says how to write one."""
    with pytest.raises(StoreError) as caught:
        parse_address(url)
    assert caught.value.fix == "Write s3://bucket/prefix."


@pytest.mark.parametrize(
    "url", ["s3://AKIAKEY:hidden-secret@bucket/a", "s3://AKIAKEY@bucket", "s3://:hidden-secret@b/a"]
)
def test_credentials_in_a_url_are_refused(url: str) -> None:
    """They are not repeated in the error."""
    with pytest.raises(StoreError, match="contains credentials") as caught:
        open_s3(url)
    assert "hidden-secret" not in str(caught.value)
    assert "AKIAKEY" not in str(caught.value)


def test_a_query_is_refused_without_repeating_it() -> None:
    """A presigned URL holds a signature."""
    with pytest.raises(StoreError) as caught:
        parse_address("s3://bucket/a?X-Amz-Signature=0123")
    assert "0123" not in str(caught.value)


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have defaults, and the error for a value that is not accepted lists those that are."""
    monkeypatch.delenv("FLOWNB_S3_TIMEOUT", raising=False)
    monkeypatch.delenv("FLOWNB_S3_COMPRESSION", raising=False)
    assert Options.from_environment() == Options(30.0, "none")
    monkeypatch.setenv("FLOWNB_S3_TIMEOUT", "2.5")
    monkeypatch.setenv("FLOWNB_S3_COMPRESSION", "zstd")
    assert Options.from_environment() == Options(2.5, "zstd")
    for name, value in (("FLOWNB_S3_TIMEOUT", "soon"), ("FLOWNB_S3_TIMEOUT", "0"), ("FLOWNB_S3_COMPRESSION", "gzip")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(StoreError, match=f"{name} is `{value}`"):
                Options.from_environment()
