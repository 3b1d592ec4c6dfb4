"""A plain notebook in a real kernel, the proposed flow in worker processes, and what the comparison says."""

from __future__ import annotations

from pathlib import Path

from flownb.convert.conversion import prove
from flownb.convert.plain import read_plain
from flownb.convert.propose import propose
from flownb.convert.verify.plain import PlainFailure, run_plain
from flownb.convert.verify.proof import Proof
from flownb.convert.verify.report import Row
from tests.convert.by_hand import by_hand, plain_document

EVERYDAY = [
    "# shared\nimport random\nimport sys\nimport numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt\n"
    "class Point:\n    def __init__(self, x):\n        self.x = x",
    "data = pd.read_csv('data.csv')\nrandom.seed(4)\nnp.random.seed(4)\nfirst = random.random()\n"
    "waiting = iter([1, 2, 3])\nopen('out.txt', 'a').write('x')",
    "# scratch\ndata.head()",
    "# scratch\n_.shape",
    "data['y'] = data.x * 2\nplt.plot(data.x, data.y)\nplt.show()",
    "# scratch\nimport ipywidgets\nbutton = ipywidgets.IntSlider()\nbutton",
    "# scratch\nimport asyncio\nawait asyncio.sleep(0)\nprint(first, random.random() < 1)",
    "point = Point(next(waiting))\nfor n in range(3):\n    print(n, end='\\r')\nprint()\nprint(type(point), len('ab'))",
    "n = len(open('out.txt').read()) + int(data.y.sum()) + point.x\nprint('n', n)",
]


def test_a_notebook_that_agrees_is_verified_and_its_folder_is_untouched(tmp_path: Path) -> None:
    """Each captured value and each printed line is compared, and files are written to a copy of the folder."""
    (tmp_path / "data.csv").write_text("x\n1\n2\n")
    document = plain_document(EVERYDAY)
    with Proof(document, tmp_path) as proof:
        found = proof.check(by_hand(document)).verification
    assert found.rows == (
        Row("s1", "data", "pandas.DataFrame", "2 × 1", "equal"),
        Row("s1", "waiting", "list_iterator", "", "equal"),
        Row("s3", "point", "Point", "", "equal"),
        Row("s3", "printed lines", "", "2 lines", "equal"),
        Row("s4", "n", "int", "", "equal"),
        Row("s4", "printed lines", "", "1 line", "equal"),
        Row("", "out.txt", "file", "", "equal"),
    )
    assert (found.summary, found.notes) == (
        "Verified: 7 equal.",
        ("1 line of cell 7, of which no step has the code, is not compared",),
    )
    assert proof.plain.printed[9] == "n 8\n"
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_what_differs_from_run_to_run_is_named_with_the_reason(tmp_path: Path) -> None:
    """Values of two runs of the notebook that differ cannot be verified, all others are."""
    document = plain_document(
        [
            "# shared\nimport random, time",
            "noise = random.random()\nkept = 5\nprint('kept', kept)\nprint(object())",
            "started = time.time()\ntotal = noise + kept\nprint(kept)",
        ]
    )
    with Proof(document, tmp_path) as proof:
        found = proof.check(by_hand(document)).verification
    again = "it differs from run to run: "
    assert found.rows == (
        Row("s1", "noise", "float", "", "unverifiable", f"{again}random numbers without a fixed seed"),
        Row("s1", "kept", "int", "", "equal"),
        Row("s1", "printed lines", "", "1 of 2 lines", "unverifiable", f"{again}a memory address"),
        Row("s2", "started", "float", "", "unverifiable", f"{again}the time"),
        Row("s2", "total", "float", "", "unverifiable", f"{again}`noise`"),
        Row("s2", "printed lines", "", "1 line", "equal"),
    )
    assert (found.verified, found.plain_runs) == (True, 2)


