"""Modules of Python's library, and packages, that a file of the same name beside the notebook does not replace.

A kernel has imported them before its first cell, and finds them in memory from then on. A command imports what it needs
when it needs it, with the notebook's folder first in the path; without this a ``secrets.py`` or ``string.py`` of the
user's would be executed instead of what flownb and the packages it uses import.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

__all__ = ["NOT_REPLACED", "library_first"]

# Of what IPython's kernel has imported, what flownb imports; and packages that it imports. No others: a step may well
# import a calendar.py or email.py of the user's, as it does on Metaflow.
NOT_REPLACED = frozenset(
    """
    argparse array ast asyncio base64 bdb binascii bisect blake3 bz2 click codeop collections concurrent contextlib
    contextvars copy copyreg ctypes dataclasses datetime difflib dis enum fcntl fnmatch functools getopt getpass
    gettext graphlib hashlib heapq hmac html importlib inspect ipaddress IPython json keyword linecache locale
    logging lzma math mmap ntpath numbers opcode operator pathlib pickle platform pprint pygments queue random re
    reprlib runpy secrets select selectors shlex shutil signal socket socketserver sqlite3 ssl string struct
    subprocess tempfile termios textwrap threading token tokenize traceback traitlets types typing unicodedata
    urllib uuid warnings weakref zipfile zlib
    """.split()  # noqa: SIM905  # a list would be a page long
)


class _LibraryFinder:
    """Finds these modules without the folder that the process works in."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """As an import asks for it."""
        if path is None and name in NOT_REPLACED:
            return PathFinder.find_spec(name, [entry for entry in sys.path if entry])
        return None


def library_first() -> None:
    """Find these modules as a kernel does, from now on."""
    if _LibraryFinder not in sys.meta_path:
        sys.meta_path.insert(0, _LibraryFinder)
