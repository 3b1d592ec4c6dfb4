"""Decorators of the user's own: ``user_step_decorator``, ``UserStepDecorator``, ``StepMutator`` and ``FlowMutator``.

They have Metaflow's names and meaning, and need no Metaflow. A step keeps its own decorators where Metaflow keeps
them, in ``wrappers`` and ``config_decorators``, so that those of an installed Metaflow extension work as well. The
rules follow ``metaflow/user_decorators`` and ``metaflow/task.py``, _exec_step_function, of 2.19.39.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from flownb.errors import DecoratorError, TransitionError
from flownb.flow.decorators import BETWEEN, spec_value
from flownb.flow.graph import Node
from flownb.runtime.parameters.config_expr import resolve_settings

__all__ = [
    "USER_SKIP_STEP",
    "FlowMutator",
    "StepMutator",
    "UserStepDecorator",
    "execute_step",
    "forget_definitions",
    "initialise",
    "is_flow_class",
    "step_function",
    "user_step_decorator",
]

USER_SKIP_STEP: dict[str, Any] = {}
# Every step decorator and mutator that was defined, by its dotted name, for decorators that are named in a text.
REGISTERED: dict[str, Any] = {}


def forget_definitions(prefix: str) -> None:
    """Forget the decorators of modules with this prefix, which are about to be executed again."""
    for name in [name for name in REGISTERED if name.startswith(prefix)]:
        del REGISTERED[name]


def is_flow_class(thing: Any) -> bool:
    """Whether a decorated thing is a flow's class."""
    return isinstance(thing, type) and hasattr(thing, "_flownb_load")


class _Bare(type):
    """Lets a decorator be written without parentheses: then its class is called with what it decorates."""

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **options: Any) -> None:
        super().__init__(name, bases, body, **options)
        cls.decorator_name = body.get("_decorator_name", f"{cls.__module__}.{cls.__name__}")
        if issubclass(cls, globals().get("_CustomDecorator", ())):  # the first one is _CustomDecorator itself
            REGISTERED[cls.decorator_name] = cls

    def __call__(cls, *arguments: Any, **settings: Any) -> Any:
        made = super().__call__(*arguments, **settings)
        return made(arguments[0]) if made._bare else made


class _CustomDecorator(metaclass=_Bare):
    """What all of them share: arguments, their late initialisation, and how one is applied."""

    decorator_name: str
    _fields: tuple[str, ...] = ()
    _allowed_args = False
    _allowed_kwargs: bool | list[str] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._bare = len(args) == 1 and (hasattr(args[0], "is_step") or is_flow_class(args[0]))
        self._args: list[Any] = [] if self._bare else list(args)
        self._kwargs: dict[str, Any] = kwargs
        self._ran_init = False
        self.statically_defined, self.inserted_by = True, None
        if self._args and not self._allowed_args:
            raise DecoratorError(
                f"{self} was given positional arguments.", "It takes none.", "Name each argument: name=value."
            )
        if isinstance(self._allowed_kwargs, list) and set(kwargs) - set(self._allowed_kwargs):
            raise DecoratorError(
                f"{self} was given {', '.join(sorted(set(kwargs) - set(self._allowed_kwargs)))}.",
                f"It takes {', '.join(self._allowed_kwargs)}.",
                "Correct the name, or remove it.",
            )

    def __call__(self, target: Any = None, **_: Any) -> Any:
        """Decorate a step."""
        if not hasattr(target, "is_step"):
            raise DecoratorError(
                f"{self} decorates something that is not a step.",
                "It is a decorator of steps.",
                "Write it above the body of a %%step cell.",
            )
        self._my_step = target
        for field in self._fields:
            getattr(target, field).append(self)
        return target

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Take the decorator's arguments; a class that has any overrides it."""

    def get_args_kwargs(self) -> tuple[list[Any], dict[str, Any]]:
        """The positional and the keyword arguments."""
        return list(self._args), dict(self._kwargs)

    def __str__(self) -> str:
        name = type(self).__name__
        return f"{'UserStepDecorator' if name == 'WrapClass' else name}({self.decorator_name})"


