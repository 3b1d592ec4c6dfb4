"""Build the wheel where Node fails, install it, and ask JupyterLab and Python what they find.

Run without arguments, or with the path of a wheel that is built already (``make dist`` does that). The exit status is 0
when a user who has no Node gets all of flownb. The tests run on the tree, which an editable install shows whole; what
the wheel leaves out only shows here.

The wheel is installed by pip into a fresh virtual environment, so that JupyterLab finds the extension where a user's
does, under its own prefix. The dependencies are those of the environment that runs this script, lent by lines in a
``.pth`` file: a JupyterLab from the network would take most of a minute each time. Of a folder that such a line names,
Python reads no ``.pth`` files, and by one of these an editable install leads to its tree; so the tree stays out of
sight, and the wheel's own flownb comes first. The ``--system-site-packages`` of ``venv`` would lend what belongs to the
Python that this environment was made from, and none of what was installed into it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from zipfile import ZipFile

from execute_notebooks import ROOT, kernel_environment
from version import npm_version

__all__ = ["main"]

PACKAGE = ROOT / "flownb"
LABEXTENSIONS = "share/jupyter/labextensions"
NODE = ("node", "npm", "npx")
ASK = """
import json
import flownb
from flownb.widgets.dag import DagWidget
print(json.dumps({"file": flownb.__file__, "js": len(str(DagWidget._esm)), "css": len(str(DagWidget._css))}))
"""


class Unfit(Exception):
    """The wheel is not what a user needs; the text says why."""


def _call(command: Sequence[str | Path], environment: dict[str, str], folder: Path) -> str:
    """What a command prints, without colours; raises `Unfit` with its output if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    output = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    if done.returncode:
        raise Unfit(f"{' '.join(map(str, command))}\nfailed with exit status {done.returncode}:\n{output}")
    return output


