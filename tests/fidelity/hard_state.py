"""Hard cells about state: what in-place changes, aliases and the styles of self.x persist.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["STATE"]

STATE = (
    HardCell(
        name="mutation_of_a_captured_object",
        promise="Changes in place up to the body's end are captured.",
        cells=(
            "%%step start -> xs\nxs = []\nfor i in range(3):\n    xs.append(i)\n",
            "%%step middle -> xs\nxs.append(9)\n",
            "%%step end -> n\nn = len(xs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_of_an_inherited_list",
        promise="A list that is only read, and changed in place, is persisted changed.",
        cells=(
            "%%step start -> xs\nxs = [3, 1]\n",
            "%%step middle\nxs.sort()\n",
            "%%step end -> first\nfirst = xs[0]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_of_an_inherited_frame",
        promise='df["x"] = 1 on an inherited frame is seen downstream without capture.',
        cells=(
            "%%shared\nimport pandas as pd\n",
            '%%step start -> df\ndf = pd.DataFrame({"a": [1, 2]}, index=["p", "q"])\n',
            '%%step middle\ndf["x"] = 1\ndf.loc["p", "a"] = 7\n',
            "%%step end -> columns\ncolumns = list(df.columns)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_of_an_inherited_array",
        promise="An inherited NumPy array changed in place is persisted changed, through views too.",
        cells=(
            "%%shared\nimport numpy as np\n",
            "%%step start -> a, b\na = np.arange(6.0).reshape(2, 3)\nb = np.zeros(3, dtype=np.int8)\n",
            "%%step middle\na[0, :] += 10\nrow = a[1]\nrow *= 2\nb += 1\n",
            "%%step end -> total\ntotal = a.sum() + b.sum()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_deep_inside",
        promise="Changes deep inside an inherited object are seen downstream.",
        cells=(
            '%%step start -> d\nd = {"a": [{"b": {1}}]}\n',
            '%%step middle\nd["a"][0]["b"].add(2)\ninner = d["a"]\ninner.append(3)\n',
            '%%step end -> n\nn = len(d["a"]) + len(d["a"][0]["b"])\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_inside_a_function",
        promise="A helper that changes its argument changes the artifact passed to it.",
        cells=(
            "%%shared\ndef push(xs, v):\n    xs.append(v)\n",
            "%%step start -> xs, ys\nxs = []\nys = []\n",
            "%%step middle\npush(xs, 1)\ndef local():\n    ys.append(2)\nlocal()\n",
            "%%step end -> both\nboth = xs + ys\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_after_rebinding",
        promise="Once a plain name is rebound, changes in place go to the new object only.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step middle\nxs = xs + [2]\nxs.append(3)\n",
            "%%step end -> n\nn = len(xs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_before_rebinding",
        promise="Changes in place before a rebinding stay with the artifact.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step middle\nold = xs\nxs = None\nold.append(2)\n",
            "%%step end -> n\nn = len(xs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="aliases_part_in_the_next_step",
        promise="Two captured names of one list are two lists in the next step.",
        cells=(
            "%%step start -> a, b\na = b = [1]\n",
            "%%step middle -> same\nsame = a is b\na.append(2)\n",
            "%%step end -> lengths\nlengths = [len(a), len(b)]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="aliases_within_one_artifact",
        promise="Inside one artifact an object held twice stays one object.",
        cells=(
            "%%step start -> pair\nx = [1]\npair = (x, x)\n",
            "%%step middle\npair[0].append(2)\n",
            "%%step end -> same, n\nsame = pair[0] is pair[1]\nn = len(pair[1])\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="alias_of_an_inherited_name",
        promise="A captured second name of an inherited list becomes a list of its own.",
        cells=(
            "%%step start -> a\na = [1]\n",
            "%%step middle -> b\nb = a\nb.append(2)\n",
            "%%step last\nb.append(3)\n",
            "%%step end -> lengths\nlengths = [len(a), len(b)]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="recursive_list",
        promise="A list that holds itself still does in the next step.",
        cells=(
            "%%step start -> xs\nxs = [1]\nxs.append(xs)\n",
            "%%step end -> same\nsame = xs[1] is xs\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_state_is_fresh_in_every_step",
        promise="A shared list changed by one step is unchanged for the next.",
        cells=(
            "%%shared\nCACHE = []\n\ndef note(v, seen=[]):\n    seen.append(v)\n    return len(seen)\n",
            "%%step start -> a, b\nCACHE.append(1)\na = len(CACHE)\nnote(1)\nb = note(2)\n",
            "%%step end -> a, b\nCACHE.append(1)\na = len(CACHE)\nb = note(3)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="random_state_is_fresh_in_every_step",
        promise="A seed set by shared code starts every step at the same place.",
        cells=(
            "%%shared\nimport random\nrandom.seed(7)\n",
            "%%step start -> a\na = [random.random(), random.random()]\n",
            "%%step end -> b, same\nb = random.random()\nsame = a[0] == b\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="self_reads_and_writes",
        promise="self.x works as in Metaflow, beside captures.",
        cells=(
            "%%step start -> y\nself.x = 1\ny = self.x + 1\n",
            "%%step middle\nself.x += y\nself.z = self.y * 10\n",
            "%%step end -> total\ntotal = self.x + y + z\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="self_as_assignment_target",
        promise="Every kind of target may be an attribute of self.",
        cells=(
            "%%shared\nfrom contextlib import nullcontext\n",
            "%%step start\nself.a, (self.b, *self.c) = 1, (2, 3, 4)\nfor self.i in range(3):\n"
            "    pass\nwith nullcontext(5) as self.w:\n    pass\nself.t: int = 6\n"
            "self.d = self.e = {}\nself.d['k'] = self.a\n(self.p) = 7\n",
            "%%step end -> total\ntotal = sum([a, b, i, w, t, p, *c]) + len(d) + len(e)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="self_mutation",
        promise="self.xs.append changes the artifact, assigned here or inherited.",
        cells=(
            "%%step start\nself.xs = xs = [1]\nxs.append(2)\nself.d = {}\n",
            "%%step middle\nself.xs.append(3)\nself.d['k'] = 1\nself.d.setdefault('m', []).append(2)\n",
            "%%step end -> n\nn = len(self.xs) + len(self.d)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="self_and_plain_name_together",
        promise="A plain name and self.x read the same object until one of them is rebound.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step middle -> same\nsame = xs is self.xs\nself.xs = [5]\nxs.append(2)\n",
            "%%step end -> n\nn = xs\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="capture_wins_over_self",
        promise="A captured name is assigned after the last line, over self.x of the same name.",
        cells=(
            "%%step start -> x\nx = 1\nself.x = 2\nx = x + 10\n",
            "%%step end -> y\ny = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="self_in_nested_functions",
        promise="Functions and comprehensions of a body may read and write self.x.",
        cells=(
            "%%step start\ndef put(v):\n    self.z = v\nput(3)\nself.w = [self.z + i for i in range(2)]\n",
            "%%step end -> total\ntotal = (lambda: self.z)() + sum(w)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="setattr_and_getattr",
        promise="Artifacts may be written and read by names made at run time.",
        cells=(
            '%%step start\nfor k in "ab":\n    setattr(self, "v_" + k, ord(k))\n',
            '%%step end -> both, missing, has\nboth = [getattr(self, "v_" + k) for k in "ab"]\n'
            'missing = getattr(self, "nope", 7)\nhas = [hasattr(self, "v_a"), hasattr(self, "w")]\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="del_of_self_attributes",
        promise="del self.x undoes this step's assignment; an inherited artifact comes back.",
        cells=(
            "%%step start -> x\nx = 1\nself.y = 2\ndel self.y\n",
            "%%step middle -> seen\nself.x = 5\ndel self.x\nseen = self.x\n",
            '%%step end -> has\nhas = [hasattr(self, "x"), hasattr(self, "y")]\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="none_artifact",
        promise="An artifact that is None is an artifact, not a missing name.",
        cells=(
            "%%step start -> x\nx = None\n",
            "%%step end -> y, z\ny = x is None\nz = self.x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="a_step_that_captures_nothing",
        promise="Artifacts pass through a step that captures nothing; its locals do not.",
        cells=(
            "%%step start -> x\nx = 1\n",
            "%%step middle\nlocal = x + 1\nx\n",
            "%%step end -> y\ny = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="artifact_from_far_upstream",
        promise="A plain name may come from any ancestor, past steps that never mention it.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step one -> a\na = 1\n",
            "%%step two -> b\nb = 2\n",
            "%%step end -> total\ntotal = sum(xs) + a + b\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="parameters",
        promise="A Parameter is read by self.alpha, and by its plain name in later steps.",
        cells=(
            '%%flow HardFlow\nalpha = Parameter("alpha", default=0.5, help="a rate")\n'
            'names = Parameter("names", default="a,b", separator=",")\n'
            'setup = Parameter("setup", default={"k": [1]}, type=JSONType)\n',
            "%%step start -> x\nx = self.alpha * 2\n",
            '%%step end -> y\ny = [alpha + x, names, setup["k"]]\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_of_a_parameter",
        promise="A Parameter's or constant's value changed in place is as it was in the next step.",
        cells=(
            '%%flow HardFlow\nnames = Parameter("names", default="a,b", separator=",")\nGRID = [1]\n',
            "%%step start -> seen\nself.names.append('c')\nself.GRID.append(2)\n"
            "seen = [list(self.names), list(self.GRID)]\n",
            "%%step end -> after\nafter = [self.names, self.GRID]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="constant_of_the_flow",
        promise="A constant of the flow's class body is read by self.RATE in every step.",
        cells=(
            "%%flow HardFlow\nRATE = 3\nGRID = [1, 2]\n",
            "%%step start -> x\nx = self.RATE * 2\n",
            "%%step end -> y\ny = x + self.RATE + len(self.GRID)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="step_decorators",
        promise="Leading decorator lines decorate the step, over comments and several lines.",
        cells=(
            "%%shared\nimport os\n",
            "%%step start -> x\n@retry(\n    times=1,\n    minutes_between_retries=0,\n)\n"
            "# comment between\n@environment(vars={'FLOWNB_HARD': '7'})\n"
            "x = os.environ['FLOWNB_HARD']\n",
            "%%step end -> y\n@retry(times=0)\n\n@resources(memory=100)\ny = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="retry_starts_from_the_inherited_value",
        promise="A second attempt sees the inherited object without the first attempt's changes.",
        cells=(
            "%%shared\nfrom metaflow import current\n",
            "%%step start -> xs\nxs = [1]\n",
            "%%step middle -> n\n@retry(times=1, minutes_between_retries=0)\nxs.append(2)\n"
            "n = len(xs)\nif current.retry_count == 0:\n    raise ValueError('first')\n",
            "%%step end -> m\nm = len(xs)\n",
        ),
        outcome="equal",
    ),
)