def initialise(decorator: Any, configs: Mapping[str, Any]) -> None:
    """Give a decorator its arguments, once, with the values of the configs that they use.

    Raises
    ------
    DecoratorError
        If it has arguments and its class has no ``init``.
    """
    if decorator._ran_init:
        return
    decorator._args = list(resolve_settings({"args": list(decorator._args)}, configs)["args"])
    decorator._kwargs = dict(resolve_settings(decorator._kwargs, configs))
    own = "init" in vars(type(decorator))
    if (decorator._args or decorator._kwargs) and not own:
        raise DecoratorError(
            f"{decorator} is used with arguments.",
            "Its class has no method `init` to take them.",
            "Define init(self, *args, **kwargs) in the class.",
        )
    if own:
        decorator.init(*decorator._args, **decorator._kwargs)
    decorator._ran_init = True


class UserStepDecorator(_CustomDecorator):
    """Base of decorators that run code before and after a step's body."""

    _fields = ("wrappers",)
    _skip_step: bool | dict[str, Any] = False

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        """Run before the body; a returned function runs instead of it."""
        return None

    def post_step(self, step_name: str, flow: Any, exception: BaseException | None = None) -> Any:
        """Run after the body, before artifacts are stored; see Metaflow's documentation for what may be returned."""
        return (exception, None) if exception else (None, None)

    @property
    def skip_step(self) -> bool | dict[str, Any]:
        """Whether the body is left out; a dict has arguments for the ``self.next`` that is called for it."""
        return self._skip_step

    @skip_step.setter
    def skip_step(self, value: bool | dict[str, Any]) -> None:
        self._skip_step = value


def user_step_decorator(*args: Any, **kwargs: Any) -> Any:
    """Make a step decorator of a generator function: what it does before its ``yield`` runs before the step's body.

    Raises
    ------
    DecoratorError
        If it does not decorate a generator function of 3 or 4 arguments.
    """
    if not args:
        return lambda function: user_step_decorator(function, **kwargs)
    generator = args[0]
    if not isinstance(generator, FunctionType) or not inspect.isgeneratorfunction(generator):
        raise DecoratorError(
            "@user_step_decorator decorates something that is not a generator function.",
            "What runs before its `yield` runs before the step, what follows runs after it.",
            "Write a function with one `yield`.",
        )
    count = len(inspect.signature(generator).parameters)
    if count not in ((4,) if kwargs else (3, 4)):
        raise DecoratorError(
            f"@user_step_decorator decorates a function of {count} arguments.",
            "It is called with step_name, flow and inputs, and with attributes where the decorator takes arguments.",
            f"Write def {generator.__name__}(step_name, flow, inputs, attributes).",
        )

    class WrapClass(UserStepDecorator):
        _decorator_name = f"{generator.__module__}.{generator.__name__}"
        __doc__ = generator.__doc__

        def init(self, *args: Any, **kwargs: Any) -> None:
            self._kwargs = kwargs

        def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Any:
            self._running = generator(step_name, flow, inputs, *([self._kwargs] if count == 4 else []))
            given = self._running.send(None)
            if isinstance(given, dict):
                self.skip_step = given or True
                return None
            return given

        def post_step(self, step_name: str, flow: Any, exception: BaseException | None = None) -> Any:
            try:
                if exception:
                    self._running.throw(exception)
                else:
                    self._running.send(None)
            except StopIteration as end:
                return end.value
            except Exception as error:
                return error
            twice = DecoratorError(f"{self} yields twice.", "The step runs at its first `yield`.", "Yield once.")
            return None, None, twice

    return WrapClass


class StepMutator(_CustomDecorator):
    """Base of decorators that change the decorators of a step, for example as a config says."""

    _fields = ("config_decorators",)
    _allowed_args = True

    def pre_mutate(self, mutable_step: Any) -> None:
        """Change a step once the configs are read."""

    def mutate(self, mutable_step: Any) -> None:
        """Change a step once the command line is read."""


