"""Which environment variables a task read, and which of them have another value now.

What is recorded are names with hashes of the values, never the values. While a task runs, ``os.environ`` is of a
subclass that notes who reads what. What Python and installed packages read for themselves does not count.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from functools import lru_cache
from types import FrameType
from typing import Any
from urllib.parse import quote, unquote

from flownb.provenance.installed import is_installed
from flownb.settings import ignored_variables

__all__ = ["ALL", "ZONE", "VariableReads", "changed_variables", "mentioned_variables", "reads_of_modules", "watched"]

# Instead of a name: all variables, which code looked at; the time zone, which C code reads.
ALL, ZONE = "*", "@zone"
# Behind the name of a variable that a command's `--with environment:…` set.
FROM_COMMAND = "+"
# What differs from one terminal, session or machine to the next, and is not an input: it does not count where
# code looks at all variables, or where Python reads it for code that names something else (`subprocess`, `tempfile`).
OF_THE_SESSION = re.compile(
    r"_|TERM.*|COLORTERM|COLUMNS|LINES|SHLVL|SHELL|PWD|OLDPWD|PS\d|LS_COLORS|LESS\w*|PAGER|EDITOR|VISUAL|MAIL|HOSTNAME"
    r"|WINDOWID|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|(?:XDG|DBUS|SSH|GPG|TMUX|VSCODE|VTE|GNOME|KDE|QT|GTK|WSL|GIT)_?\w*"
    r"|(?:JPY|JUPYTER|IPY|IPYTHON|KERNEL|COLAB|PYDEVD|DEBUGPY|PYTEST|COV|FLOWNB|METAFLOW|MPL|CLICOLOR|KMP|TQDM)\w*"
    r"|FORCE_COLOR|NO_COLOR|TMPDIR|TEMP|TMP|PATH|MANPATH|INFOPATH|(?:LD|DYLD|PYTHON|VIRTUAL_ENV|CONDA|LC)\w*|LANG\w*"
    r"|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD\w*|(?:OMP|MKL|OPENBLAS|NUMEXPR|BLIS|VECLIB|NUMBA|LOKY)_\w*"
)
# What installed packages look up for themselves beside that: where the user's files are, credentials that change by
# the hour, whether it is a build.
OF_PACKAGES = re.compile(
    r"HOME|USER\w*|LOGNAME|CI|DEBUG|NETRC|READTHEDOCS|AWS_(?:ACCESS_KEY_ID|CREDENTIAL_EXPIRATION|EXECUTION_ENV)"
    r"|\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|ACCESS_KEY)\w*"
)
# Modules that look at all variables to hand them on or to put them back, or for the proxies of the network; and those
# whose reads of single ones are such, too.
COPIES = frozenset({"asyncio", "concurrent", "joblib", "loky", "multiprocessing", "subprocess", "unittest", "urllib"})
COPIES_ONE = frozenset({"subprocess", "unittest"})
MENTIONED = re.compile(r"""(?:\bgetenvb?|\benvironb?)\b[^'"\n]{0,40}b?['"]([^'"\n]+)['"]""")
NAMED = re.compile(r"\b(?:getenvb?|environb?)\b")

_Environ: Any = type(os.environ)
# Who notes reads at the moment, and what reads nothing when it reads.
_active: list[VariableReads] = []
_lock = threading.Lock()
# What the user's own modules read when they were imported.
_of_modules: dict[str, VariableReads] = {}


class VariableReads:
    """What a block of code reads of the environment.

    Parameters
    ----------
    before : mapping of str to str, optional
        The environment as it is when the block begins; by default as it is now.

    Attributes
    ----------
    read : dict of str to (str or None)
        Values by name as they were read; None is that of a variable that is not set. What the block itself had set is
        not read.
    everything : bool
        Whether it looked at all variables.
    """

    def __init__(self, before: Mapping[str, str] | None = None) -> None:
        self.read: dict[str, str | None] = {}
        self.everything = False
        self.before = _copy_of_environment() if before is None else before
        self._written: set[str] = set()
        self._here = threading.get_ident()
        self._others = {one.ident for one in threading.enumerate()} - {self._here}

    @property
    def here(self) -> bool:
        """Whether this is the thread in which the block runs."""
        return self._here == threading.get_ident()

    def notes(self, *, own: bool) -> bool:
        """Whether a read in this thread is the block's: all of its own code, of packages not in threads of others."""
        here = threading.get_ident()
        if any(one._here == here for one in _active):
            return self._here == here
        return own or here not in self._others

    def note(self, name: str, value: str | None) -> None:
        """Note one read."""
        if name not in self._written:
            self.read.setdefault(name, value)

    def wrote(self, name: str, value: str | None) -> None:
        """Note that the block gave a variable a value, or restored its value."""
        if value == self.before.get(name):
            self._written.discard(name)
        else:
            self._written.add(name)

    def add(self, other: VariableReads) -> None:
        """Note what other code read."""
        for name, value in other.read.items():
            self.read.setdefault(name, value)
        self.everything |= other.everything

    def lasting(self) -> str:
        """`text` for a block whose variables stay set: of one that it read and then set, the value that it set."""
        for name in self._written & self.read.keys():
            self.read[name] = os.environ.get(name)
        self.before = _copy_of_environment()
        return self.text(own=(), added=(), zone=False)

    def text(self, *, own: Iterable[str], added: Iterable[str], zone: bool) -> str:
        """What a record says.

        Parameters
        ----------
        own : iterable of str
            Variables that the step's own ``@environment`` sets: they are part of its code.
        added : iterable of str
            Variables that a command's ``--with`` sets: they count where the command does not say so again.
        zone : bool
            Whether the code may ask for the time zone.
        """
        left_out, added = set(own), set(added)
        found = {quote(name): _hash(name, value) for name, value in self.read.items() if name not in left_out}
        found |= {f"{quote(name)}{FROM_COMMAND}": found.pop(quote(name)) for name in added if quote(name) in found}
        if self.everything:
            found[ALL] = _hash_of_all(self.before, ignored_variables())
        if zone:
            found[ZONE] = _hash_of_zone()
        return " ".join(f"{name}={digest}" for name, digest in sorted(found.items()))


def _copy_of_environment() -> Mapping[str, str]:
    """The variables as they are now; each is decoded when it is asked for."""
    now: Any = os.environ
    if type(now) not in (_Environ, _Watched):
        return dict(now)
    copy: Mapping[str, str] = _Environ(dict(now._data), now.encodekey, now.decodekey, now.encodevalue, now.decodevalue)
    return copy


@contextlib.contextmanager
def watched() -> Iterator[VariableReads]:
    """Note what the block reads of the environment."""
    reads = VariableReads()
    with _lock:
        if not _active:
            _watch(_Watched)
        _active.append(reads)
    try:
        yield reads
    finally:
        with _lock:
            _active.remove(reads)
            if not _active:
                _watch(_Environ)


@contextlib.contextmanager
def module_executed(name: str) -> Iterator[None]:
    """Note what a module of the user's own reads while it is executed: later steps find it imported."""
    with watched() as reads:
        yield
    _of_modules[name] = reads


def reads_of_modules(names: Iterable[str], texts: Mapping[str, str]) -> VariableReads:
    """What modules read when they were imported.

    Parameters
    ----------
    names : iterable of str
    texts : mapping of str to str
        The files of modules that were imported before reads were watched: all that they mention counts.
    """
    found = VariableReads({})
    for name in names:
        if name in _of_modules:
            found.add(_of_modules[name])
        elif name in texts:
            mentioned = mentioned_variables(texts[name])
            if mentioned is None:
                found.everything = True
            for variable in mentioned or ():
                found.note(variable, os.environ.get(variable))
    return found


@lru_cache(maxsize=1024)
def mentioned_variables(code: str) -> tuple[str, ...] | None:
    r"""Names of variables that code reads as far as its text shows; None if it may read any.

    Examples
    --------
    >>> mentioned_variables('import os\nPORT = os.environ.get("PORT", 80)')
    ('PORT',)
    """
    found = MENTIONED.findall(code)
    count = sum(not line.lstrip().startswith(("import ", "from ")) for line in code.splitlines() if NAMED.search(line))
    return tuple(dict.fromkeys(found)) if len(found) >= count else None


def changed_variables(text: str, *, same_command: bool) -> list[str]:
    """Names of variables of a record that have another value now; `ALL` and `ZONE` where it is not one of them.

    Parameters
    ----------
    text : str
        As `VariableReads.text` returns it.
    same_command : bool
        Whether what a command's ``--with`` sets is the same as when the task ran.
    """
    found, ignored = [], ignored_variables()
    for entry in text.split():
        quoted, _, digest = entry.rpartition("=")
        if quoted == ALL:
            # Recorded before or after a variable was ignored.
            same = digest in (_hash_of_all(os.environ, ignored), _hash_of_all(os.environ, frozenset()))
        elif quoted == ZONE:
            same = digest == _hash_of_zone()
        else:
            given = quoted.endswith(FROM_COMMAND)
            quoted = quoted.removesuffix(FROM_COMMAND)
            name = unquote(quoted)
            same = (given and same_command) or digest == _hash(name, os.environ.get(name))
        if not same and unquote(quoted) not in ignored:
            found.append(unquote(quoted))
    return found


def _hash(name: str, value: str | None) -> str:
    """A hash of a value, different for each variable: nobody sees that two secrets are equal."""
    if value is None:
        return "-"
    return hashlib.blake2b(f"{name}\0{value}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _hash_of_all(variables: Mapping[str, str], ignored: frozenset[str]) -> str:
    """A hash of all variables that are neither of the session nor ignored."""
    items = sorted(
        (name, value) for name, value in variables.items() if not OF_THE_SESSION.fullmatch(name) and name not in ignored
    )
    return _hash(ALL, "\0".join(f"{name}={value}" for name, value in items))


def _hash_of_zone() -> str:
    """A hash of the time zone: the variable, and what this process made of it."""
    return _hash(ZONE, repr((os.environ.get("TZ"), time.tzname, time.timezone)))


def _watch(kind: Any) -> None:
    """Let the environment note reads, or not."""
    for one in (os.environ, getattr(os, "environb", None)):
        if type(one) in (_Environ, _Watched):  # what a user put there instead is a value of the user's
            one.__class__ = kind


class _Watched(_Environ):  # type: ignore[misc]  # the type has no public name
    """An environment that notes who reads it. Equal to its base in all else, and only while somebody wants to know."""

    def __getitem__(self, key: Any) -> Any:
        # Unpacking (`dict(os.environ)`, `{**os.environ}`) takes the keys and then each item, in one instruction.
        caller = sys._getframe(1)
        if _active and _unpacking.get(threading.get_ident()) != (id(caller), caller.f_lasti):
            _note_read(caller, [_name(key)])
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        _note_write(sys._getframe(1), _name(key), _name(value))

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        _note_write(sys._getframe(1), _name(key), None)

    def __iter__(self) -> Any:
        _note_read(sys._getframe(1), None)
        return super().__iter__()

    def __len__(self) -> int:
        _note_read(sys._getframe(1), None)
        return int(super().__len__())

    def __repr__(self) -> str:
        _note_read(sys._getframe(1), None)
        return str(super().__repr__())

    def keys(self) -> KeysView[Any]:
        caller = sys._getframe(1)
        _note_read(caller, None)
        _unpacking[threading.get_ident()] = (id(caller), caller.f_lasti)
        return KeysView(self._plain())

    def items(self) -> ItemsView[Any, Any]:
        _note_read(sys._getframe(1), None)
        return ItemsView(self._plain())

    def values(self) -> ValuesView[Any]:
        _note_read(sys._getframe(1), None)
        return ValuesView(self._plain())

    def copy(self) -> dict[Any, Any]:
        _note_read(sys._getframe(1), None)
        return dict(self._plain())

    def __or__(self, other: Any) -> Any:
        _note_read(sys._getframe(1), None)
        return self._plain() | other

    def __ror__(self, other: Any) -> Any:
        _note_read(sys._getframe(1), None)
        return other | self._plain()

    def _plain(self) -> Any:
        """The same environment, which notes nothing."""
        return _Environ(self._data, self.encodekey, self.decodekey, self.encodevalue, self.decodevalue)


# By thread: where the keys were taken last.
_unpacking: dict[int, tuple[int, int]] = {}


def _name(key: Any) -> str:
    return os.fsdecode(key) if isinstance(key, str | bytes) else ""


def _note_write(frame: FrameType, name: str, value: str | None) -> None:
    """Note that code sets a variable, for the blocks that it belongs to."""
    if _active and _reader(frame)[0] != "flownb":
        for one in _active:
            if one.notes(own=True):
                one.wrote(name, value)


def _note_read(frame: FrameType, names: list[str] | None) -> None:
    """Note that code reads some variables, or all, for the blocks that it belongs to."""
    if not _active:
        return
    who, by = _reader(frame)
    if who in ("flownb", "import") or by in (COPIES_ONE if names is not None else COPIES):
        return
    for name in names or ():
        if (who == "package" or by) and OF_THE_SESSION.fullmatch(name):
            continue
        if who == "package" and OF_PACKAGES.fullmatch(name):
            continue
        value = os.environ._data.get(os.environ.encodekey(name))  # type: ignore[attr-defined]  # read without a note
        for one in _active:
            if one.notes(own=who == "own"):
                one.note(name, None if value is None else _name(value))
    if names is None:
        for one in _active:
            if one.notes(own=who == "own") and (who == "own" or one.here):
                one.everything = True


def _reader(frame: FrameType | None) -> tuple[str, str]:
    """Whose code reads: ``own``, ``package``, ``import`` (a package being imported) or ``flownb``.

    The second is the module of Python's through which it does, or one of `COPIES`.
    """
    by = ""
    found = ""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            if found == "package" and top in ("importlib", "_frozen_importlib", "_frozen_importlib_external"):
                return "import", by
            if not found and top not in ("os", "_collections_abc", "collections"):
                by = top
        elif top == "flownb":
            return "flownb", by
        elif not is_installed(frame.f_code.co_filename):
            return found or "own", by
        else:
            found, by = "package", by or (top if top in COPIES else "")
        frame = frame.f_back
    return found or "own", by
