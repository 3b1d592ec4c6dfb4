"""Decorators and mutators of the user's own, on flows run through a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from flownb.client import Run
from flownb.errors import DecoratorError, FlownbError, TransitionError
from flownb.runtime.custom_decorators import (
    FlowMutator,
    StepMutator,
    UserStepDecorator,
    initialise,
    parse_spec,
    user_step_decorator,
)
from flownb.runtime.metaflow_names import step
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from flownb.session.session import Session
from flownb.session.step import run_step
from tests.conftest import MakeSession

GENERATORS = """%%shared
from metaflow import user_step_decorator

@user_step_decorator
def outer(step_name, flow, inputs):
    flow.seen = [f"outer in {step_name}"]
    yield
    flow.seen = [*flow.seen, "outer out"]

@user_step_decorator
def marked(step_name, flow, inputs, attributes):
    flow.seen = [*getattr(flow, "seen", []), f"in {attributes}"]
    yield
    flow.seen = [*flow.seen, "out"]

@user_step_decorator
def skipping(step_name, flow, inputs, attributes):
    flow.skipped = True
    yield {}

@user_step_decorator
def replacing(step_name, flow, inputs, attributes):
    def instead(self):
        self.x = "instead"
        self.next(self.b) if hasattr(self, "b") else None
    yield instead

@user_step_decorator
def swallowing(step_name, flow, inputs, attributes):
    try:
        yield
    except ZeroDivisionError as error:
        flow.swallowed = str(error)

@user_step_decorator
def raising(step_name, flow, inputs, attributes):
    try:
        yield
    except ZeroDivisionError as error:
        raise KeyError("changed") from error

@user_step_decorator
def twice(step_name, flow, inputs, attributes):
    yield
    yield
"""
CLASSES = """%%shared
from metaflow import UserStepDecorator

class Watch(UserStepDecorator):
    def init(self, label="none", **more):
        self.label, self.more = label, more

    def pre_step(self, step_name, flow, inputs=None):
        flow.before = [self.label, self.more, step_name, inputs is not None]

    def post_step(self, step_name, flow, exception=None):
        flow.after = [self.label, type(exception).__name__]
        return (exception, None) if exception else (None, None)

class Skip(UserStepDecorator):
    def pre_step(self, step_name, flow, inputs=None):
        self.skip_step = True
        flow.x = "skipped"

    def post_step(self, step_name, flow, exception=None):
        return exception, {}

class Stops(Skip):
    def post_step(self, step_name, flow, exception=None):
        return None, None

class Takes(UserStepDecorator):
    def post_step(self, step_name, flow, exception=None):
        flow.x = "taken"

class Odd(UserStepDecorator):
    def post_step(self, step_name, flow, exception=None):
        return "odd"

class Listed(UserStepDecorator):
    def post_step(self, step_name, flow, exception=None):
        return [None, {}]
