"""Classes and functions that a flow defines where no name leads to them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flownb.client import Run
from flownb.session.options import parse_run
from flownb.session.run import run_flow
from flownb.store.encoding import decode, encode
from flownb.store.encodings import rebuild
from tests.conftest import MakeSession

FLOW = "flownb_flow_ByValue"
# The body of a function that gives `value`, and what is expected of it after it was loaded in a fresh process.
DEFINED = {
    "instance": ("class C:\n    def __init__(self): self.x = 4\nvalue = C()", "value.x == 4"),
    "super_and_class_cells": (
        "class A:\n    def f(self): return 1\n"
        "class B(A):\n    def f(self): return super().f() + (__class__ is type(self))\nvalue = B()",
        "value.f() == 2",
    ),
    "globals_and_imports": (
        "import math\nclass C:\n    def f(self): return math.floor(2.5) + K\nvalue = C()",
        "value.f() == 9",
    ),
    "closure": ("n = [1]\nvalue = [lambda x: x + n[0] + K]", "value[0](2) == 10"),
    "shared_variable": (
        "c = 0\ndef up():\n    nonlocal c\n    c += 1\nvalue = (up, lambda: c)",
        "value[0]() is value[0]() is None and value[1]() == 2",
    ),
    "recursion": ("def f(n): return 1 if n < 2 else n * f(n - 1)\nvalue = [f]", "value[0](5) == 120"),
    "mutual_recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\nvalue = {'even': even}",
        "value['even'](10) and not value['even'](7)",
    ),
    "defaults": (
        "def f(a, b=2, *, c=3): return a, b, c\nf.note = 'x'\nvalue = [f]",
        "value[0](1) == (1, 2, 3) and value[0].note == 'x' and value[0].__qualname__ == 'make.<locals>.f'",
    ),
    "variable_without_value": (
        "value = [lambda: later]\nif not value: later = 1",
        "value[0].__closure__[0] == __import__('types').CellType()",
    ),
    "generator_function": ("def g(n): yield from range(n)\nvalue = [g]", "list(value[0](3)) == [0, 1, 2]"),
    "wrapped": (
        "def deco(f):\n    @functools.wraps(f)\n    def w(x): return f(x) + 1\n    return w\n"
        "@deco\ndef f(x): return x\nvalue = [f]",
        "value[0](1) == 2 and value[0].__wrapped__(1) == 1",
    ),
    "cached": (
        "@functools.lru_cache(maxsize=3)\ndef f(x): return x + K\nvalue = [f]",
        "value[0](1) == 8 and value[0].cache_parameters() == {'maxsize': 3, 'typed': False}",
    ),
    "partial": ("def f(a, b): return a - b\nvalue = functools.partial(f, 5)", "value(3) == 2"),
    "bound_method": ("class C:\n    def f(self): return K\nvalue = [C().f]", "value[0]() == 7"),
    "descriptors": (
        "class C:\n    x = 1\n    @property\n    def p(self):\n        'doc'\n        return self.x\n"
        "    @classmethod\n    def c(cls): return cls.x + 1\n    @staticmethod\n    def s(): return 3\n"
        "    @functools.cached_property\n    def k(self): return 4\nvalue = C()",
        "[value.p, value.c(), value.s(), value.k, type(value).p.__doc__] == [1, 2, 3, 4, 'doc']",
    ),
    "slots_and_private_names": (
        "class C:\n    __slots__ = ('aa', '__bb')\n    def __init__(self): self.aa, self.__bb = 1, 2\n"
        "    def f(self): return self.aa + self.__bb\nvalue = C()",
        "value.f() == 3 and not hasattr(value, '__dict__')",
    ),
    "nested_class": (
        "class A:\n    class B:\n        x = 1\nvalue = [A(), A.B()]",
        "type(value[0]).B is type(value[1])",
    ),
    "names_set_by_the_class": (
        "class D:\n    def __set_name__(self, owner, name): self.name = name\n"
        "    def __get__(self, one, owner): return self.name\nclass C:\n    dd = D()\nvalue = C()",
        "value.dd == 'dd'",
    ),
    "dataclass": (
        "@dataclasses.dataclass(order=True)\nclass D:\n    a: int\n"
        "    b: list = dataclasses.field(default_factory=list)\n"
        "    c: 'str' = dataclasses.field(default='z', metadata={'m': 1}, kw_only=True)\n"
        "value = D(1, [2])",
        "value == type(value)(1, [2]) and value < type(value)(2) and dataclasses.replace(value, a=3).a == 3 "
        "and [f.metadata.get('m') for f in dataclasses.fields(value)] == [None, None, 1]",
    ),
    "frozen_dataclass_with_slots": (
        "@dataclasses.dataclass(frozen=True, slots=True)\nclass D:\n    a: int\nvalue = {D(1): 2}",
        "[hash(key) == hash(type(key)(1)) for key in value] == [True]",
    ),
    "enum": (
        "class E(enum.Enum):\n    A = 1\n    B = 'x'\n    C = 1\n    def low(self): return self.name.lower()\n"
        "value = [E.A, E.B, E]",
        "value[0] is value[2].A is value[2].C and value[1].low() == 'b' and value[2]('x') is value[1]",
    ),
    "enum_that_unpacks_its_values": (
        "class E(enum.Enum):\n    A = (1, 2)\n    def __init__(self, x, y): self.total = x + y\nvalue = E.A",
        "value.total == 3 and value is type(value).A",
    ),
    "flag": (
        "class F(enum.Flag):\n    A = enum.auto()\n    B = enum.auto()\n    AB = A | B\nvalue = F.A | F.B",
        "value is type(value).AB and value & type(value).A",
    ),
    "int_enum": ("class E(enum.IntEnum):\n    A = 1\nvalue = E.A", "value == 1 and repr(value) == '<E.A: 1>'"),
    "namedtuple": ("T = collections.namedtuple('T', 'a b', defaults=[2])\nvalue = T(1)", "value._replace(a=3).b == 2"),
    "typed_namedtuple": (
        "class T(typing.NamedTuple):\n    'doc'\n    a: int\n    def f(self): return self.a + 1\nvalue = T(1)",
        "value.f() == 2 and type(value).__doc__ == 'doc' and [*type(value).__annotations__] == ['a']",
    ),
    "typed_namedtuple_of_types": (
        "T = typing.NamedTuple('T', [('a', int)])\nvalue = T(1)",
        "value == (1,) and type(value).__annotations__ == {'a': int}",
    ),
    "abstract": (
        "class A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\nclass B(A):\n    def f(self): return 1\n"
        "value = B()",
        "value.f() == 1 and type(value).__mro__[1].__abstractmethods__ == {'f'}",
    ),
    "metaclass": (
        "class M(type):\n    def __new__(meta, name, bases, space): return super().__new__(meta, name, bases, "
        "{**space, 'made': 1})\nclass C(metaclass=M): pass\nvalue = C()",
        "value.made == 1 and type(type(value)).__name__ == 'M'",
    ),
    "subclass_hook": (
        "class C(Base): pass\nvalue = C()",
        "'C' in [kind.__name__ for kind in type(value).__mro__[1].kinds]",
    ),
    "exception": (
        "class E(Exception):\n    pass\nvalue = E('a')",
        "value.args == ('a',) and isinstance(value, Exception)",
    ),
    "generic_with_methods": (
        "class G(typing.Generic[typing.AnyStr]):\n    x = 1\n    def f(self): return self.x\nvalue = G()",
        "value.f() == 1 and [*vars(type(value))][-1] == '__parameters__'",
    ),
    "generic": ("class G(typing.Generic[typing.AnyStr]): pass\nvalue = G()", "type(value)[str]() is not None"),
    "list_of_its_own": ("class L(list):\n    x = 1\nvalue = L([1])", "value == [1] and value.x == 1"),
    "total_ordering": (
        "@functools.total_ordering\nclass T:\n    def __init__(self, a): self.a = a\n"
        "    def __eq__(self, other): return self.a == other.a\n    def __lt__(self, other): return self.a < other.a\n"
        "value = [T(1), T(2)]",
        "value[0] <= value[1]",
    ),
    "object_that_holds_itself": (
        "class T:\n    pass\nvalue = T()\nvalue.me, value.kind = value, T",
        "value.me is value",
    ),
}
SHARED = """
import abc, collections, dataclasses, enum, functools, typing
K = 7
class Base:
    kinds = []
    def __init_subclass__(cls): Base.kinds.append(cls)