def test_a_cell_that_fails_or_asks_for_input_ends_the_proof(tmp_path: Path) -> None:
    """An error that the notebook expects does not count; the first other one is said with its cell."""
    document = plain_document(["1 / 0", "a = 1", "b = a +\\\n    int(input('b'))", "c = b"])
    document["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    with Proof(document, tmp_path) as proof:
        found = proof.check(by_hand(document)).verification
    assert found.plain_failure is not None
    assert (found.plain_failure.kind, found.verified) == ("input", False)
    assert found.summary == (
        "Nothing could be compared, because the notebook fails in cell 3, line 2: "
        "it asks for input, and nobody is there to answer."
    )


def test_cells_with_cell_magics_are_executed_and_what_the_magics_print_is_left_out(tmp_path: Path) -> None:
    """A cell of another language is executed; lines about time are left out, captured ones are not compared."""
    document = plain_document(
        [
            "%%writefile written.py\nvalue = 4",
            "# shared\nimport os",
            "%%time\na = len(open('written.py').read())\nprint('a', a)",
            "%%capture\nb = a + 1\nprint('b', b)",
        ]
    )
    (tmp_path / "written.py").write_text("value = 4\n")
    with Proof(document, tmp_path) as proof:
        run = proof.execute_plain(proposal := propose(document))
        found = proof.check(proposal).verification
    assert run.printed == {1: "Overwriting written.py\n", 2: "", 3: "a 10\n", 4: ""}
    captured = "`%%capture` keeps it from the notebook's output"
    assert [row for row in found.rows if row.name == "printed lines"] == [
        Row("report", "printed lines", "", "1 line", "equal"),
        Row("report_step", "printed lines", "", "0 lines", "unverifiable", captured),
    ]
    by_magic = "cell 1 writes it with `%%writefile`, which no step can"
    assert found.rows[-1] == Row("", "written.py", "file", "", "unverifiable", by_magic)
    assert found.verified


def test_a_cell_without_end_is_stopped(tmp_path: Path) -> None:
    """A cell that takes longer than allowed ends the run; what a magic executes inside of a cell is not a cell."""
    cells = read_plain(plain_document(["%%capture out\na = 1", "print('begins')", "while True:\n    print('on')"]))
    found = run_plain(
        cells, tmp_path, tmp_path, store=tmp_path / "store", names={number: ["a"] for number in (1, 2, 3)}, timeout=2
    )
    assert found.failure == PlainFailure(3, 0, "It ran longer than 2 seconds.", "timeout")
    assert (found.printed[2], sorted(found.snapshots), list(found.snapshots[2])) == ("begins\n", [1, 2], ["a"])


def test_differences_become_constraints_until_nothing_differs(tmp_path: Path) -> None:
    """A connection, a seed, a second name and a scratch cell that changes a value: each is repaired and said."""
    document = plain_document(
        [
            "# shared\nimport random\nimport sqlite3",
            "links = sqlite3.connect(':memory:')",
            "rows = links.execute('select 1').fetchall()",
            "bag = [1]",
            "# scratch\nbag.append(2)",
            "size = len(bag)\nprint(size)\nrandom.seed(1)",
            "draw = random.random()\nother = bag",
            "other.append(3)",
            "result = (sum(bag), rows, draw, size)",
        ]
    )
    with Proof(document, tmp_path) as proof:
        found = prove(by_hand(document), lambda constraints: by_hand(document, constraints), proof)
    assert [step.cells for step in found.proposal.steps] == [(2, 3), (4,), (5,), (6, 7, 8), (9,)]
    assert [finding.message.what for finding in found.proposal.findings] == [
        "Cells 2 and 3 are one step, because `links` (sqlite3.Connection) cannot be stored.",
        "Cell 5 is part of a step.",
        "Cells 6 and 7 are one step.",
        "Cells 7 and 8 are one step.",
    ]
    assert found.verification is not None
    assert (found.verification.verified, found.verification.flow_failure) == (True, "")