"""
LAST = "%%step b -> y\ny = getattr(self, 'x', 'unset')"


def values(session: Session, *steps: str) -> list[dict[str, Any]]:
    """What each step of a run in this process left."""
    run = Run(run_flow(session, parse_run(["--executor", "inline"])).pathspec, datastore=session.datastore)
    found = [run[name].task for name in steps]
    return [{one.id: one.data for one in task} if task else {} for task in found]


def test_decorators_are_nested_as_written(make_session: MakeSession) -> None:
    """The first line is the outermost; attributes are what the parentheses say, none for the bare and empty forms."""
    body = "%%step a\n@outer\n@marked(n=1, tag='t')\n@marked()\nself.seen = [*self.seen, 'body']"
    session = make_session(GENERATORS, body, "%%step b\n@marked\nx = 1")
    first = ["outer in a", "in {'n': 1, 'tag': 't'}", "in {}", "body", "out", "out", "outer out"]
    assert [found["seen"] for found in values(session, "a", "b")] == [first, [*first, "in {}", "out"]]


@pytest.mark.parametrize(
    ("line", "body", "left"),
    [
        ("@skipping", "x = 1 / 0", {"skipped": True}),
        ("@replacing", "x = 1 / 0", {"x": "instead"}),
        ("@swallowing", "self.before = 1\nx = 1 / 0", {"before": 1, "swallowed": "division by zero"}),
        ("@swallowing()", "x = 1", {"x": 1}),
        ("@Skip", "x = 1 / 0", {"x": "skipped"}),
        ("@Takes", "x = 1 / 0", {"x": "taken"}),
        (
            "@Watch(label='l', extra=2)",
            "x = 1",
            {"x": 1, "before": ["l", {"extra": 2}, "a", False], "after": ["l", "NoneType"]},
        ),
        ("@Watch", "x = 1", {"x": 1, "before": ["none", {}, "a", False], "after": ["none", "NoneType"]}),
    ],
)
def test_decorators_change_what_a_step_does(
    make_session: MakeSession, line: str, body: str, left: dict[str, Any]
) -> None:
    """A body is left out, replaced or watched, its exception is taken, and the flow continues to the next step."""
    session = make_session(GENERATORS, CLASSES, f"%%step a -> x\n{line}\n{body}", LAST)
    first, last = values(session, "a", "b")
    assert left == {name: value for name, value in first.items() if not name.startswith("_") and name != "name"}
    assert left.get("x", "unset") == last["y"]


@pytest.mark.parametrize(
    ("line", "body", "kind", "said"),
    [
        ("@twice", "x = 1", DecoratorError, "yields twice"),
        ("@raising", "x = 1 / 0", KeyError, "changed"),
        ("@marked", "x = 1 / 0", ZeroDivisionError, "division by zero"),
        ("@Watch", "x = 1 / 0", ZeroDivisionError, "division by zero"),
        ("@Odd", "x = 1", RuntimeError, "Invalid return value from a UserStepDecorator"),
        ("@Listed", "x = 1", RuntimeError, r"got: \[None, {}\]"),
        ("@Stops", "x = 1", TransitionError, "nothing called self.next"),
        ("@Skip(n=1)", "x = 1", DecoratorError, "is used with arguments"),
    ],
)
def test_errors_of_decorators_fail_the_step(
    make_session: MakeSession, line: str, body: str, kind: type[Exception], said: str
) -> None:
    """What a decorator raises, or lets through, or does wrong, is the step's error."""
    session = make_session(GENERATORS, CLASSES, f"%%step a -> x\n{line}\n{body}", LAST)
    with pytest.raises(kind, match=said):
        run_step(session, "a")


def test_a_join_hands_its_inputs_to_decorators(make_session: MakeSession) -> None:
    """The decorator of a join sees that there are inputs."""
    session = make_session(
        CLASSES,
        "%%step a -> xs\nxs = [1, 2]",
        "%%step f --foreach xs -> x\nx = self.input",
        "%%step j --join -> n\n@Watch\nn = sum(i.x for i in inputs)",
    )
    (found,) = values(session, "j")
    assert (found["n"], found["before"]) == (3, ["none", {}, "j", True])


STEP_MUTATORS = """%%shared
from metaflow import StepMutator, current, retry, user_step_decorator

@user_step_decorator
def stamp(step_name, flow, inputs, attributes):
    yield
    flow.stamp = attributes.get("mark", "none")

class Change(StepMutator):
    def init(self, what):
        self.what = what

    def mutate(self, mutable_step):
        exec(self.what, {"s": mutable_step, "retry": retry, "stamp": stamp})

class Early(StepMutator):
    def init(self, what):
        self.what = what

    def pre_mutate(self, mutable_step):
        exec(self.what, {"s": mutable_step, "Change": Change, "stamp": stamp})
"""
ZERO = "minutes_between_retries"
RETRIES = {
    "added": ("", f"s.add_decorator('retry', deco_kwargs=dict(times=2, {ZERO}=0))", 2),
    "added as itself": ("", f"s.add_decorator(retry, deco_kwargs=dict(times=1, {ZERO}=0))", 1),
    "added by a text": ("", f"s.add_decorator('retry:times=2,{ZERO}=0')", 2),
    "there already": (f"@retry(times=1, {ZERO}=0)\n", f"s.add_decorator('retry:times=2,{ZERO}=0')", 1),
    "overridden": (
        f"@retry(times=1, {ZERO}=0)\n",
        f"s.add_decorator('retry:times=3,{ZERO}=0', duplicates=s.OVERRIDE)",
        3,
    ),
    "removed": (f"@retry(times=1, {ZERO}=0)\n", "s.remove_decorator('retry')", 0),
    "removed by settings": (
        f"@retry(times=1, {ZERO}=0)\n",
        f"assert s.remove_decorator('retry', deco_kwargs=dict(times=1, {ZERO}=0))",
        0,
    ),
    "other settings stay": (
        f"@retry(times=1, {ZERO}=0)\n",
        f"assert not s.remove_decorator('retry', deco_kwargs=dict(times=2, {ZERO}=0))",
        1,
    ),
}


