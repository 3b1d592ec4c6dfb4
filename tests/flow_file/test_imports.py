"""The imports an exported file begins with: source before, source after, and that ruff has nothing to sort."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flownb.flow_file.imports import STANDARD, leading_imports, sorted_imports

OWN = {"helpers", "settings"}


def block(*texts: str, added: tuple[str, ...] = (), features: tuple[str, ...] = ()) -> str | None:
    """The sorted imports of some shared cells."""
    lines = sorted_imports(leading_imports(texts), added, features, OWN.__contains__)
    return "\n".join(lines) if lines is not None else None


CASES = {
    "groups": (
        ["import pandas as pd\nimport os\nfrom sklearn import svm\nimport numpy as np\nimport helpers"],
        "import os\n\nimport numpy as np\nimport pandas as pd\nfrom sklearn import svm\n\nimport helpers",
    ),
    "several cells": (["import re", "", "# a comment only", "import os"], "import os\nimport re"),
    "a statement for each module": (["import re, os"], "import os\nimport re"),
    "duplicates": (
        ["import os\nimport os.path\nfrom a import x, y", "import os\nfrom a import y, z"],
        "import os\nimport os.path\n\nfrom a import x, y, z",
    ),
    "other names": (
        ["from a import d, b as c, e\nfrom a import Z, AB, a10, a2\nimport a as x\nimport a"],
        "import a\nimport a as x\nfrom a import AB, Z, a2, a10, d, e\nfrom a import b as c",
    ),
    "natural order, capitals as others": (
        ["from c10 import q\nfrom c2 import r\nimport B, a10, a2, a_b, a.b\nfrom C import s"],
        "import a.b\nimport a2\nimport a10\nimport a_b\nimport B\nfrom C import s\nfrom c2 import r\nfrom c10 import q",
    ),
    "comments move along": (
        ["import re  # patterns\n# of the system,\n# in two lines\nimport os\nimport abc"],
        "import abc\n\n# of the system,\n# in two lines\nimport os\nimport re  # patterns",
    ),
    "comments of a whole cell stay on top": (
        ["# What all steps need\n\nimport re\nimport os"],
        "# What all steps need\n\nimport os\nimport re",
    ),
    "noqa": (
        ["from b import (x,)\nfrom b import y  # noqa: F401\nfrom a import z  # noqa"],
        "from a import z  # noqa\nfrom b import (\n    x,\n    y,  # noqa: F401\n)",
    ),
    "a trailing comma keeps a name a line": (
        ["from b import (\n    y,\n    x,\n)\nimport a"],
        "import a\nfrom b import (\n    x,\n    y,\n)",
    ),
    "long lines": (
        [f"from b import {', '.join(f'name_{number}' for number in range(12))}"],
        "from b import (\n" + "".join(f"    name_{number},\n" for number in range(12)) + ")",
    ),
    "torch that is sorted already": (["import numpy\nimport torch"], "import numpy\nimport torch"),
    "the standard library moves across torch": (["import torch\nimport os"], "import os\n\nimport torch"),
}


@pytest.mark.parametrize(("texts", "expected"), CASES.values(), ids=list(CASES))
def test_imports_are_grouped_and_sorted(texts: list[str], expected: str, tmp_path: Path) -> None:
    """As isort does: ruff finds nothing to change."""
    assert block(*texts) == expected
    for name in OWN:
        (tmp_path / f"{name}.py").touch()
    (tmp_path / "flow.py").write_text(f"{expected}\n")
    words = [sys.executable, "-m", "ruff", "check", "-q", "--isolated", "--select", "I", "flow.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


KEPT = {
    "an own module above a package": ["import settings\nimport numpy"],
    "own modules": ["import settings\nimport helpers"],
    "torch first": ["import torch\nimport numpy"],
    "one name of two modules": ["import ujson as json\nimport json"],
    "a star": ["from b import *\nfrom a import x"],
    "a relative import": ["from . import b\nfrom a import x"],
    "a comment that steers isort": ["import b  # isort: skip\nimport a"],
    "comments between names": ["from b import (\n    # the first\n    x,\n)\nimport a"],
    "code on the same line": ["import b; b.use()\nimport a"],
    "no Python": ["import b\nimport"],
}


@pytest.mark.parametrize("texts", KEPT.values(), ids=list(KEPT))
def test_imports_that_depend_on_their_order_keep_it(texts: list[str]) -> None:
    """No statement moves across one that may have an effect on it, and no comment gets lost."""
    assert block(*texts) is None


@pytest.mark.parametrize("code", ["import matplotlib\nmatplotlib.use('agg')", "import sys\nsys.path.insert(0, 'lib')"])
def test_imports_below_other_code_stay(code: str) -> None:
    """Only imports that no other code precedes are leading ones."""
    leading = leading_imports([f"{code}\nimport b\nimport a", "import os"])
    first, rest = code.split("\n")
    assert leading.rests == (f"{rest}\nimport b\nimport a", "import os")
    assert sorted_imports(leading, (), (), OWN.__contains__) == [first]


def test_names_of_metaflow_are_merged() -> None:
    """What the class needs and what the cells import is one statement in its place."""
    assert block(
        "import zlib\nfrom metaflow import current\nimport abc", "from a import b", added=("step", "FlowSpec")
    ) == ("import abc\nimport zlib\n\nfrom a import b\nfrom metaflow import FlowSpec, current, step")
    assert block("from metaflow import current as step\n", added=("step",)) is None


def test_future_features_come_first() -> None:
    """They have a statement of their own."""
    assert block("import os", features=("division", "annotations")) == (
        "from __future__ import annotations, division\n\nimport os"
    )
    assert block() == ""


def test_the_standard_library_is_that_of_all_versions() -> None:
    """A module is in the same group with each Python, so that the file is the same."""
    assert {"distutils", "imp", "tomllib", "compression"} <= STANDARD


def random_imports(chance: random.Random) -> str:
    """Some import statements with comments, as people write them."""
    modules = ["os", "os.path", "re", "numpy", "pandas", "a2", "a10", "B", "a.b", "a_b", "Zoo", "xml", "xml.dom"]
    names = ["x", "y10", "y2", "Yes", "NO", "N", "_p", "é"]
    lines = []
    for _ in range(chance.randint(1, 9)):
        module, asname = chance.choice(modules), chance.choice(["", "", "", " as other", " as z"])
        if chance.random() < 0.2:
            lines.append(f"# about {module}")
        behind = chance.choice(["", "", "", f"  # {module}"])
        if chance.random() < 0.5:
            lines.append(f"import {module}{asname}{behind}")
            continue
        some = chance.sample(names, chance.randint(1, 4))
        written = ", ".join([*some[:-1], f"{some[-1]}{asname}"])
        brackets = ["{}", "({})", "({},)", "(\n    {},\n)"]
        lines.append(f"from {module} import {chance.choice(brackets).format(written)}{behind}")
        lines += [""] * chance.randint(0, 1)
    return "\n".join(lines)


def bindings(text: str) -> set[str]:
    """What import statements bind."""
    return {
        f"{getattr(node, 'module', '')} {ast.dump(alias)}"
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def test_ruff_has_nothing_to_sort_in_random_imports(tmp_path: Path) -> None:
    """Whatever the statements are, the block binds the same, has all comments, and is as ruff would have it."""
    written = 0
    for seed in range(500):
        text = random_imports(random.Random(seed))
        found = block(text)
        if found is None:
            continue
        written += 1
        assert bindings(found) == bindings(text)
        assert set(comments(found)) == set(comments(text))
        (tmp_path / f"f{seed}.py").write_text(f"{found}\n")
    assert written > 100
    words = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "I", "--diff", "."]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    words = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", "."]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False).stdout == ""


def comments(text: str) -> list[str]:
    """The comments of a text."""
    return [one for line in text.split("\n") for one in line.split("  ") if one.startswith("#")]
