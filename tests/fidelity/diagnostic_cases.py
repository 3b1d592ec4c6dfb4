"""For each code that can be an error a flow that fails by it on Metaflow, and for each warning one that runs.

`PROVEN` has, by code, the cells, and what Metaflow or Python says when it refuses the flow or fails it; `UNWRITTEN`
the codes for which no flow.py can be written; `SAID` the cells that only get a warning.
"""

# ruff: noqa: E501  # cells are on one line here, so that they can be searched for

from __future__ import annotations

__all__ = ["PROVEN", "SAID", "UNWRITTEN"]

SPLIT = ("%%step start\n", "%%step a --after start -> x\nx = 1\n", "%%step b --after start -> x, y\nx = 2\ny = 1\n")
FOREACH = ("%%step start -> xs\nxs = [1, 2]\n", "%%step work --foreach xs -> y\ny = self.input\n")
SWITCH = (
    "%%step start -> k\nk = 1\n",
    "%%step a --when k=1 -> x\nx = 1\n",
    "%%step b --after start --when k=2\npass\n",
)

PROVEN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("FN001", "NameError: name 'nowhere'", ("%%step start\ny = nowhere\n",)),
    ("FN001", "NameError: name 'N'", ("%%step start\n@retry(times=N)\ny = 1\n",)),
    ("FN001", "NameError: name 'nowhere'", ("%%shared\ny = nowhere\n", "%%step start\npass\n")),
    ("FN001", "local variable 'y'", ("%%step start\nx = y\ny = 1\n",)),
    ("FN002", "has no attribute 'gone'", ("%%step start\ny = self.gone\n",)),
    ("FN002", "NameError: name 'df'", ("%%step start\ndf = 1\n", "%%step end\ny = df\n")),
    (
        "FN002",
        "has no attribute 'y'",
        ("%%flow F\ndef prepare(self):\n    self.x = self.y\n", "%%step start\nself.prepare()\n"),
    ),
    (
        "FN002",
        "Foreach variable self.xs in step start does not exist",
        ("%%step start\npass\n", "%%step work --foreach xs\npass\n", "%%step gather --join\npass\n"),
    ),
    ("FN003", "SyntaxError", ("%%step start\n!ls\n",)),
    ("FN004", "self.next() was called with .", ("%%step start\nreturn\n", "%%step end\npass\n")),
    ("FN004", "self.next() was called with .", ("%%step start\nyield 1\n", "%%step end\npass\n")),
    ("FN004", "SyntaxError", ("%%step start\nx = await y()\n",)),
    (
        "FN006",
        "loop",
        (
            "%%step start\nself.next(self.a)\n",
            "%%step a\nself.next(self.b, self.c)\n",
            "%%step b\nself.next(self.a)\n",
            "%%step c\nself.next(self.end)\n",
            "%%step end\npass\n",
        ),
    ),
    (
        "FN007",
        "unreachable",
        ("%%step start\nself.next(self.end)\n", "%%step lost\nself.next(self.end)\n", "%%step end\npass\n"),
    ),
    ("FN008", "join", (*SPLIT, "%%step both --after a,b\npass\n")),
    ("FN008", "join", (*FOREACH, "%%step last\npass\n")),
    ("FN009", "has no setter", ("%%step start\nself.input = 1\n",)),
    ("FN009", "not a function", ("%%step start\nself.train = 1\n", "%%step train\npass\n")),
    ("FN009", "is a reserved word", ("%%step start\npass\n", "%%step next\npass\n")),
    ("FN009", "not callable", ("%%flow F\nnext = 1\n", "%%step start\npass\n", "%%step end\npass\n")),
    ("FN010", "invalid self.next", ("%%step start\nself.next('a')\n", "%%step a\npass\n")),
    ("FN010", "Invalid self.next() transition", ("%%step start\nself.next(self.a)\nx = 1\n", "%%step a\npass\n")),
    ("FN011", "SyntaxError", ("%%step start\nx = (\n",)),
    ("FN011", "SyntaxError", ("%%step start\nnonlocal x\n",)),
    (
        "FN012",
        "are not modifiable",
        ("%%flow F\np = Parameter('p', default=1)\n", "%%step start\nself.p = 2\n"),
    ),
    ("FN012", "are not modifiable", ("%%flow F\nK = 1\n", "%%step start -> K\nK = 2\n")),
    ("FN015", "NameError: name 'x'", (*SPLIT, "%%step gather --after a,b --join\nz = x\n")),
    ("FN015", "has no attribute 'x'", (*SPLIT, "%%step gather --after a,b --join\nz = self.x\n")),
    ("FN015", "no attribute 'c'", (*SPLIT, "%%step gather --after a,b --join\nz = inputs.c\n")),
    ("FN015", "has no attribute 'y'", (*SPLIT, "%%step gather --after a,b --join\nz = inputs.a.y\n")),
    ("FN016", "No module named 'flownb_has_no_such_module'", ("%%step start\nimport flownb_has_no_such_module\n",)),
    ("FN017", "Can't pickle", ("%%step start -> A\nclass A: pass\n",)),
    ("FN017", 'artifact named "math"', ("%%step start\nimport math\nself.math = math\n",)),
    ("FN017", "local variable 'x'", ("%%step start -> x\nx = 1\ndel x\n",)),
    ("FN017", "NameError: name 'x'", ("%%step start -> x\npass\n",)),
    ("FN019", "SyntaxError", ("%%step start\nfrom math import *\n",)),
    ("FN019", "has no attribute 'next'", ("%%step start\nself = 1\n", "%%step end\npass\n")),
    ("FN020", "should not be a join", (*SPLIT, "%%step end --after a,b --join\npass\n")),
    (
        "FN021",
        "having conflicting values",
        (*SPLIT, "%%step gather --after a,b --join\nself.merge_artifacts(inputs)\n"),
    ),
    (
        "FN023",
        "@catch is not supported in foreach",
        ("%%step start -> xs\n@catch\nxs = [1]\n", *FOREACH[1:], "%%step gather --join\npass\n"),
    ),
    ("FN024", "does not support the attribute 'time'", ("%%step start\n@retry(time=3)\npass\n",)),
    ("FN024", "only once", ("%%step start\n@retry\n@retry\npass\n",)),
    ("FN025", "The maximum number of retries", ("%%step start\n@retry(times=5)\npass\n",)),
    ("FN025", "ValueError", ("%%step start\n@environment(vars={'A=B': '1'})\npass\n",)),
    (
        "FN026",
        "StopIteration",
        ("%%step start -> xs\nxs = zip([1], [2])\n", *FOREACH[1:], "%%step gather --join\npass\n"),
    ),
    (
        "FN026",
        "Cannot pickle",
        ("%%step start -> xs\nxs = (i for i in [1])\n", *FOREACH[1:], "%%step gather --join\npass\n"),
    ),
    ("FN028", "Cannot pickle", ("%%flow F\nimport threading\nlock = threading.Lock()\n", "%%step start\npass\n")),
    ("FN028", "Cannot pickle", ("%%flow F\nimport os\nplace = os\n", "%%step start\npass\n")),
    ("FN028", "Cannot pickle", ("%%flow F\nmade = (n for n in range(3))\n", "%%step start\npass\n")),
    ("FN029", "NameError: name 'Base'", ("%%flow F(Base)\n", "%%step start\npass\n")),
    (
        "FN029",
        "",
        ("%%shared\nfrom metaflow import FlowSpec\ndef step(number):\n    return 1\n", "%%step start\npass\n"),
    ),
)

