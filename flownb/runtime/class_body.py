"""The names of a flow's class body, as the decorators of its steps see them.

A step's method is compiled in a class statement of its own. A metaclass lets that class begin with the names of the
flow's class, so that decorators see what they would see in flow.py.
"""

from __future__ import annotations

from typing import Any

from flownb.runtime.parameters.config import Config

__all__ = ["BODY_CLASS", "keep_body"]

# Name of the metaclass in a flow's module.
BODY_CLASS = "__flownb_class__"
NOT_FROM_THE_BODY = frozenset(
    ["__module__", "__qualname__", "__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__"]
)


def keep_body(flow_class: type, namespace: dict[str, Any]) -> None:
    """Keep the names of a class body in its module, and let the class itself hold what configs declare.

    Parameters
    ----------
    flow_class : type
        As its class statement left it.
    namespace : dict of str to object
        Its module's names.
    """
    names = {name: value for name, value in vars(flow_class).items() if name not in NOT_FROM_THE_BODY}

    class Body(type):
        @classmethod
        def __prepare__(cls, name: str, bases: tuple[type, ...], /, **options: Any) -> dict[str, object]:
            return dict(names)

    namespace[BODY_CLASS] = Body
    for name in dir(flow_class):  # those of base classes, too
        value = getattr(flow_class, name, None)
        if isinstance(value, Config):
            setattr(flow_class, name, value._declared)
