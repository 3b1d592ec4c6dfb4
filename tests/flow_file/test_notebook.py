"""A Metaflow file as a notebook: nothing is rewritten or lost, and its export has the same syntax tree."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest
from nbformat import validate

from flownb.cells.cell import read_cell
from flownb.cells.notebook import document_text
from flownb.errors import FlowFileError
from flownb.flow_file.notebook import notebook_of, separate_flows
from flownb.flow_file.reading import read_flow_file, read_flow_path
from tests.flow_file.trees import arranged, exported, imported, sources

FLOWS = Path(__file__).parents[1] / "fidelity" / "flows"
HEAD = "from metaflow import FlowSpec, Parameter, card, retry, step\n\n\n"
START = '\n\nif __name__ == "__main__":\n    F()\n'
END = "\n    @step\n    def end(self):\n        pass\n"


def flow(steps: str, *, before: str = "", line: str = "class F(FlowSpec):", after: str = "", end: str = END) -> str:
    """A file with a flow, whose class body is given."""
    return f"{HEAD}{before}{line}\n{steps}{end}{after}{START}"


SHAPES = {
    "one_line_steps": flow("    @step\n    def start(self): self.x = 1; self.next(self.end)\n"),
    "settings_of_step": flow(
        "    @step(start=True)\n    def first(self):\n        self.next(self.last)\n",
        end="\n    @step(end=True)\n    def last(self):\n        pass\n",
    ),
    "annotations": flow(
        "    @step\n    def start(self) -> None:\n        self.xs = [1]\n        self.next(self.a, foreach='xs')\n"
        "    @step\n    def a(self) -> None:\n        self.y = self.input\n        self.next(self.j)\n"
        "    @step\n    def j(self, ins: 'list[int]') -> \"None\":\n        self.z = 1\n        self.next(self.end)\n"
    ),
    "default_of_a_join": flow(
        "    @step\n    def start(self):\n        self.next(self.a, self.b)\n"
        "    @step\n    def a(self):\n        self.next(self.j)\n"
        "    @step\n    def b(self):\n        self.next(self.j)\n"
        "    @step\n    def j(self, inputs=None):\n        self.next(self.end)\n"
    ),
    "helpers_between_steps": flow(
        '    """What it does."""\n\n    LIMIT = 2\n    alpha = Parameter("alpha", default=1)\n\n'
        "    @property\n    def twice(self):\n        return 2\n\n"
        "    @step\n    def start(self):\n        self.x = self.twice\n        self.next(self.end)\n\n"
        "    @staticmethod\n    def s(a): return a\n\n    @classmethod\n    def c(cls): return cls\n\n"
        "    class Inner:\n        y = 1\n"
    ),
    "plain_decorators": flow(
        "    @step\n    @kept\n    def start(self):\n        self.next(self.end)\n",
        before="def kept(f):\n    return f\n\n\n",
    ),
    "body_begins_with_a_function": flow(
        "    @retry(times=1)\n    @step\n    def start(self):\n        def f():\n            return 1\n"
        "        self.x = f()\n        self.next(self.end)\n"
    ),
    "body_begins_with_a_decorated_function": flow(
        "    @retry(times=1)\n    @step\n    def start(self):\n"
        "        @cached\n        def f():\n            return 1\n"
        "        self.x = f()\n        self.next(self.end)\n",
        before="def cached(f):\n    return f\n\n\n",
    ),
    "decorators_of_several_lines": flow(
        "    @retry(\n        times=1,  # once\n    )\n    # why a card\n    @card(type='blank')\n    @step  # a step\n"
        "    def start(\n        self,  # the flow\n    ):  # begins\n        self.next(self.end)\n"
    ),
    "tabs": flow(
        "\t@step\n\tdef start(self):\n\t\tif 1:\n\t\t\tself.x = 1\n\t\tself.next(self.end)\n",
        end="\n\t@step\n\tdef end(self):\n\t\tpass\n",
    ),
    "strings_of_several_lines": flow(
        "    @step\n    def start(self):\n        self.x = '''\n  a\n\tb\n\n        c'''\n"
        "        self.y = f'''\n{1}\n  '''\n"
        "        self.z = 'a\\\n   b'\n        self.next(self.end)\n"
    ),
    "continued_lines": flow(
        "    @step\n    def start(self):\n        self.x = 1 + \\\n 2\n        self.y = [\n  1,\n# inside\n    ]\n"
        "        self.next(\n            self.end\n        )\n"
    ),
    "comments_left_of_the_body": flow(
        "    @step\n    def start(self):\n        self.x = 1\n# left\n        self.next(self.end)\n        # last\n"
    ),
    "windows_line_ends": flow("    @step\n    def start(self):\n        self.next(self.end)\n").replace("\n", "\r\n"),
    "form_feed": flow("    @step\n    def start(self):\n        self.next(self.end)\n").replace("class F", "\fclass F"),
    "mangled_names": flow(
        "    __k = 2\n\n    @step\n    def start(self):\n        self.x = self.__k\n        self.next(self.end)\n"
    ),
    "module_of_metaflow": flow(
        "    @mf.step\n    def start(self):\n        self.next(self.end)\n",
        before="import metaflow as mf\n\n\n",
        line="class F(mf.FlowSpec):",
        end="\n    @mf.step\n    def end(self):\n        pass\n",
    ),
    "future_import": "from __future__ import annotations\n"
    + flow("    @step\n    def start(self) -> F:\n        self.next(self.end)\n"),
    "functions_below": flow(
        "    @step\n    def start(self):\n        self.next(self.end)\n", after="\n\ndef f():\n    return F\n"
    ),
    "conditional_module_code": flow(
        "    @step\n    def start(self):\n        self.next(self.end)\n",
        before="import typing\nif typing.TYPE_CHECKING:\n    import os\n"
        "try:\n    import json\nexcept ImportError:\n    json = None\n\n",
    ),
    "base_in_the_file": flow(
        "    @step\n    def start(self):\n        self.next(self.end)\n",
        before="class Mixin:\n    m = 1\n\n\nclass Base(FlowSpec):\n    b = Parameter('b', default=1)\n\n\n",
        line="@kept\nclass F(Mixin, Base):  # the flow",
    ).replace("class Mixin", "def kept(c):\n    return c\n\n\nclass Mixin"),
    "end_comes_first": HEAD + "class F(FlowSpec):\n    @step\n    def end(self):\n        pass\n\n"
    "    @step\n    def start(self):\n        self.next(self.m)\n\n"
    "    @step\n    def m(self):\n        self.next(self.end)\n" + START,
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_export_has_the_same_tree(name: str) -> None:
    """What a file says, its notebook's export says, too."""
    text = SHAPES[name]
    assert arranged(exported(imported(text))) == arranged(text)


