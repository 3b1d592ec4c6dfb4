"""Which versions of distributions are recorded, and what is said when they are others."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flownb.provenance.distributions import changed_distributions, installed, used_versions


def install(
    site: Path, name: str, version: str, text: str = "", *, requires: tuple[str, ...] = (), url: str = ""
) -> None:
    """Put a distribution of one module in place, instead of what is there of it."""
    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(text)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}\nText\n")
    (info / "RECORD").write_text(f"{name}.py,sha256={abs(hash(text)):x},1\n../../bin/{name},sha256=1,1\n")
    if url:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "archive_info": {}}))
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of distributions on the import path."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_what_changed(site: Path) -> None:
    """An upgrade, a downgrade, and what is gone are named; the same version from an index is the same."""
    install(site, "fakeone", "2.1.0", "x = 1")
    text = used_versions(["fakeone"], {"fakeone": "2.1.0"})
    assert changed_distributions(text) == ()
    install(site, "fakeone", "2.1.0", "x = 2")
    assert changed_distributions(text) == ()
    install(site, "fakeone", "2.2.0")
    assert changed_distributions(text) == (("fakeone", "changed from 2.1.0 to 2.2.0"),)
    shutil.rmtree(site / "fakeone-2.2.0.dist-info")
    assert changed_distributions(text) == (("fakeone", "is not installed any more"),)


def test_a_version_that_says_nothing(site: Path) -> None:
    """Of what was installed from a file or folder the content counts, wherever its programs have their Python."""
    install(site, "fakeone", "1.0", "x = 1", url="file:///wheels/fakeone.whl")
    here = installed("fakeone")
    assert here is not None
    text = used_versions(["fakeone"], {"fakeone": here.mark})
    install(site, "fakeone", "1.0", "x = 1", url="file:///other/fakeone.whl")
    assert changed_distributions(text) == ()
    install(site, "fakeone", "1.0", "x = 2", url="file:///wheels/fakeone.whl")
    assert changed_distributions(text) == (("fakeone", "1.0 was installed again with other content"),)


def test_what_is_required(site: Path) -> None:
    """What a distribution requires counts as far as it is loaded; what only its developers need does not."""
    requires = ("Fake.Two>=1; python_version > '3'", "fakethree; extra == 'fast'", "fakefour; extra == 'test'")
    install(site, "fakeone", "1.0", requires=requires)
    install(site, "fake_two", "1.0", requires=("fakeone", "fakefive"))
    loaded = {"fakeone": "1.0", "fake-two": "2.0", "fakethree": "3.0", "fakefour": "4.0", "unrelated": "5.0"}
    assert used_versions(["fakeone"], loaded) == "fake-two=2.0 fakeone=1.0 fakethree=3.0"


PROGRAM = """
    import importlib, json, sys
    sys.path[:0] = [{folder!r}, {site!r}]
    from pathlib import Path
    from tests.provenance.test_distributions import install
    from flownb.provenance.record import imported_distributions, used_distributions
    site = Path({site!r})
    imported_distributions()
    {code}
    print(json.dumps(used_distributions(["fakeone"])))
"""


SAID = "install(site, 'fakeone', '2.0', '__version__ = \"2.0\"')"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("import fakeone", "fakeone=1.0", id="imported"),
        pytest.param("import fakeone; install(site, 'fakeone', '2.0')", "fakeone=?", id="upgraded after the import"),
        pytest.param(
            "import fakeone; imported_distributions(); install(site, 'fakeone', '2.0')",
            "fakeone=1.0",
            id="upgraded after the import was noted",
        ),
        pytest.param(SAID + "; import fakeone", "fakeone=2.0", id="it says its version"),
        pytest.param(
            SAID + "; import fakeone; install(site, 'fakeone', '3.0')",
            "fakeone=2.0",
            id="what is in memory says its version",
        ),
        pytest.param("", "", id="not imported"),
        pytest.param(
            "import fakeone; imported_distributions(); del sys.modules['fakeone']", "fakeone=1.0", id="imported once"
        ),
        pytest.param(
            "import fakeone, shutil; imported_distributions(); del sys.modules['fakeone']; "
            "[shutil.rmtree(one) for one in site.glob('*.dist-info')]",
            "",
            id="neither in memory nor installed any more",
        ),
    ],
)
def test_the_version_in_memory(code: str, expected: str, site: Path) -> None:
    """A record has the version that was imported; where that is not known, it is like no other."""
    install(site, "fakeone", "1.0")
    program = textwrap.dedent(PROGRAM).format(folder=str(Path(__file__).parents[2]), site=str(site), code=code)
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], check=True, capture_output=True, text=True, env=dict(os.environ)
    )
    assert json.loads(done.stdout) == expected
