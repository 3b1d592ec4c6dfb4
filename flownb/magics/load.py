"""``%flow load``: a task's artifacts as variables of the notebook.

Takes words; sets names in the notebook's namespace and shows which.
"""

from __future__ import annotations

from flownb.magics.frontend import Frontend

__all__ = ["load_into"]


def load_into(frontend: Frontend, words: list[str]) -> None:
    """Load a task's state into the notebook's namespace and say what was set."""
    from flownb.session.load import load_task, parse_load
    from flownb.session.report import value_kind

    options = parse_load(words)
    loaded = load_task(frontend.session, options, frontend.users_names())
    frontend.place(loaded.values)
    parts = [f"✓ loaded {loaded.pathspec}"]
    if loaded.values:
        parts.append("set " + ", ".join(f"{name}: {value_kind(one)}" for name, one in loaded.values.items()))
    print("\n".join([" · ".join(parts), *(f"  note: {note}" for note in loaded.notes)]))
