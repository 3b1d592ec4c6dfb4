"""Hard cells about names: how a body binds, rebinds and unbinds what it captures or inherits.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["NAMES"]

NAMES = (
    HardCell(
        name="conditional_assignment_not_taken",
        promise="A captured name whose assignment is skipped keeps the inherited value.",
        cells=(
            "%%step start -> n, flag\nn = 1\nflag = False\n",
            "%%step end -> n\nif flag:\n    n = 2\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="conditional_assignment_taken",
        promise="A captured name whose assignment is reached gets the new value.",
        cells=(
            "%%step start -> n, flag\nn = 1\nflag = True\n",
            "%%step end -> n\nif flag:\n    n = 2\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="assignment_on_every_branch",
        promise="A name that every branch assigns is captured without being inherited.",
        cells=(
            "%%step start -> n\nn = 1\n",
            '%%step end -> word\nif n > 3:\n    word = "many"\nelif n:\n    word = "few"\nelse:\n    word = "none"\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="loop_carried_inherited",
        promise="A loop that adds to an inherited name starts from the inherited value.",
        cells=(
            "%%step start -> total, values\ntotal = 10\nvalues = [1, 2, 3]\n",
            "%%step end -> total\nfor v in values:\n    total = total + v\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="loop_carried_local",
        promise="A name assigned late in one round of a loop is read early in the next.",
        cells=(
            "%%step start -> steps\nsteps = []\n"
            "for i in range(3):\n    if i:\n        steps.append(before - i)\n    before = i * 10\n",
            "%%step end -> n\nn = len(steps)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="loop_variable_captured",
        promise="A loop's variable outlives the loop and can be captured.",
        cells=("%%step start -> i\nfor i in range(3):\n    pass\n", "%%step end -> j\nj = i\n"),
        outcome="equal",
    ),
    HardCell(
        name="loop_over_the_name_it_rebinds",
        promise="A loop may rebind the inherited name that it iterates over.",
        cells=(
            "%%step start -> values\nvalues = [1, 2, 3]\n",
            "%%step end -> values\nfor values in values:\n    pass\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="del_of_a_local",
        promise="A local name that was deleted leaves the captured ones alone.",
        cells=(
            "%%step start -> y\nx = 1\ny = x + 1\ndel x\n",
            "%%step end -> z\nx = y\ndel x\nx = 7\nz = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="del_of_an_inherited_name",
        promise="Deleting an inherited plain name deletes the local, never the artifact.",
        cells=(
            "%%step start -> x\nx = [1]\n",
            "%%step middle -> y\ny = len(x)\ndel x\n",
            "%%step end -> z\nz = x + [y]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="del_of_an_item",
        promise="Deleting an item of an inherited dict is seen downstream.",
        cells=(
            '%%step start -> d\nd = {"a": 1, "b": 2}\n',
            '%%step middle\ndel d["a"]\n',
            "%%step end -> left\nleft = list(d)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="walrus",
        promise="A name bound by := is captured, in a condition, a loop and a comprehension.",
        cells=(
            "%%step start -> n, last, left\nxs = [3, 4, 5]\nif (n := len(xs)) > 2:\n    pass\n"
            "doubled = [last := v * 2 for v in xs]\nwhile (left := len(xs)) > 1:\n    xs.pop()\n",
            "%%step end -> total\ntotal = (k := n + last) + k\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="match_capture",
        promise="Names that match patterns bind are captured: sequence, mapping, star, as, class.",
        cells=(
            "%%shared\nfrom dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n    y: int\n",
            "%%step start -> a, rest, b, others, whole, px\nmatch [1, 2, 3]:\n    case [a, *rest]:\n"
            '        pass\nmatch {"k": 5, "m": 6}:\n    case {"k": b, **others}:\n        pass\n'
            "match (7, 8):\n    case (7 | 8, _) as whole:\n        pass\n"
            "match Point(9, 10):\n    case Point(x=px, y=10):\n        pass\n",
            "%%step end -> kind\nmatch rest:\n    case []:\n        kind = 0\n"
            "    case [x, y] if x < y:\n        kind = x + y\n    case _:\n        kind = -1\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="match_rebinding_its_subject",
        promise="A match may bind the inherited name that it looks at.",
        cells=(
            "%%step start -> pair\npair = (1, 2)\n",
            "%%step end -> pair\nmatch pair:\n    case (pair, _):\n        pass\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="except_as",
        promise="The name of except ... as is local to its clause.",
        cells=(
            '%%step start -> message\ntry:\n    int("x")\nexcept ValueError as error:\n    message = str(error)\n',
            "%%step end -> message\ntry:\n    {}[message]\nexcept KeyError as error:\n    message = len(error.args)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="except_as_an_inherited_name",
        promise="except ... as unbinds a plain name at its end, never the inherited artifact.",
        cells=(
            "%%step start -> problem\nproblem = 5\n",
            '%%step middle -> seen\nseen = problem\ntry:\n    int("x")\n'
            "except ValueError as problem:\n    kind = type(problem).__name__\n",
            "%%step end -> after\nafter = problem + seen\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="except_star",
        promise="except* clauses bind like except clauses.",
        cells=(
            '%%step start -> found\nfound = []\ntry:\n    raise ExceptionGroup("g", [ValueError(1), '
            "KeyError(2)])\nexcept* ValueError as group:\n    found.append(len(group.exceptions))\n"
            'except* KeyError:\n    found.append("key")\n',
            "%%step end -> n\nn = len(found)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="with_as",
        promise="Names bound by with ... as are captured, tuples too.",
        cells=(
            "%%shared\nfrom contextlib import nullcontext\n",
            "%%step start -> five, a, b\nwith nullcontext(5) as five, nullcontext((1, 2)) as (a, b):\n    pass\n",
            "%%step end -> five\nwith nullcontext(five + 1) as five:\n    pass\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="star_unpacking",
        promise="Starred and nested targets are captured.",
        cells=(
            "%%step start -> first, rest, inner, tail\nfirst, *rest = range(4)\n"
            "(_, (inner, *tail)), unused = (1, (2, 3, 4)), 5\n",
            "%%step end -> both, merged, pairs\nboth = [*rest, first, *tail]\n"
            'merged = {**{"a": 1}, "b": inner}\npairs = []\n'
            "for i, (j, *k) in enumerate([(1, 2), (3, 4, 5)]):\n    pairs.append((i, j, k))\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="augmented_assignment_of_an_inherited_name",
        promise="count += 1 with -> count counts on from the inherited value.",
        cells=(
            "%%step start -> count\ncount = 1\n",
            "%%step middle -> count\ncount += 1\n",
            "%%step end -> count\ncount *= 10\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="augmented_assignment_without_capture_of_an_int",
        promise="n += 1 without capture rebinds a local; the artifact stays.",
        cells=(
            "%%step start -> n\nn = 1\n",
            "%%step middle -> seen\nn += 1\nseen = n\n",
            "%%step end -> after\nafter = n\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="augmented_assignment_without_capture_of_a_list",
        promise="xs += [...] without capture changes the inherited list in place.",
        cells=(
            "%%step start -> xs\nxs = [1]\n",
            "%%step middle\nxs += [2]\n",
            "%%step end -> after\nafter = sum(xs)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="rebinding_without_capture",
        promise="A plain name that is rebound and not captured keeps its old value downstream.",
        cells=(
            "%%step start -> xs\nxs = [3, 1, 2]\n",
            "%%step middle -> low\nxs = sorted(xs)\nlow = xs[0]\n",
            "%%step end -> first\nfirst = xs[0]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="swap_of_inherited_names",
        promise="Two inherited names can be swapped.",
        cells=(
            "%%step start -> a, b\na, b = 1, 2\n",
            "%%step end -> a, b\na, b = b, a\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="multiple_assignment",
        promise="One value assigned to many targets, and targets evaluated left to right.",
        cells=(
            "%%step start -> a, b, i, xs\na = b = [1]\nxs = [0, 0, 0]\ni = xs[2] = 1\n",
            "%%step end -> same, c, d\nsame = a is b\nc = d = a + b\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="chained_comparison",
        promise="Chained comparisons and conditional expressions read inherited names.",
        cells=(
            "%%step start -> low, high\nlow, high = 1, 10\n",
            '%%step end -> inside, side\ninside = low < 5 <= high != low\nside = "left" if not inside else "in"\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="type_annotations",
        promise="Annotated assignments are captured; a bare annotation keeps an inherited value.",
        cells=(
            "%%step start -> count, rate\ncount: int = 3\nrate: dict[str, list[int]] = {'a': [1]}\n",
            "%%step end -> total\ncount: int\nextra: int\nextra = 4\ntotal: 'float' = count + extra\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="import_in_a_step",
        promise="Imports inside a body bind locals, which can be captured where they are values.",
        cells=(
            "%%step start -> pi, joined\nimport os.path\nfrom math import pi, floor as down\n"
            "import string as s\njoined = os.path.join('a', s.digits[: down(2.5)])\n",
            "%%step end -> tau\ntau = 2 * pi\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="artifact_named_like_a_builtin",
        promise="A parent's artifact wins over the builtin of the same name.",
        cells=(
            "%%step start -> sum, id\nsum = 10\nid = 'k7'\n",
            "%%step end -> double, label\ndouble = sum * 2\nlabel = id.upper()\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="shared_name_wins_over_an_artifact",
        promise="A plain name that shared code defines is the shared one; self.x is the artifact.",
        cells=(
            "%%shared\nLIMIT = 5\n",
            "%%step start -> LIMIT\nLIMIT = 7\n",
            "%%step end -> plain, persisted\nplain = LIMIT\npersisted = self.LIMIT\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="name_mangling_of_a_local",
        promise="A local name with two leading underscores works inside one step.",
        cells=(
            "%%step start -> x\n__x = 3\n__y__ = 4\nx = __x + __y__\n",
            "%%step end -> z\n__f = lambda __v: __v + 1\nz = __f(x)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="name_mangling_inside_a_local_class",
        promise="Private attributes of a class defined in a step are mangled as in any class.",
        cells=(
            "%%step start -> keys\nclass Safe:\n    def __init__(self):\n        self.__pin = 1\n"
            "keys = sorted(vars(Safe()))\n",
            "%%step end -> n\nn = len(keys)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="unicode_identifiers",
        promise="Identifiers in any script are captured and inherited.",
        cells=(
            "%%step start -> größe, 数\ngröße = 1.8\n数 = 3\nдлина = 2\n",
            "%%step end -> fläche\nfläche = größe * 数\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="unicode_normalisation",
        promise="Identifiers are the same name where Python says so (NFKC): µ and μ, ﬁ and fi.",
        cells=(
            "%%step start -> \u00b5, \ufb01n\n\u00b5 = 0.5\nfin = 7\n",
            "%%step end -> both\nboth = \u03bc + \ufb01n + self.\u00b5\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="inputs_as_a_local",
        promise="Outside a join inputs is a name like any other.",
        cells=(
            "%%step start -> n\ninputs = [1, 2]\nn = len(inputs)\n",
            "%%step end -> m\ndef f(inputs):\n    return inputs + n\nm = f(1)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="soft_keywords_as_names",
        promise="match, case, type and _ are ordinary names.",
        cells=(
            "%%step start -> match, case, type\nmatch = 1\ncase = 2\ntype = 3\n_ = 4\n",
            "%%step end -> total\ntotal = match + case + type\n",
        ),
        outcome="equal",
    ),
)
