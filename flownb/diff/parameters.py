"""What differs in the parameters, configs and constants of two flows, or in the values that they had in runs.

The value of a run is what it recorded. A notebook's value is the default that is written in it; a default that only
executing code would show is not known, and then its text is compared.
"""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flownb.diff.shown import shown
from flownb.diff.values import ValueChange, compare_values
from flownb.flow.definition import FlowDefinition

__all__ = ["UNKNOWN", "Declaration", "ParameterChange", "ParameterValue", "declarations", "parameter_changes"]

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "unknown"})()
# What one side declares, and what it recorded.
_Side = tuple[Mapping[str, "Declaration"], Mapping[str, "ParameterValue"]]
CLASSES = ("Parameter", "IncludeFile", "Config")


@dataclass(frozen=True)
class Declaration:
    """A parameter, config or constant as the class body has it.

    Attributes
    ----------
    kind : {"parameter", "config", "file", "constant"}
    text : str
        The expression.
    settings : dict of str to str
        The texts of the named arguments, apart from the default.
    default : object
        The value of the default; `UNKNOWN` where only executing it would show it.
    """

    kind: str
    text: str
    settings: Mapping[str, str] = field(default_factory=dict)
    default: Any = UNKNOWN


@dataclass(frozen=True)
class ParameterValue:
    """The value that a run had recorded.

    Attributes
    ----------
    key : str
        That of its content.
    load : callable
        Loads it.
    is_given : bool
        Whether the user gave it for the run.
    """

    key: str
    load: Callable[[], Any]
    is_given: bool = False


@dataclass(frozen=True)
class ParameterChange:
    """What differs in one parameter, config or constant.

    Attributes
    ----------
    name, kind : str
    change : {"added", "removed", "changed"}
    values : tuple of ValueChange
        What differs between the values.
    notes : tuple of str
        What differs in the declaration, and where a value is from.
    """

    name: str
    kind: str
    change: str
    values: tuple[ValueChange, ...] = ()
    notes: tuple[str, ...] = ()


