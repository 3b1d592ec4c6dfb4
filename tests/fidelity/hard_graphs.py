"""Hard cells about graphs: splits, joins, foreach, switches, and transitions the author wrote.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["GRAPHS"]

GRAPHS = (
    HardCell(
        name="first_and_last_of_any_name",
        promise="The first step need not be start, nor the last end.",
        cells=(
            "%%step load -> x\nx = 1\n",
            "%%step train -> y\ny = x + 1\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="one_step",
        promise="A flow may be one step of any name.",
        cells=("%%step only -> x\nx = 1\n",),
        outcome="equal",
    ),
    HardCell(
        name="only_a_start",
        promise="A flow may be a start alone.",
        cells=("%%step start -> x\nx = 1\n",),
        outcome="equal",
    ),
    HardCell(
        name="static_split_and_join",
        promise="Branches see their own changes only; the join reads each by inputs.name.",
        cells=(
            "%%step start -> xs, k\nxs = [1]\nk = 5\n",
            "%%step left --after start -> a\nxs.append(2)\na = len(xs)\n",
            "%%step right --after start -> b\nxs.append(3)\nxs.append(4)\nb = len(xs)\n",
            "%%step gather --after left,right --join -> total, lists\n"
            "total = inputs.left.a + inputs.right.b\n"
            "lists = sorted(i.xs for i in inputs) + [inputs.left.xs]\n",
            "%%step end -> done\ndone = total * 10\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="join_with_merge_artifacts",
        promise="merge_artifacts carries agreeing artifacts on, and leaves those already set.",
        cells=(
            "%%step start -> same, both\nsame = [1]\nboth = 0\n",
            "%%step left --after start -> both, a\nboth = 1\na = 'l'\n",
            "%%step right --after start -> both, b\nboth = 2\nb = 'r'\n",
            "%%step gather --after left,right --join\n"
            "self.both = max(i.both for i in inputs)\nself.merge_artifacts(inputs)\n"
            "self.seen = self.a + self.b\n",
            "%%step end -> total\ntotal = [same, both, a, b, seen]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="mutation_of_an_input",
        promise="Changing inputs.a.xs in place changes nothing; what was merged may be changed.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step a --after start\npass\n",
            "%%step b --after start\npass\n",
            "%%step gather --after a,b --join -> n\ninputs.a.xs.append(9)\n"
            "self.merge_artifacts(inputs)\nn = len(self.xs)\nself.xs.append(7)\n",
            "%%step end -> m\nm = list(xs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="merge_artifacts_include_and_exclude",
        promise="merge_artifacts takes include or exclude; the rest is not carried on.",
        cells=(
            "%%step start -> x, y, z\nx, y, z = 1, 2, 3\n",
            "%%step left --after start -> y\ny = 4\n",
            "%%step right --after start -> w\nw = 5\n",
            "%%step gather --after left,right --join\nself.merge_artifacts(inputs, exclude=['y'])\n",
            "%%step a --after gather -> w\nw = 6\n",
            "%%step b --after gather\nx\n",
            "%%step again --after a,b --join -> has\n"
            "self.merge_artifacts(inputs, include=['x', 'z'])\n"
            "has = [hasattr(self, k) for k in 'xyzw']\n",
            "%%step end -> total\ntotal = x + z\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="merge_artifacts_of_equal_objects",
        promise="Branches that assign equal values to one name do not conflict.",
        cells=(
            "%%step start\n",
            "%%step left --after start -> x\nx = {'k': [1, 2]}\n",
            "%%step right --after start -> x\nx = {'k': list(range(1, 3))}\n",
            "%%step gather --after left,right --join\nself.merge_artifacts(inputs)\n",
            "%%step end -> y\ny = x['k']\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_and_join",
        promise="Every task has its item and index; the join sees inputs in the items' order.",
        cells=(
            "%%step start -> xs, k\nxs = [3, 1, 2]\nk = 10\n",
            "%%step work --foreach xs -> y, at\ny = self.input * k\nat = self.index\n",
            "%%step gather --join -> ys, last, n\nys = [i.y for i in inputs]\n"
            "last = inputs[2].at\nn = len(list(inputs))\n",
            "%%step end -> total\ntotal = sum(ys)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_of_one_item",
        promise="A foreach over one item is still a foreach with a join.",
        cells=(
            "%%step start -> xs\nxs = ['only']\n",
            "%%step work --foreach xs -> y\ny = (self.input, self.index, self.foreach_stack())\n",
            "%%step gather --join -> ys\nys = [i.y for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_over_other_sequences",
        promise="A foreach may run over a range, a tuple, a text or an array.",
        cells=(
            "%%shared\nimport numpy as np\n",
            "%%step start -> r, t, a\nr = range(2, 6, 2)\nt = ('x', None)\na = np.array([[1, 2], [3, 4]])\n",
            "%%step one --foreach r -> y\ny = self.input\n",
            "%%step one_join --join -> ys\nys = [i.y for i in inputs]\n"
            "self.merge_artifacts(inputs, include=['t', 'a'])\n",
            "%%step two --foreach t -> y\ny = self.input\n",
            "%%step two_join --join -> zs\nzs = [i.y for i in inputs]\n"
            "self.merge_artifacts(inputs, include=['ys', 'a'])\n",
            "%%step three --foreach a -> y\ny = self.input.sum()\n",
            "%%step end_join --join -> total\ntotal = [i.y for i in inputs] + inputs[0].ys + inputs[0].zs\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_over_numbered_keys",
        promise="A foreach over a dict with the keys 0, 1, ... takes its values.",
        cells=(
            "%%step start -> d\nd = {0: 'a', 1: 'b'}\n",
            "%%step work --foreach d -> v\nv = self.input\n",
            "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_item_changed_in_place",
        promise="An item changed in place changes that task's copy of the list, and no other's.",
        cells=(
            "%%step start -> xs\nxs = [{'v': 1}, {'v': 2}]\n",
            "%%step work --foreach xs -> mine\nself.input['v'] *= 10\nmine = self.input\n",
            "%%step gather --join -> lists, mine\nlists = [i.xs for i in inputs]\nmine = [i.mine for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_tasks_are_isolated",
        promise="Tasks of a foreach share no inherited object, shared state or name.",
        cells=(
            "%%shared\nSEEN = []\n",
            "%%step start -> xs, acc\nxs = [1, 2, 3]\nacc = []\n",
            "%%step work --foreach xs -> n\nacc.append(self.input)\nSEEN.append(self.input)\nn = len(SEEN)\n",
            "%%step more -> m\nacc.append('more')\nm = [self.input, self.index, len(SEEN)]\n",
            "%%step gather --join -> accs, ms\naccs = [i.acc for i in inputs]\nms = [(i.n, i.m) for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="nested_foreach",
        promise="A foreach inside a foreach has two joins, and knows both items.",
        cells=(
            "%%step start -> xs\nxs = ['a', 'bc']\n",
            "%%step outer --foreach xs -> word, ys\nword = self.input\nys = list(word)\n",
            "%%step inner --foreach ys -> z\n"
            "z = [word, self.input, self.index, [f[:2] for f in self.foreach_stack()]]\n",
            "%%step inner_join --join -> zs, at\nzs = [i.z for i in inputs]\nat = self.index\n",
            "%%step outer_join --join -> all_of_them\nall_of_them = [(i.at, i.zs) for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="item_after_a_join",
        promise="A join inside a foreach knows its outer index, and its item only if that was merged.",
        cells=(
            "%%step start -> xs\nxs = ['a', 'b']\n",
            "%%step outer --foreach xs -> ys\nys = [1]\n",
            "%%step inner --foreach ys\npass\n",
            "%%step inner_join --join -> lost\nlost = [self.input, self.index, self.foreach_stack()]\n",
            "%%step outer_join --join -> outside, losts\n"
            "outside = [self.input, self.index, self.foreach_stack()]\n"
            "losts = [i.lost for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="split_inside_a_foreach",
        promise="Every task of a foreach may split into branches that join again.",
        cells=(
            "%%step start -> xs\nxs = [1, 2]\n",
            "%%step work --foreach xs -> v\nv = self.input\n",
            "%%step left --after work -> a\na = v + 10\n",
            "%%step right --after work -> b\nb = self.input * 100\n",
            "%%step both --after left,right --join -> c\nc = (inputs.left.a, inputs.right.b)\n",
            "%%step gather --join -> cs\ncs = [i.c for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_inside_a_branch",
        promise="One branch of a split may be a foreach with its own join.",
        cells=(
            "%%step start -> xs\nxs = [1, 2]\n",
            "%%step plain --after start -> a\na = sum(xs)\n",
            "%%step fan --after start -> k\nk = 3\n",
            "%%step work --foreach xs --after fan -> y\ny = self.input * k\n",
            "%%step fan_join --after work --join -> ys\nys = [i.y for i in inputs]\n",
            "%%step gather --after plain,fan_join --join -> total\ntotal = inputs.plain.a + sum(inputs.fan_join.ys)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="foreach_right_after_a_foreach_join",
        promise="A join may be followed by a foreach: flow.py gets a step in between.",
        cells=(
            "%%step start -> xs\nxs = [1, 2]\n",
            "%%step work --foreach xs -> y\ny = self.input + 1\n",
            "%%step gather --join -> ys\nys = [i.y for i in inputs]\n",
            "%%step again --foreach ys -> z\nz = self.input * 10\n",
            "%%step end_all --join -> zs\nzs = [i.z for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="join_followed_by_a_split",
        promise="A join may be followed by a split: flow.py gets a step in between.",
        cells=(
            "%%step start\n",
            "%%step a --after start -> x\nx = 1\n",
            "%%step b --after start -> x\nx = 2\n",
            "%%step middle --after a,b --join -> total\ntotal = inputs.a.x + inputs.b.x\n",
            "%%step c --after middle -> y\ny = total + 1\n",
            "%%step d --after middle -> y\ny = total + 2\n",
            "%%step last --after c,d --join -> ys\nys = [inputs.c.y, inputs.d.y]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="join_followed_by_a_switch",
        promise="A join may be followed by a switch: flow.py gets a step in between.",
        cells=(
            "%%step start\n",
            "%%step a --after start -> x\nx = 1\n",
            "%%step b --after start -> x\nx = 2\n",
            "%%step middle --after a,b --join -> kind\nkind = 'low' if inputs.a.x < inputs.b.x else 'high'\n",
            "%%step low --after middle --when kind=low -> y\ny = 1\n",
            "%%step high --after middle --when kind=high -> y\ny = 2\n",
            "%%step last --after low,high -> z\nz = [kind, y]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="skip_edge",
        promise="A join may wait for the split itself besides a branch.",
        cells=(
            "%%step start -> n\nn = 1\n",
            "%%step a --after start -> n\nn = n + 1\n",
            "%%step j --after start,a --join -> ns\nns = sorted(i.n for i in inputs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="three_branches_of_different_length",
        promise="Branches may be chains of any length, in any order of cells.",
        cells=(
            "%%step start -> k\nk = 1\n",
            "%%step third --after start -> c\nc = k + 30\n",
            "%%step first --after start -> a\na = k + 10\n",
            "%%step first_more --after first -> a\na += 1\n",
            "%%step second --after start -> b\nb = k + 20\n",
            "%%step gather --after first_more,second,third --join -> total\n"
            "total = [inputs.first_more.a, inputs.second.b, inputs.third.c]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="switch",
        promise="--when runs the one branch whose value the artifact has.",
        cells=(
            "%%step start -> size\nsize = 'big'\n",
            "%%step small --after start --when size=small -> y\ny = 1\n",
            "%%step big --after start --when size=big -> y\ny = 2\n",
            "%%step end --after small,big -> z\nz = [size, y]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="switch_inside_a_foreach",
        promise="Tasks of one foreach may take different branches of a switch.",
        cells=(
            "%%step start -> xs\nxs = [1, 5, 2]\n",
            "%%step look --foreach xs -> kind, v\nv = self.input\nkind = 'small' if v < 3 else 'big'\n",
            "%%step small --after look --when kind=small -> y\ny = v\n",
            "%%step big --after look --when kind=big -> y\ny = v * 100\n",
            "%%step pack --after small,big -> row\nrow = (kind, y, self.index)\n",
            "%%step gather --join -> rows\nrows = [i.row for i in inputs]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="explicit_switch_on_other_values",
        promise="A switch that the author wrote may have numbers and truth values as its cases.",
        cells=(
            "%%step start\nself.n = 2\nself.next({1: self.one, 2: self.two}, condition='n')\n",
            "%%step one\nself.y = 'one'\nself.next(self.ask)\n",
            "%%step two\nself.y = 'two'\nself.next(self.ask)\n",
            '%%step ask\nself.ok = self.n > 1\nself.next({True: self.yes, False: self.no}, condition="ok")\n',
            "%%step yes\nself.z = 1\nself.next(self.end)\n",
            "%%step no\nself.z = 0\nself.next(self.end)\n",
            "%%step end\nself.w = self.z\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="switch_that_loops",
        promise="A switch may point at its own step; every round is a task.",
        cells=(
            "%%step start\nself.n = 0\nself.next(self.grow)\n",
            "%%step grow\nself.n += 1\nself.state = 'again' if self.n < 3 else 'done'\n"
            "self.next({'again': self.grow, 'done': self.end}, condition='state')\n",
            "%%step end\nself.total = self.n\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="explicit_transitions",
        promise="Bodies pasted from a Metaflow flow keep their self.next.",
        cells=(
            '%%step start\nself.xs = [1, 2]\nself.next(self.work, foreach="xs")\n',
            "%%step work\nself.y = self.input * 2\nself.next(self.gather)\n",
            "%%step gather --join\nself.ys = [i.y for i in inputs]\nself.next(self.end)\n",
            "%%step end\nself.total = sum(self.ys)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="explicit_split",
        promise="self.next with several steps is a split, whatever the order of the cells.",
        cells=(
            "%%step start\nself.k = 1\nself.next(self.b, self.a)  # both\n",
            "%%step a\nself.x = self.k + 1\nself.next(self.gather)\n",
            "%%step b\nself.x = self.k + 2\nself.next(self.gather);\n",
            "%%step gather --join\nself.xs = [inputs.a.x, inputs.b.x]\nself.next(\n    self.end\n)\n",
            "%%step end\npass\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="explicit_next_after_captures",
        promise="Captured names are stored before the transition that the body ends in.",
        cells=(
            "%%step start -> xs, n\nxs = [4, 5]\nn = 2\nself.next(self.work, foreach='xs')\n",
            "%%step work -> y\ny = self.input * n\nself.next(self.gather)\n# the end\n",
            "%%step gather --join -> ys\nys = [i.y for i in inputs]\n",
            "%%step end -> total\ntotal = sum(ys)\n",
        ),
        outcome="equal",
    ),
)
