"""The suite for encodings finds the mistakes that one can make."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """
from array import array
from flownb.testing import EncodingSuite

class Numbers:
    name = "numbers"

    def accepts(self, value):
        return type(value) is array

    def encode(self, value):
        return [value.typecode.encode(), memoryview(value)]

    def decode(self, blob):
        return array(chr(blob[0]), blob[1:].tobytes())
"""
SUITE = """
class {name}(Numbers):
    {body}

class Test_{name}(EncodingSuite):
    encoding = {name}()

    def values(self):
        return {{"two": array("d", [1.0, 2.0])}}

    def change(self, loaded):
        loaded[0] = 3.0
"""
# What is wrong, and the tests that fail by it.
MISTAKES = {
    "nothing": ("", set()),
    "takes_all": (
        "def accepts(self, value): return True",
        {"test_it_takes_nothing_else"},
    ),
    "asks_too_much": (
        "def accepts(self, value): return value.typecode == 'd'",
        {"test_it_takes_nothing_else"},
    ),
    "takes_none": (
        "def accepts(self, value): return False",
        {"test_it_is_the_one_for_its_values", "test_the_datastore_keeps_values"},
    ),
    "loses_the_type": (
        "def decode(self, blob): return list(super().decode(blob))",
        {
            "test_values_come_back",
            "test_what_was_loaded_has_stable_bytes",
            "test_each_load_is_independent",
            "test_the_datastore_keeps_values",
        },
    ),
    "other_bytes_each_time": (
        "def encode(self, value):\n        import secrets\n"
        "        return [*super().encode(value), secrets.token_bytes(8)]\n"
        "    def decode(self, blob): return super().decode(blob[:-8])",
        {
            "test_equal_values_have_equal_bytes",
            "test_what_was_loaded_has_stable_bytes",
            "test_the_datastore_keeps_values",
        },
    ),
    "changes_the_value": (
        "def encode(self, value):\n        value[0] += 1\n        return super().encode(value)",
        {
            "test_values_come_back",
            "test_encoding_changes_nothing",
            "test_what_was_loaded_has_stable_bytes",
            "test_each_load_is_independent",
            "test_the_datastore_keeps_values",
        },
    ),
    "keeps_what_it_loaded": (
        "kept = {}\n    def decode(self, blob): return self.kept.setdefault(bytes(blob), super().decode(blob))",
        {"test_each_load_is_independent", "test_the_datastore_keeps_values"},
    ),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The tests that fail, by mistake."""
    folder = tmp_path_factory.mktemp("mistakes")
    suites = [SUITE.format(name=name, body=body or "pass") for name, (body, _) in MISTAKES.items()]
    (folder / "test_mistakes.py").write_text("\n".join([GOOD, *suites]))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rf",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    found: dict[str, set[str]] = {name: set() for name in MISTAKES}
    for name, test in re.findall(r"^FAILED \S+::Test_(\w+)::(\w+)", done.stdout, flags=re.M):
        found[name].add(test)
    assert done.returncode == 1, done.stdout
    return found


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_fails(name: str, failed: dict[str, set[str]]) -> None:
    """An encoding with one fault fails the tests that are about it, and no other."""
    assert failed[name] == MISTAKES[name][1]
