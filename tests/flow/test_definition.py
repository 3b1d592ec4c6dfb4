"""A flow as its cells define it."""

from __future__ import annotations

from tests.flow.flows import define


def test_cells_are_sorted_by_what_they_are() -> None:
    """Header, shared code and steps, each in document order; scratch cells are left out."""
    flow = define("%%shared\na = 1", "x = 1", "%%step a", "%%flow F", "%%shared\nb = 1", "%%step b")
    assert (flow.name, len(flow.shared), [step.name for step in flow.steps]) == ("F", 2, ["a", "b"])
    assert flow.step("b") is flow.steps[1]
    assert flow.step("c") is None


def test_a_flow_has_a_name_without_a_header() -> None:
    """The default name counts until a %%flow cell gives one; of two the first counts, and checks refuse the other."""
    assert define("%%step a").name == "NotebookFlow"
    assert define("%%flow A", "%%flow B").name == "A"


def test_shared_names_are_those_bound_at_module_level() -> None:
    """Imports, definitions, assignments and globals of functions; not what functions keep to themselves."""
    flow = define(
        "%%shared\nimport os.path, json as j\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    import numpy as np",
        "%%shared\ndef f():\n    global G\n    local = 1\nclass A: attribute = 1\nx: int = 1\nfor i in []: pass",
    )
    assert flow.shared_names == {"os", "j", "TYPE_CHECKING", "np", "f", "G", "A", "x", "i"}
    assert not flow.has_star_import
    assert define("%%shared\nif x:\n    from math import *").has_star_import


def test_names_of_the_class_have_kinds() -> None:
    """Parameters and constants are artifacts, methods and classes are not."""
    flow = define(
        "%%flow F\nalpha = Parameter('alpha')\nbeta: float = metaflow.Parameter('beta')\ncfg = Config('cfg')\n"
        "k = 1\np, (q, r) = 1, (2, 3)\nnote: int\n"
        "def helper(self): pass\nasync def other(self): pass\nclass Inner: pass"
    )
    assert flow.class_names == {
        "alpha": "parameter",
        "beta": "parameter",
        "cfg": "parameter",
        "k": "constant",
        "p": "constant",
        "q": "constant",
        "r": "constant",
        "helper": "method",
        "other": "method",
        "Inner": "method",
    }
    assert (
        flow.parameters,
        flow.class_artifacts,
    ) == ({"alpha", "beta", "cfg"}, {"alpha", "beta", "cfg", "k", "p", "q", "r"})


def test_captures_count_as_reads_at_the_end() -> None:
    """A captured name that is not assigned on every way is read, for its inherited value must be there."""
    step = define("%%step a -> x\nif y:\n    x = 1").steps[0]
    assert (set(step.names.reads), set(step.body.names.reads)) == ({"y", "x"}, {"y"})