def comments(text: str) -> list[str]:
    """All comments of a text, sorted."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sorted(token.string for token in tokens if token.type == tokenize.COMMENT)


@pytest.mark.parametrize("name", [*SHAPES, *(path.parent.name for path in sorted(FLOWS.glob("*/flow.py")))])
def test_no_comment_is_lost(name: str) -> None:
    """Every comment is in a cell, wherever it is, but for those that are listed at the top."""
    text = SHAPES[name] if name in SHAPES else (FLOWS / name / "flow.py").read_text("utf-8")
    cells = "\n".join(read_cell(source).body for source in sources(imported(text)) if "%load_ext" not in source)
    listed = [line.strip() for line in read_flow_file(text).opening]
    assert sorted([*comments(cells), *listed]) == comments(text.replace("\r\n", "\n"))


def test_cells_are_the_text_of_the_file() -> None:
    """Module code, the class body and the bodies of steps are cut out as they are; docstrings become markdown."""
    text = '''#!/usr/bin/env python
# A licence.
"""A flow.

It has two steps.
"""
from metaflow import FlowSpec, step

LIMIT = 2  # kept


class F(FlowSpec):
    """What it does."""

    def helper(self):
        return LIMIT

    # of start
    @retry(times=1)
    @step
    def start(self):
        """Begin."""
        self.x = 1

        self.next(self.end)

    KIND = "a"

    @step
    def end(self):
        pass


def after(): ...


if __name__ == "__main__":
    F()
'''
    document, notes = notebook_of(read_flow_file(text))
    assert [(cell["cell_type"], cell["id"], cell["source"]) for cell in document["cells"]] == [
        ("markdown", "about", "A flow.\n\nIt has two steps."),
        ("code", "load", f"%load_ext flownb\n# flow.py, {notes[0]}\n#     #!/usr/bin/env python"),
        ("code", "shared-1", "%%shared\n# A licence.\nfrom metaflow import FlowSpec, step"),
        ("code", "shared-2", "%%shared\nLIMIT = 2  # kept\n\n\ndef after(): ..."),
        ("code", "flow", '%%flow F\n"""What it does."""\n\ndef helper(self):\n    return LIMIT\n\nKIND = "a"'),
        ("markdown", "about-start", "Begin."),
        ("code", "step-start", "%%step start\n# of start\n@retry(times=1)\nself.x = 1\n\nself.next(self.end)"),
        ("code", "step-end", "%%step end\npass"),
    ]
    assert [str(note) for note in notes] == [
        "line 1: `#!/usr/bin/env python` is not part of the notebook. It means something only at the top of a file."
    ]


def test_an_import_is_a_valid_notebook_and_always_the_same() -> None:
    """Nbformat accepts it, and a second import of a file gives the same bytes."""
    for path in sorted(FLOWS.glob("*/flow.py")):
        document, _ = notebook_of(read_flow_path(path))
        validate(document)
        assert document_text(document) == document_text(notebook_of(read_flow_path(path))[0])


NOT_CARRIED = {
    "an encoding": (
        f"# one\n# coding: utf-8\n{flow('    @step' + chr(10) + '    def start(self): self.next(self.end)' + chr(10))}",
        ["line 2: `# coding: utf-8` is not part of the notebook."],
    ),
    "a start that does more": (
        flow("    @step\n    def start(self):\n        self.next(self.end)\n").replace(
            "    F()", "    print(1)\n    F()"
        ),
        ["lines 14 to 16: The code that starts the flow is not `F()` alone."],
    ),
    "code that needs the class": (
        flow("    @step\n    def start(self):\n        self.next(self.end)\n", after="\n\nALL = [F]\nFIRST = ALL[0]\n"),
        [
            "line 14: This code needs the class of a flow when the file is imported.",
            "line 15: This code needs the class of a flow when the file is imported.",
        ],
    ),
    "a keyword of the class": (
        flow("    @step\n    def start(self):\n        self.next(self.end)\n", line="class F(FlowSpec, metaclass=M):"),
        ["line 4: The class `F` is given `metaclass=M`."],
    ),
    "a step defined twice": (
        flow(
            "    @step\n    def start(self):\n        self.x = 1\n"
            "    @step\n    def start(self):\n        self.next(self.end)\n"
        ),
        ["lines 5 to 7: `start` is defined again below, so that this definition is never used."],
    ),
    "a step in a loop": (
        flow("    for i in range(2):\n        @step\n        def start(self):\n            self.next(self.end)\n"),
        ["lines 7 to 8: The step `start` is defined inside other code of the class body."],
    ),
    "a step that awaits": (
        flow("    @step\n    async def start(self):\n        self.next(self.end)\n"),
        ["line 6: Step `start` is an `async def`."],
    ),
    "another name for self": (
        flow("    @step\n    def start(this):\n        this.next(this.end)\n"),
        ["line 6: Step `start` calls its flow `this`."],
    ),
    "a base class without a name": (
        flow("    @step\n    def start(self):\n        self.next(self.end)\n", line="class F(list[int], FlowSpec):"),
        ["line 4: The base class `list[int]` of `F` gets a name in a %%shared cell."],
    ),
    "a decorated function at the top": (
        flow(
            "    @step\n    def start(self):\n        @retry\n        def f(): pass\n        self.next(self.end)\n",
        ),
        ["line 7: `@retry` of the function `f` counts as a decorator of step start."],
    ),
    "another name for step": (
        flow(
            "    @s\n    def start(self):\n        self.next(self.end)\n", before="from metaflow import step as s\n\n\n"
        ),
        ["line 4: `@s` is written as `@step`."],
    ),
    "a use of a step": (
        flow("    @step\n    def start(self):\n        self.next(self.end)\n    other = start\n"),
        ["line 8: This code of the class body uses the step `start`."],
    ),
}


@pytest.mark.parametrize("name", NOT_CARRIED)
def test_what_is_not_carried_is_listed_at_the_top(name: str) -> None:
    """The first cell has each note with the lines of the file, and the code that is left out."""
    text, expected = NOT_CARRIED[name]
    document, notes = notebook_of(read_flow_file(text))
    assert [f"{note.place}: {note.message.what}" for note in notes] == expected
    top = document["cells"][0]["source"]
    assert [note for note in notes if str(note) not in top] == []
    assert [line for note in notes for line in note.text.split("\n") if line.strip() not in top] == []


SEVERAL = HEAD + "class A(FlowSpec):\n" + END + "\n\nclass B(A):\n    b = 1\n\n\nclass C(FlowSpec):\n" + END


def test_another_flow_of_the_file_is_module_code_only_if_it_is_used() -> None:
    """A flow's base class is in a shared cell; a flow that has nothing to do with it is named at the top."""
    file = read_flow_file(SEVERAL)
    assert separate_flows(file) == ("B", "C")
    document, notes = notebook_of(file, flow="B")
    assert [source.split("\n")[:2] for source in sources(document)[2:]] == [
        ["%%shared", "class A(FlowSpec):"],
        ["%%flow B(A)", "b = 1"],
    ]
    assert [note.message.what for note in notes] == ["`C` is another flow of this file."]


