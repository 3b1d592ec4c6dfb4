"""The exported file: word by word, and that it is a file Python and ruff are content with."""

from __future__ import annotations

import ast
import contextlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from flownb.errors import FlownbError
from flownb.flow_file.documentation import Documentation
from flownb.flow_file.header import is_edited
from flownb.flow_file.writing import flow_file
from flownb.runtime.program import Program
from tests.flow.flows import define, shipped

CELLS = (
    "%pip install scikit-learn",
    '%%shared\n%pip install -q "pandas>=2"\nfrom __future__ import annotations\n\nimport math\n\n'
    "from flownb import current\n",
    '%%shared\nTEXT = """\n  kept\n\t\n"""\n\n\ndef area(r: float) -> float:\n    return math.pi * r**2\n# the end',
    "%%flow CircleFlow\n@project(name='circles')\n\n"
    "limit = Parameter('limit', default=2, help='How many')\nUNIT = 'cm'",
    "%%step load -> radii\n@retry(times=3)\n@card\n# radii of circles\nradii = list(range(limit))",
    "print('scratch')",
    "%%step measure --foreach radii -> size\nsize = area(self.input)  # one circle",
    "%%step collect --join -> sizes, kind\nsizes = [one.size for one in inputs]\n"
    "kind = 'many' if len(sizes) > 2 else 'few'",
    '%%step few --when kind=few -> text\ntext = f"{sizes=} {UNIT}"',
    "%%step many --after collect --when kind=many -> text\ntext = str(current.run_id)",
    "%%step report --after few,many\nprint(text)",
)
GOLDEN = Path(__file__).with_name("circles_flow.txt")


def exported(*cells: str, notebook: str = "") -> str:
    """The text of flow.py."""
    return flow_file(Program(define(*cells), shipped(*cells)), notebook=notebook)


def test_the_whole_file_is_as_expected() -> None:
    """Header comment, imports, shared code, class and methods, in this order and this layout."""
    assert exported(*CELLS, notebook="train.ipynb") == GOLDEN.read_text(encoding="utf-8")


def test_the_file_compiles() -> None:
    """Python takes it as it is, the __future__ import at its top included."""
    compile(exported(*CELLS), "flow.py", "exec", dont_inherit=True)


def test_a_file_of_one_step_is_short() -> None:
    """Without header and shared code there are the imports, the class and the guard."""
    text = exported("%%step start", "%%step end")
    assert text == (
        "# NotebookFlow: exported by flownb. The notebook is the source; export again to change this file.\n#\n"
        "#   python flow.py show\n#   python flow.py run\n#   python flow.py run --with kubernetes\n#\n"
        "# Content eb13910b0fb84aca; `flownb sync` takes edits of this file back into the notebook.\n\n"
        "from metaflow import FlowSpec, step\n\n\n"
        "class NotebookFlow(FlowSpec):\n    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n\n\n"
        'if __name__ == "__main__":\n    NotebookFlow()\n'
    )


def test_requirements_and_parameters_are_named_in_the_comment() -> None:
    """What must be installed, and the options a run cannot do without."""
    flow = Program(define("%%flow F\na = Parameter('a', required=True)", "%%step s"), shipped("%%step s"))
    lines = flow_file(flow, filename="f.py", needs=("pandas>=2", "numpy")).split("\n")
    assert (lines[3], lines[6]) == ("#   python f.py run --a VALUE", "# It needs: pandas>=2, numpy.")


def test_many_imports_are_written_one_a_line() -> None:
    """A line that formatters would break is broken as they would."""
    names = ("batch", "card", "catch", "environment", "kubernetes", "resources", "retry", "secrets", "timeout")
    text = exported("%%step a\n" + "".join(f"@{name}\n" for name in names))
    expected = "".join(f"    {name},\n" for name in ("FlowSpec", *sorted((*names, "step"))))
    assert f"\n\nfrom metaflow import (\n{expected})\n\n\nclass" in text


@pytest.mark.parametrize(
    "shared",
    [
        "from __future__ import annotations\nimport os",
        "from __future__ import (\n    annotations,\n)\nimport os",
        '"""Helpers."""\nfrom __future__ import annotations; import os',
    ],
)
def test_future_imports_open_the_file(shared: str) -> None:
    """However it is written, the import is there once, above all others, and the file compiles."""
    text = exported("%%shared\nx = 1", f"%%shared\n{shared}", "%%step a\nos.getcwd()")
    tree = ast.parse(text)
    imports = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert imports == ["__future__", "metaflow"]
    compile(text, "flow.py", "exec", dont_inherit=True)
    assert text.count("__future__") == 1
    assert "import os" in text


def test_strings_of_shared_code_keep_their_blanks() -> None:
    """Lines of blanks inside a text are the text's own."""
    scope = ModuleType("flow").__dict__
    text = exported('%%shared\nTEXT = """\n   \n\t\n\n"""', "%%step a")
    tree = ast.parse(text)
    exec(compile(ast.Module([tree.body[1]], []), "flow.py", "exec"), scope)
    assert scope["TEXT"] == "\n   \n\t\n\n"


def test_nothing_of_flownb_is_left() -> None:
    """The file imports Metaflow, never this package."""
    text = exported("%%shared\nimport flownb\nfrom flownb import card as c", "%%step a\nfrom flownb import current")
    modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert modules == {"metaflow"}
    assert "import metaflow as flownb\nfrom metaflow import FlowSpec, step\nfrom metaflow import card as c\n" in text


