"""Shapes of foreachs: nested, in branches and around them, over many kinds of items.

Real Metaflow and flownb must run every shape alike.
"""

from __future__ import annotations

from tests.fidelity.shape import shape

__all__ = ["FOREACHS"]

FOREACHS = (
    shape(
        "uneven_nested_foreach",
        "Tasks of an outer foreach may have inner foreachs of different lengths.",
        "%%step start -> xs\nxs = ['a', 'bcd', 'ef']\n",
        "%%step outer --foreach xs -> ys\nys = list(self.input)\n",
        "%%step inner --foreach ys -> z\nz = (self.input, self.index)\n",
        "%%step inner_join --join -> zs\nzs = [i.z for i in inputs]\n",
        "%%step outer_join --join -> zss\nzss = [i.zs for i in inputs]\n",
    ),
    shape(
        "foreach_three_deep",
        "A foreach in a foreach in a foreach has three joins, and each task knows all three items.",
        "%%step start -> xs\nxs = ['p', 'q']\n",
        "%%step a --foreach xs -> ys\nys = range(2 - self.index)\n",
        "%%step b --foreach ys -> zs\nzs = (self.input, 'last')[: self.input + 1]\n",
        "%%step c --foreach zs -> v\nv = '/'.join(str(item) for _, _, item in self.foreach_stack())\n",
        "%%step c_join --join -> vs, at\nvs = [i.v for i in inputs]\nat = self.index\n",
        "%%step b_join --join -> vss, at\nvss = [(i.at, i.vs) for i in inputs]\nat = self.index\n",
        "%%step a_join --join -> vsss, at\nvsss = [(i.at, i.vss) for i in inputs]\nat = self.index\n",
    ),
    shape(
        "steps_between_nested_foreachs",
        "Steps between the levels of a foreach keep the level they are on.",
        "%%step start -> xs\nxs = [1, 2]\n",
        "%%step outer --foreach xs -> x\nx = self.input\n",
        "%%step before -> ys\nys = [x, x * 10]\n",
        "%%step inner --foreach ys -> y\ny = self.input\n",
        "%%step inside -> y\ny = y + self.index + self.input\n",
        "%%step inner_join --join -> y\ny = [i.y for i in inputs]\nself.merge_artifacts(inputs, include=['x', 'xs'])\n",
        "%%step behind -> y\ny = [self.input, self.index, x, y]\n",
        "%%step outer_join --join -> y\ny = [i.y for i in inputs]\n",
    ),
    shape(
        "foreach_in_a_split_in_a_foreach",
        "A task of a foreach may split, and one of its branches be a foreach.",
        "%%step start -> xs\nxs = [1, 2]\n",
        "%%step work --foreach xs -> v\nv = self.input\n",
        "%%step plain --after work -> p\np = v * 100\n",
        "%%step fan --after work -> ys\nys = list(range(v))\n",
        "%%step inner --foreach ys -> q\nq = (self.index, self.input, v)\n",
        "%%step inner_join --join -> qs\nqs = [i.q for i in inputs]\n",
        "%%step both --after plain,inner_join --join -> row\nrow = (inputs.plain.p, inputs.inner_join.qs)\n",
        "%%step gather --join -> rows\nrows = [i.row for i in inputs]\n",
    ),
    shape(
        "foreachs_in_two_branches",
        "Each branch of a split may be a foreach of its own.",
        "%%step start -> xs, ys\nxs = [1, 2]\nys = 'pq'\n",
        "%%step left --after start\n",
        "%%step right --after start\n",
        "%%step for_x --foreach xs --after left -> v\nv = self.input\n",
        "%%step x_join --join -> vs\nvs = [i.v for i in inputs]\n",
        "%%step for_y --foreach ys --after right -> v\nv = self.input\n",
        "%%step y_join --join -> vs\nvs = [i.v for i in inputs]\n",
        "%%step gather --after x_join,y_join --join -> vss\nvss = [inputs.x_join.vs, inputs.y_join.vs]\n",
    ),
    shape(
        "foreach_behind_a_foreach",
        "A foreach may follow a foreach, over what the first gathered.",
        "%%step start -> xs\nxs = [1, 2]\n",
        "%%step one --foreach xs -> y\ny = self.input * 2\n",
        "%%step one_join --join -> ys\nys = [i.y for i in inputs]\n",
        "%%step between -> ys\nys = ys[::-1]\n",
        "%%step two --foreach ys -> z\nz = self.input + 1\n",
        "%%step two_join --join -> zs\nzs = [i.z for i in inputs]\n",
    ),
    shape(
        "steps_of_a_foreach_in_a_row",
        "All steps up to the join run for each item.",
        "%%step start -> xs\nxs = [3, 1]\n",
        "%%step one --foreach xs -> v\nv = [self.input]\n",
        "%%step two -> v\nv = v + [self.input * 10]\n",
        "%%step three -> v\nv = v + [self.index]\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "foreach_over_a_text",
        "A foreach over a text takes its characters.",
        "%%step start -> text\ntext = 'né☃'\n",
        "%%step work --foreach text -> c\nc = self.input\n",
        "%%step gather --join -> cs\ncs = [i.c for i in inputs]\n",
    ),
    shape(
        "foreach_over_a_list_made_by_a_generator",
        "A list made of a generator is a list; Nones and repeated items are items.",
        "%%step start -> xs\nxs = list(n // 2 or None for n in range(4))\n",
        "%%step work --foreach xs -> v\nv = [self.input, self.index]\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "foreach_over_a_series",
        "A foreach over a pandas Series takes what its labels 0, 1, ... name.",
        "%%shared\nimport pandas as pd\n",
        "%%step start -> xs\nxs = pd.Series([5.5, 7.5], index=[1, 0])\n",
        "%%step work --foreach xs -> v\nv = (self.index, self.input)\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "foreach_over_what_has_positions",
        "Rows of an array, values of a dictionary whose keys are positions, and what can only be iterated are items.",
        "%%shared\nimport numpy as np\n\nclass Pair:\n    def __iter__(self):\n        return iter((7, 8))\n",
        "%%step start -> xs, ys, zs\nxs = np.array([[1, 2], [3, 4]])\nys = {1: 'b', 0: 'a'}\nzs = Pair()\n",
        "%%step rows --foreach xs -> v\nv = self.input.tolist()\n",
        "%%step rows_join --join -> seen\nseen = [i.v for i in inputs]\n"
        "self.merge_artifacts(inputs, include=['ys', 'zs'])\n",
        "%%step values --foreach ys -> v\nv = self.input\n",
        "%%step values_join --join -> seen\nseen = [(i.seen, i.v) for i in inputs]\nself.zs = inputs[0].zs\n",
        "%%step pair --foreach zs -> v\nv = self.input\n",
        "%%step pair_join --join -> seen\nseen = [(i.seen, i.v) for i in inputs]\n",
    ),
    shape(
        "foreach_over_objects",
        "Items may be frames and objects of a class of the shared cells.",
        "%%shared\nimport pandas as pd\nfrom dataclasses import dataclass\n\n"
        "@dataclass\nclass Job:\n    name: str\n    frame: pd.DataFrame\n",
        "%%step start -> jobs\njobs = [Job(n, pd.DataFrame({'x': range(len(n))})) for n in ('a', 'bcd')]\n",
        "%%step work --foreach jobs -> size\nself.input.frame['y'] = 1\nsize = self.input.frame.size\n",
        "%%step gather --join -> sizes\nsizes = {i.input.name: i.size for i in inputs}\n",
    ),
    shape(
        "foreach_over_a_constant",
        "The first step may be a foreach over a constant of the flow.",
        "%%flow ConstantFlow\nITEMS = ('a', 'b')\n",
        "%%step work --foreach ITEMS -> v\nv = self.input * 2\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "foreach_over_a_parameter",
        "A foreach may run over a parameter that is a list.",
        "%%flow ParameterFlow\nitems = Parameter('items', type=JSONType, default='[4, 5]')\n",
        "%%step start\n",
        "%%step work --foreach items -> v\nv = self.input * 2\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "foreach_over_an_older_artifact",
        "The artifact of a foreach may be made steps before.",
        "%%step start -> xs\nxs = [1, 2]\n",
        "%%step middle -> k\nk = 10\n",
        "%%step work --foreach xs -> v\nv = self.input + k\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\n",
    ),
    shape(
        "what_a_foreach_join_sees",
        "A foreach's join sees each task's index, item and stack, and the last task by the step's name.",
        "%%step start -> xs\nxs = ['a', 'b']\n",
        "%%step work --foreach xs -> v\nv = self.input * 2\n",
        "%%step more\n",
        "%%step gather --join -> seen, last\n"
        "seen = [(i.index, i.input, i.foreach_stack(), i.v, i.xs) for i in inputs]\n"
        "last = [inputs.more.v, inputs[0].v, inputs[-1].v, hasattr(inputs, 'work')]\n",
    ),
    shape(
        "merge_in_a_foreach_join",
        "merge_artifacts of a foreach's tasks keeps what all of them have alike.",
        "%%step start -> xs, k\nxs = [1, 2]\nk = {'deep': [1]}\n",
        "%%step work --foreach xs -> v, same\nv = self.input\nsame = 'same'\n",
        "%%step gather --join\nself.vs = [i.v for i in inputs]\nself.merge_artifacts(inputs, exclude=['v'])\n",
        "%%step end -> all_of_them\nall_of_them = [vs, same, k, xs, hasattr(self, 'v')]\n",
    ),
    shape(
        "what_flows_read_of_metaflow_itself",
        "The graph, the current step and the open foreachs are there under Metaflow's own names.",
        "%%shared\ndef seen_of(flow):\n    node = flow._graph[flow._current_step]\n"
        "    names = {one.name for one in flow._graph} & set(flow._graph_info['steps'])\n"
        "    frames = [tuple(one) for one in flow._foreach_stack]\n"
        "    return [node.name, node.type, node.in_funcs, frames, 'work' in flow._graph, 'work' in names]\n",
        "%%step start -> xs, seen\nxs = ['a', [1, 2], 3.5]\nseen = seen_of(self)\n",
        "%%step work --foreach xs -> v\nv = [seen_of(self), self._current_step, len(self._foreach_stack)]\n",
        "%%step gather --join -> vs, seen\nvs = [i.v for i in inputs]\nseen = seen_of(self)\n",
    ),
    shape(
        "foreach_artifact_assigned_anew",
        "The item of a later step is that of the artifact's newest value.",
        "%%step start -> xs\nxs = ['a', 'b']\n",
        "%%step work --foreach xs -> before, xs\nbefore = self.input\nxs = [x + '!' for x in xs]\n",
        "%%step more -> after\nafter = self.input\n",
        "%%step gather --join -> pairs\npairs = [(i.before, i.after) for i in inputs]\n",
    ),
    shape(
        "nested_foreachs_over_one_name",
        "An inner foreach over a name that the outer one used changes the outer item, too.",
        "%%step start -> xs\nxs = ['ab', 'cd']\n",
        "%%step outer --foreach xs -> xs\nxs = list(self.input)\n",
        "%%step inner --foreach xs -> v\nv = [self.input, self.index]\n",
        "%%step inner_join --join -> vs\nvs = [i.v for i in inputs]\n",
        "%%step outer_join --join -> vss\nvss = [i.vs for i in inputs]\n",
    ),
    shape(
        "foreach_said_twice",
        "A header may repeat the foreach that the body above says.",
        "%%step start\nself.xs = [1, 2]\nself.next(self.work, foreach='xs')\n",
        "%%step work --foreach xs -> v\nv = self.input\n",
        "%%step gather --join -> vs\nvs = [i.v for i in inputs]\nself.next(self.end)\n",
        "%%step end\n",
    ),
)
