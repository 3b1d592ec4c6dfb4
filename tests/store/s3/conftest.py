"""A proxy that breaks requests, between the client and the test's S3 server."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.store.conftest import S3Server


def _module(name: str) -> ModuleType:
    """Load a module beside this one: tests are not a package."""
    spec = importlib.util.spec_from_file_location(f"flownb_tests_s3_{name}", Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def proxy(s3_environment: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The proxy; the environment leads to the server through it."""
    with _module("proxy").fault_proxy(s3_environment.port) as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{found.port}")
        yield found
