"""Code and graph of two flows, compared as text."""

from __future__ import annotations

import pytest

from flownb.cells.cell import read_any_cell
from flownb.diff.compare import compare
from flownb.diff.sides import Side
from flownb.diff.text import diff_lines
from flownb.flow.definition import define_flow

LOAD, TRAIN = "%%step load -> df\ndf = read()", "%%step train -> model\nmodel = fit(df)"


def side(*cells: str) -> Side:
    """A notebook of these cells."""
    return Side("nb.ipynb", define_flow([read_any_cell(cell, number=n) for n, cell in enumerate(cells, 1)]))


def lines(before: tuple[str, ...], after: tuple[str, ...], *, brief: bool = True) -> list[str]:
    """What is printed below the names of the sides."""
    return [line.strip() for line in diff_lines(compare(side(*before), side(*after)), brief=brief)[2:] if line]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((LOAD, TRAIN), (LOAD, TRAIN), ["no differences"]),
        ((LOAD, "x = 1", TRAIN), (LOAD, TRAIN, "y = 2"), ["no differences"]),
        (
            (LOAD, TRAIN),
            (LOAD, TRAIN.replace("df)", "df, 1)")),
            ["code", "~ step train: +1 -1 lines"],
        ),
        (
            (LOAD, TRAIN),
            (LOAD, f"{TRAIN}  # all of it"),
            ["code", "~ step train: only comments or the layout differ; +1 -1 lines"],
        ),
        (
            (LOAD, TRAIN),
            (LOAD, TRAIN.replace("-> model", "-> model, score").replace("\n", "\n@retry(times=2)\n", 1)),
            ["code", "~ step train: captures `score` too; + `@retry(times=2)`"],
        ),
        (
            (LOAD, TRAIN.replace("\n", "\n@retry(times=2)\n@card\n", 1)),
            (LOAD, TRAIN.replace("\n", "\n@retry(times = 3)\n", 1)),
            ["code", "~ step train: `@retry(times=2)` → `@retry(times = 3)`; - `@card`"],
        ),
        (
            (LOAD, TRAIN),
            (LOAD, TRAIN.replace("train", "fit")),
            ["graph", "~ train is called fit", "code", "~ step fit: renamed from train"],
        ),
        (
            (LOAD, TRAIN),
            (LOAD, "%%step tune\nk = 1", TRAIN),
            [
                "graph",
                "+ tune: after load, → train",
                "~ load: was → train; is → tune",
                "code",
                "+ step tune: +1 -0 lines",
            ],
        ),
        (
            (LOAD, TRAIN, "%%step last\n1"),
            (LOAD, TRAIN.replace("train", "train --foreach df"), "%%step last --join\n1"),
            [
                "graph",
                "~ load: was → train; is foreach over `df` to train",
                "~ last: was the last step; is join, the last step",
            ],
        ),
        (
            (LOAD, TRAIN.replace("train", "train --after load")),
            (LOAD, TRAIN),
            ["no differences"],
        ),
        (
            ("%%step a -> k\nk = 1", "%%step b --when k=1\n1", "%%step c --after a --when k=2\n2"),
            ("%%step a -> k\nk = 1", "%%step b --when k=1\n1", "%%step c --after a --when k=3\n2"),
            ["graph", "~ a: was switch on `k`: 1 → b, 2 → c; is switch on `k`: 1 → b, 3 → c"],
        ),
    ],
)
def test_steps_and_graph(before: tuple[str, ...], after: tuple[str, ...], expected: list[str]) -> None:
    """Bodies, captures, decorators and transitions are compared; a step with the same code was renamed."""
    assert lines(before, after) == expected


SHARED = "%%shared\nimport os, sys\nfrom a import b\n\n# in metres\nLIMIT = 10\n\n\ndef f(x):\n    return x\n"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (
            (
                "%%shared\nimport os\nimport sys\n",
                "%%shared\nfrom a import b\n# in metres\nLIMIT = 10\ndef f(x):\n    return x",
            ),
            [],
        ),
        (
            (SHARED.replace("# in", "# measured in"),),
            ["~ shared name LIMIT: only comments or the layout differ; +1 -1 lines"],
        ),
        ((SHARED.replace("10", "12"),), ["~ shared name LIMIT: +1 -1 lines"]),
        ((SHARED.replace("import b", "import b, c").replace(", sys", ""),), ["+ from a import c", "- import sys"]),
        ((SHARED.replace("return x", "return -x"),), ["~ shared function f: +1 -1 lines"]),
        (
            (f"{SHARED}\n\nclass C:\n    pass\nprint(1)",),
            ["+ shared class C: +2 -0 lines", "+ shared statements: +1 -0 lines"],
        ),
        ((f"{SHARED}\nLIMIT += 1",), ["~ shared name LIMIT: +1 -0 lines"]),
        (
            ("%%shared\nimport os, sys\nfrom a import b\ndef f(x):\n    return x\n# in metres\nLIMIT = 10",),
            ["~ shared statements: the same definitions are in another order"],
        ),
        (("%%shared\ndef f(:",), ["+ shared statements: +1 -0 lines"]),
    ],
)
def test_shared_code_is_compared_by_definition(after: tuple[str, ...], expected: list[str]) -> None:
    """How definitions are divided into cells does not matter; an import is one name."""
    found = lines((SHARED, LOAD), (*after, LOAD))
    assert found[1 : 1 + len(expected)] == expected
    assert found[0] == ("code" if expected else "no differences")


def test_the_lines_of_a_change() -> None:
    """A change has its lines as a unified diff of the body, without the header."""
    found = lines((LOAD, TRAIN), (LOAD.replace("df = read()", "df = read(1)\ndf = df[0]"), TRAIN), brief=False)
    assert found == ["code", "~ step load", "@@ -1 +1,2 @@", "-df = read()", "+df = read(1)", "+df = df[0]"]


def test_the_class_of_the_flow() -> None:
    """Its name, bases, decorators and methods are code; parameters and constants are compared by value."""
    before = "%%flow F\nk = 1\n\ndef area(self):\n    return 1"
    after = "%%flow G(Base)\n@schedule(daily=True)\nk = 2\n\ndef area(self):\n    return 2"
    assert lines((before,), (after,)) == [
        "code",
        "~ flow G: renamed from F; base classes: none → `Base`; + `@schedule(daily=True)`",
        "~ method area: +1 -1 lines",
        "parameters",
        "~ k (constant): 1 → 2",
    ]


def test_tags_mean_the_same_as_magics() -> None:
    """A step that is marked by tags is compared with one that is marked by a magic."""
    tagged = read_any_cell("model = fit(df)", tags=["step:train", "out:model"])
    other = Side("tags.ipynb", define_flow([read_any_cell(LOAD), tagged]))
    assert compare(side(LOAD, TRAIN), other).differs is False


def test_colours() -> None:
    """A terminal shows what came in green, what went in red."""
    found = diff_lines(compare(side(LOAD), side(LOAD, TRAIN)), brief=True, coloured=True)
    assert [line[:5] for line in found if line] == [
        "\x1b[1m-",
        "\x1b[1m+",
        "\x1b[1mg",
        "\x1b[32m",
        "  ~ l",
        "\x1b[1mc",
        "\x1b[32m",
    ]