class FlowMutator(_CustomDecorator):
    """Base of decorators that change a flow: its parameters, and the decorators of the flow and of its steps."""

    _allowed_args = True

    def __call__(self, target: Any = None, **_: Any) -> Any:
        """Decorate a flow's class."""
        if not is_flow_class(target):
            raise DecoratorError(
                f"{self} decorates something that is not a flow.",
                "It is a decorator of flows.",
                "Write it as the first line of the %%flow cell.",
            )
        self._flow_cls = target
        target._flownb_mutators = (*target._flownb_mutators, self)
        return target

    def pre_mutate(self, mutable_flow: Any) -> None:
        """Change the flow once the configs are read."""

    def mutate(self, mutable_flow: Any) -> None:
        """Change the flow's steps once the command line is read."""


def parse_spec(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Read a decorator that is named in a text, as in ``"retry:times=2"``: its name and its arguments."""
    name, _, rest = text.partition(":")
    arguments: dict[int, Any] = {}
    settings: dict[str, Any] = {}
    for part in BETWEEN.split(rest) if rest else ():
        key, _, value = part.partition("=")
        key, found = key.strip(), spec_value(value.strip())
        if key.isdigit():
            arguments[int(key)] = found
        else:
            settings[key] = found
    return name, [arguments.get(place) for place in range(max(arguments, default=-1) + 1)], settings


def step_function(method: Any) -> Any:
    """The function that a decorated step is; a bare decorator of an installed Metaflow hides it behind an object."""
    while not isinstance(method, FunctionType) and hasattr(method, "_my_step"):
        method = method._my_step
    return method


def execute_step(function: Any, node: Node, flow: Any, inputs: Any = None) -> None:
    """Run a step's body inside its own decorators, the outermost first.

    Parameters
    ----------
    function : function
        The step's method.
    node : Node
        Its place in the graph, for a ``self.next`` that a decorator calls instead of the body.
    flow : FlowSpec
    inputs : Inputs, optional
        Of a join.

    Raises
    ------
    Exception
        What the body raised, unless a decorator took it, or what a decorator raised.
    TransitionError
        If a decorator left out the body and its ``self.next``.
    """
    arguments = () if inputs is None else (inputs,)
    wrappers = list(getattr(function, "wrappers", ()))
    if not wrappers:
        function(flow, *arguments)
        return
    entered: list[Any] = []
    replacement: Callable[..., Any] | None = None
    going: Any = None
    raised: BaseException | None = None
    for wrapper in reversed(wrappers):
        replacement = wrapper.pre_step(node.name, flow, inputs)
        entered.append(wrapper)
        going = wrapper.skip_step or None
        if going or replacement:
            break
    try:
        if not going:
            if replacement:
                going = replacement(flow, *arguments) or None
            else:
                function(flow, *arguments)
    except Exception as error:
        raised = error
    failed = raised is not None
    for wrapper in reversed(entered):
        try:
            outcome = wrapper.post_step(node.name, flow, raised)
        except Exception as error:
            outcome = error
        match outcome:
            case None:
                raised = None
            case Exception():
                raised = outcome
            case tuple((first, second)):
                raised, going = first, second
            case tuple((_, _, error)):
                raise error
            case _:
                raise RuntimeError(
                    "Invalid return value from a UserStepDecorator. Expected an exception or an exception and "
                    f"arguments for self.next, got: {outcome}"
                )
    if raised is not None:
        raise raised
    if (going is not None and going is not False) or failed:
        _go_on(flow, node, going)
    if node.targets and flow._flownb_state.targets is None:
        raise TransitionError(
            f"A decorator of step {node.name} left out its body, and nothing called self.next.",
            "Metaflow ends such a run with an error.",
            "Return (None, {}) from post_step, or call self.next in the function that runs instead of the body.",
        )


def _go_on(flow: Any, node: Node, settings: Any) -> None:
    """Call the ``self.next`` that the body did not reach, or call it again with other settings."""
    targets = [getattr(flow, target) for target in node.targets]
    if not targets:
        return
    flow._flownb_state.targets, flow._flownb_state.foreach = None, None
    transition = node.transition
    if isinstance(settings, dict) and settings:
        flow.next(*targets, **settings)
    elif transition is not None and transition.kind == "foreach":
        flow.next(*targets, foreach=transition.foreach)
    elif transition is not None and transition.kind == "switch":
        # Metaflow 2.19.39 goes to all of a switch's steps here, which it then refuses.
        cases = {value: getattr(flow, target) for value, target in transition.cases}
        flow.next(cases, condition=transition.condition)
    else:
        flow.next(*targets)
