"""The source around the methods: imports, shared code, the head of the class."""

from __future__ import annotations

import pytest

from flownb.cells.cell import read_cell
from flownb.flow.build_graph import build_graph, complete_graph
from flownb.flow.module import (
    class_source,
    decorator_names,
    exported_shared,
    future_features,
    hoisted_source,
    metaflow_imports,
    requirements,
    shared_hash,
    shared_source,
)
from flownb.flow_file.writing import flow_file
from flownb.runtime.program import Program
from tests.flow.flows import define


def test_imports_are_what_decorators_and_the_class_need() -> None:
    """Names of decorators and of the class body, sorted, without those that shared code imports itself."""
    flow = define(
        "%%shared\nfrom flownb import card",
        "%%flow F\n@project(name='p')\nalpha = Parameter('alpha', type=JSONType, default=config_expr('c.x'))",
        "%%step a\n@retry(times=3)\n@card\n@environment(vars=config_expr('c.v'))\nx = 1",
    )
    assert (metaflow_imports(flow)) == (
        "FlowSpec",
        "JSONType",
        "Parameter",
        "config_expr",
        "environment",
        "project",
        "retry",
        "step",
    )
    assert metaflow_imports(define("%%step a")) == ("FlowSpec", "step")


def test_names_of_a_decorator_are_those_it_reads() -> None:
    """Arguments count; text that is not a decorator has no names."""
    assert decorator_names("@retry(times=N, minutes_between_retries=[i for i in [1]][0])") == {"retry", "N"}
    assert decorator_names("@") == frozenset()


def test_shared_code_keeps_its_lines() -> None:
    """One line for each line of the cell, magics as comments, imports from metaflow, strings as they are."""
    cell = read_cell('%%shared\n%load_ext x\nfrom flownb import current\n\nT = """\n  \n%time\n"""')
    assert [(line.text, line.origin) for line in shared_source(cell)] == [
        ("# %load_ext x", 2),
        ("from metaflow import current", 3),
        ("", 4),
        ('T = """', 5),
        ("  ", 6),
        ("%time", 7),
        ('"""', 8),
    ]


FUTURE = {
    "from __future__ import annotations\n\nimport os": "import os",
    "from __future__ import (\n    annotations,\n    division,\n)\nx = 1": "x = 1",
    "from __future__ import annotations; import os": "import os",
    '"""Doc."""\nfrom __future__ import annotations  # why\nx = 1': '"""Doc."""\n# why\nx = 1',
    'x = """\nfrom __future__ import annotations\n"""': 'x = """\nfrom __future__ import annotations\n"""',
    'x = """a\n   \n"""\n# end': 'x = """a\n   \n"""\n# end',
}


@pytest.mark.parametrize("code", FUTURE)
def test_future_imports_leave_the_shared_code(code: str) -> None:
    """Such a statement must open the file, so only it is taken out; texts that look like one stay."""
    assert exported_shared(read_cell(f"%%shared\n{code}\n")) == FUTURE[code]


def test_future_features_hold_for_the_module() -> None:
    """All features of all shared cells, each once."""
    flow = define(
        "%%shared\nfrom __future__ import annotations",
        "%%shared\nfrom __future__ import annotations, division",
        "%%shared\nx = (",
    )
    assert future_features(flow) == ("annotations", "division")


def test_the_class_has_decorators_name_and_body() -> None:
    """The body of the %%flow cell is indented, blank lines at its ends are dropped."""
    cells = ('%%flow TrainFlow\n@project(name=\'p\')\n\n\n"""Doc\n more."""\nalpha = Parameter(\'alpha\')\n\n',)
    assert [(line.text, line.origin) for line in class_source(define(*cells))] == [
        ("@project(name='p')", 2),
        ("class TrainFlow(FlowSpec):", 1),
        ('    """Doc', 5),
        (' more."""', 6),
        ("    alpha = Parameter('alpha')", 7),
    ]
    assert [line.text for line in class_source(define())] == ["class NotebookFlow(FlowSpec):"]


