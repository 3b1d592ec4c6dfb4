"""Shapes of branches: splits in splits, joins of joins, what a join sees and merges.

Real Metaflow and flownb must run every shape alike.
"""

from __future__ import annotations

from tests.fidelity.shape import shape

__all__ = ["SPLITS"]

SPLITS = (
    shape(
        "wide_split",
        "A split may have many branches, and its join sees all of them.",
        "%%step start -> k\nk = 10\n",
        *(f"%%step branch_{n} --after start -> x\nx = k + {n}\n" for n in (3, 1, 4, 0, 5, 2)),
        "%%step gather --after branch_0,branch_1,branch_2,branch_3,branch_4,branch_5 --join -> xs, by_name\n"
        "xs = sorted(i.x for i in inputs)\nby_name = [inputs.branch_4.x, inputs.branch_0.x]\n",
    ),
    shape(
        "nested_split",
        "A branch may split again; the inner join comes first, the outer one right behind it.",
        "%%step start -> k\nk = 1\n",
        "%%step a --after start -> x\nx = k + 1\n",
        "%%step a1 --after a -> y\ny = x * 10\n",
        "%%step a2 --after a -> y\ny = x * 20\n",
        "%%step a_join --after a1,a2 --join -> ys\nys = [inputs.a1.y, inputs.a2.y]\n"
        "self.merge_artifacts(inputs, include=['k'])\n",
        "%%step b --after start -> z\nz = k + 2\n",
        "%%step gather --after a_join,b --join -> all_of_them\n"
        "all_of_them = (inputs.a_join.ys, inputs.b.z, inputs[0].k, inputs[1].k)\n",
    ),
    shape(
        "splits_in_both_branches",
        "Both branches of a split may split, each with its own join.",
        "%%step start -> k\nk = 1\n",
        "%%step a --after start\n",
        "%%step b --after start\n",
        "%%step a1 --after a -> x\nx = 1\n",
        "%%step a2 --after a -> x\nx = 2\n",
        "%%step b1 --after b -> x\nx = 3\n",
        "%%step b2 --after b -> x\nx = 4\n",
        "%%step a_join --after a1,a2 --join -> xs\nxs = [inputs.a1.x, inputs.a2.x]\n",
        "%%step b_join --after b2,b1 --join -> xs\nxs = [inputs.b1.x, inputs.b2.x]\n",
        "%%step gather --after a_join,b_join --join -> xss\nxss = [inputs.a_join.xs, inputs.b_join.xs]\n",
        "%%step end -> total\ntotal = sum(sum(xs) for xs in xss)\n",
    ),
    shape(
        "three_joins_in_a_row",
        "A split in a split in a split ends in three joins, one after the other.",
        "%%step start -> path\npath = ['start']\n",
        "%%step a --after start\npath.append('a')\n",
        "%%step z --after start\npath.append('z')\n",
        "%%step aa --after a\npath.append('aa')\n",
        "%%step az --after a\npath.append('az')\n",
        "%%step aaa --after aa\npath.append('aaa')\n",
        "%%step aaz --after aa\npath.append('aaz')\n",
        "%%step inner --after aaa,aaz --join -> path\npath = [inputs.aaa.path, inputs.aaz.path]\n",
        "%%step middle --after inner,az --join -> path\npath = [inputs.inner.path, inputs.az.path]\n",
        "%%step outer --after middle,z --join -> path\npath = [inputs.middle.path, inputs.z.path]\n",
    ),
    shape(
        "two_splits_in_a_row",
        "After a join and a step the flow may split again, into steps of other names.",
        "%%step start\n",
        "%%step a --after start -> x\nx = 1\n",
        "%%step b --after start -> x\nx = 2\n",
        "%%step ab --after a,b --join -> x\nx = inputs.a.x + inputs.b.x\n",
        "%%step between -> y\ny = x * 10\n",
        "%%step c --after between -> z\nz = x + y\n",
        "%%step d --after between -> z\nz = x - y\n",
        "%%step cd --after c,d --join -> zs\nzs = [inputs.c.z, inputs.d.z]\n"
        "self.merge_artifacts(inputs, include=['x', 'y'])\n",
        "%%step end -> total\ntotal = [x, y, zs]\n",
    ),
    shape(
        "inputs_by_name_and_place",
        "inputs has the branches' last steps by name; by place it has each once.",
        "%%step start -> k\nk = 1\n",
        "%%step left --after start -> x\nx = 'left'\n",
        "%%step left_more -> x\nx += '!'\n",
        "%%step right --after start -> x\nx = 'right'\n",
        "%%step gather --after right,left_more --join -> names, places, known\n"
        "names = (inputs.left_more.x, inputs.right.x)\n"
        "places = [sorted([inputs[0].x, inputs[1].x]), sorted(i.x for i in inputs), inputs[-1].k, len(inputs.flows)]\n"
        "known = [hasattr(inputs, n) for n in ('left', 'left_more', 'right')]\n",
    ),
    shape(
        "what_a_join_has",
        "A join has no artifact of its branches until it reads or merges it, but parameters and constants.",
        '%%flow JoinFlow\nalpha = Parameter("alpha", default=3)\nWORDS = ["a", "b"]\n',
        "%%step start -> k\nk = 1\n",
        "%%step left --after start -> x\nx = alpha\n",
        "%%step right --after start -> y\ny = WORDS\n",
        "%%step gather --after left,right --join -> own, theirs\n"
        "own = [hasattr(self, n) for n in ('k', 'x', 'y', 'alpha', 'WORDS')]\n"
        "theirs = [[hasattr(i, n) for n in ('k', 'x', 'y', 'alpha', 'WORDS')] for i in (inputs.left, inputs.right)]\n"
        "own += [alpha, WORDS]\n",
    ),
    shape(
        "merge_without_arguments",
        "merge_artifacts takes what one branch alone has, and what all have alike.",
        '%%flow MergeFlow\nalpha = Parameter("alpha", default=3)\nSIZE = 4\n',
        "%%step start -> k, untouched\nk = 1\nuntouched = {'deep': [1]}\n",
        "%%step left --after start -> x, k\nx = 1\nk = 5\n",
        "%%step right --after start -> y, k\ny = 2\nk = 5\n",
        "%%step gather --after left,right --join\nself.merge_artifacts(inputs)\n",
        "%%step end -> total\ntotal = [k, x, y, untouched, alpha, SIZE]\n",
    ),
    shape(
        "merge_what_was_set_before",
        "What the join set itself, and what it excludes, cannot conflict.",
        "%%step start -> x, y, z\nx = y = z = 0\n",
        "%%step left --after start -> x, y\nx, y = 1, 1\n",
        "%%step right --after start -> x, y\nx, y = 2, 2\n",
        "%%step gather --after left,right --join\n"
        "self.x = [inputs.left.x, inputs.right.x]\nself.merge_artifacts(inputs, exclude=['y'])\n"
        "self.has_y = hasattr(self, 'y')\n",
        "%%step end -> all_of_them\nall_of_them = [x, z, has_y]\n",
    ),
    shape(
        "merge_include_of_what_one_branch_has",
        "An included artifact may come from one branch; all that is not included stays behind.",
        "%%step start -> x, y\nx = y = 0\n",
        "%%step left --after start -> mine, y\nmine, y = 'l', 1\n",
        "%%step right --after start -> y\ny = 2\n",
        "%%step gather --after left,right --join -> has\n"
        "self.merge_artifacts(inputs, include=['mine'])\nhas = [hasattr(self, n) for n in ('mine', 'x', 'y')]\n",
        "%%step end -> it\nit = mine\n",
    ),
    shape(
        "merge_twice",
        "A join may merge more than once.",
        "%%step start -> x, y, z\nx = y = z = 0\n",
        "%%step left --after start -> x\nx = 1\n",
        "%%step right --after start\n",
        "%%step gather --after left,right --join\n"
        "self.merge_artifacts(inputs, include=['y'])\nself.x = 9\nself.merge_artifacts(inputs)\n",
        "%%step end -> all_of_them\nall_of_them = [x, y, z]\n",
    ),
    shape(
        "merges_on_two_levels",
        "What the inner join merged, the outer one can merge again.",
        "%%step start -> k\nk = 1\n",
        "%%step a --after start -> x\nx = 1\n",
        "%%step b --after start -> y\ny = 2\n",
        "%%step a1 --after a -> p\np = 1\n",
        "%%step a2 --after a -> q\nq = 2\n",
        "%%step a_join --after a1,a2 --join\nself.merge_artifacts(inputs)\n",
        "%%step gather --after a_join,b --join\nself.merge_artifacts(inputs)\n",
        "%%step end -> all_of_them\nall_of_them = [k, x, y, p, q]\n",
    ),
    shape(
        "join_that_reads_nothing",
        "A join need not look at its inputs.",
        "%%step start -> k\nk = 1\n",
        "%%step left --after start\n",
        "%%step right --after start\n",
        "%%step gather --after left,right --join -> x\nx = 1\n",
        "%%step last -> y\ny = x + 1\n",
    ),
    shape(
        "split_without_start_and_end",
        "A flow without start and end may begin in a split and end in its join.",
        "%%step load -> k\nk = 1\n",
        "%%step left --after load -> x\nx = k + 1\n",
        "%%step right --after load -> x\nx = k + 2\n",
        "%%step report --after left,right --join -> xs\nxs = [inputs.left.x, inputs.right.x]\n",
    ),
    shape(
        "transitions_of_both_kinds",
        "Some bodies may say self.next and others leave it to the headers.",
        "%%step start\nself.k = 1\nself.next(self.left, self.right)\n",
        "%%step left -> x\nx = self.k + 1\n",
        "%%step left_more -> x\nx = x * 2\nself.next(self.gather)\n",
        "%%step right\nself.x = self.k + 2\nself.next(self.gather)\n",
        "%%step gather --join -> xs\nxs = [inputs.left_more.x, inputs.right.x]\n",
        "%%step report\nself.total = sum(self.xs)\nself.next(self.end)\n",
        "%%step end -> half\nhalf = total / 2\n",
    ),
    shape(
        "long_line",
        "A flow may be a line of steps, named in headers, in bodies, or by their place.",
        "%%step start -> xs\nxs = ['start']\n",
        "%%step one\nxs.append('one')\n",
        "%%step two --after one\nself.xs.append('two')\nself.next(self.three)\n",
        "%%step three --after two\nself.xs = self.xs + ['three']\n",
        "%%step end\nxs.append('end')\n",
    ),
)
