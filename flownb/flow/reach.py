"""From which steps each step can be reached, for questions about any two steps of a long flow.

Sets of steps are integers with a bit for each step: those of all steps together are worked out in one pass over the
flow, and take little memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Reach"]


class Reach:
    """The steps above each step.

    Parameters
    ----------
    parents : mapping of str to sequence of str
        The steps in document order, each with its parents; a parent that is not a step is left out.
    order : sequence of str
        The steps, parents before children as far as cycles allow.
    cyclic : bool
        Whether transitions form a cycle. Each step of a cycle is above itself and above the others.

    Attributes
    ----------
    bits : dict of str to int
        The bit of each step.
    above : dict of str to int
        For each step the bits of the steps from which it can be reached.
    """

    def __init__(self, parents: Mapping[str, Sequence[str]], order: Sequence[str], *, cyclic: bool) -> None:
        self._names = list(parents)
        self._parents = parents
        self.bits = {name: 1 << place for place, name in enumerate(parents)}
        self.above: dict[str, int] = {}
        for name in order:
            self.above[name] = self._above_now(name)
        if cyclic:
            self._follow_cycles(order)

    def _above_now(self, name: str) -> int:
        """The bits above a step, as far as they are known of its parents."""
        found = 0
        for parent in self._parents[name]:
            found |= self.bits.get(parent, 0) | self.above.get(parent, 0)
        return found

    def _follow_cycles(self, order: Sequence[str]) -> None:
        """Visit steps again until no step has more steps above it."""
        children: dict[str, list[str]] = {name: [] for name in order}
        for name in order:
            for parent in self._parents[name]:
                if parent in children:
                    children[parent].append(name)
        ahead = list(reversed(order))
        while ahead:
            name = ahead.pop()
            found = self._above_now(name)
            if found != self.above[name]:
                self.above[name] = found
                ahead += children[name]

    def of(self, names: Iterable[str]) -> int:
        """The bits of some steps; names of steps that do not exist are left out."""
        found = 0
        for name in names:
            found |= self.bits.get(name, 0)
        return found

    def names(self, bits: int) -> Iterator[str]:
        """The steps of some bits, in document order."""
        while bits:
            lowest = bits & -bits
            yield self._names[lowest.bit_length() - 1]
            bits ^= lowest