# What the cells say cannot all be in one file: there is nothing that Metaflow could refuse.
UNWRITTEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    # As a class that is not a flow: `python flow.py run` ends at once and runs nothing.
    ("FN029", ("%%shared\nclass Mixin:\n    pass\n", "%%flow F(Mixin)\n", "%%step start\npass\n")),
    ("FN005", ("%%step start\npass\n", "%%step a --after strat\npass\n")),
    ("FN010", ("%%step start\nself.next(self.b)\n", "%%step a --after start\npass\n", "%%step b --after a\npass\n")),
    ("FN018", ("%%step start\npass\n", "%%step a\npass\n", "%%step a\nx = 1\n")),
    ("FN020", ("%%step load\npass\n", "%%step start\npass\n")),
    ("FN030", ("%%step start\npass\n", "%%step a --fter start\npass\n")),
    ("FN031", ("%%flow F\nx = 1\n", "%%step start\npass\n", "%%flow F\ny = 1\n")),
)

SAID: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("FN001", ("%%step start -> y\ny = 1\nif y > 2:\n    nowhere\n",)),
    ("FN001", ("%%step start -> y\ntry:\n    y = nowhere\nexcept NameError:\n    y = 2\n",)),
    ("FN001", ("%%shared\ndef f():\n    return nowhere\n", "%%step start -> y\ny = 1\n")),
    ("FN001", (*SWITCH[:2], f"{SWITCH[2]}y = nowhere\n", "%%step last --after a,b -> z\nz = 1\n")),
    ("FN001", ("%%step start\n@catch\ny = nowhere\n", "%%step last -> z\nz = 1\n")),
    ("FN002", ("%%step start -> y\ny = self.x if hasattr(self, 'x') else 3\n",)),
    ("FN002", ("%%step start\nsetattr(self, 'x', 1)\n", "%%step last -> y\ny = self.x\n")),
    (
        "FN002",
        (
            "%%shared\ndef fill(flow):\n    flow.x = 5\n",
            "%%step start\nfill(self)\n",
            "%%step last -> y\ny = self.x + 1\n",
        ),
    ),
    (
        "FN002",
        (
            "%%flow F\nfor _name in ['alpha', 'beta']:\n    locals()[_name] = Parameter(_name, default=_name)\n",
            "%%step start -> y\ny = self.alpha + self.beta\n",
        ),
    ),
    ("FN004", ("%%step start -> y\ny = 1\nif y > 2:\n    return\n",)),
    ("FN004", ("%%step start\nself.y = 1\n", "%%step end -> z\nz = 1\nreturn\n")),
    (
        "FN009",
        (
            "%%step start\nself.train = 1\nself.next(self.middle)\n",
            "%%step middle\npass\n",
            "%%step train -> y\ny = 2\n",
        ),
    ),
    (
        "FN009",
        (
            "%%flow F\ndef helper(self):\n    return 7\n",
            "%%step start\nself.helper = 1\n",
            "%%step last -> y\ny = self.helper()\n",
        ),
    ),
    ("FN010", ("%%step start -> x\nx = 1\nif x > 2:\n    self.next(self.last)\n", "%%step last\npass\n")),
    (
        "FN012",
        (
            "%%flow F\np = Parameter('p', default=1)\n",
            "%%step start -> y\ntry:\n    self.p = 2\n    y = 1\nexcept AttributeError:\n    y = 2\n",
        ),
    ),
    ("FN013", (*SWITCH, "%%step last --after a,b -> z\nz = self.x if self.k == 1 else 0\n")),
    ("FN013", (*SWITCH, "%%step last --after a,b -> z\nz = 0\nif k == 2:\n    z = x\n")),
    ("FN014", ("%%step start -> y\nglobal made\nmade = 3\ny = made\n",)),
    (
        "FN015",
        (*SPLIT, "%%step gather --after a,b --join -> z\nz = inputs.c if hasattr(inputs, 'c') else inputs.a.x\n"),
    ),
    ("FN016", ("%%step start -> y\ny = 1\nif y > 2:\n    import flownb_has_no_such_module\n",)),
    ("FN017", ("%%step start -> y\nself.f = lambda: 2\ny = self.f()\n", "%%step last -> z\nz = hasattr(self, 'f')\n")),
    ("FN019", ("%%step start\npass\n", "%%step end\nself.y = 1\nself = 2\n")),
    (
        "FN021",
        (
            "%%step start\n",
            "%%step a --after start -> x\nx = {1}\n",
            "%%step b --after start -> x\nx = {1}\n",
            "%%step gather --after a,b --join\nself.merge_artifacts(inputs)\n",
        ),
    ),
    (
        "FN022",
        (
            "%%flow F\ncfg = Config('cfg', default_value='{\"name\": \"n\"}')\nalpha = Parameter('alpha', default=cfg.name)\n",
            "%%step start -> y\ny = alpha\n",
        ),
    ),
    ("FN025", ("%%step start -> y\n@resources(cpu='two')\ny = 1\n",)),
    (
        "FN027",
        (*SPLIT, "%%step gather --after a,b --join -> z\nz = sorted([i.x for i in inputs])[0] + inputs[0].x * 0\n"),
    ),
    (
        "FN028",
        (
            "%%flow F\nif 1 > 2:\n    import os\n",
            "%%step start -> y\ny = 1\n",
        ),
    ),
)