class Keyed:
    def __init_subclass__(cls, key): cls.key = key
"""
LOAD = """
import abc, dataclasses, sys, types
module = types.ModuleType({flow!r})
sys.modules[module.__name__] = module
exec({shared!r}, vars(module))
from flownb.store.encoding import decode
with open({path!r}, "rb") as file:
    value = decode("pickle5", memoryview(bytearray(file.read())))
print(bool({expected}))
"""


def make(body: str) -> Any:
    """What a function in a flow's module gives as `value`."""
    module = ModuleType(FLOW)
    sys.modules[FLOW] = module
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    exec(f"{SHARED}\ndef make():\n{lines}    return value", vars(module))
    return vars(module)["make"]()


def encoded(value: Any) -> bytes:
    """The whole blob of a value."""
    return b"".join(encode(value)[1])


def again(value: Any) -> Any:
    """A value after it was stored and loaded."""
    return decode("pickle5", memoryview(bytearray(encoded(value))))


@pytest.mark.parametrize("name", DEFINED)
def test_definitions_load_in_a_fresh_process(name: str, tmp_path: Path) -> None:
    """A class or function made inside of a function works in another process as it did in its own."""
    body, expected = DEFINED[name]
    path = tmp_path / "blob"
    path.write_bytes(encoded(make(body)))
    code = LOAD.format(flow=FLOW, shared=SHARED, path=str(path), expected=expected)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stderr, done.stdout.strip()) == ("", "True")


