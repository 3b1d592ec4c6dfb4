"""Which names a body reads before it surely assigned them, and which it binds.

Takes the syntax tree of a cell's body; gives `BodyNames`. The body is judged as the body of a function, because that
is what it becomes. The analysis errs on one side only: a name may be reported as "perhaps read before assigned" when it
never is (the step then loads an artifact that it overwrites), never the other way round.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from flownb.cells.assignment import Walk
from flownb.cells.bodynames import BodyNames
from flownb.cells.scopes import free_names

__all__ = ["BodyNames", "analyse_names", "free_names"]


def analyse_names(tree: ast.Module | None, *, captures: Iterable[str] = ()) -> BodyNames:
    """Analyse a body.

    Parameters
    ----------
    tree : ast.Module or None
        The parsed body; None (a syntax error) gives an empty result.
    captures : iterable of str
        Names that are read after the body's last line.

    Returns
    -------
    BodyNames

    Examples
    --------
    >>> sorted(analyse_names(ast.parse("y = x + 1")).reads)
    ['x']
    >>> analyse_names(ast.parse("for i in y: x = i"), captures=["x"]).reads
    {'y': 1, 'x': 1}
    """
    names = BodyNames()
    if tree is not None:
        walk = Walk(names)
        walk.block(tree.body)
        last = max((node.end_lineno or 1 for node in tree.body), default=1)
        for name in captures:
            walk.read(name, last)
    return names
