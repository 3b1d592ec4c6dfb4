"""The behaviours that cloudpickle's test suite checks (3.1.2), for definitions by value here.

Each row is a fact about Python objects, written here. What does not apply, or is refused on purpose, is in the
table of docs/adr/0013-pickling-by-value.md.
"""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from flownb.store.encoding import decode
from tests.store.encodings.test_by_value import FLOW, SHARED, encoded, make

# The body of a function that gives `value`, and what is expected of it after it was loaded in a fresh process.
CASES = {
    # Functions
    "lambda": ("value = [lambda: 1]", "value[0]() == 1"),
    "nested_lambdas": (
        "a, b = 1, 2\nfirst = lambda x: x + a\nvalue = [lambda x: first(x) // b]",
        "value[0](1) == 1",
    ),
    "function_that_returns_itself": ("def g(): return g\nvalue = [g]", "value[0]() is value[0]"),
    "recursive_closure": (
        "base = 2\ndef g(n): return base if n <= 1 else n * g(n - 1)\nvalue = [g]",
        "value[0](5) == 240",
    ),
    "no_closure": ("def f(): pass\nvalue = [f]", "value[0].__closure__ is None"),
    "empty_cell": ("def g(): return late\nvalue = [g]\nif not value: late = 1", "fails(value[0], NameError)"),
    "unhashable_closure": ("s = {1, 2}\nvalue = [lambda: len(s)]", "value[0]() == 2"),
    "generator": (
        "def g(n): yield from range(n)\nvalue = [g]",
        "isinstance(value[0](3), types.GeneratorType) and list(value[0](3)) == [0, 1, 2]",
    ),
    "coroutine": (
        "import asyncio\nasync def inner(x): return x + 1\nasync def f(x): return await inner(x) + 1\nvalue = [f, f]",
        "value[0] is value[1] and __import__('asyncio').run(value[0](5)) == 7",
    ),
    "keyword_only": (
        "def f(a, *, b=1): return a + b\nvalue = [f]",
        "value[0](2) == 3 and value[0].__kwdefaults__ == {'b': 1}",
    ),
    "positional_only": (
        "def f(a, /, b=1): return a + b\nvalue = [f]",
        "value[0](2) == 3 and value[0].__code__.co_posonlyargcount == 1 and fails(lambda: value[0](a=2), TypeError)",
    ),
    "wraps": (
        "def f(x):\n    'forty-two'\nf.__annotations__ = {'x': int, 'return': float}\n@functools.wraps(f)\n"
        "def g(x): return f(x)\nvalue = [g]",
        "(value[0].__name__, value[0].__doc__, value[0].__annotations__) == "
        "('f', 'forty-two', {'x': int, 'return': float})",
    ),
    "qualified_name": (
        "def f(): pass\ndef g(): pass\ng.__qualname__ = '<other>'\nvalue = [f, g]",
        "[one.__qualname__ for one in value] == ['make.<locals>.f', '<other>']",
    ),
    "module_name": ("def f(): pass\nvalue = [f, lambda: 1]", "{one.__module__ for one in value} == {FLOW}"),
    "builtins": ("def f(): return sum(range(10))\nvalue = [f]", "value[0]() == 45"),
    "many_names": (
        "names = ', '.join(f'g{number}' for number in range(400))\n"
        "exec(f'def outer():\\n def f(): return [{names}]\\n return f', globals())\nvalue = [globals()['outer']()]",
        "len(value[0].__code__.co_names) == 400",
    ),
    "submodule_by_attribute": (
        "import xml.etree.ElementTree\nvalue = [lambda: xml.etree.ElementTree.Comment]",
        "value[0]().__name__ == 'Comment'",
    ),
    "submodule_by_alias": (
        "import xml.etree.ElementTree as tree\nfrom xml import etree\nvalue = [lambda: (tree.Comment, etree.__name__)]",
        "value[0]()[1] == 'xml.etree'",
    ),
    "nested_globals": (
        "def factory():\n    def inner(): return K\n    return inner\nvalue = [factory]",
        "value[0]()() == 7",
    ),
    "shared_globals": (
        "def change():\n    global K\n    K = 8\ndef read(): return K\nvalue = [change, read]",
        "value[0].__globals__ is value[1].__globals__ and [value[1](), value[0](), value[1]()] == [7, None, 8]",
    ),
    "name_that_is_only_an_attribute": (
        "import sys\nclass Odd:\n    def __reduce__(self): raise ValueError\nglobals()['exit'] = Odd()\n"
        "value = [lambda: sys.exit]",
        "callable(value[0]())",
    ),
    "attributes": ("def f(): pass\nf.note = {'a': [1]}\nvalue = [f]", "value[0].note == {'a': [1]}"),
    # Methods and callables
    "bound_method": (
        "class C:\n    def __init__(self, v): self.v = v\n    def one(self): return self.v + K\nvalue = [C(1).one]",
        "value[0]() == 8",
    ),
    "bound_classmethod": (
        "class C:\n    @classmethod\n    def c(cls): return cls.__name__\nvalue = [C.c]",
        "value[0]() == 'C'",
    ),
    "function_of_a_class": ("class C:\n    def f(self, x): return x + 1\nvalue = [C.f]", "value[0](None, 1) == 2"),
    "method_of_a_builtin": (
        "value = [str.upper, 'a'.upper, {'a': 1}.get]",
        "[value[0]('x'), value[1](), value[2]('a')] == ['X', 'A', 1]",
    ),
    "builtin_methods": (
        "value = [(1.5).hex, float.hex, float.fromhex, (1.5).__repr__, float.__repr__, str.maketrans]",
        "[value[0](), value[1](1.5), value[2]('0x1'), value[3]()] == [(1.5).hex(), (1.5).hex(), 1.0, '1.5'] and "
        "value[4:] == [float.__repr__, str.maketrans]",
    ),
    "builtin_functions": (
        "import os\nvalue = [zip, os.mkdir, list.__new__, object.__new__]",
        "value[0] is zip and value[1].__name__ == 'mkdir' and value[2](list) == []",
    ),
    "partial_and_getters": (
        "import operator\ndef f(a, b): return a - b\n"
        "value = [functools.partial(f, 5), functools.partial(min, 1), operator.itemgetter(0, 1), "
        "operator.attrgetter('real')]",
        "[value[0](2), value[1](4), value[2]('ab'), value[3](1)] == [3, 1, ('a', 'b'), 1]",
    ),
    "singletons": (
        "value = [..., NotImplemented, type(None), type(...), type(NotImplemented)]",
        "value == [..., NotImplemented, type(None), type(...), type(NotImplemented)]",
    ),
    "logger": ("import logging\nvalue = [logging.getLogger(), logging.getLogger('a.b')]", "value[1].name == 'a.b'"),
    "reduce_gives_a_name": (
        "class One:\n    def __reduce__(self): return 'ONE'\nOne.__qualname__ = 'One'\n"
        "globals().update(One=One, ONE=One())\nvalue = [K]",
        "value == [7]",
    ),
    # Classes
    "super": (
        "class A:\n    def f(self): return 1\nclass B(A):\n    'doc'\n    def f(self): return super().f() + 1\n"
        "value = [B, B()]",
        "[value[0]().f(), value[1].f(), value[0].__doc__] == [2, 2, 'doc']",
    ),
    "class_that_holds_itself": (
        "class C:\n    def f(self): return 'f'\nC.again, C.one = C, C()\nvalue = [C, C()]",
        "value[0].again is value[0] is type(value[0].one) is type(value[1]) and value[1].one.f() == 'f'",
    ),
    "class_that_uses_what_is_around_it": (
        "n = 42\ndef f(x, y): return (x + y) / n\nhidden = lambda: n\nclass C:\n    def __init__(self, v): self.v = v\n"
        "    def one(self): return n / hidden()\n    def total(self, x): return self.one() + f(x, 1) + self.v\n"
        "value = [C, C(5), C(5).total]",
        "[value[0](1).one(), value[1].total(41), value[2](41)] == [1, 7, 7]",
    ),
    "property": (
        "class C:\n    held = 1\n    @property\n    def fixed(self):\n        'doc'\n        return 1\n"
        "    @property\n    def open(self): return self.held\n    @open.setter\n    def open(self, v): self.held = v\n"
        "value = C()\nvalue.open = 2",
        "[value.fixed, value.open, type(value).fixed.__doc__] == [1, 2, 'doc'] and "
        "fails(lambda: setattr(value, 'fixed', 2), AttributeError) and setattr(value, 'open', 3) is None and "
        "value.open == 3",
    ),
    "slots_as_a_list": (
        "class C:\n    __slots__ = ['held']\n    def __init__(self): self.held = 42\nvalue = C()",
        "type(value).__slots__ == ['held'] and value.held == 42 and fails(lambda: setattr(value, 'x', 1), "
        "AttributeError)",
    ),
    "slots_as_a_text": (
        "class C:\n    __slots__ = 'held'\nclass D(C):\n    def __init__(self): self.other, self.held = 1, 2\n"
        "value = D()",
        "type(value).__mro__[1].__slots__ == 'held' and (value.other, value.held) == (1, 2)",
    ),
    "abstract_class": (
        "class A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\n    @classmethod\n    @abc.abstractmethod\n"
        "    def c(cls): ...\n    @staticmethod\n    @abc.abstractmethod\n    def s(): ...\n    @property\n"
        "    @abc.abstractmethod\n    def p(self): ...\n"
        "class B(A):\n    def f(self): return 1\n    @classmethod\n    def c(cls): return 2\n    @staticmethod\n"
        "    def s(): return 3\n    @property\n    def p(self): return 4\nvalue = [A, B, B()]",
        "[value[2].f(), value[1].c(), value[1].s(), value[2].p] == [1, 2, 3, 4] and fails(value[0], TypeError) and "
        "fails(type('Partial', (value[0],), {'f': lambda self: 1}), TypeError)",
    ),
    "registered_with_an_abstract_class": (
        "class A(abc.ABC): pass\nclass Mine: pass\nclass Other: pass\nA.register(tuple)\nA.register(Mine)\n"
        "issubclass(Other, A), issubclass(int, A)\nvalue = [A, Mine, Other]",
        "[issubclass(one, value[0]) for one in (tuple, value[1], value[2], list)] == [True, True, False, False]",
    ),
    "namedtuples": (
        "T = collections.namedtuple('T', 'a b')\nclass N(typing.NamedTuple):\n    a: int\n    b: int\n"
        "value = [T(1, 2), T, N(3, 4), N]",
        "type(value[0]) is value[1] and type(value[2]) is value[3] and value[0] == (1, 2) and value[2].b == 4",
    ),
    "dataclass_fields": (
        "@dataclasses.dataclass\nclass D:\n    x: int\n    y: dataclasses.InitVar[int] = 0\n"
        "    z: typing.ClassVar[int] = 42\n"
        "    def __post_init__(self, y): self.x += y\nvalue = D(2, 2)",
        "(value.x, value.z, dataclasses.asdict(value)) == (4, 42, {'x': 4}) and "
        "[one._field_type for one in type(value).__dataclass_fields__.values()] == "
        "[dataclasses._FIELD, dataclasses._FIELD_INITVAR, dataclasses._FIELD_CLASSVAR]",
    ),
    "enum_of_texts": (
        "class S(str, enum.Enum):\n    'texts'\nclass C(S):\n    'colours'\n    RED = '1'\n    GREEN = '2'\n"
        "    def is_green(self): return self is C.GREEN\nvalue = [C.GREEN, C.GREEN, C]",
        "value[0] is value[1] is value[2].GREEN and isinstance(value[0], str) and value[0].is_green()",
    ),
    "enum_by_a_call": (
        "E = enum.IntEnum('E', {'RED': 1, 'GREEN': 2})\nvalue = [E.GREEN, E]",
        "value[0] is value[1].GREEN and value[0] == 2",
    ),
    "names_like_those_of_typing": (
        "class C:\n    @property\n    def __values__(self): return ()\n    @property\n"
        "    def __type__(self): return int\nvalue = C()",
        "value.__values__ == ()",
    ),
    "copyreg": (
        "import copyreg\nclass C: pass\ncopyreg.dispatch_table[C] = lambda one: (C, (), {'by': 'copyreg'})\n"
        "value = C()",
        "value.by == 'copyreg'",
    ),
    "arrays_in_a_class": (
        "import numpy\nclass C:\n    data = numpy.zeros(1000)\nvalue = C()",
        "value.data.shape == (1000,) and value.data.sum() == 0",
    ),
    # Types
    "hints": (
        "value = [typing.Union[list, int], typing.Optional[str], typing.Callable[[int], str], typing.Literal['a'], "
        "typing.Annotated[int, 'note'], list[int], int | None, typing.ClassVar[int], typing.Final[int], typing.Any]",
        "value[0] == typing.Union[list, int] and value[3] == typing.Literal['a'] and value[5] == list[int]",
    ),
    "class_annotations": (
        "class C: pass\nC.__annotations__ = {'a': int}\nvalue = [C]",
        "value[0].__annotations__ == {'a': int}",
    ),
    "hints_in_a_class": (
        "kind = typing.Optional[typing.Literal['a']]\nclass C:\n    def f(self, x): return x\n"
        "C.__annotations__ = {'a': kind}\nC.f.__annotations__ = {'x': kind}\nvalue = C()",
        "type(value).__annotations__['a'] == typing.Optional[typing.Literal['a']] == value.f.__annotations__['x']",
    ),
    "type_variable": (
        "T = typing.TypeVar('T', bound=int)\nU = typing.TypeVar('U', str, bytes)\n"
        "V = typing.TypeVar('V', covariant=True)\n"
        "value = [T, T, U, V]",
        "value[0] is value[1] and [one.__name__ for one in value] == ['T', 'T', 'U', 'V'] and "
        "value[0].__bound__ is int and "
        "value[2].__constraints__ == (str, bytes) and value[3].__covariant__ and not value[3].__contravariant__",
    ),
    "importable_type_variable": ("value = [typing.AnyStr]", "value[0] is typing.AnyStr"),
    "generic": (
        "T = typing.TypeVar('T')\nclass G(typing.Generic[T]): pass\nvalue = [G, G[int], T]",
        "value[0][int] == value[1] and value[1].__origin__ is value[0] and value[0].__parameters__ == (value[2],)",
    ),
    "subclasses_of_a_generic": (
        "T = typing.TypeVar('T')\nclass A(typing.Generic[T]): pass\nclass B(A): pass\nclass C(A[int]): pass\n"
        "class D(A[T]): pass\nclass E(D[T]): pass\nvalue = [A, B, C, D, E]",
        "[[one.__name__ for one in kind.__mro__[:-2]] for kind in value] == "
        "[['A'], ['B', 'A'], ['C', 'A'], ['D', 'A'], ['E', 'D', 'A']]",
    ),
}
if sys.version_info >= (3, 12):  # before, such a class says that it is from the module `types`, and pickle believes it
    CASES |= {
        "made_dataclass": (
            "D = dataclasses.make_dataclass('D', [('x', int)])\nvalue = [D, D(x=42)]",
            "value[1].x == 42 and value[0](1) == value[0](1)",
        ),
    }
