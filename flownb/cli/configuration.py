"""What a command of the terminal has in common with a kernel: settings in IPython's files, and where imports look.

Most users have no such file, so traitlets is imported only when there is one.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = ["be_as_a_kernel", "configured", "draw_without_window", "folders", "kernel_path"]

# Files of IPython's default profile, which a kernel reads as well; the later one counts more.
FILES = ("ipython_config", "ipython_kernel_config")


def configured(places: list[Path] | None = None) -> None:
    """Take over settings from the files that a kernel reads.

    Parameters
    ----------
    places : list of Path, optional
        Folders where they are looked for; later ones count more. None means where IPython looks for them.

    Raises
    ------
    ParameterError
        If a setting has a value that is not accepted.
    """
    names = [f"{name}{suffix}" for name in FILES for suffix in (".json", ".py")]
    files = [folder / name for folder in (folders() if places is None else places) for name in names]
    if files := [path for path in files if path.is_file()]:
        _take_over(files)


def be_as_a_kernel() -> None:
    """Import from the working folder, as a kernel does, and draw plots without a window."""
    from flownb.library import library_first

    library_first()
    sys.path[:] = kernel_path()
    draw_without_window()


def kernel_path() -> list[str]:
    """Where a kernel imports from: the working folder first."""
    return sys.path if "" in sys.path else ["", *sys.path]


def draw_without_window() -> None:
    """Let matplotlib draw into memory, unless the user has chosen something else."""
    os.environ.setdefault("MPLBACKEND", "agg")


def folders() -> list[Path]:
    """Where IPython looks for its configuration; later ones count more."""
    shared = dict.fromkeys([Path("/etc/ipython"), Path("/usr/local/etc/ipython"), Path(sys.prefix, "etc/ipython")])
    own = Path(os.environ.get("IPYTHONDIR") or "~/.ipython").expanduser()
    return [*shared, own / "profile_default"]


def _take_over(files: list[Path]) -> None:
    """Set what files configure of flownb."""
    from traitlets.config import Config

    from flownb.configuration import Flownb

    found = Config()
    for path in files:
        found.merge(_read(path))
    if "Flownb" in found:
        Flownb.of(config=Config({"Flownb": found["Flownb"]}))


def _read(path: Path) -> Config:
    """What a file configures; nothing if it cannot be read, as in IPython."""
    from traitlets.config.loader import Config, JSONFileConfigLoader, PyFileConfigLoader

    loader = JSONFileConfigLoader if path.suffix == ".json" else PyFileConfigLoader
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the output of a command is only what it says itself
            return loader(path.name, path=str(path.parent)).load_config()
    except (Exception, SystemExit) as error:  # code of the user's, which may raise anything
        print(f"note: `{path}` cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return Config()
