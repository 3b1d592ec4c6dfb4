"""What a step does by calling methods of the %%flow cell."""

from __future__ import annotations

from tests.flow.flows import artifacts, define, method

BODY = """%%flow F
def prepare(self):
    self.x = self.given
    self.more()
def more(this):
    if this.x:
        this.perhaps = 1
@property
def twice(self):
    self.seen = True
    return 2 * self.x
@staticmethod
def free(a):
    return a
@custom
def odd(self):
    pass
def again(self, n):
    self.n = n
    return self.again(n - 1)
there = imported
"""


def test_a_step_sets_what_its_methods_set() -> None:
    """What a method sets, and what it sets through others, is passed on, and is a plain name further down."""
    cells = (BODY, "%%step a -> given\ngiven = 1\nself.prepare()", "%%step b -> y\ny = x, perhaps")
    assert artifacts(*cells).leaving["a"] >= {"given", "perhaps", "x"}
    assert tuple(sorted(method("b", *cells).loads)) == ("perhaps", "x")


def test_a_step_reads_what_its_methods_read() -> None:
    """Reads count where the method is called, after what the step has set by then."""
    step = define(BODY, "%%step a\nself.prepare()").steps[0]
    assert ("self.given" in step.names.definite, "self.x" not in step.names.definite) == (True, True)
    step = define(BODY, "%%step a\nself.given = 1\nself.prepare()").steps[0]
    assert {name for name in step.names.definite if "." in name} == {"self.more", "self.prepare"}
    step = define(BODY, "%%step a\nif 1 > 2:\n    self.prepare()").steps[0]
    assert set(step.names.definite) == set()


def test_reading_a_property_calls_it() -> None:
    """A property does what it does when the attribute is read; another method does nothing until it is called."""
    assert set(define(BODY, "%%step a\ny = self.twice").steps[0].names.self_writes) == {"seen"}
    named = define(BODY, "%%step a\ny = self.prepare").steps[0].names
    assert ("self.given" in named.definite, "given" in named.self_reads) == (False, True)


def test_methods_that_call_themselves_and_others() -> None:
    """Recursion ends; static methods get no self; what is not defined in the cell, or decorated, may do anything."""
    escapes = {
        call: define(BODY, f"%%step a\n{call}").steps[0].names.self_escapes
        for call in ("self.again(1)", "self.free(1)", "self.odd()", "self.there()", "self.there")
    }
    assert escapes == {
        "self.again(1)": False,
        "self.free(1)": False,
        "self.odd()": True,
        "self.there()": True,
        "self.there": False,
    }


def test_a_class_body_that_may_bind_anything_is_open() -> None:
    """Loops, calls and decorators that are not Metaflow's leave open what attributes the class has."""
    bodies = {
        "x = 1\np = Parameter('p')\n'text'\ndef f(self): pass": False,
        "@project(name='x')\n\nx = 1": False,
        "for n in 'ab':\n    locals()[n] = Parameter(n)": True,
        "locals().update(x=1)": True,
        "if 1:\n    x = 1": True,
        "from tools import *": True,
        "@mutate\n\nx = 1": True,
    }
    assert {body: define(f"%%flow F\n{body}", "%%step a").is_open for body in bodies} == bodies
