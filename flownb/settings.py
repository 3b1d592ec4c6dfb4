"""Settings from the environment.

Takes environment variables; gives the datastore's folder and the user's name.
"""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

from flownb.errors import NotFound

__all__ = ["DATASTORE_VARIABLE", "datastore_root", "user_name", "working_folder"]

DATASTORE_VARIABLE = "FLOWNB_DATASTORE"
# One letter is a drive of Windows.
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


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
    for variable in ("METAFLOW_USER", "SUDO_USER", "USERNAME", "USER"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