def declarations(flow: FlowDefinition) -> dict[str, Declaration]:
    """The parameters, configs and constants of a flow by the name of their attribute, as they are written."""
    found: dict[str, Declaration] = {}
    tree = flow.header.parsed.tree if flow.header is not None else None
    bodies = [base.node.body for base in reversed(flow.bases)] + ([tree.body] if tree is not None else [])
    for node in (one for body in bodies for one in body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _declared(node.value)
    return found


def _declared(value: ast.expr) -> Declaration:
    """A declaration, read from its expression."""
    text = ast.unparse(value)
    name = ""
    if isinstance(value, ast.Call):
        name = value.func.id if isinstance(value.func, ast.Name) else getattr(value.func, "attr", "")
    if name not in CLASSES or not isinstance(value, ast.Call):
        return Declaration("constant", text, default=_literal(value))
    given = {one.arg: one.value for one in value.keywords if one.arg is not None}
    kind = {"Parameter": "parameter", "IncludeFile": "file", "Config": "config"}[name]
    default = given.pop("default_value" if kind == "config" else "default", None)
    settings = {"name": ast.unparse(value.args[0])} if value.args else {}
    settings |= {key: ast.unparse(one) for key, one in given.items()}
    found = UNKNOWN if kind == "file" or (kind == "config" and "default" in given) else None
    if default is not None and kind != "file":
        found = _converted(_literal(default), settings)
    elif default is not None:
        settings["default"] = ast.unparse(default)
    return Declaration(kind, text, settings, found)


def _literal(value: ast.expr) -> Any:
    """The value of a literal."""
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return UNKNOWN


def _converted(value: Any, settings: Mapping[str, str]) -> Any:
    """A default as the run would have it."""
    if isinstance(value, str) and settings.get("type", "").endswith("JSONType"):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    if isinstance(value, str) and "separator" in settings:
        return value.split(_literal(ast.parse(settings["separator"], mode="eval").body)) if value else value
    return value


def parameter_changes(
    before: Mapping[str, Declaration],
    after: Mapping[str, Declaration],
    old: Mapping[str, ParameterValue] | None,
    new: Mapping[str, ParameterValue] | None,
) -> list[ParameterChange]:
    """What differs between the parameters, configs and constants of two sides.

    Parameters
    ----------
    before, after : mapping of str to Declaration
    old, new : mapping of str to ParameterValue, or None
        The recorded values; None for a side that is not a run.
    """
    found = []
    values = dict(old or {}), dict(new or {})
    sides = (before, values[0]), (after, values[1])
    for name in dict.fromkeys([*after, *values[1], *before, *values[0]]):
        there = [name in declared or name in recorded for declared, recorded in sides]
        kind = next(one[name].kind for one in (after, before) if name in one) if name in {**before, **after} else ""
        if not all(there):
            declared, recorded = sides[0] if there[0] else sides[1]
            text = _text(name, declared, recorded)
            found.append(ParameterChange(name, kind, "removed" if there[0] else "added", (ValueChange("", text),)))
            continue
        differs, given = _value_changes(name, *sides)
        notes = _setting_notes(before.get(name), after.get(name), is_text=not differs)
        if differs or notes:
            found.append(ParameterChange(name, kind, "changed", tuple(differs), (*(given if differs else ()), *notes)))
    return found


def _value_changes(name: str, one: _Side, other: _Side) -> tuple[list[ValueChange], list[str]]:
    """What differs between the values of two sides, and where they are from."""
    recorded = one[1].get(name), other[1].get(name)
    given = ["given for the first run"] * bool(recorded[0] is not None and recorded[0].is_given)
    given += ["given for the second run"] * bool(recorded[1] is not None and recorded[1].is_given)
    if recorded[0] is not None and recorded[1] is not None:
        if recorded[0].key == recorded[1].key:
            return [], []
    elif recorded[0] is not None or recorded[1] is not None:
        run = recorded[0] or recorded[1]
        texts = [side[0][name].text for side in (one, other) if name in side[0]]
        is_same = len(texts) == 2 and texts[0] == texts[1]
        if run is not None and is_same and not run.is_given:
            return [], []  # the default that the run had is that of the notebook
        given = ["given for the run"] if run is not None and run.is_given else []
    found = []
    for declared_here, values in (one, other):
        if name in values:
            try:
                found.append(values[name].load())
            except Exception as error:  # whatever a class of the user's raises
                return [ValueChange("", f"a value cannot be loaded: {type(error).__name__}: {error}")], given
        else:
            found.append(declared_here[name].default if name in declared_here else UNKNOWN)
    if found[0] is UNKNOWN or found[1] is UNKNOWN:
        if recorded == (None, None):
            return [], []  # the texts of the defaults are compared
        texts = ["what its default gives" if value is UNKNOWN else shown(value) for value in found]
        return [ValueChange("", " → ".join(texts))], given
    return compare_values(*found).changes, given


def _setting_notes(before: Declaration | None, after: Declaration | None, *, is_text: bool) -> list[str]:
    """What differs between two declarations, apart from values that are known."""
    if before is None or after is None or before.text == after.text:
        return []
    notes = [f"{before.kind} → {after.kind}"] if before.kind != after.kind else []
    for key in dict.fromkeys([*before.settings, *after.settings]):
        old, new = before.settings.get(key), after.settings.get(key)
        if old != new:
            notes.append(f"{key}: {old or 'not set'} → {new or 'not set'}")
    if not notes and is_text and (before.default is UNKNOWN or after.default is UNKNOWN):
        notes.append(f"{before.text} → {after.text}")
    return notes


def _text(name: str, declared: Mapping[str, Declaration], recorded: Mapping[str, ParameterValue]) -> str:
    """The value of a parameter that one side has alone."""
    if name in recorded:
        try:
            return shown(recorded[name].load())
        except Exception as error:  # as above
            return f"a value that cannot be loaded ({type(error).__name__})"
    found = declared[name]
    return found.text if found.default is UNKNOWN else shown(found.default)
