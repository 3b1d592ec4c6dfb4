"""Words that options are made of, on a magic's line and on the command line.

Takes a line or words; gives words and values.
"""

from __future__ import annotations

import shlex

from flownb.errors import ParameterError

__all__ = ["option_pair", "option_value", "whole_number", "words"]


def words(line: str) -> list[str]:
    """The words of a magic's line, as a shell tells them apart.

    Raises
    ------
    ParameterError
        If a quote is not closed, or nothing follows a backslash.

    Examples
    --------
    >>> words("train --set 'title=a b'")
    ['train', '--set', 'title=a b']
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        if "escaped" in str(error):
            raise ParameterError(
                f"`{line}` ends with a backslash.", "It belongs to the character after it.", "Write it twice or not."
            ) from None
        raise ParameterError(
            f"`{line}` has a quote that is not closed.",
            "A word with blanks in it stands between two quotes of one kind.",
            "Close it, or write a backslash before a quote that is part of the word.",
        ) from None


def option_value(rest: list[str], option: str, equals: str, value: str) -> str:
    """The value of an option, given with ``=`` or as the next word."""
    if equals:
        return value
    if not rest or (rest[0].startswith("--") and len(rest[0]) > 2):
        raise ParameterError(f"`{option}` has no value.", "It needs one.", f"Write {option} VALUE.")
    return rest.pop(0)


def option_pair(rest: list[str], option: str) -> tuple[str, str]:
    """The two words after ``--config`` or ``--config-value``."""
    what, example = ("FILE", "prod.json") if option == "--config" else ("JSON", """'{"depth": 6}'""")
    if len(rest) < 2 or any(word.startswith("--") for word in rest[:2]):
        raise ParameterError(
            f"`{option}` needs two words.",
            f"They are the config's name and its {what}.",
            f"Write {option} NAME {what}, for example {option} cfg {example}. A parameter that is called "
            f"{option[2:]} is given as {option}=VALUE.",
        )
    return rest.pop(0), rest.pop(0)


def whole_number(option: str, text: str) -> int:
    """The number that an option was given."""
    if not text.isdecimal() or len(text) > 18:
        raise ParameterError(f"`{option} {text}` is no number.", "It is a whole number from 0.", f"Write {option} 2.")
    return int(text)
