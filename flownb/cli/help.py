"""What ``flownb COMMAND --help`` says, from the description that the notebook's commands have too."""

from __future__ import annotations

import argparse
from typing import Any

from flownb.session.commands import COMMANDS, STORE_EXAMPLES

__all__ = ["with_help"]


def with_help(commands: Any, name: str, text: str = "") -> argparse.ArgumentParser:
    """Add a command to a parser, with its help.

    Parameters
    ----------
    commands : argparse subparsers
    name : str
    text : str, optional
        What it does, for a command that only the command line has.
    """
    command = next((one for one in COMMANDS if one.name == name and (one.terminal or not text)), None)
    text = text or (command.text if command else "")
    examples = STORE_EXAMPLES.get(name, ())
    details: list[str] = []
    if examples:
        calls = [f"flownb {name} {words}".rstrip() for words, _ in examples]
        width = max(map(len, calls))
        details = ["examples:"]
        details += [f"  {call:<{width}}  # {said}" for call, (_, said) in zip(calls, examples, strict=True)]
    elif command is not None:
        details = command.details("command")
        if details[0] == "options:":
            details[0] = "more options:"  # argparse has its own, above
    sub: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text.replace("%", "%%"),
        description=text.replace("%", "%%"),
        epilog="\n".join(details).replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if command is not None and command.terminal and not examples:
        sub.usage = command.usage("command").replace("%", "%%")
    return sub