@pytest.mark.parametrize("case", RETRIES)
def test_a_mutator_changes_the_retries_of_a_step(make_session: MakeSession, case: str) -> None:
    """As many attempts as the mutated step has retries, and one."""
    lines, what, retries = RETRIES[case]
    fails = f"if current.retry_count < {retries}:\n    raise OSError('again')\nn = current.retry_count"
    session = make_session(STEP_MUTATORS, f'%%step a -> n\n@Change("""{what}""")\n{lines}{fails}', LAST)
    assert run_step(session, "a").values == {"n": retries}


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("@Change(\"s.add_decorator(stamp, deco_kwargs={'mark': 'm'})\")", "m"),
        ("@Change(\"s.add_decorator('stamp:mark=t')\")", "t"),
        ("@Early(\"s.add_decorator(Change, deco_args=['s.add_decorator(stamp)'])\")", "none"),
        ("@Change(\"s.add_decorator('stamp:mark=t')\")\n@stamp(mark='own')", "own"),
        ("@Change(\"s.add_decorator('stamp:mark=t', duplicates=s.OVERRIDE)\")\n@stamp(mark='own')", "t"),
        ("@Change(\"s.remove_decorator('stamp')\")\n@stamp(mark='own')", None),
        ("@Change(\"assert s.has_decorator('stamp') and s.has_decorator('retry')\")\n@stamp\n@retry(times=0)", "none"),
    ],
)
def test_a_mutator_changes_decorators_of_the_users_own(make_session: MakeSession, line: str, mark: str | None) -> None:
    """A step decorator is added by its class or in a text, kept, replaced, removed and found."""
    session = make_session(STEP_MUTATORS, f"%%step a -> n\n{line}\nn = 1", LAST)
    (found,) = values(session, "a")
    assert found.get("stamp") == mark


FLOW_MUTATORS = """%%shared
from metaflow import FlowMutator, StepMutator, current, Parameter, project

class Change(StepMutator):
    pass

class Params(FlowMutator):
    def init(self, *what):
        self.early, self.late = (*what, "")[:2]

    def pre_mutate(self, mutable_flow):
        exec(self.early, {"f": mutable_flow, "Parameter": Parameter, "Params": Params, "Change": Change})

    def mutate(self, mutable_flow):
        exec(self.late, {"f": mutable_flow, "Parameter": Parameter, "Params": Params, "Change": Change})
"""


def mutated(make_session: MakeSession, early: str, late: str = "") -> Session:
    """A session on a flow of one parameter with a mutator that does this."""
    head = f'%%flow F\n@Params("""{early}""", """{late}""")\nalpha = Parameter("alpha", default=2)\nK = 1'
    return make_session(FLOW_MUTATORS, head, "%%step a -> n\nn = self.alpha if hasattr(self, 'alpha') else None")


def test_a_flow_mutator_adds_parameters(make_session: MakeSession) -> None:
    """They are parameters like others: with a default, and given to a run."""
    session = mutated(make_session, "f.add_parameter('beta', Parameter('beta', default=len(list(f.parameters))))")
    assert values(session, "a")[0]["beta"] == 1
    run = run_flow(session, parse_run(["--executor", "inline", "--beta", "7"])).pathspec
    task = Run(run, datastore=session.datastore)["a"].task
    assert task is not None
    assert task["beta"].data == 7


def test_a_flow_mutator_replaces_and_removes_parameters(make_session: MakeSession) -> None:
    """With overwrite=True a parameter gets another default; a removed one is not an attribute."""
    session = mutated(make_session, "f.add_parameter('alpha', Parameter('alpha', default=5), overwrite=True)")
    assert values(session, "a")[0]["n"] == 5
    session = mutated(make_session, "assert f.remove_parameter('alpha') and not f.remove_parameter('gamma')")
    assert values(session, "a")[0]["n"] is None


def test_a_flow_mutator_changes_its_steps(make_session: MakeSession) -> None:
    """It sees each step by name, and what it adds there counts."""
    late = f"dict(f.steps)['a'].add_decorator('retry:times=1,{ZERO}=0'); f.a.add_decorator('catch:var=failed')"
    session = mutated(make_session, "", late)
    assert sorted(name for name, _ in session.program(True).recorded()["a"]) == ["catch", "retry"]


