"""What a body does with names, as facts.

`flownb.cells.assignment` fills a `BodyNames`; the checks and the method source read it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BodyNames", "Definition"]

Definition = Literal["function", "class", "module"]


@dataclass
class BodyNames:
    """What a body does with names; values are 1-based lines in the body.

    Attributes
    ----------
    reads : dict of str to int
        Plain names that may be read before the body assigned them, with the first such line.
    unbound : dict of str to int
        Those of `reads` that no way through the body can have assigned at that line.
    mentions : dict of str to int
        Names that only a text speaks of, as ``df.query("a > @limit")`` does.
    assigned : dict of str to int
        Plain names the body binds in its own scope, with the first such line.
    variables : dict of str to int
        Those of `assigned` that hold values: no imports, definitions, loop targets or ``except … as`` names.
    annotated : dict of str to int
        Names with an annotation and no value, which makes them local too.
    self_reads, self_writes : dict of str to int
        Attributes of ``self`` that may be read before written, and those written.
    self_deletes : dict of str to int
        Attributes of ``self`` deleted with ``del``.
    self_escapes : bool
        Whether ``self`` is used other than as ``self.name``, so that it may gain or lose any attribute.
    merges : bool
        Whether ``self.merge_artifacts`` is called.
    globals_declared : dict of str to int
        Names in ``global`` statements, at any depth.
    definitions : dict of str to {"function", "class", "module"}
        Names that hold, at the body's end, what cannot be persisted; attributes as ``"self.x"``.
    definite : dict of str to int
        Names (attributes as ``"self.x"``) that are certainly read, with the first such line, where the body cannot have
        assigned them: whenever the body is executed, that line is reached or an exception ends it before.
    definite_writes : dict of str to int
        Names (attributes as ``"self.x"``) that are certainly assigned, with the first such line.
    bound_at_end : frozenset of str
        Names (attributes as ``"self.x"``) that have a value whichever way the body was left.
    evaluated : set of ast.AST
        Attributes, calls, imports and returns that are certainly executed.
    is_property : bool
        Of a method: whether reading the attribute calls it.
    ends : bool
        Whether the end of the body is certainly reached, unless an exception is raised.
    """

    reads: dict[str, int] = field(default_factory=dict)
    unbound: dict[str, int] = field(default_factory=dict)
    mentions: dict[str, int] = field(default_factory=dict)
    assigned: dict[str, int] = field(default_factory=dict)
    variables: dict[str, int] = field(default_factory=dict)
    annotated: dict[str, int] = field(default_factory=dict)
    self_reads: dict[str, int] = field(default_factory=dict)
    self_writes: dict[str, int] = field(default_factory=dict)
    self_deletes: dict[str, int] = field(default_factory=dict)
    self_escapes: bool = False
    merges: bool = False
    globals_declared: dict[str, int] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    definite: dict[str, int] = field(default_factory=dict)
    definite_writes: dict[str, int] = field(default_factory=dict)
    bound_at_end: frozenset[str] = frozenset()
    evaluated: set[ast.AST] = field(default_factory=set)
    is_property: bool = False
    ends: bool = True

    @property
    def local_functions(self) -> frozenset[str]:
        """Names bound by ``def`` or to a bare ``lambda``."""
        return frozenset(name for name, kind in self.definitions.items() if kind == "function")
