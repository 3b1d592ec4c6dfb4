"""Settings, read from the environment variables that keep them: the datastore's place, the user's name, and others.

Also how the names of notebook files end, which the command line has to know before it imports what reads them.

`flownb.configuration` lists all settings and fills these variables from Jupyter's configuration.
"""

from __future__ import annotations

import getpass
import os
import re
from functools import lru_cache
from pathlib import Path

from flownb.errors import NotFound, ParameterError

__all__ = [
    "DATASTORE_VARIABLE",
    "MAX_NUM_SPLITS",
    "TEXT_SUFFIXES",
    "datastore_root",
    "ignored_variables",
    "is_notebook_name",
    "is_off",
    "is_text_name",
    "max_workers",
    "shows_report_details",
    "user_name",
    "working_folder",
]

DATASTORE_VARIABLE = "FLOWNB_DATASTORE"
# How names of files end that jupytext reads as notebooks.
TEXT_SUFFIXES = (".py", ".md", ".Rmd", ".qmd")
# Metaflow's own default of --max-num-splits.
MAX_NUM_SPLITS = 100
# Where `getpass.getuser` looks beside those that Metaflow reads.
GETPASS_VARIABLES = ("LOGNAME", "LNAME")
OFF = ("0", "false", "no", "off")
# One letter is a drive of Windows.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def is_text_name(name: str) -> bool:
    """Whether a file of this name would be a notebook as text, such as a percent script."""
    return name.endswith(TEXT_SUFFIXES)


def is_notebook_name(name: str) -> bool:
    """Whether a word is the name of a file that may be a notebook, and not of a flow."""
    return name.endswith((".ipynb", *TEXT_SUFFIXES))


def datastore_root(folder: str | Path | None = None) -> Path | str:
    """Where the datastore is.

    Parameters
    ----------
    folder : str or Path, optional
        The notebook's folder; None means the current one.

    Returns
    -------
    Path or str
        ``$FLOWNB_DATASTORE`` when set, a folder or ``s3://bucket/prefix``; else ``.flownb`` beside the notebook.
    """
    chosen = os.environ.get(DATASTORE_VARIABLE, "").strip()
    if chosen:
        if SCHEME.match(chosen):
            return chosen
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError:
            return Path(chosen).absolute()  # no such user: a folder of that name
    return (Path(folder) if folder else working_folder()).absolute() / ".flownb"


def max_workers() -> int | None:
    """How many tasks of a run execute at once: ``$FLOWNB_MAX_WORKERS``; None means as many as there are processors.

    Raises
    ------
    ParameterError
        If it is not a whole number.
    """
    text = os.environ.get("FLOWNB_MAX_WORKERS", "").strip()
    if text and not text.isdecimal():
        raise ParameterError(
            f"FLOWNB_MAX_WORKERS is `{text}`.", "It has to be a whole number.", "Set it to 4, for example, or unset it."
        )
    return int(text or 0) or None


def is_off(variable: str) -> bool:
    """Whether an environment variable switches something off: ``0``, ``false``, ``no`` or ``off``."""
    return os.environ.get(variable, "").strip().lower() in OFF


def shows_report_details() -> bool:
    """Whether the report under a step cell shows its details at once: ``$FLOWNB_REPORT_DETAILS``."""
    return os.environ.get("FLOWNB_REPORT_DETAILS", "").strip() != "" and not is_off("FLOWNB_REPORT_DETAILS")


def ignored_variables() -> frozenset[str]:
    """Environment variables that do not make a result stale: ``$FLOWNB_IGNORED_VARIABLES``, separated by commas."""
    names = os.environ.get("FLOWNB_IGNORED_VARIABLES", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def working_folder() -> Path:
    """The folder this process works in.

    Raises
    ------
    NotFound
        If it was removed meanwhile.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise NotFound(
            "The working folder does not exist any more.",
            "It was removed or replaced after this process began to work in it.",
            "Change to another folder (cd; in a notebook %cd or a restart of the kernel), then try again.",
        ) from error


def user_name() -> str:
    """Who runs: ``METAFLOW_USER``, ``USERNAME`` or the login name, as Metaflow resolves it."""
    # While a task runs, each variable that is asked for is traced to who asks, also where it is not set.
    there = getattr(os.environ, "_data", None)
    for variable in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER", *GETPASS_VARIABLES):
        if (there is None or os.environ.encodekey(variable) in there) and os.environ.get(variable):
            return os.environ[variable]
    try:
        return _login_name(os.getuid() if hasattr(os, "getuid") else None)
    except (KeyError, OSError):
        return "unknown"


@lru_cache(maxsize=1)
def _login_name(user_id: int | None) -> str:
    """The machine's name for a user: finding it reads a file, or asks a server."""
    return getpass.getuser()
