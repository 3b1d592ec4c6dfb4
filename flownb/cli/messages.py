"""What the terminal shows of a message that a notebook shows too, and of an error that a step raised."""

from __future__ import annotations

import sys

__all__ = ["in_terminal", "print_user_error"]


def in_terminal(text: str) -> str:
    """A message, with the call of ``use`` as the command line has it."""
    return text.replace("%flow use", "flownb use NOTEBOOK")


def print_user_error(error: BaseException) -> None:
    """Print the user's frames and the message of an error that a step raised."""
    import traceback

    from flownb.runtime.failure import StepError, user_frames

    frames = user_frames(error)
    if isinstance(error, StepError):
        print(error.facts["traceback"], file=sys.stderr, end="")
    elif frames is not None:
        print("".join(traceback.format_exception(type(error), error, frames)), file=sys.stderr, end="")
