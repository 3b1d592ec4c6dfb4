"""Print the version of flownb, or set it: ``python scripts/version.py [VERSION]``.

``flownb/version.py`` has the version; hatchling reads it from there for the wheel. npm wants a copy in each of its two
files, in its own spelling (``0.2.0-rc.1`` for ``0.2.0rc1``). A test compares the three files.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["PLACES", "main", "npm_version"]

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = re.compile(r"(\d+\.\d+\.\d+)(?:(a|b|rc)(\d+))?")
NPM_NAMES = {"a": "alpha", "b": "beta", "rc": "rc"}

_NPM = r'"name": "flownb",\s+"version": "([^"]+)"'
# Files that have the version, with how it is written there.
PLACES = {
    "flownb/version.py": r'^__version__ = "([^"]+)"$',
    "labextension/package.json": _NPM,
    "labextension/package-lock.json": _NPM,  # twice: of the file, and of the package that it is about
}


def npm_version(version: str) -> str:
    """Spell a version as npm does.

    Parameters
    ----------
    version : str
        As Python spells it: ``0.2.0``, ``0.2.0rc1``.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is not a version that both can spell.

    Examples
    --------
    >>> npm_version("0.2.0"), npm_version("0.2.0rc1")
    ('0.2.0', '0.2.0-rc.1')
    """
    match = ALLOWED.fullmatch(version)
    if match is None:
        raise ValueError(f"`{version}` is not a version of flownb. Write MAJOR.MINOR.PATCH, such as 0.2.0 or 0.2.0rc1.")
    release, kind, number = match.groups()
    return f"{release}-{NPM_NAMES[kind]}.{number}" if kind else release


def found(place: str) -> list[str]:
    """The versions that a file of `PLACES` names, in its own spelling."""
    return re.findall(PLACES[place], (ROOT / place).read_text(encoding="utf-8"), flags=re.M)


def _write(place: str, version: str) -> None:
    """Replace each version that a file of `PLACES` names."""
    path = ROOT / place

    def replaced(match: re.Match[str]) -> str:
        start, end = match.start(1) - match.start(), match.end(1) - match.start()
        return f"{match[0][:start]}{version}{match[0][end:]}"

    path.write_text(re.sub(PLACES[place], replaced, path.read_text(encoding="utf-8"), flags=re.M), encoding="utf-8")


def main(words: list[str]) -> int:
    """Print the version (no word), or set it in all places (one word).

    Parameters
    ----------
    words : list of str
        What follows the script's name.

    Returns
    -------
    int
        Exit status.
    """
    if len(words) > 1:
        print("usage: python scripts/version.py [VERSION]", file=sys.stderr)
        return 2
    if words:
        try:
            npm = npm_version(words[0])
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        for place in PLACES:
            _write(place, words[0] if place.endswith(".py") else npm)
    print(*found("flownb/version.py"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