def test_a_formatted_notebook_gives_a_formatted_file() -> None:
    """Where the cells are as ruff would have them, ruff changes nothing of the file."""
    cells = (
        "%%shared\nimport math\n\n\ndef area(r):\n    return math.pi * r**2",
        '%%flow F\nlimit = Parameter("limit", default=2)',
        "%%step load -> radii\n@retry(times=3)\nradii = list(range(limit))",
        "%%step measure --foreach radii -> size\nif self.input:\n    size = area(self.input)\nelse:\n    size = 0",
        "%%step collect --join -> sizes\nsizes = [one.size for one in inputs]",
    )
    text = exported(*cells)
    assert ruff_format(text) == text


# Lines that the exporter adds: decorators and def of a step, loads, captures, guards, transitions, class, imports.
OURS = re.compile(
    r"    @step$|    def \w+\(self(, \w+)?\):$|        self\.(\w+) = \2$|        (\w+) = self\.\3$"
    r"|        if hasattr\(self, \S+\):$|        self\.next\(|from metaflow import |class \w+\(FlowSpec\):$"
    r"|# |if __name__ ==|    NotebookFlow\(\)$"
)


def test_ruff_leaves_our_lines_of_all_hard_cells(tmp_path: Path) -> None:
    """Whatever the bodies are, what is written around them is as ruff has it, and formatting is not an edit."""
    from tests.fidelity.hard_cells import HARD_CELLS

    texts = {}
    for number, case in enumerate(one for one in HARD_CELLS if one.outcome in ("equal", "warned")):
        with contextlib.suppress(FlownbError):
            texts[tmp_path / f"f{number}.py"] = exported(*case.cells)
    assert len(texts) > 100
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "-q", "--isolated", tmp_path], check=True)
    for path, text in texts.items():
        formatted = path.read_text(encoding="utf-8")
        assert [line for line in text.split("\n") if OURS.match(line) and line not in formatted.split("\n")] == []
        assert is_edited(formatted) is False


LONG = {
    "targets": (
        [f"%%step part{number} --after s" for number in range(9)],
        "        self.next(\n            self.part0,\n            self.part1,\n",
    ),
    "fewer targets": (
        [f"%%step pt_{number} --after s" for number in range(7)],
        "        self.next(\n"
        "            self.pt_0, self.pt_1, self.pt_2, self.pt_3, self.pt_4, self.pt_5, self.pt_6\n        )\n",
    ),
    "cases": (
        [f"%%step part{number} --after s --when kind=value{number}" for number in range(9)],
        '        self.next(\n            {\n                "value0": self.part0,\n',
    ),
    "fewer cases": (
        [f"%%step part{number} --after s --when kind={number}" for number in range(4)],
        "        self.next(\n            {0: self.part0, 1: self.part1, 2: self.part2, 3: self.part3},\n"
        '            condition="kind",\n        )\n',
    ),
}


@pytest.mark.parametrize(("steps", "expected"), LONG.values(), ids=list(LONG))
def test_long_transitions_are_broken(steps: list[str], expected: str) -> None:
    """As ruff breaks them."""
    join = "" if "--when" in steps[0] else " --join"
    last = f"%%step j --after {','.join(one.split()[1] for one in steps)}{join}"
    text = exported("%%step s -> kind\nkind = 1", *steps, last)
    assert expected in text
    assert ruff_format(text) == text


BODIES = {
    "def": ("def f():\n    return x", "f"),
    "decorated": ("import functools\n\n\n@functools.cache\ndef f():\n    return x", "f"),
    "class": ("class f:\n    y = x", "f"),
    "import": ("print(x)\nimport os as f", "f"),
    "comment": ("# about f\ndef f():\n    return x\n\n\n# after", "f"),
    "only a def": ("def f():\n    return 1", "f"),
    "pass": ("pass", ""),
}


@pytest.mark.parametrize(("body", "captured"), BODIES.values(), ids=list(BODIES))
@pytest.mark.parametrize("text", ["", "About."])
def test_bodies_are_set_apart(body: str, captured: str, text: str) -> None:
    """A blank line is where a formatter wants one, between the body and what is added."""
    cells = ["%%step s -> x\nx = 1", f"%%step t{' -> ' * bool(captured)}{captured}\n{body}"]
    flow = define(*cells)
    documentation = Documentation(above={f"\n{cells[1]}": text})
    written = flow_file(Program(flow, shipped(*cells)), documentation=documentation)
    assert ruff_format(written).replace("\n\n\n", "\n\n") == written.replace("\n\n\n", "\n\n")


def test_a_guarded_load_has_two_lines() -> None:
    """What only another case of a switch sets is loaded if it is there."""
    text = exported(
        "%%step s -> kind\nkind = 1",
        "%%step a --when kind=1 -> x\nx = 1",
        "%%step b --after s --when kind=2\npass",
        "%%step c --after a,b\nprint(x)",
    )
    assert '    def c(self):\n        if hasattr(self, "x"):\n            x = self.x\n        print(x)\n' in text
    assert ruff_format(text) == text


def ruff_format(text: str) -> str:
    """The text as ruff has it."""
    words = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=True).stdout