@pytest.mark.parametrize("name", sorted(set(DEFINED) - {"bound_method"}))
def test_equal_definitions_have_equal_bytes(name: str) -> None:
    """Executing the same code twice, or storing what was loaded, gives the same blob."""
    body, _ = DEFINED[name]
    first = encoded(make(body))
    assert encoded(make(body)) == first
    assert encoded(decode("pickle5", memoryview(bytearray(first)))) == first


def test_a_step_and_the_client_load_what_a_body_defined(make_session: MakeSession, tmp_path: Path) -> None:
    """An instance of a class of a step's body can be used by later steps, and by the client in a fresh process."""
    session = make_session(
        "%%flow F",
        "%%shared\nK = 5\n\ndef adder(n):\n    class Adder:\n        def __call__(self, x):\n"
        "            return x + n + K\n    return Adder()",
        "%%step a -> one, many, add, table\nimport math\nclass C:\n    def __init__(self, x):\n        self.x = x\n"
        "    def root(self):\n        return math.sqrt(self.x) + K\none, many, add = C(4), [C(9)], adder(3)\n"
        "table = {'double': lambda v: v * 2}",
        "%%step end -> seen\nseen = [type(one) is type(many[0]), one.root(), add(1), table['double'](2)]\none.x = 16",
    )
    run_flow(session, parse_run([]))
    end = Run("F/1", datastore=session.datastore)["end"].task
    assert end is not None
    assert end.data.seen == [True, 7.0, 9, 4]
    code = (
        "from flownb.client import Run\nrun = Run('F/1')\na, end = run['a'].task.data, run['end'].task.data\n"
        "print(a.one.root(), end.one.root(), a.add(1), a.table['double'](3), type(a.one) is type(a.many[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stderr, done.stdout.strip()) == ("", "7.0 9.0 9 6 True")


def test_a_step_that_only_reads_such_a_value_changes_nothing(make_session: MakeSession) -> None:
    """What was loaded and used is still the artifact that it was."""
    session = make_session(
        "%%flow F",
        "%%step start -> one\nclass C:\n    def f(self):\n        return 1\none = C()",
        "%%step end -> n\nn = one.f()",
    )
    run_flow(session, parse_run([]))
    run = Run("F/1", datastore=session.datastore)
    tasks = [run[name].task for name in ("start", "end")]
    assert len({task["one"].sha for task in tasks if task is not None}) == 1


def test_artifacts_of_one_definition_share_their_class() -> None:
    """Two values of a class that were stored apart are of one class when they are loaded by one process."""
    one, other = make("class C: pass\nvalue = [C(), {'c': C()}]")
    assert type(again(other)["c"]) is type(again(one))


def test_a_class_has_the_same_bytes_after_its_instances_were_stored() -> None:
    """What pickle leaves in a class when it stores an instance is no part of the class."""
    kind = make("class C: pass\nvalue = C")
    first = encoded([kind])
    encoded(kind())
    assert encoded([kind]) == first
    assert again([kind])[0] is type(again(kind()))


def test_a_method_of_none_is_not_taken_for_a_users() -> None:
    """A function whose class cannot be found by its name is stored by value, whatever it is called."""
    made = make("def f(self): return 'own'\nf.__qualname__ = 'D.__repr__'\nvalue = [f]")
    assert again(made)[0](None) == "own"


def test_definitions_that_differ_are_kept_apart() -> None:
    """Classes of one name with other code are other classes."""
    one = again(make("class C:\n    def f(self): return 1\nvalue = C()"))
    other = again(make("class C:\n    def f(self): return 2\nvalue = C()"))
    assert (one.f(), other.f()) == (1, 2)


def test_code_of_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytecode is never run by a version of Python that it was not made for; the error says so."""
    blob = encoded(make("value = [lambda: 1]"))
    monkeypatch.setattr(rebuild, "BYTECODE", 1)
    with pytest.raises(
        pickle.UnpicklingError, match=r"function `make.<locals>.<lambda>` was stored as bytecode \d+ by"
    ):
        decode("pickle5", memoryview(bytearray(blob)))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("class C(Keyed, key=1): pass\nvalue = C()", "class `make.<locals>.C` was made with keywords"),
        (
            "class E(bytes, enum.Enum):\n    A = 1\n    def __new__(cls, v):\n        one = bytes.__new__(cls, b'x')\n"
            "        one._value_ = v\n        return one\nvalue = E.A",
            "class `make.<locals>.E` makes its members with a __new__ of its own",
        ),
        ("import threading\nlock = threading.Lock()\nvalue = [lambda: lock]", "cannot pickle '_thread.lock' object"),
        ("value = [collections]", "cannot pickle 'module' object"),
    ],
)
def test_what_would_not_be_the_same_is_refused(body: str, message: str) -> None:
    """A definition that cannot be built again exactly is refused when it is stored, not when it is loaded."""
    with pytest.raises((pickle.PicklingError, TypeError)) as caught:
        encode(make(body))
    assert message in str(caught.value)


def test_library_locals_keep_pickles_error() -> None:
    """A local function of a module that is not a flow is refused as always."""
    with pytest.raises(AttributeError, match=r"Can't (pickle|get) local object"):
        encode([make.__globals__["pytest"].raises, _library_local()])


def _library_local() -> Any:
    def inner() -> None:
        pass

    return inner


def test_a_class_that_was_replaced_is_refused() -> None:
    """An object of an earlier copy of a shared class is not stored as if its class were another one."""
    value = make("class C: pass\nglobals()['C'] = C\nC.__qualname__ = 'C'\nvalue = C()")
    vars(sys.modules[FLOW])["C"] = type("C", (), {"__module__": FLOW})
    with pytest.raises(pickle.PicklingError, match="it's not the same object as"):
        encode(value)
