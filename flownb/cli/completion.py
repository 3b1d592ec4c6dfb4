"""``flownb completion``: what makes a shell complete commands, options, steps, runs and parameters."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from flownb.session.completion import COMPLETE

__all__ = ["completion"]


def completion(shell: str) -> int:
    """``flownb completion SHELL``."""
    kind = get_completion_class(shell)
    assert kind is not None  # the command reads no other name
    print(kind(click.Group(), {}, "flownb", COMPLETE).source())
    return 0