# What the bytes of equal definitions may depend on elsewhere: string interning, tuples that are shared.
ALIKE = {
    "interned_names": (
        "class C:\n    'Interned.'\n    arg_1 = 'join'\n    def join(self, arg_1): pass\n"
        "    def other(self, arg_1, join): pass\n"
        "C.join.arg_1 = 'join'\nvalue = C"
    ),
    "shared_tuples": "class C:\n    'Tuples.'\n    def f(self): pass\n    def g(self): pass\nvalue = C",
    "late_doc": "class C:\n    name = 'C'\n    __doc__ = 'late'\nvalue = C",
    "doc_of_init": "class C:\n    def __init__(self):\n        'doc'\nvalue = C",
    "function": "def f(arg_1, arg_2): pass\nvalue = [f]",
    "function_with_globals": "value = [lambda: K + FIRST + SECOND + len(typing.__name__)]",
}
LOAD = """
import abc, dataclasses, pathlib, sys, types, typing
module = types.ModuleType({flow!r})
sys.modules[module.__name__] = module
exec({shared!r}, vars(module))
from flownb.store.encoding import decode

def fails(call, kind):
    try:
        call()
    except kind:
        return True

for name, expected in {expected!r}:
    exec({shared!r}, vars(module))
    try:
        value = decode("pickle5", memoryview(bytearray(pathlib.Path({folder!r}, name).read_bytes())))
        scope = dict(value=value, fails=fails, types=types, typing=typing, dataclasses=dataclasses, FLOW={flow!r})
        print(name, bool(eval(expected, scope)))
    except Exception as error:
        print(name, repr(error))
"""
DUMP = """
import hashlib
from tests.store.encodings.test_by_value import encoded, make
for body in {bodies!r}:
    try:
        print(hashlib.sha256(encoded(make(body))).hexdigest())
    except Exception as error:
        print(repr(error))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a fresh process finds of all cases."""
    folder = tmp_path_factory.mktemp("blobs")
    failed = {}
    for name, (body, _) in CASES.items():
        try:
            (folder / name).write_bytes(encoded(make(body)))
        except Exception as error:
            failed[name] = repr(error)
    expected = [(name, row[1]) for name, row in CASES.items() if name not in failed]
    code = LOAD.format(flow=FLOW, shared=SHARED, folder=str(folder), expected=expected)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return failed | dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", CASES)