WRONG = {
    "parameter too late": ("", "f.add_parameter('b', Parameter('b'))", "Adding the parameter `b` is too late"),
    "removed too late": ("", "f.remove_parameter('alpha')", "Removing the parameter `alpha` is too late"),
    "decorator too late": ("", "f.add_decorator('project:name=p')", "Adding project is too late"),
    "removed decorator too late": ("", "f.remove_decorator('project')", "Removing project is too late"),
    "mutator too late": ("", "f.a.add_decorator(Change)", "Adding Change is too late"),
    "no parameter": ("f.add_parameter('b', 5)", "", "adds `b`, which is not a parameter"),
    "name taken": ("f.add_parameter('K', Parameter('K'))", "", "the flow has something of that name"),
    "of steps": ("f.add_decorator('retry')", "", "adds `retry`, which is not a decorator of flows"),
    "of flows": ("f.a.add_decorator('project:name=p')", "", "adds `project`, which is not a decorator of steps"),
    "misspelled": ("", "f.a.add_decorator('retri')", "adds `retri`, which is not a decorator of steps"),
    "twice": (
        "f.a.add_decorator('retry'); f.a.add_decorator('retry', duplicates=f.ERROR)",
        "",
        "adds @retry, which is there already",
    ),
    "positional": ("f.a.add_decorator('retry', deco_args=[3])", "", "takes no positional arguments"),
    "in both ways": (
        "f.a.add_decorator('retry:times=1', deco_kwargs=dict(times=2))",
        "",
        "adds `retry:times=1` and passes further arguments",
    ),
    "itself": ("f.remove_decorator('Params')", "", "removes the mutator Params"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_mutators_say_what_is_wrong(make_session: MakeSession, case: str) -> None:
    """What a mutator may not do, or does too late, is refused before a step runs."""
    early, late, said = WRONG[case]
    with pytest.raises(FlownbError) as raised:
        values(mutated(make_session, early, late), "a")
    assert said in str(raised.value)


def test_messages_are_whole() -> None:
    """What happened, why, and what to do."""

    class Named(UserStepDecorator):
        _allowed_kwargs: ClassVar = ["times"]

    with pytest.raises(DecoratorError) as raised:
        Named(time=1)
    assert (
        str(raised.value) == f"Named({__name__}.Named) was given time. It takes times. Correct the name, or remove it."
    )
    with pytest.raises(DecoratorError) as raised:
        StepMutator()(two)
    assert str(raised.value) == (
        "StepMutator(flownb.runtime.custom_decorators.StepMutator) decorates something that is not a step. "
        "It is a decorator of steps. Write it above the body of a %%step cell."
    )


def test_bare_and_called_forms_are_alike() -> None:
    """A step is decorated with or without parentheses; a mutator is kept apart from decorators that run code."""

    @step
    def bare(self: Any) -> None: ...

    @step
    def called(self: Any) -> None: ...

    UserStepDecorator(bare)
    UserStepDecorator()(called)
    StepMutator(bare)
    StepMutator()(called)
    kinds = [[type(one) for one in (*made.wrappers, *made.config_decorators)] for made in (bare, called)]
    assert kinds == [[UserStepDecorator, StepMutator]] * 2
    assert bare.wrappers[0].get_args_kwargs() == ([], {})


def two(step_name: str, flow: Any) -> Any:
    """A generator with too few arguments."""
    yield


def none(step_name: str, flow: Any, inputs: Any) -> None:
    """No generator."""


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: user_step_decorator(two), "a function of 2 arguments"),
        (lambda: user_step_decorator(none), "not a generator function"),
        (lambda: user_step_decorator(int), "not a generator function"),
        (lambda: UserStepDecorator(1), "was given positional arguments"),
        (lambda: UserStepDecorator()(none), "decorates something that is not a step"),
        (lambda: StepMutator()(none), "decorates something that is not a step"),
        (lambda: FlowMutator()(int), "decorates something that is not a flow"),
        (lambda: initialise(StepMutator(1), {}), "Its class has no method `init`"),
    ],
)
def test_wrong_decorators_are_refused(wrong: Callable[[], Any], said: str) -> None:
    """Each says what was decorated, or given, that cannot be."""
    with pytest.raises(DecoratorError) as raised:
        wrong()
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("retry", ("retry", [], {})),
        ("retry:times=2,minutes_between_retries=0", ("retry", [], {"times": 2, "minutes_between_retries": 0})),
        ("mine:1=b,0=a,k=[1, 2]", ("mine", ["a", "b"], {"k": [1, 2]})),
        ("mine:1=b", ("mine", [None, "b"], {})),
    ],
)
def test_decorators_are_named_in_texts(text: str, read: tuple[str, list[Any], dict[str, Any]]) -> None:
    """A name, positional arguments by number, and settings."""
    assert parse_spec(text) == read