ERRORS = {
    "no flow": ("x = 1\n", "`f.py` has no flow."),
    "a percent notebook": ("# %%\nx = 1\n", "`f.py` has no flow."),
    "a flow in other code": (
        "import metaflow\nif 1:\n    class F(metaflow.FlowSpec): pass\n",
        "The flow `F` of `f.py` is inside other code.",
    ),
    "Python 2": ("print 'a'\n", "`f.py` is not valid Python 3.11."),
    "a null character": ("x = '\0'\n", "`f.py` is not valid Python 3.11."),
    "several flows": (SEVERAL, "`f.py` has several flows: A, B, C."),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_cannot_be_imported_gives_a_clear_error(name: str) -> None:
    """The error names the file, and the line where there is one."""
    text, expected = ERRORS[name]
    with pytest.raises(FlowFileError) as found:
        notebook_of(read_flow_file(text, "f.py"))
    assert found.value.what.partition(" 3.")[0] == expected.partition(" 3.")[0]
    assert "Line 1: `print 'a'`" not in found.value.why or name == "Python 2"


def test_the_page_shows_what_an_import_makes() -> None:
    """The cells in docs/import.md are those of its file."""
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text("utf-8")
    (file,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    shown = re.findall(r"````text\n(.*?)\n````", page, flags=re.S)
    assert [cell["source"] for cell in imported(file)["cells"]] == shown
    assert arranged(exported(imported(file))) == arranged(file)