def _build(home: Path, environment: dict[str, str]) -> Path:
    """The wheel, built from the tree; raises `Unfit` if that needs Node."""
    shims, calls, built = home / "shims", home / "node-calls", home / "wheel"
    shims.mkdir()
    for name in NODE:
        (shims / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{calls}"\nexit 1\n', encoding="utf-8")
        (shims / name).chmod(0o755)
    path = os.pathsep.join([str(shims), environment["PATH"]])
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    try:
        _call([*pip, "--no-deps", "--wheel-dir", built, ROOT], {**environment, "PATH": path}, home)
    finally:
        # Said first if the build failed, and also if it did not: a hook may get over a Node that fails.
        if calls.exists():
            raise Unfit(
                f"Building the wheel called {', '.join(calls.read_text(encoding='utf-8').splitlines())}. It may only "
                "where skip-if-exists in pyproject.toml names a file that is not there. Run make setup, or see there."
            )
    (wheel,) = built.glob("*.whl")
    return wheel


def _check_contents(wheel: Path) -> int:
    """Number of files in the wheel; raises `Unfit` if one is missing or too many."""
    stem = "-".join(wheel.name.split("-")[:2])
    extension = f"{stem}.data/data/{LABEXTENSIONS}/flownb"
    with ZipFile(wheel) as opened:
        files = {name for name in opened.namelist() if not name.endswith("/")}
        wanted = {f"{extension}/package.json", f"{extension}/install.json"}
        wanted |= {f"flownb/{name}" for name in ("py.typed", "widgets/dag.js", "widgets/dag.css")}
        wanted |= {file.relative_to(ROOT).as_posix() for file in PACKAGE.rglob("*.py")}
        if wanted - files:
            raise Unfit(f"{wheel.name} lacks {', '.join(sorted(wanted - files))}")
        load = json.loads(opened.read(f"{extension}/package.json"))["jupyterlab"]["_build"]["load"]
    roots = ("flownb/", f"{extension}/", f"{stem}.dist-info/")
    unwanted = {name for name in files if not name.startswith(roots) or name.startswith("flownb/labextension/")}
    unwanted |= {name for name in files if "/tests/" in name}
    if unwanted:
        raise Unfit(f"{wheel.name} holds what nobody reads: {', '.join(sorted(unwanted))}")
    entries = {name for name in files if re.search(r"/remoteEntry[^/]*\.js$", name)}
    if entries != {f"{extension}/{load}"}:
        raise Unfit(f"{wheel.name} should hold the entry {load} and no other; it holds {sorted(entries)}")
    return len(files)


def _install(wheel: Path, home: Path, environment: dict[str, str]) -> Path:
    """A fresh environment with the wheel, and the packages of this one behind it; gives its Python."""
    prefix = home / "venv"
    venv.create(prefix, symlinks=True)
    python = prefix / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"]
    # Before the packages are lent: pip would find the editable flownb there and leave it at that.
    _call([*pip, "install", "--no-deps", "--no-index", wheel], environment, home)
    here = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    lent = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    Path(here, "lent.pth").write_text("\n".join([*lent, ""]), encoding="utf-8")
    return python


def _check_extension(python: Path, version: str, home: Path, environment: dict[str, str]) -> str:
    """JupyterLab's line about the extension; raises `Unfit` unless it is the wheel's, enabled and compatible."""
    # This is what `jupyter labextension list` runs; the command itself would be the lending environment's.
    listing = _call([python, "-I", "-m", "jupyterlab.labextensions", "list"], environment, home)
    lines = [" ".join(line.split()) for line in listing.splitlines()]
    found = [line for line in lines if line.startswith("flownb ")]
    expected = f"flownb v{version} enabled OK (python, flownb)"
    if [expected] != found or str(python.parents[1] / LABEXTENSIONS) not in listing:
        raise Unfit(f"JupyterLab does not have the wheel's extension, version {version}. It lists:\n{listing}")
    return expected


def _check_package(python: Path, home: Path, environment: dict[str, str]) -> dict[str, int]:
    """Lengths of the widget's files; raises `Unfit` unless flownb is the installed one and they are there."""
    answer = json.loads(_call([python, "-I", "-c", ASK], environment, home))
    file = Path(answer.pop("file"))
    if not file.is_relative_to(python.parents[1]):
        raise Unfit(f"flownb was imported from {file}, not from where the wheel was installed")
    if not all(answer.values()):
        raise Unfit(f"The DAG's widget lacks its files; their characters: {answer}")
    return answer


def main(wheels: Sequence[str] = ()) -> int:
    """Build, install and ask.

    Parameters
    ----------
    wheels : sequence of str
        The path of a wheel to test instead of building one from the tree.

    Returns
    -------
    int
        Exit status: 0 when all is there.
    """
    started = perf_counter()
    with tempfile.TemporaryDirectory(prefix="flownb-wheel-") as temporary:
        home = Path(temporary).resolve()
        dropped = ("JUPYTER_PATH", "JUPYTERLAB_DIR", "HATCH_JUPYTER_BUILDER_SKIP_NPM")
        environment = {name: value for name, value in kernel_environment(home).items() if name not in dropped}
        environment["JUPYTER_DATA_DIR"] = str(home / "data")
        try:
            wheel = Path(wheels[0]).resolve() if wheels else _build(home, environment)
            built = perf_counter()
            count = _check_contents(wheel)
            size = wheel.stat().st_size / 1000
            made = "given" if wheels else f"built in {built - started:.1f} s without Node"
            print(f"{wheel.name}: {count} files, {size:.0f} KB, {made}")
            python = _install(wheel, home, environment)
            environment["PATH"] = str(python.parent)
            version = npm_version(wheel.name.split("-")[1])
            print(f"jupyter labextension list: {_check_extension(python, version, home, environment)}")
            found = _check_package(python, home, environment)
            print(f"flownb is imported from the wheel; its widget has {found['js']} characters of JavaScript")
        except Unfit as unfit:
            print(f"wheel: {unfit}\nwheel: failed after {perf_counter() - started:.1f} s")
            return 1
    print(f"wheel: {perf_counter() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
