"""Run the notebooks under strict nbval, twice: what a reader sees in the saved files is what they get.

Takes pytest options to add; gives an exit status. The notebooks are copied to a folder of their own; the second pass
meets the first one's ``.flownb``, as a user does on the second day.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from execute_notebooks import NOTEBOOKS, kernel_environment

__all__ = ["main"]

PASSES = ("empty store", "the same store again")


def _warm_up(environment: dict[str, str]) -> None:
    """Let matplotlib build its font cache now: the first kernel to do so would say so on stderr, in a cell's output."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=environment, check=True)


def main(options: list[str]) -> int:
    """Run both passes.

    Returns
    -------
    int
        0 when both passed, else pytest's status of the pass that failed first.
    """
    started = perf_counter()
    with tempfile.TemporaryDirectory(prefix="flownb-nbval-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        work = home / "notebooks"
        work.mkdir()
        names = [Path(shutil.copy(notebook, work)).name for notebook in sorted(NOTEBOOKS.glob("*.ipynb"))]
        # The repository's pytest settings turn warnings into errors, of which nbval itself has some.
        (work / "nbval.ini").write_text("[pytest]\n", encoding="utf-8")
        environment = kernel_environment(home)
        environment.pop("PYTEST_ADDOPTS", None)
        _warm_up(environment)
        command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-c", "nbval.ini", "--rootdir=."]
        # Behind a cell that fails, most cells of its notebook fail: five say enough.
        command += ["-q", "--maxfail=5", "-p", "no:cacheprovider", "--nbval-cell-timeout=300", *options, *names]
        for number, what in enumerate(PASSES, 1):
            print(f"nbval, pass {number} of {len(PASSES)}: {what}", flush=True)
            status = subprocess.run(command, cwd=work, env=environment).returncode
            if status:
                print(f"notebooks: pass {number} failed after {perf_counter() - started:.1f} s")
                return status
    print(f"notebooks: {len(names)} notebooks, {len(PASSES)} passes in {perf_counter() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