HOISTED = {
    "import os\nx = 1": ([("import os", 2)], [("    x = 1", 3)]),
    "import os; x = 1": ([("import os", 2)], [("    x = 1", 2)]),
    "x = 1; import os": ([("import os", 2)], [("    x = 1", 2)]),
    "x = 1; import os  # why": ([("import os", 2)], [("    x = 1  # why", 2)]),
    "import os; x = 1; import re; import ast": (
        [("import os", 2), ("import re", 2), ("import ast", 2)],
        [("    x = 1", 2)],
    ),
    "x = 1\nfrom math import (\n    pi,\n    tau as t,\n)\ny = 2": (
        [("from math import pi, tau as t", 3)],
        [("    x = 1", 2), ("", 3), ("", 4), ("", 5), ("", 6), ("    y = 2", 7)],
    ),
    "from flownb import current, JSONType": ([("from metaflow import current, JSONType", 2)], []),
    '"""Doc."""\nimport os\ndef f(self):\n    import re': (
        [("import os", 3)],
        [('    """Doc."""', 2), ("", 3), ("    def f(self):", 4), ("        import re", 5)],
    ),
    "if True:\n    import os": ([], [("    if True:", 2), ("        import os", 3)]),
    'x = """\nimport os\n"""': ([], [('    x = """', 2), ("import os", 3), ('"""', 4)]),
}


@pytest.mark.parametrize("code", HOISTED)
def test_imports_of_the_class_are_written_above_it(code: str) -> None:
    """They know the line that they come from, and all other lines keep theirs; nested ones stay where they are."""
    flow = define(f"%%flow F\n{code}")
    lines = [[(line.text, line.origin) for line in found(flow)] for found in (hoisted_source, class_source)]
    assert (lines[0], [line for line in lines[1] if line != ("class F(FlowSpec):", 1)]) == HOISTED[code]


def test_the_class_line_names_the_bases() -> None:
    """The bases of the header line, of which only Metaflow's own is imported."""
    flow = define("%%flow F(Base, mix.Mixin):\n@retry_all\nx = 1")
    assert "class F(Base, mix.Mixin):" in [line.text for line in class_source(flow)]
    assert metaflow_imports(flow) == ("step",)
    assert metaflow_imports(define("%%flow F(Mixin, FlowSpec)", "%%step a")) == ("FlowSpec", "step")


def test_nothing_is_imported_that_shared_code_has() -> None:
    """With all names taken from metaflow by a shared cell, no import is left to write."""
    flow = define(
        "%%shared\nfrom metaflow import FlowSpec, step\nclass Base(FlowSpec): pass",
        "%%flow F(Base)",
        "%%step a\nx = 1",
    )
    assert metaflow_imports(flow) == ()
    assert "from metaflow import \n" not in flow_file(Program(flow, complete_graph(build_graph(flow))))


INSTALLS = {
    "%pip install pandas": ("pandas",),
    "!pip install -q 'pandas>=2' numpy==1.26": ("pandas>=2", "numpy==1.26"),
    "!pip3 install -r requirements.txt pandas": ("pandas",),
    "!{sys.executable} -m pip install a": ("a",),
    "!python3 -m pip install --index-url https://x a": ("a",),
    "!uv pip install a && echo b": ("a",),
    "%pip install a  # for b": ("a",),
    "%pip install a; ls": ("a",),
    "%pip uninstall a": (),
    "print('%pip install a')": (),
    "  %pip install a\n%pip install a b": ("a", "b"),
}


@pytest.mark.parametrize("source", INSTALLS)
def test_install_lines_name_the_requirements(source: str) -> None:
    """Packages of pip install lines, without options, their values and what another command follows."""
    assert requirements((read_cell(source),)) == INSTALLS[source]


def test_steps_have_no_requirements() -> None:
    """Magics in a step are errors, not requirements."""
    assert requirements((read_cell("%%step a\n%pip install a"), read_cell("%%shared\n%pip install b"))) == ("b",)


def test_the_shared_hash_follows_shared_code_and_class() -> None:
    """A step's change leaves it, one of the shared code or of the class changes it."""
    one = shared_hash(define("%%shared\nx = 1", "%%flow F\na = 1", "%%step a"))
    assert shared_hash(define("%%shared\nx = 1", "%%flow F\na = 1", "%%step b\ny = 1")) == one
    assert shared_hash(define("%%shared\nx = 2", "%%flow F\na = 1")) != one
    assert shared_hash(define("%%shared\nx = 1", "%%flow F\na = 2")) != one