def test_what_cloudpickle_can_do_is_done(name: str, loaded: dict[str, str]) -> None:
    """A definition works in another process as it did in its own."""
    assert loaded[name] == "True"


@pytest.mark.parametrize("name", ALIKE)
def test_what_was_loaded_has_the_same_bytes(name: str) -> None:
    """A definition that was loaded is stored as it was."""
    first = encoded(make(ALIKE[name]))
    assert encoded(decode("pickle5", memoryview(bytearray(first)))) == first


def test_bytes_do_not_depend_on_the_process() -> None:
    """Processes with different seeds of hashing write the same bytes, for classes too."""
    bodies = [*ALIKE.values(), *(body for body, _ in CASES.values())]
    code = DUMP.format(bodies=bodies)
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_only_what_a_function_uses_is_stored() -> None:
    """Of what is around a function, the bytes have what it refers to."""
    content = encoded(
        make(
            "import math\ndef used(x): return x\ndef unused(x): return math.exp(x)\ndef f(x): return used(x)\n"
            "value = [f]"
        )
    )
    assert [name in content for name in (b"used", b"unused", b"math")] == [True, False, False]


def test_nothing_is_kept_alive() -> None:
    """An object is collected after it was stored."""
    value = make("class C: pass\nvalue = C()")
    alive = weakref.ref(value)
    encoded(value)
    del value
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("kind", [ValueError, TypeError, RuntimeError])
def test_an_error_of_the_object_comes_through(kind: type[Exception]) -> None:
    """What an object raises while it is pickled is what the caller gets."""
    with pytest.raises(kind, match="by itself"):
        encoded(make(f"class C:\n    def __reduce__(self): raise {kind.__name__}('by itself')\nvalue = C()"))


