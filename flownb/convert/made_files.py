"""Files and folders that magics of a plain notebook make and its flow needs, although no step makes them.

``%%writefile`` and ``!mkdir`` stay in scratch cells. That is right if what they make is beside the notebook already;
else the flow would fail or, on another machine, be without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flownb.convert.proposal import Finding, Part, Place, Proposal
from flownb.errors import Message

__all__ = ["missing_files"]

WRITEFILE = re.compile(r"\s*%%(?:writefile|file)[ \t]+(?P<name>[^\s-][^\n]*?)[ \t]*(?:\n(?P<text>.*)|$)", re.DOTALL)
MKDIR = re.compile(r"^[ \t]*(?:!|%|%sx )mkdir(?:[ \t]+-p)?[ \t]+(?P<name>[^\s;&|{}$*]+)[ \t]*$", re.MULTILINE)


def missing_files(document: dict[str, Any], proposal: Proposal, folder: Path) -> Iterator[Finding]:
    """Refuse to leave out a magic that makes a file or folder which the flow needs and which is not there.

    Parameters
    ----------
    document : dict
        The plain notebook.
    proposal : Proposal
    folder : Path
        The notebook's.
    """
    sources = [cell["source"] for cell in document["cells"] if cell.get("cell_type") == "code"]
    parts = [*proposal.shared, *(part for step in proposal.steps for part in step.parts)]
    for number, source in enumerate(sources, 1):
        if (found := WRITEFILE.match(source)) is not None:
            name = found["name"].strip("'\"")
            is_module = name.endswith(".py")
            user = _user(rf"\b(?:from|import)\s+{re.escape(Path(name).stem)}\b", parts) if is_module else 0
            user = user or _user(re.escape(Path(name).name), parts)
            if user and not _is_there(folder / name, found["text"] or ""):
                fix = f"Execute cell {number} once, so that the file is beside the notebook, or "
                fix += "put its code into a cell." if is_module else "write it in Python, for example with `open(…)`."
                yield _refused(f"%%writefile {name}", Place(number, 1, 1), name, user, fix)
        for made in MKDIR.finditer(source) if "mkdir" in source else ():
            name = made["name"]
            user = _user(re.escape(name), parts)
            if user and not (folder / name).is_dir():
                line = source.count("\n", 0, made.start("name")) + 1
                fix = f'Write `os.makedirs("{name}", exist_ok=True)`, with `import os`.'
                yield _refused(made[0].strip(), Place(number, line, line), name, user, fix)


def _user(pattern: str, parts: Sequence[Part]) -> int:
    """The first cell whose code in the flow has a text; 0 if none has."""
    return next((part.place.cell for part in parts if re.search(pattern, part.text)), 0)


def _is_there(path: Path, text: str) -> bool:
    """Whether a file has this text, as the magic would write it."""
    try:
        return path.read_text(encoding="utf-8").rstrip("\n") == text.rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return False


def _refused(shown: str, place: Place, name: str, user: int, fix: str) -> Finding:
    """The finding that the flow needs what a magic makes."""
    message = Message(
        f"`{shown}` makes `{name}`, which cell {user} uses, and no step can execute it.",
        "Steps are Python, and what the magic makes is not beside the notebook.",
        fix,
    )
    return Finding("refused", "made-by-magic", (place,), message)
