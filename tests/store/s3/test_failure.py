"""What errors of S3 are read as, and that they hold no credential."""

from __future__ import annotations

import pytest

from flownb.store.s3.failure import classify, scrub

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        f"request signed with {SECRET} failed",
        "<AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>",
        "GET /b/k?X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2026",
        "Authorization: AWS4 Credential=ASIAIOSFODNN7EXAMPLE/2026/us, Signature=fe5f80f77d5fa3beca038a248ff027",
        '{"x-amz-security-token": "IQoJb3JpZ2luX2VjEXAMPLE"}',
        "http://user:hunter2@proxy.example:3128/ cannot be reached",
        "<SignatureProvided>fe5f80f77d5fa3beca038a248ff027</SignatureProvided>",
    ],
)
def test_credentials_are_taken_out(text: str) -> None:
    """Keys, secrets, tokens, signatures and users in URLs vanish from a text."""
    clean = scrub(text, [SECRET])
    for secret in (SECRET, "AKIAIOSF", "ASIAIOSF", "fe5f80f77d5f", "IQoJb3", "hunter2"):
        assert secret not in clean
    assert "…" in clean


def test_other_text_is_left_alone() -> None:
    """A plain message reads as before."""
    text = "NoSuchBucket: The specified bucket does not exist (s3://bucket/prefix at http://127.0.0.1:9000)"
    assert scrub(text, [SECRET]) == text


def test_errors_of_boto3_are_distinguished() -> None:
    """A login that ended can be renewed; a profile that is not there has to be named right."""
    from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound, SSOTokenLoadError

    assert classify(NoCredentialsError()).kind == "no credentials"
    assert classify(ProfileNotFound(profile="x")).kind == "profile"
    assert classify(SSOTokenLoadError(error_msg="gone")).kind == "expired"
    refused = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    assert classify(ClientError(refused, "AssumeRole")).kind == "denied"