def test_endless_recursion_is_an_error() -> None:
    """An object that recurses without end does not end the process."""
    with pytest.raises((RecursionError, pickle.PicklingError)):
        encoded(make("class C:\n    def __getattribute__(self, name): return getattr(self, name)\nvalue = C()"))


def test_odd_entries_of_sys_modules_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something in `sys.modules` that fails on every look does not matter to definitions that it has no part in."""

    class Faulty:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    monkeypatch.setitem(sys.modules, "_faulty", Faulty())  # type: ignore[arg-type]  # which is the point
    value = make("class C:\n    def f(self): return 1\ndef g(): return 2\nvalue = [C(), g]")
    one, g = decode("pickle5", memoryview(bytearray(encoded(value))))
    assert (one.f(), g()) == (1, 2)


REFUSED = {
    "weak_set": "import weakref\nclass C: pass\none = C()\nvalue = [weakref.WeakSet([one]), one]",
    "descriptor_of_a_builtin": "value = [float.real]",
    "open_file": "import sys\nvalue = [sys.__stderr__]",
    "memoryview": "value = [memoryview(b'Hello')]",
    "dict_keys": "value = [{'a': 1}.keys()]",
    "dict_values": "value = [{'a': 1}.values()]",
    "dict_items": "value = [{'a': 1}.items()]",
    "ordered_keys": "value = [collections.OrderedDict(a=1).keys()]",
    "mapping_proxy": "import types\nvalue = [types.MappingProxyType({'a': 1})]",
    "module": "value = [collections]",
    "made_module": "import types\nvalue = [types.ModuleType('made')]",
    "classmethod_alone": "class C:\n    @classmethod\n    def c(cls): pass\nvalue = [vars(C)['c']]",
    "staticmethod_alone": "value = [vars(str)['maketrans']]",
    "lock": "import threading\nvalue = [threading.Lock()]",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_metaflow_refuses_too_is_refused(name: str) -> None:
    """A value that plain pickle refuses is refused, also where cloudpickle would store it or something like it."""
    with pytest.raises((TypeError, pickle.PicklingError)):
        encoded(make(REFUSED[name]))
