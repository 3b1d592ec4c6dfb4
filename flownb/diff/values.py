"""What differs between two values of an artifact, in a few lines: numbers, texts, containers, tables, objects.

How many lines, how deep and how much is compared is bounded. What is not looked at is counted or said.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

from flownb.diff.shown import ATOMS, WIDTH, pair_texts, shown
from flownb.diff.tables import array_changes, as_array, as_table, table_changes

__all__ = ["ValueChange", "ValueDiff", "compare_values"]

# Lines for one artifact, levels of containers and attributes, and parts of a value that are compared.
MOST_LINES, DEEPEST, MOST_PARTS = 12, 5, 20_000
# Lines of a text, keys and items that are listed.
TEXT_LINES = 8
# Items of lists of which it is found out which were added and removed; longer ones are compared by position.
MOST_ITEMS = 2000


@dataclass(frozen=True)
class ValueChange:
    """One thing that differs.

    Attributes
    ----------
    path : str
        Where in the value, as Python would reach it (``['a'][0]``); empty for the value itself.
    text : str
        What differs, on one line.
    lines : tuple of str
        Further lines, such as those of a text.
    """

    path: str
    text: str
    lines: tuple[str, ...] = ()


@dataclass
class ValueDiff:
    """What differs between two values.

    Attributes
    ----------
    changes : list of ValueChange
        At most `MOST_LINES`.
    more : int
        How many further changes were found.
    is_complete : bool
        Whether everything was compared, so that no change means that the values are equal.
    """

    changes: list[ValueChange] = field(default_factory=list)
    more: int = 0
    is_complete: bool = True
    _parts: int = 0

    def add(self, path: str, text: str, lines: Sequence[str] = ()) -> None:
        """Note a change, or count it if there are many."""
        if len(self.changes) < MOST_LINES:
            self.changes.append(ValueChange(path, text, tuple(lines)))
        else:
            self.more += 1

    def compare(self, path: str, before: Any, after: Any, depth: int = 0) -> None:
        """Compare two parts of the values."""
        self._parts += 1
        if before is after:
            return
        if depth > DEEPEST or self._parts > MOST_PARTS:
            self.is_complete = False
        elif _is_number(before) and _is_number(after):
            if not _same_atom(before, after):
                self.add(path, _number_change(before, after))
        elif _kind(before) != _kind(after):
            self.add(path, f"{_kind(before)[1]} → {_kind(after)[1]}: {shown(before)} → {shown(after)}")
        elif isinstance(before, str):
            self._texts(path, before, after)
        elif isinstance(before, ATOMS):
            if before != after:
                self.add(path, f"{shown(before)} → {shown(after)}")
        elif self._tables(path, before, after):
            return
        elif isinstance(before, Mapping):
            self._mappings(path, before, after, depth)
        elif isinstance(before, list | tuple):
            self._sequences(path, before, after, depth)
        elif isinstance(before, AbstractSet):
            self._sets(path, before, after)
        else:
            self._objects(path, before, after, depth)

    def _tables(self, path: str, before: Any, after: Any) -> bool:
        """Compare data frames, series and arrays; whether the values are of that kind."""
        one, other = as_table(before), as_table(after)
        if one is not None and other is not None:
            found = table_changes(one, other)
        else:
            arrays = as_array(before), as_array(after)
            if arrays[0] is None or arrays[1] is None:
                return False
            found = array_changes(*arrays)
        for text in found:
            self.add(path, text)
        return True

    def _texts(self, path: str, before: str, after: str) -> None:
        if before == after:
            return
        if "\n" not in before + after and max(len(before), len(after)) <= WIDTH:
            self.add(path, f"{before!r} → {after!r}")
            return
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
        changed = [line for line in lines if not line.startswith("@@")]
        added, removed = (sum(line.startswith(sign) for line in changed) for sign in "+-")
        cut = [line if len(line) <= 2 * WIDTH else f"{line[: 2 * WIDTH]}…" for line in changed[:TEXT_LINES]]
        left = [f"… {len(changed) - TEXT_LINES} more"] if len(changed) > TEXT_LINES else []
        self.add(path, f"text: {_many(added, 'line')} added, {removed} removed", [*cut, *left])

    def _mappings(self, path: str, before: Mapping[Any, Any], after: Mapping[Any, Any], depth: int) -> None:
        gone, new = [key for key in before if key not in after], [key for key in after if key not in before]
        for keys, values, sign in ((gone, before, "-"), (new, after, "+")):
            if len(keys) > TEXT_LINES:
                named = ", ".join(map(shown, keys[:TEXT_LINES]))
                self.add(path, f"{sign} {len(keys)} keys: {named}, …")
            else:
                for key in keys:
                    self.add(path, f"{sign} {shown(key)}: {shown(values[key])}")
        for key in before:
            if key in after:
                self.compare(f"{path}[{shown(key)}]", before[key], after[key], depth + 1)

    def _sequences(self, path: str, before: Sequence[Any], after: Sequence[Any], depth: int) -> None:
        names = getattr(before, "_fields", None)
        if len(before) != len(after):
            self.add(path, f"{len(before)} → {_many(len(after), 'item')}")
        if max(len(before), len(after)) <= MOST_ITEMS and not names and _are_atoms((*before, *after)):
            return self._inserted(path, before, after, depth)
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            self.compare(f"{path}.{names[place]}" if names else f"{path}[{place}]", one, other, depth + 1)
        return None

    def _inserted(self, path: str, before: Sequence[Any], after: Sequence[Any], depth: int) -> None:
        """Which items of short lists were added, removed and replaced."""
        old, new = list(map(repr, before)), list(map(repr, after))
        for tag, first, last, start, stop in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if tag == "replace" and last - first == stop - start:
                for place in range(stop - start):
                    self.compare(f"{path}[{start + place}]", before[first + place], after[start + place], depth + 1)
            elif tag != "equal":
                parts = [f"- {_listed(before[first:last])}"] * (first < last)
                parts += [f"+ {_listed(after[start:stop])}"] * (start < stop)
                self.add(f"{path}[{start}]", "; ".join(parts))

    def _sets(self, path: str, before: AbstractSet[Any], after: AbstractSet[Any]) -> None:
        for items, sign in ((before - after, "-"), (after - before, "+")):
            if items:
                self.add(path, f"{sign} {_many(len(items), 'item')}: {_listed(sorted(items, key=shown))}")

    def _objects(self, path: str, before: Any, after: Any, depth: int) -> None:
        """Objects of a class, by the state that is pickled of them."""
        if isinstance(before, FunctionType):
            if _code(before.__code__) != _code(after.__code__):
                self.add(path, f"the code of function `{after.__qualname__}` differs")
            self.is_complete = False  # what it refers to is not compared
            return
        states = _state(before), _state(after)
        if states[0] is not None and states[1] is not None:
            self.is_complete = False  # a class may keep more than that
            count = len(self.changes) + self.more
            # What is private explains little: it counts where nothing else differs.
            for name in sorted(dict.fromkeys([*states[0], *states[1]]), key=lambda one: one.startswith("_")):
                if name.startswith("_") and len(self.changes) + self.more > count:
                    break
                there = name in states[0], name in states[1]
                if all(there):
                    self.compare(f"{path}.{name}", states[0][name], states[1][name], depth + 1)
                else:
                    only = states[0] if there[0] else states[1]
                    self.add(path, f"{'-' if there[0] else '+'} .{name}: {shown(only[name])}")
            return
        try:
            if bool(before == after):
                return
        except Exception:  # a class of the user's may fail at anything
            self.is_complete = False
            return
        texts = shown(before), shown(after)
        if texts[0] != texts[1]:
            self.add(path, f"{texts[0]} → {texts[1]}")
        else:
            self.is_complete = False


def compare_values(before: Any, after: Any) -> ValueDiff:
    """Compare two values.

    Parameters
    ----------
    before, after : object

    Returns
    -------
    ValueDiff

    Examples
    --------
    >>> [(one.path, one.text) for one in compare_values({"a": [1, 2.0]}, {"a": [1, 2.5]}).changes]
    [("['a'][1]", '2.0 → 2.5 (+25 %)')]
    """
    found = ValueDiff()
    found.compare("", before, after)
    return found


def _number_change(before: Any, after: Any) -> str:
    """Two numbers that differ, with the change in percent where one is not whole."""
    text = " → ".join(pair_texts(before, after))
    try:
        share = float((after - before) / abs(before)) * 100
    except Exception:  # zero, complex numbers, booleans of numpy, and what a class of numbers may raise
        return text
    is_counted = any(isinstance(one, numbers.Integral) for one in (before, after))
    return text if is_counted or not math.isfinite(share) else f"{text} ({share:+.3g} %)"


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Number)


def _are_atoms(values: Sequence[Any]) -> bool:
    return all(isinstance(one, ATOMS) for one in values)


def _same_atom(before: Any, after: Any) -> bool:
    """Whether two numbers are equal, or both are not a number."""
    return bool(before == after) or (bool(before != before) and bool(after != after))


def _kind(value: Any) -> tuple[str, str]:
    """A value's type by its names, for a class may come from two versions of the code."""
    kind = type(value)
    return kind.__module__, kind.__qualname__


def _code(code: CodeType) -> tuple[Any, ...]:
    """What a function does, without its lines."""
    constants = tuple(_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, constants


def _state(value: Any) -> Mapping[str, Any] | None:
    """What is pickled of an object, by attribute; None if that is not known."""
    try:
        found = value.__getstate__()
    except Exception:  # as of a class that cannot be pickled this way
        return None
    if isinstance(found, tuple) and len(found) == 2 and all(one is None or isinstance(one, Mapping) for one in found):
        found = {**(found[0] or {}), **(found[1] or {})}
    return found if isinstance(found, Mapping) and all(isinstance(name, str) for name in found) else None


def _listed(items: Sequence[Any]) -> str:
    """Items on one line, the first ones if there are many."""
    more = [f"… ({len(items)})"] if len(items) > TEXT_LINES else []
    return ", ".join([*map(shown, items[:TEXT_LINES]), *more])


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
