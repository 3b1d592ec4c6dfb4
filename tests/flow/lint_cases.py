"""What the checks find and what they let pass.

`REFUSED` has the cells of flows with each diagnostic as (code, cell, line, what, why, what to do),
and `ACCEPTED`, flows without any beside the code that they come near to.
"""

# ruff: noqa: E501  # messages are on one line here, so that they can be searched for

from __future__ import annotations

__all__ = ["ACCEPTED", "REFUSED"]

REFUSED: list[tuple[tuple[str, ...], list[tuple[str, int, int, str, str, str]]]] = [
    (
        ("%%step a", "%%step b --fter a", "%%step c"),
        [
            (
                "FN030",
                2,
                1,
                "`%%step` has no option `--fter`. Did you mean `--after`?",
                "It takes --after, --foreach, --join, --signature, --when.",
                "Write %%step NAME [--after A,B] [--foreach ARTIFACT] [--join [PARAMETER]] [--when ARTIFACT=VALUE] [-> name, name].",
            )
        ],
    ),
    (
        ("%%shared things", "# the first\n%%step a"),
        [
            ("FN030", 1, 1, "`%%shared things` has arguments.", "It takes none.", "Write %%shared alone."),
            (
                "FN030",
                2,
                2,
                "`%%step a` is below a comment.",
                "IPython takes a cell magic only on the first line of a cell.",
                "Move `%%step` to the first line of its cell; the comment can be below it.",
            ),
        ],
    ),
    (
        ("%%flow F\nx = 1", "%%step a", "%%flow F\ny = 2", "%%flow G"),
        [
            (
                "FN031",
                3,
                1,
                "The notebook has two cells `%%flow F`.",
                "A notebook is one flow, and one cell is its header; the first one is cell 1 (flow F).",
                "Move the lines of this cell to that one, and delete this cell.",
            ),
            (
                "FN031",
                4,
                1,
                "The notebook has two %%flow cells, F and G.",
                "A notebook is one flow, and one cell is its header; the first one is cell 1 (flow F).",
                "Move the lines of this cell to that one, and delete this cell.",
            ),
        ],
    ),
    (
        ("%%step a\n@card\ny = Markdown('# hi')",),
        [
            (
                "FN001",
                1,
                3,
                "Step a reads `Markdown`, which nothing defines.",
                "It is a name of Metaflow's that nothing imports.",
                "Write `from flownb.cards import Markdown` in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a\ny = nowhere",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ("%%step a -> value\nvalue = 1", "%%step b\ny = valu"),
        [
            (
                "FN001",
                2,
                2,
                "Step b reads `valu`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name. Did you mean `value`?",
                "Write `value`, or define `valu` in a %%shared cell, or assign and capture it in an earlier step (`-> valu`).",
            )
        ],
    ),
    (
        ("%%step a\nx = 1\ny = z\nz = 1",),
        [
            (
                "FN001",
                1,
                3,
                "Step a reads `z` before it assigns it.",
                "At that line it has no value, and no earlier step captures it.",
                "Assign `z` above that line, or capture it in an earlier step (`-> z`).",
            )
        ],
    ),
    (
        ("%%step a\nz = 1\ndel z\ny = z",),
        [
            (
                "FN001",
                1,
                4,
                "Step a reads `z` after it deletes it.",
                "At that line it has no value, and no earlier step captures it.",
                "Assign `z` above that line, or capture it in an earlier step (`-> z`).",
            )
        ],
    ),
    (
        ("%%shared\nK = 1", "%%step a\nK = K + 1"),
        [
            (
                "FN001",
                2,
                2,
                "Step a reads `K` before it assigns it.",
                "The step assigns `K`, which makes it a local variable and hides the `K` of shared code.",
                "Give the step's own value another name.",
            )
        ],
    ),
    (
        ("%%step a\nsum = sum([1])",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `sum` before it assigns it.",
                "The step assigns `sum`, which makes it a local variable and hides the `sum` of Python.",
                "Give the step's own value another name.",
            )
        ],
    ),
    (
        ("%%step a\nx = x + 1",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `x` before it assigns it.",
                "At that line it has no value, and no earlier step captures it.",
                "Assign `x` above that line, or capture it in an earlier step (`-> x`).",
            )
        ],
    ),
    (
        ("%%step b\ny = x", "%%step c -> x\nx = 1"),
        [
            (
                "FN001",
                1,
                2,
                "Step b reads `x`, which nothing defines.",
                "`c` sets it, but does not come before b.",
                "Define `x` in a %%shared cell, or assign and capture it in an earlier step (`-> x`).",
            )
        ],
    ),
    (
        (
            "%%step s -> x\nx = 1",
            "%%step a --after s",
            "%%step b --after s",
            "%%step j --after a,b --join",
            "%%step e\ny = x",
        ),
        [
            (
                "FN001",
                5,
                2,
                "Step e reads `x`, which nothing defines.",
                "`s` sets it, but the join `j` does not pass it on.",
                'Write `self.merge_artifacts(inputs, include=["x"])` in j, or capture `x` there.',
            )
        ],
    ),
    (
        ("%%step a\ndisplay(1)",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `display`, which nothing defines.",
                "IPython adds it to notebooks; flow.py does not have it.",
                "Write `from IPython.display import display` in a %%shared cell, or end the body with the value to show.",
            )
        ],
    ),
    (
        ("%%step a\nget_ipython()",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `get_ipython`, which nothing defines.",
                "IPython adds it to notebooks; flow.py does not have it.",
                "Write `from IPython import get_ipython` in a %%shared cell, or end the body with the value to show.",
            )
        ],
    ),
    (
        ("%%step a\ncurrent.run_id",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `current`, which nothing defines.",
                "It is a name of Metaflow's that nothing imports.",
                "Write `from flownb import current` in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a\n@retry(times=N)\nx = 1",),
        [
            (
                "FN001",
                1,
                2,
                "A decorator of step a reads `N`, which nothing defines.",
                "Decorators see shared code and the flow's configs.",
                "Define `N` in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%shared\nimport math\ndef f():\n    return math.pi + matth.e",),
        [
            (
                "warning FN001",
                1,
                4,
                "Shared code reads `matth`, which nothing defines.",
                "No shared cell and no Python builtin has that name. Did you mean `math`?",
                "Write `math`, or define `matth` in a %%shared cell, or pass it as an argument.",
            )
        ],
    ),
    (
        ("%%shared\n@card\ndef f(): pass",),
        [
            (
                "FN001",
                1,
                2,
                "Shared code reads `card`, which nothing defines.",
                "It is a name of Metaflow's that nothing imports.",
                "Write `from flownb import card` in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%flow F\nalpha = Parameter('alpha', default=BIG)", "%%step a"),
        [
            (
                "FN001",
                1,
                2,
                "The %%flow cell reads `BIG`, which nothing defines.",
                "No shared cell and no Python builtin has that name.",
                "Define `BIG` in a %%shared cell, or pass it as an argument.",
            )
        ],
    ),
    (
        ("%%step a -> n\nn = 1\ndf = 2", "%%step b\ny = df"),
        [
            (
                "FN002",
                2,
                2,
                "Step b reads `df`, which no earlier step captures.",
                "`a` assigns it but keeps it local.",
                "Write `%%step a -> n, df`.",
            )
        ],
    ),
    (
        ("%%step a\ndf = 2", "%%step b\ny = self.df"),
        [
            (
                "FN002",
                2,
                2,
                "Step b reads `self.df`, which no earlier step sets.",
                "`a` assigns `df` but keeps it local.",
                "Write `%%step a -> df`.",
            )
        ],
    ),
    (
        ("%%step a -> value\nvalue = 2", "%%step b\ny = self.valu"),
        [
            (
                "FN002",
                2,
                2,
                "Step b reads `self.valu`, which no earlier step sets.",
                "It inherits `value`. Did you mean `value`?",
                "Read self.value.",
            )
        ],
    ),
    (
        ("%%step a\ny = self.x",),
        [
            (
                "FN002",
                1,
                2,
                "Step a reads `self.x`, which no earlier step sets.",
                "It inherits no artifacts.",
                "Assign self.x in an earlier step, or correct the name.",
            )
        ],
    ),
    (
        ("%%step a\nxs = [1]", "%%step b --foreach xs", "%%step j --join"),
        [
            (
                "FN002",
                2,
                1,
                "Step b runs over `xs`, which a does not pass on.",
                "`a` assigns `xs` but keeps it local.",
                "Write `%%step a -> xs`.",
            )
        ],
    ),
    (
        ("%%step a -> n\nn = 1", "%%step b --foreach ns", "%%step j --join"),
        [
            (
                "FN002",
                2,
                1,
                "Step b runs over `ns`, which a does not pass on.",
                "It has `n`. Did you mean `n`?",
                "Write `%%step b --foreach n`.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.b, foreach='xs')", "%%step b", "%%step j --join"),
        [
            (
                "FN002",
                1,
                2,
                "The self.next of step a runs over `xs`, which a does not pass on.",
                "It has no artifacts.",
                "Assign `xs` in a and capture it, or correct the name.",
            )
        ],
    ),
    (
        ("%%step a", "%%step b --when k=1", "%%step c --after a --when k=2"),
        [
            (
                "FN002",
                2,
                1,
                "The --when of step b switches on `k`, which a does not pass on.",
                "It has no artifacts.",
                "Assign `k` in a and capture it, or correct the name.",
            )
        ],
    ),
    (
        ("%%step a\n!ls",),
        [
            (
                "FN003",
                1,
                2,
                "Step a has the line `!ls`.",
                "Only IPython understands it; a step is plain Python.",
                "Move it to a scratch or %%shared cell, or write it in Python (subprocess.run for a shell line).",
            )
        ],
    ),
    (
        ("%%flow F\n%time x = 1", "%%step a"),
        [
            (
                "FN003",
                1,
                2,
                "The %%flow cell has the line `%time x = 1`.",
                "Only IPython understands it; a flow's class is plain Python.",
                "Write `x = 1`.",
            )
        ],
    ),
    (
        ("%%step a\nreturn 1", "%%step z\npass"),
        [
            (
                "FN004",
                1,
                2,
                "Step a has `return` at the top level of its body.",
                "It would leave the method before its artifacts are captured and before self.next.",
                "Use if/else, or a function in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a\nx = [(yield)]", "%%step z\npass"),
        [
            (
                "FN004",
                1,
                2,
                "Step a has `yield` at the top level of its body.",
                "It would make the method a generator, whose body never runs.",
                "Collect the values in a list.",
            )
        ],
    ),
    (
        ("%%step a\nx = await f()\ndef f(): pass",),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `f` before it assigns it.",
                "At that line it has no value, and no earlier step captures it.",
                "Assign `f` above that line, or capture it in an earlier step (`-> f`).",
            ),
            (
                "FN004",
                1,
                2,
                "Step a has `await` at the top level of its body.",
                "A step is a plain method; nothing awaits it.",
                "Move the code to an async function `main`, and call asyncio.run(main()).",
            ),
        ],
    ),
    (
        ("%%step train", "%%step b --after trian"),
        [
            (
                "FN005",
                2,
                1,
                "Step b comes after `trian`, which is not a step. Did you mean `train`?",
                "The steps so far are train, b.",
                "Write `%%step b --after train`.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.trian)", "%%step train --after a"),
        [
            (
                "FN005",
                1,
                2,
                "Step a goes to `trian`, which is not a step. Did you mean `train`?",
                "The steps are a, train.",
                "Write self.train instead.",
            ),
            (
                "FN010",
                2,
                1,
                "Step train says `--after a`, but a's self.next does not name it.",
                "If a body ends in self.next, only that line decides where the flow goes next.",
                "Add self.train to a's self.next, or remove that self.next.",
            ),
        ],
    ),
    (
        ("%%step s", "%%step a --after b", "%%step b --after a"),
        [
            (
                "FN006",
                2,
                1,
                "The steps a -> b -> a form a cycle.",
                "A flow runs from its first step to its last.",
                "Correct --after or self.next of one of them.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.end)", "%%step lost", "%%step more", "%%step end"),
        [
            (
                "FN007",
                2,
                1,
                "Step lost is never reached from a.",
                "No step goes to it.",
                "Write --after in its header, or name self.lost in another step's self.next.",
            ),
            (
                "FN007",
                3,
                1,
                "Step more is never reached from a.",
                "It comes after lost, which is not reached either.",
                "Write --after in its header, or name self.more in another step's self.next.",
            ),
        ],
    ),
    (
        ("%%step s", "%%step a --after s", "%%step b --after s"),
        [
            (
                "FN008",
                3,
                1,
                "The split of s is never joined; its last steps are a and b.",
                "Metaflow needs a join for every split and foreach.",
                "Add a cell `%%step collect --after a,b --join` that reads `inputs`.",
            )
        ],
    ),
    (
        ("%%step a -> k\nk=1", "%%step b --when k=1"),
        [
            (
                "FN008",
                2,
                1,
                "The switch of a on `k` has only one case.",
                "Metaflow's switch needs at least two.",
                "Add a step with `--after a --when k=OTHER`.",
            )
        ],
    ),
    (
        ("%%step input",),
        [("FN009", 1, 1, "`input` cannot be a step's name.", "Metaflow reserves it.", "Call it `input_step`.")],
    ),
    (
        ("%%step class",),
        [("FN009", 1, 1, "`class` cannot be a step's name.", "It is a keyword of Python.", "Call it `class_step`.")],
    ),
    (
        ("%%step Train-Model",),
        [
            (
                "FN009",
                1,
                1,
                "`Train-Model` cannot be a step's name.",
                "Metaflow accepts lowercase letters, digits and `_`, and a letter comes first.",
                "Call it `train_model`.",
            )
        ],
    ),
    (
        ("%%step 2nd",),
        [
            (
                "FN009",
                1,
                1,
                "`2nd` cannot be a step's name.",
                "Metaflow accepts lowercase letters, digits and `_`, and a letter comes first.",
                "Call it `step_2nd`.",
            )
        ],
    ),
    (
        ("%%flow F\nx = 1", "%%step x"),
        [
            (
                "FN009",
                2,
                1,
                "`x` is a step and a name in the %%flow cell.",
                "Both would be attributes of one class.",
                "Call it `x_step`.",
            )
        ],
    ),
    (
        ("%%step a -> name\nname = 1",),
        [
            (
                "warning FN009",
                1,
                1,
                "Step a sets the artifact `name`.",
                "`self.name` is Metaflow's own.",
                "Give it another name, for example `name_value`.",
            )
        ],
    ),
    (
        ("%%step a\nself.b = 1", "%%step b"),
        [
            (
                "FN009",
                1,
                2,
                "Step a sets the artifact `b`.",
                "`self.b` is the step of that name.",
                "Give it another name, for example `b_value`.",
            )
        ],
    ),
    (
        ("%%step z\npass", "%%step a -> end\nend = 1"),
        [
            (
                "FN009",
                2,
                1,
                "Step a sets the artifact `end`.",
                "`self.end` is the step of that name.",
                "Give it another name, for example `end_value`.",
            )
        ],
    ),
    (
        ("%%flow F\ndef f(self): pass", "%%step a\nself.f = 1"),
        [
            (
                "warning FN009",
                2,
                2,
                "Step a sets the artifact `f`.",
                "`self.f` is a method of the %%flow cell.",
                "Give it another name, for example `f_value`.",
            )
        ],
    ),
    (
        ("%%step a\nself.__x = 1",),
        [
            (
                "warning FN009",
                1,
                2,
                "Step a sets the artifact `__x`.",
                "Inside a class, Python changes names that begin with two underscores.",
                "Give it another name, for example `x_value`.",
            )
        ],
    ),
    (
        ("%%step a -> inputs\ninputs = 1",),
        [
            (
                "warning FN009",
                1,
                1,
                "Step a sets the artifact `inputs`.",
                "The runtime sets `inputs` in the step.",
                "Give it another name, for example `inputs_value`.",
            )
        ],
    ),
    (
        ("%%shared\ndef __f(): pass", "%%step a\n__f()"),
        [
            (
                "FN009",
                2,
                2,
                "Step a reads `__f` of the shared code.",
                "Inside a class, Python changes names that begin with two underscores.",
                "Call it `_f`.",
            )
        ],
    ),
    (
        ("%%flow F\nstart = Parameter('start')", "%%step a", "%%step z\npass"),
        [
            (
                "FN009",
                1,
                2,
                "The %%flow cell defines `start`.",
                "Every flow has a step `start`.",
                "Give it another name, for example `start_value`.",
            )
        ],
    ),
    (
        ("%%flow F\nname = 1", "%%step a"),
        [
            (
                "warning FN009",
                1,
                2,
                "The %%flow cell defines `name`.",
                "`self.name` is Metaflow's own.",
                "Give it another name, for example `name_value`.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.b)", "%%step c --after a", "%%step b --after c"),
        [
            (
                "FN010",
                2,
                1,
                "Step c says `--after a`, but a's self.next does not name it.",
                "If a body ends in self.next, only that line decides where the flow goes next.",
                "Add self.c to a's self.next, or remove that self.next.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.b)\nx = 1", "%%step b"),
        [
            (
                "FN010",
                1,
                2,
                "Step a calls self.next, but not as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, condition="kind").',
            )
        ],
    ),
    (
        ("%%step a\nif 1:\n    self.next(self.b)", "%%step b"),
        [
            (
                "warning FN010",
                1,
                3,
                "Step a calls self.next, but not as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, condition="kind").',
            )
        ],
    ),
    (
        ("%%step a -> x\nx = 1; self.next(self.b)", "%%step b"),
        [
            (
                "FN010",
                1,
                2,
                "Step a has self.next behind a semicolon.",
                "flow.py has the captures between the two statements.",
                "Give self.next a line of its own.",
            )
        ],
    ),
    (
        ("%%step a\nself.next('b')", "%%step b --after a"),
        [
            (
                "FN010",
                1,
                2,
                "Step a has a self.next that Metaflow does not accept.",
                'Metaflow accepts self.a; self.a, self.b; self.a with foreach="xs"; or a dictionary of two or more literal values with condition="name".',
                "Write it in one of these forms.",
            ),
            (
                "FN010",
                2,
                1,
                "Step b says `--after a`, but a's self.next does not name it.",
                "If a body ends in self.next, only that line decides where the flow goes next.",
                "Add self.b to a's self.next, or remove that self.next.",
            ),
        ],
    ),
    (
        ("%%step a", "%%step end\nself.next(self.a)"),
        [
            (
                "FN006",
                1,
                1,
                "The steps a -> end -> a form a cycle.",
                "A flow runs from its first step to its last.",
                "Correct --after or self.next of one of them.",
            ),
            (
                "FN010",
                2,
                2,
                "Step end has a self.next.",
                "The step end is the last step of a flow.",
                "Remove the line, or give the step another name.",
            ),
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s",
            "%%step b --after s",
            "%%step j --after a,b --join\nself.next(self.c, self.d)",
            "%%step c",
            "%%step d",
            "%%step k --after c,d --join",
        ),
        [
            (
                "FN010",
                4,
                2,
                "Step j is a join and a split.",
                "Metaflow does not accept both in one step.",
                "Let self.next name one new step, and split there.",
            )
        ],
    ),
    (
        ("%%step s\nself.next(self.a, self.j)", "%%step a\nself.next(self.j)", "%%step j --join"),
        [
            (
                "FN010",
                1,
                2,
                "Step s goes straight from a split to the join j.",
                "Metaflow needs at least one step between them.",
                "Add a step between s and j.",
            )
        ],
    ),
    (
        ("%%step s -> xs\nxs = [1]", "%%step a --foreach xs\nx = inputs[0]"),
        [
            (
                "FN010",
                2,
                1,
                "Step a is a foreach and reads `inputs`, as a join does.",
                "A join ends parallel tasks and a foreach starts them.",
                "Read self.input for the item of this task, and `inputs` in a join of its own.",
            )
        ],
    ),
    (
        ("%%shared\nx = (", "%%step a"),
        [("FN011", 1, 2, "The cell is not valid Python.", "Python says: '(' was never closed.", "Correct the line.")],
    ),
    (
        ("%%shared\nreturn 1", "%%step a"),
        [
            (
                "FN011",
                1,
                2,
                "The cell is not valid at module level.",
                "Python says: 'return' outside function.",
                "Correct the line.",
            )
        ],
    ),
    (
        ("%%flow F\nawait x", "%%step a"),
        [
            (
                "FN001",
                1,
                2,
                "The %%flow cell reads `x`, which nothing defines.",
                "No shared cell and no Python builtin has that name.",
                "Define `x` in a %%shared cell, or pass it as an argument.",
            ),
            (
                "FN011",
                1,
                2,
                "The cell is not valid inside a class.",
                "Python says: 'await' outside function.",
                "Correct the line.",
            ),
        ],
    ),
    (
        ("%%flow F\nx = = 1", "%%step a"),
        [("FN011", 1, 2, "The cell is not valid Python.", "Python says: invalid syntax.", "Correct the line.")],
    ),
    (
        ("%%step a\n\nx = (",),
        [("FN011", 1, 3, "Step a is not valid Python.", "Python says: '(' was never closed.", "Correct the line.")],
    ),
    (
        ("%%step a\nif 1:\n    break",),
        [
            (
                "FN011",
                1,
                3,
                "Step a is not valid inside a method.",
                "Python says: 'break' outside loop.",
                "Correct the line.",
            )
        ],
    ),
    (
        ("%%step a\nnonlocal x",),
        [
            (
                "FN011",
                1,
                2,
                "Step a is not valid inside a method.",
                "Python says: no binding for nonlocal 'x' found.",
                "Correct the line.",
            )
        ],
    ),
    (
        ("%%shared\nimport os\nx = 1\nfrom __future__ import annotations", "%%step a"),
        [
            (
                "FN011",
                1,
                4,
                "The cell is not valid at module level.",
                "Python says: from __future__ imports must occur at the beginning of the file.",
                "Correct the line.",
            )
        ],
    ),
    (
        ("%%flow F\nalpha = Parameter('alpha')", "%%step a -> alpha\nalpha = 1"),
        [
            (
                "FN012",
                2,
                1,
                "Step a assigns the parameter `alpha`.",
                "A parameter keeps the value that the run was started with.",
                "Use another name, for example `alpha_used`.",
            )
        ],
    ),
    (
        ("%%flow F\nK = 1", "%%step a\nself.K = 2"),
        [
            (
                "FN012",
                2,
                2,
                "Step a assigns the constant `K`.",
                "What the flow's class defines is the same in all steps.",
                "Use another name, for example `K_used`.",
            )
        ],
    ),
    (
        (
            "%%step a -> k\nk = 1",
            "%%step b --when k=1 -> x\nx = 1",
            "%%step c --after a --when k=2",
            "%%step d --after b,c\ny = x",
        ),
        [
            (
                "warning FN013",
                4,
                2,
                "Step d reads `x`, which is set only on some of the paths to it.",
                "On the path through c it may not be set.",
                "Set `x` on every path, or before the switch.",
            )
        ],
    ),
    (
        (
            "%%step a -> k\nk = 1",
            "%%step b --when k=1 -> x\nx = 1",
            "%%step c --after a --when k=2",
            "%%step d --after b,c\ny = self.x",
        ),
        [
            (
                "warning FN013",
                4,
                2,
                "Step d reads `x`, which is set only on some of the paths to it.",
                "On the path through c it may not be set.",
                "Set `x` on every path, or before the switch.",
            )
        ],
    ),
    (
        ("%%step a\nglobal x\nx = 1",),
        [
            (
                "warning FN014",
                1,
                2,
                "Step a declares `global x`.",
                "Each step runs in its own process, so no other step sees its value.",
                "Remove the line; `x` is then a variable of the body.",
            )
        ],
    ),
    (
        ("%%step a\ndef f():\n    global x\n    x = 1",),
        [
            (
                "warning FN014",
                1,
                3,
                "Step a declares `global x`.",
                "Each step runs in its own process, so no other step sees its value.",
                "Return `x` from the function, and assign what it returns.",
            )
        ],
    ),
    (
        ("%%step s", "%%step a --after s -> x\nx = 1", "%%step b --after s", "%%step j --after a,b --join\ny = x"),
        [
            (
                "FN015",
                4,
                2,
                "The join j reads `x`, which only its inputs have.",
                "A join inherits no artifacts, because the tasks that it joins may have different values.",
                'Read inputs.a.x, or call self.merge_artifacts(inputs, include=["x"]) first and read self.x.',
            )
        ],
    ),
    (
        ("%%step s", "%%step a --after s -> x\nx = 1", "%%step b --after s", "%%step j --after a,b --join\ny = self.x"),
        [
            (
                "FN015",
                4,
                2,
                "The join j reads `self.x`, which only its inputs have.",
                "A join inherits no artifacts, because the tasks that it joins may have different values.",
                'Read inputs.a.x, or call self.merge_artifacts(inputs, include=["x"]) first and read self.x.',
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s",
            "%%step j --after a,b --join\ny = inputs.c",
        ),
        [
            (
                "FN015",
                4,
                2,
                "The join j reads `inputs.c`, but no step of that name leads to it.",
                "Its inputs are a, b.",
                "Read inputs.a.",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s",
            "%%step j --after a,b --join\ny = inputs.b.x",
        ),
        [
            (
                "FN015",
                4,
                2,
                "The join j reads `inputs.b.x`, which b does not have.",
                "It has no artifacts.",
                "Assign `x` in b and capture it, or correct the name.",
            )
        ],
    ),
    (
        ("%%step s", "%%step a --after s -> x\nx = 1", "%%step j --after s,a --join\ny = inputs.s"),
        [
            (
                "FN015",
                3,
                2,
                "The join j reads `inputs.s`, which splits straight into it.",
                "flow.py has a step between a split and its join, and `inputs` has that step under its name.",
                "Add a step between s and j, and read inputs by its name.",
            )
        ],
    ),
    (
        ("%%shared\nimport pandaz.core", "%%step a"),
        [
            (
                "FN016",
                1,
                2,
                "Shared code imports `pandaz`.",
                "This Python does not have that module.",
                "Install it (`%pip install pandaz` in a scratch cell), or correct the name.",
            )
        ],
    ),
    (
        ("%%step a\nfrom pandaz import x",),
        [
            (
                "FN016",
                1,
                2,
                "Step a imports `pandaz`.",
                "This Python does not have that module.",
                "Install it (`%pip install pandaz` in a scratch cell), or correct the name.",
            )
        ],
    ),
    (
        ("%%flow F\nimport pandaz", "%%step a"),
        [
            (
                "FN016",
                1,
                2,
                "The %%flow cell imports `pandaz`.",
                "This Python does not have that module.",
                "Install it (`%pip install pandaz` in a scratch cell), or correct the name.",
            )
        ],
    ),
    (
        ("%%step a -> scores\nscore = 1",),
        [
            (
                "FN017",
                1,
                1,
                "Step a captures `scores`, which its body never assigns. Did you mean `score`?",
                "No earlier step has it either.",
                "Write `%%step a -> score`.",
            )
        ],
    ),
    (
        ("%%step a -> f\ndef f(): pass",),
        [
            (
                "warning FN017",
                1,
                1,
                "Step a captures the function `f`.",
                "Metaflow drops functions that are assigned to self.",
                "Define `f` in a %%shared cell; every step can use it from there.",
            )
        ],
    ),
    (
        ("%%step a -> A\nclass A: pass",),
        [
            (
                "FN017",
                1,
                1,
                "Step a captures the class `A`.",
                "The next step cannot read objects of a class that a step defines.",
                "Define `A` in a %%shared cell; every step can use it from there.",
            )
        ],
    ),
    (
        ("%%step a -> math\nimport math",),
        [
            (
                "FN017",
                1,
                1,
                "Step a captures the module `math`.",
                "A module cannot be persisted.",
                "Import `math` in a %%shared cell; every step can use it from there.",
            )
        ],
    ),
    (
        ("%%step a\nself.f = lambda: 1",),
        [
            (
                "warning FN017",
                1,
                2,
                "Step a assigns the function `f` to self.",
                "Metaflow drops functions that are assigned to self.",
                "Define `f` in a %%shared cell; every step can use it from there.",
            )
        ],
    ),
    (
        ("%%step a -> x\nx = 1\ndel x",),
        [
            (
                "FN017",
                1,
                1,
                "Step a captures `x`, which has no value when the body ends.",
                "The body deletes it, or it is the name of an `except … as`, which has a value only in its clause.",
                "Assign another name and capture that, or keep the value of `x`.",
            )
        ],
    ),
    (
        ("%%step a -> e\ntry:\n    pass\nexcept ValueError as e:\n    pass",),
        [
            (
                "FN017",
                1,
                1,
                "Step a captures `e`, which has no value when the body ends.",
                "The body deletes it, or it is the name of an `except … as`, which has a value only in its clause.",
                "Assign another name and capture that, or keep the value of `e`.",
            )
        ],
    ),
    (
        ("%%step a", "%%step b", "%%step a --after b"),
        [
            (
                "FN018",
                3,
                1,
                "Step a is defined twice.",
                "It is also defined in cell 1 (step a).",
                "Rename one of the two, or remove it.",
            )
        ],
    ),
    (
        ("%%step a\nfrom math import *",),
        [
            (
                "FN019",
                1,
                2,
                "Step a imports * from math.",
                "Python allows that only at module level.",
                "Name what you need, or import it in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a\nfrom __future__ import annotations",),
        [
            (
                "FN019",
                1,
                2,
                "Step a imports from __future__.",
                "Such an import applies to a whole file.",
                "Move the line to the top of a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a\nself = 1", "%%step z\npass"),
        [
            (
                "FN019",
                1,
                2,
                "Step a assigns `self`.",
                "The step needs the `self` that the runtime gives it.",
                "Use another name.",
            )
        ],
    ),
    (
        ("%%step a", "%%step start --after a"),
        [
            (
                "FN020",
                2,
                1,
                "Step start comes after a.",
                "A flow begins with start.",
                "Call it `start_step`, or remove --after and move the cell to the top.",
            )
        ],
    ),
    (
        ("%%step a", "%%step start"),
        [
            (
                "FN020",
                2,
                1,
                "Step start is below a.",
                "A flow begins with start.",
                "Call it `start_step`, or move the cell to the top.",
            )
        ],
    ),
    (
        ("%%step s -> xs\nxs = [1]", "%%step a --foreach xs", "%%step end --join"),
        [
            (
                "FN020",
                3,
                1,
                "Step end is a join.",
                "Metaflow's end takes no inputs.",
                "Call it `end_step`; the exporter adds an end.",
            )
        ],
    ),
    (
        ("%%step a", "%%step end", "%%step b"),
        [
            (
                "FN020",
                2,
                1,
                "Step end leads to b.",
                "A flow ends with end.",
                "Call it `end_step`, or move the cell to the bottom.",
            )
        ],
    ),
    (
        (
            "%%flow F\ncfg = Config('cfg', default_value='{}')\nalpha = Parameter('alpha', default=cfg.name)",
            "%%step a\n@retry(**cfg.values)\n@environment(vars=cfg.get('vars'))\nx = self.cfg.name",
        ),
        [
            (
                "warning FN022",
                1,
                3,
                "The %%flow cell reads `cfg.name`.",
                "Every config of Metaflow has an attribute `name`, which is read instead of the config's value.",
                'Write cfg["name"].',
            ),
            (
                "warning FN022",
                2,
                2,
                "A decorator of step a reads `cfg.values`.",
                "Every config of Metaflow has an attribute `values`, which is read instead of the config's value.",
                'Write cfg["values"].',
            ),
        ],
    ),
    (
        ("%%flow F\nn = Parameter('n', default=1)", "%%step a\n@retry(times=n)\nx = 1"),
        [
            (
                "FN001",
                2,
                2,
                "A decorator of step a reads the parameter `n`.",
                "A parameter has no value before the steps run; a config has one.",
                "Make `n` a Config of the %%flow cell instead of a Parameter.",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s\nself.x = 'two'",
            "%%step j --after a,b --join\nself.merge_artifacts(inputs)",
        ),
        [
            (
                "FN021",
                4,
                2,
                "Step j merges `x`, which has two values.",
                "It is 1 in a and 'two' in b.",
                "Choose one first, for example `self.x = inputs.a.x`, or merge with exclude=['x'].",
            )
        ],
    ),
    (
        ("%%step a -> xs\n@catch(var='e')\nxs = [1]", "%%step b --foreach xs", "%%step c --join"),
        [
            (
                "FN023",
                1,
                2,
                "Step a has @catch and starts a foreach.",
                "When its code raises, its items are not set, so Metaflow refuses it.",
                "Move what may fail into a step before a, and @catch with it.",
            )
        ],
    ),
    (
        ("%%step a -> k\n@retry\n@catch\nk = 1", "%%step b --when k=1", "%%step c --after a --when k=2"),
        [
            (
                "FN023",
                1,
                3,
                "Step a has @catch and starts a switch.",
                "When its code raises, the artifact that it switches on is not set, so Metaflow refuses it.",
                "Move what may fail into a step before a, and @catch with it.",
            )
        ],
    ),
    (
        ("%%step a\n@retry(time=3)\nx = 1",),
        [
            (
                "FN024",
                1,
                2,
                "@retry of step a has no setting `time`.",
                "It takes times, minutes_between_retries. Did you mean `times`?",
                "Write `times`.",
            )
        ],
    ),
    (
        ("%%step a\n@retry(3)\nx = 1",),
        [
            (
                "FN024",
                1,
                2,
                "@retry of step a gets `3` without a name.",
                "It takes times, minutes_between_retries.",
                "Write @retry(times=3).",
            )
        ],
    ),
    (
        ("%%step a\n@parallel(1)\nx = 1",),
        [
            (
                "FN024",
                1,
                2,
                "@parallel of step a gets `1` without a name.",
                "It takes no settings.",
                "Write @parallel.",
            )
        ],
    ),
    (
        ("%%step a\n@timeout(minutes=1)\n@card\n@card(id='b')\n@timeout(\n  hours=1)\nx = 1",),
        [
            (
                "FN024",
                1,
                5,
                "Step a has @timeout twice.",
                "Metaflow accepts it once for each step.",
                "Remove one of them.",
            )
        ],
    ),
    (
        ("%%step a\n@retry(times=5)\n@timeout\nx = 1",),
        [
            (
                "FN025",
                1,
                2,
                "@retry of step a has times=5.",
                "Metaflow retries a task at most 4 times.",
                "Write @retry(times=4).",
            ),
            (
                "FN025",
                1,
                3,
                "@timeout of step a has no duration.",
                "It limits how long a task runs, in whole seconds.",
                "Write @timeout(minutes=5), for example.",
            ),
        ],
    ),
    (
        ("%%step a\n@timeout(seconds=0.5)\n@retry(times='many', minutes_between_retries=None)\nx = 1",),
        [
            (
                "FN025",
                1,
                2,
                "@timeout of step a has no duration.",
                "It limits how long a task runs, in whole seconds.",
                "Write @timeout(minutes=5), for example.",
            ),
            (
                "FN025",
                1,
                3,
                "@retry of step a has times='many'.",
                "Its value has to be a number.",
                "Write @retry(times=2, minutes_between_retries=None), for example.",
            ),
            (
                "warning FN025",
                1,
                3,
                "@retry of step a has minutes_between_retries=None.",
                "Its value has to be a number.",
                "Write @retry(times='many', minutes_between_retries=2), for example.",
            ),
        ],
    ),
    (
        ("%%step a\n@environment(vars=['A'])\n@resources(cpu='two', memory=[1])\nx = 1",),
        [
            (
                "FN025",
                1,
                2,
                "@environment of step a has vars=['A'].",
                "Its value has to be a dict of the variables.",
                'Write @environment(vars={"NAME": "value"}), for example.',
            ),
            (
                "warning FN025",
                1,
                3,
                "@resources of step a has cpu='two'.",
                "Its value has to be a number.",
                "Write @resources(cpu=2, memory=[1]), for example.",
            ),
            (
                "warning FN025",
                1,
                3,
                "@resources of step a has memory=[1].",
                "Its value has to be a number.",
                "Write @resources(cpu='two', memory=2), for example.",
            ),
        ],
    ),
    (
        ("%%step a\n@environment(vars={1: 2, 'A': 3})\n@catch(var='an error')\nx = 1",),
        [
            (
                "warning FN025",
                1,
                2,
                "@environment of step a sets the variable 1.",
                "A variable cannot have that name.",
                "Name the variable with letters, digits and `_`.",
            ),
            (
                "warning FN025",
                1,
                3,
                "@catch of step a has var='an error'.",
                "It names the artifact in which the exception is stored.",
                'Write @catch(var="failure"), for example.',
            ),
        ],
    ),
    (
        ("%%step a\n@catch(var='next')\nx = 1",),
        [
            (
                "warning FN009",
                1,
                2,
                "Step a sets the artifact `next`.",
                "`self.next` is Metaflow's own.",
                "Give it another name, for example `next_value`.",
            )
        ],
    ),
    (
        ("%%flow F\nn = Parameter('n', default=1)", "%%step a\n@catch(var='n')\nx = 1"),
        [
            (
                "warning FN012",
                2,
                2,
                "Step a assigns the parameter `n`.",
                "A parameter keeps the value that the run was started with.",
                "Use another name, for example `n_used`.",
            )
        ],
    ),
    (
        ("%%step a\nx = 1\nif x:\n    y = nowhere",),
        [
            (
                "warning FN001",
                1,
                4,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ("%%step a\nif True:\n    y = nowhere",),
        [
            (
                "FN001",
                1,
                3,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ("%%step a\ntry:\n    y = nowhere\nexcept Exception:\n    y = 0",),
        [
            (
                "warning FN001",
                1,
                3,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ("%%step a\nx = 1\nif x > 2:\n    self.next\n    return\ny = self.gone", "%%step z\npass"),
        [
            (
                "warning FN004",
                1,
                5,
                "Step a has `return` at the top level of its body.",
                "It would leave the method before its artifacts are captured and before self.next.",
                "Use if/else, or a function in a %%shared cell.",
            ),
            (
                "warning FN002",
                1,
                6,
                "Step a reads `self.gone`, which no earlier step sets.",
                "It inherits no artifacts.",
                "Assign self.gone in an earlier step, or correct the name.",
            ),
        ],
    ),
    (
        ("%%step a\nsetattr(self, 'x', 1)", "%%step b\ny = x, self.x"),
        [
            (
                "FN001",
                2,
                2,
                "Step b reads `x`, which nothing defines.",
                "Only artifacts that the source shows can be read as plain names.",
                "Read self.x, or define `x` in a %%shared cell.",
            ),
            (
                "warning FN002",
                2,
                2,
                "Step b reads `self.x`, which no earlier step visibly sets.",
                "Other code may set it: a function that gets `self`, a decorator or a base class.",
                "Assign self.x in an earlier step, or correct the name.",
            ),
        ],
    ),
    (
        ("%%step a\nif hasattr(self, 'x'):\n    y = self.x",),
        [
            (
                "warning FN002",
                1,
                3,
                "Step a reads `self.x`, which no earlier step sets.",
                "It inherits no artifacts.",
                "Assign self.x in an earlier step, or correct the name.",
            )
        ],
    ),
    (
        ("%%shared\nfrom tools import own", "%%step a\n@own\nx = 1", "%%step b\ny = self.made"),
        [
            (
                "FN016",
                1,
                2,
                "Shared code imports `tools`.",
                "This Python does not have that module.",
                "Install it (`%pip install tools` in a scratch cell), or correct the name.",
            ),
            (
                "warning FN002",
                3,
                2,
                "Step b reads `self.made`, which no earlier step visibly sets.",
                "Other code may set it: a function that gets `self`, a decorator or a base class.",
                "Assign self.made in an earlier step, or correct the name.",
            ),
        ],
    ),
    (
        ('%%flow F\nfor n in ["a"]:\n    locals()[n] = Parameter(n)', "%%step a\ny = self.a_name"),
        [
            (
                "warning FN002",
                2,
                2,
                "Step a reads `self.a_name`, which no earlier step visibly sets.",
                "Other code may set it: a function that gets `self`, a decorator or a base class.",
                "Assign self.a_name in an earlier step, or correct the name.",
            )
        ],
    ),
    (
        ("%%flow F\ndef prepare(self):\n    self.x = self.y", "%%step a\nself.prepare()\nz = self.x"),
        [
            (
                "FN002",
                2,
                2,
                "Step a reads `self.y`, which no earlier step sets.",
                "It inherits no artifacts.",
                "Assign self.y in an earlier step, or correct the name.",
            )
        ],
    ),
    (
        ("%%step a\nx = 1\nif x > 3:\n    return\nself.next(self.b)", "%%step b"),
        [
            (
                "warning FN004",
                1,
                4,
                "Step a has `return` at the top level of its body.",
                "It would leave the method before its artifacts are captured and before self.next.",
                "Use if/else, or a function in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step a -> x\nx = 1", "%%step end -> y\ny = 2\nreturn"),
        [
            (
                "warning FN004",
                2,
                3,
                "Step end has `return` at the top level of its body.",
                "It would leave the method before its artifacts are captured and before self.next.",
                "Use if/else, or a function in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%step end\nyield 1",),
        [
            (
                "warning FN004",
                1,
                2,
                "Step end has `yield` at the top level of its body.",
                "It would make the method a generator, whose body never runs.",
                "Collect the values in a list.",
            )
        ],
    ),
    (
        ("%%step a\nif nowhere:\n    self.next(self.b)\nelse:\n    self.next(self.c)", "%%step b", "%%step c"),
        [
            (
                "FN001",
                1,
                2,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            ),
            (
                "FN010",
                1,
                3,
                "Step a calls self.next, but not as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, condition="kind").',
            ),
            (
                "FN010",
                1,
                5,
                "Step a calls self.next, but not as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, condition="kind").',
            ),
        ],
    ),
    (
        (
            "%%step a -> k\nk = 1",
            "%%step b --when k=1\ny = nowhere",
            "%%step c --after a --when k=2",
            "%%step d --after b,c",
        ),
        [
            (
                "warning FN001",
                2,
                2,
                "Step b reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ("%%step a\n@catch\ny = nowhere",),
        [
            (
                "warning FN001",
                1,
                3,
                "Step a reads `nowhere`, which nothing defines.",
                "No shared cell, no earlier step and no Python builtin has that name.",
                "Define `nowhere` in a %%shared cell, or assign and capture it in an earlier step (`-> nowhere`).",
            )
        ],
    ),
    (
        ('%%flow F\np = Parameter("p", default=1)', "%%step a\ntry:\n    self.p = 2\nexcept AttributeError:\n    pass"),
        [
            (
                "warning FN012",
                2,
                3,
                "Step a assigns the parameter `p`.",
                "A parameter keeps the value that the run was started with.",
                "Use another name, for example `p_used`.",
            )
        ],
    ),
    (
        ("%%step a\nself.next(self.b, num_parallel=2)", "%%step b\n@parallel\nx = 1", "%%step j --join"),
        [
            (
                "warning FN010",
                1,
                2,
                "Step a starts @parallel tasks.",
                "Only Metaflow runs them; a run here ends at this step.",
                "Export the flow, or write a foreach over range(N) to run it here too.",
            )
        ],
    ),
    (
        ('%%step a\n@pypi(packages={"pandaz": "1"})\nimport pandaz',),
        [
            (
                "warning FN016",
                1,
                3,
                "Step a imports `pandaz`.",
                "This Python does not have that module, and a run here does not install what the step's decorators ask for.",
                "Install it (`%pip install pandaz` in a scratch cell), or correct the name.",
            )
        ],
    ),
    (
        ("%%shared\ndef f():\n    import pandaz", "%%step a\nx = 1\nif x:\n    import pandas9"),
        [
            (
                "warning FN016",
                1,
                3,
                "Shared code imports `pandaz`.",
                "This Python does not have that module.",
                "Install it (`%pip install pandaz` in a scratch cell), or correct the name.",
            ),
            (
                "warning FN016",
                2,
                4,
                "Step a imports `pandas9`.",
                "This Python does not have that module.",
                "Install it (`%pip install pandas9` in a scratch cell), or correct the name.",
            ),
        ],
    ),
    (
        (
            "%%step s",
            '%%step a --after s -> x\nx = {"a"}',
            '%%step b --after s -> x\nx = set("a")',
            "%%step j --after a,b --join\nself.merge_artifacts(inputs)",
        ),
        [
            (
                "warning FN021",
                4,
                2,
                "Step j merges `x`, a set that several branches assign.",
                "Metaflow compares values as they are stored, and equal sets of strings may be stored differently.",
                "Choose one first, for example `self.x = inputs.a.x`, or merge with exclude=['x'].",
            )
        ],
    ),
    (
        ("%%step a -> n\nn = 1\nself.next(self.b)\nself.end = 1", "%%step b"),
        [
            (
                "FN010",
                1,
                3,
                "Step a calls self.next, but not as its last statement.",
                "Metaflow reads the transition from the last statement of a step.",
                'Make it the last line; to choose among steps, write self.next({"x": self.a, "y": self.b}, condition="kind").',
            ),
            (
                "warning FN009",
                1,
                4,
                "Step a sets the artifact `end`.",
                "`self.end` is the step of that name.",
                "Give it another name, for example `end_value`.",
            ),
        ],
    ),
    (
        ("%%step end\nself = 1",),
        [
            (
                "warning FN019",
                1,
                2,
                "Step end assigns `self`.",
                "The step needs the `self` that the runtime gives it.",
                "Use another name.",
            )
        ],
    ),
    (
        ("%%step a -> xs\nxs = {1, 2}", "%%step b --foreach xs\ny = self.input", "%%step j --join"),
        [
            (
                "warning FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is a set.",
                "Each task iterates over the set again, in its own order, so some items are repeated and others are lost.",
                "Write xs = sorted({1, 2}).",
            )
        ],
    ),
    (
        ("%%step a\nself.xs = zip([1], [2])", "%%step b --foreach xs\ny = self.input", "%%step j --join"),
        [
            (
                "FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is zip(…).",
                "It can be iterated only once, and its items are counted before the first task takes one.",
                "Write self.xs = list(zip([1], [2])).",
            )
        ],
    ),
    (
        ("%%step a -> xs\nxs = map(str, [1])", "%%step b --foreach xs", "%%step j --join"),
        [
            (
                "warning FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is map(…).",
                "It can be iterated only once, and its items are counted before the first task takes one.",
                "Write xs = list(map(str, [1])).",
            )
        ],
    ),
    (
        ("%%step a -> xs\nxs = (i for i in [1])", "%%step b --foreach xs", "%%step j --join"),
        [
            (
                "FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is a generator.",
                "It cannot be pickled, so the step cannot pass it on.",
                "Write xs = list(i for i in [1]).",
            )
        ],
    ),
    (
        ('%%step a -> xs\nxs = {"a": 1}', "%%step b --foreach xs\ny = self.input", "%%step j --join"),
        [
            (
                "FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is a dict.",
                "Each task takes the item at its position, and a dict has no positions.",
                "Write xs = list({'a': 1}), whose items are the keys, or make a list of its items().",
            )
        ],
    ),
    (
        ('%%step a -> xs\nxs = {"a": 1}.items()', "%%step b --foreach xs", "%%step j --join"),
        [
            (
                "FN026",
                1,
                2,
                "The foreach of step a runs over `xs`, which is a dict's items().",
                "It cannot be pickled, so the step cannot pass it on.",
                "Write xs = list({'a': 1}.items()).",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s -> x\nx = 2",
            "%%step j --after a,b --join\ny = inputs[0].x",
        ),
        [
            (
                "warning FN027",
                4,
                2,
                "The join j depends on the order of its inputs.",
                "Its inputs are different steps, whose order may change from run to run on Metaflow.",
                "Name them: inputs.a and inputs.b.",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s -> x\nx = 2",
            "%%step j --after a,b --join\ny = [i.x for i in inputs]",
        ),
        [
            (
                "warning FN027",
                4,
                2,
                "The join j depends on the order of its inputs.",
                "Its inputs are different steps, whose order may change from run to run on Metaflow.",
                "Name them: inputs.a and inputs.b.",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s -> x\nx = 2",
            "%%step j --after a,b --join\nfor n, i in enumerate(inputs):\n    print(n, i.x)",
        ),
        [
            (
                "warning FN027",
                4,
                2,
                "The join j depends on the order of its inputs.",
                "Its inputs are different steps, whose order may change from run to run on Metaflow.",
                "Name them: inputs.a and inputs.b.",
            )
        ],
    ),
    (
        (
            "%%shared\nimport threading as t",
            "%%flow F\nlock = t.Lock()\n_kept = t.Lock()\nimport os\nplace = os",
            "%%step a\npass",
        ),
        [
            (
                "FN028",
                2,
                2,
                "The %%flow cell sets `lock` to `t.Lock()`.",
                "Metaflow persists each value of the class before the first step runs, and this one cannot be pickled.",
                "Create it in a %%shared cell or in a step, or call it `_lock`: such names are not persisted.",
            ),
            (
                "FN028",
                2,
                5,
                "The %%flow cell sets `place` to the module `os`.",
                "Metaflow persists each value of the class before the first step runs, and this one cannot be pickled.",
                "Create it in a %%shared cell or in a step, or call it `_place`: such names are not persisted.",
            ),
        ],
    ),
    (
        ("%%flow F\ntry:\n    import os\nexcept ImportError:\n    pass", "%%step a\npass"),
        [
            (
                "warning FN028",
                1,
                3,
                "The %%flow cell imports inside a block.",
                "Metaflow persists what the class binds, and a module cannot be persisted.",
                "Move the block to a %%shared cell.",
            )
        ],
    ),
    (
        ("%%shared\nclass M:\n    pass", "%%flow F(M)", "%%step a\npass"),
        [
            (
                "FN029",
                2,
                1,
                "The flow F derives from M, and none of these is a flow.",
                "Only subclasses of Metaflow's FlowSpec are flows.",
                "Write %%flow F(M, FlowSpec).",
            )
        ],
    ),
    (
        ("%%flow F(Base)", "%%step a\npass"),
        [
            (
                "FN029",
                1,
                1,
                "The flow F derives from `Base`, which nothing defines.",
                "A base class is looked up in shared code.",
                "Define or import `Base` in a %%shared cell.",
            )
        ],
    ),
    (
        ("%%shared\ndef step(n):\n    return n", "%%step a\npass"),
        [
            (
                "FN029",
                1,
                2,
                "Shared code defines `step`.",
                "In flow.py `step` is Metaflow's, and every flow needs it.",
                "Give yours another name.",
            )
        ],
    ),
    (
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s",
            "%%step j --after a,b --join\nif inputs.a:\n    y = self.x",
        ),
        [
            (
                "warning FN015",
                4,
                3,
                "The join j reads `self.x`, which only its inputs have.",
                "A join inherits no artifacts, because the tasks that it joins may have different values.",
                'Read inputs.a.x, or call self.merge_artifacts(inputs, include=["x"]) first and read self.x.',
            )
        ],
    ),
]

ACCEPTED: list[tuple[str, tuple[str, ...]]] = [
    ("FN030", ("%%time\n%%step a", "  %%step b --after a\n  x = 1", "%%bash\n%%step c")),
    ("FN031", ("%%flow F", "%%step a", "# %%flow G")),
    ("FN001", ("%%step a\nprint(__name__, sum([1]))\nfor i in []:\n    y = i\nz = [k for k in [1]]",)),
    ("FN001", ("%%shared\nfrom math import *", "%%step a\ny = sqrt(2)")),
    (
        "FN001",
        (
            "%%shared\ndef f():\n    import os\n    def g():\n        return os, h()\n    def h():\n        return g",
            "%%step a",
        ),
    ),
    ("FN001", ("%%shared\nfrom __future__ import annotations\ndef f(x: Unknown) -> Other: pass", "%%step a")),
    (
        "FN001",
        (
            "%%shared\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import decimal as d",
            "%%step a\nx: d.Decimal = 1",
        ),
    ),
    ("FN001", ("%%shared\nCOUNT = 0", "%%step a\nglobal COUNT\nCOUNT = COUNT + 1")),
    ("FN001", ("%%shared\nclass A:\n    k = 1\n    ks = [k]\n    def f(self):\n        return __class__", "%%step a")),
    ("FN001", ("%%step a -> sum\nsum = 1", "%%step b\nsum = sum + 1")),
    (
        "FN001",
        ("%%step a\nwhile True:\n    try:\n        x = 1\n        break\n    except ValueError:\n        pass\ny = x",),
    ),
    ("FN001", ("%%step a\nhasattr(self, 'x')\ngetattr(self, 'y', 0)\nprint(self)",)),
    ("FN001", ("%%flow F\nk = 1\nalpha = Parameter('alpha', default=k)", "%%step a\ny = alpha + k")),
    ("FN002", ("%%step a -> x\nx = 1", "%%step b\ny = x + self.x\nself.z = 1\nw = self.z, self.index, self.input")),
    ("FN002", ("%%flow F\nxs = [1]", "%%step w --foreach xs", "%%step j --join")),
    ("FN002", ("%%flow F\ndef f(self): pass", "%%step a\nself.f()")),
    ("FN003", ("%%step a\nx = 7 \\\n  % 2\ny = '!ls'",)),
    ("FN003", ("%%shared\n%load_ext autoreload\nk = 1", "%%step a")),
    (
        "FN004",
        ("%%step a\ndef f():\n    yield 1\n    return\nasync def g():\n    await f\n    async for i in f: pass",),
    ),
    ("FN005", ("%%step a", "%%step b --after a\nself.next(self.c)", "%%step c")),
    ("FN006", ("%%step a -> k\nk = 1\nself.next({1: self.a, 2: self.b}, condition='k')", "%%step b")),
    ("FN007", ("%%step b --after a", "%%step a --after start", "%%step start")),
    ("FN008", ("%%step s", "%%step a --after s", "%%step b --after s", "%%step j --after a,b --join")),
    ("FN009", ("%%step a1_b -> name_, _x\nname_ = _x = 1\n__private = 2\nself._y = __private",)),
    ("FN009", ("%%flow F\nalpha = 1", "%%step start", "%%step end")),
    ("FN010", ("%%step a -> x\nx = 1\nself.next(self.b)  # last\n# comment", "%%step b --after a")),
    ("FN010", ("%%step a\nx = 1; self.next(self.b);", "%%step b")),
    ("FN010", ("%%step a\nclass It:\n    def go(self):\n        self.next(1)",)),
    ("FN011", ("%%shared\nfrom __future__ import annotations\nx = 1", "%%flow F\nk = 1", "%%step a\nx = '\\d'")),
    ("FN012", ("%%flow F\nalpha = Parameter('alpha')\nk = 1", "%%step a -> beta\nu = alpha\nk = k + 1\nbeta = k")),
    (
        "FN013",
        (
            "%%step a -> k\nk = 1",
            "%%step b --when k=1 -> x\nx = 1",
            "%%step c --after a --when k=2 -> x\nx = 2",
            "%%step d --after b,c\ny = x, self.x",
        ),
    ),
    ("FN014", ("%%shared\nN = 0", "%%step a\ndef f():\n    global N\n    N = 1\nf()")),
    (
        "FN015",
        (
            "%%step s -> w\nw = 1",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s",
            "%%step j --after a,b --join\ny = inputs.a.x, inputs[0].w, [i.w for i in inputs], inputs.b.w\n"
            "self.merge_artifacts(inputs, include=['w'])\nz = self.w",
        ),
    ),
    ("FN015", ("%%step a\ninputs = [1]\nx = inputs.count(1)", "%%step b\ndef f(inputs): return inputs.q")),
    (
        "FN016",
        ("%%shared\ntry:\n    import pandaz\nexcept ImportError:\n    pandaz = None", "%%step a\nimport os.path"),
    ),
    (
        "FN016",
        (
            "%%shared\nimport typing\nif typing.TYPE_CHECKING:\n    import pandaz\nfrom flownb import current",
            "%%step a",
        ),
    ),
    (
        "FN017",
        (
            "%%step a -> x, pi\nfrom math import pi\nx = lambda: 1\nx = x()",
            "%%step b -> x\n",
            "%%step c -> x\nif pi:\n    x = 2",
        ),
    ),
    ("FN017", ("%%step a -> i\nfor i in [1]: pass",)),
    ("FN018", ("%%step a", "%%step b")),
    ("FN019", ("%%step a\nfrom math import pi\ninputs = 1\ndef f(self): pass",)),
    (
        "FN019",
        ("%%step s -> xs\nxs = [1]", "%%step a --foreach xs", "%%step j --join\ninputs = [one for one in inputs]"),
    ),
    ("FN004", ("%%step a", "%%step end\nif 1:\n    return")),
    ("FN020", ("%%step end --after start", "%%step start")),
    (
        "FN022",
        (
            "%%flow F\ncfg = Config('cfg', default='c.json')\nn = Parameter('n', default=cfg.model.name)\nM = 1",
            "%%step a\n@retry(times=cfg.times)\n@resources(memory=M)\nx = [self.cfg.name, self.cfg.items()]",
        ),
    ),
    (
        "FN021",
        (
            "%%step s",
            "%%step a --after s -> x, y, z, w\nx = 1\ny = 1\nz = f = 3\nw = 4",
            "%%step b --after s -> x, y, z, w\nx = 1\ny = 2\nz = 1\nz += 2\nw = 5",
            "%%step j --after a,b --join\nself.w = inputs.a.w\nself.merge_artifacts(inputs, exclude=['y'])",
        ),
    ),
    (
        "FN021",
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step a2 --after a -> x\nx = 2",
            "%%step b --after s -> x\nx = 2",
            "%%step j --after a2,b --join\nself.merge_artifacts(inputs, include=['x'])",
        ),
    ),
    ("FN023", ("%%step a -> x\n@catch(var='e')\nx = 1", "%%step b -> xs\nprint(x, e, self.e)\nxs = [e]")),
    ("FN023", ("%%shared\nV = 'e'", "%%step a -> x\n@catch(var=V)\nx = 1", "%%step b\nprint(x)")),
    ("FN024", ("%%shared\ndef retry(n): return lambda f: f", "%%step a\n@retry(9)\n@card\n@card(id='b')\nx = 1")),
    (
        "FN024",
        (
            "%%shared\nimport metaflow\nS = {'times': 1}\ndef other(n): return lambda f: f",
            "%%step a\n@retry(**S)\n@timeout(**S)\n@metaflow.card(id='x')\n@other(1)\nx = 1",
        ),
    ),
    ("FN026", ("%%step a -> xs\nxs = sorted({1, 2})", "%%step b --foreach xs\ny = self.input", "%%step j --join")),
    ("FN026", ("%%step a -> xs\nxs = {0: 1, 1: 2}", "%%step b --foreach xs\ny = self.input", "%%step j --join")),
    ("FN026", ("%%step a -> xs\nxs = {1}\nxs = list(xs)", "%%step b --foreach xs", "%%step j --join")),
    (
        "FN027",
        (
            "%%step s -> w\nw = 1",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s -> x\nx = 2",
            "%%step j --after a,b --join\ny = sum(i.x for i in inputs), max([i.x for i in inputs]), len(inputs)\n"
            "z = {i.x for i in inputs}, inputs.a.x, inputs[0].w, [i.w for i in inputs]",
        ),
    ),
    (
        "FN027",
        (
            "%%step s -> xs\nxs = [1]",
            "%%step a --foreach xs -> x\nx = 1",
            "%%step j --join\ny = inputs[0].x, [i.x for i in inputs]",
        ),
    ),
    (
        "FN025",
        (
            "%%shared\nN = 9\nE = {'A': 1}",
            "%%step a\n@retry(times=N)\n@timeout(seconds=N, minutes='2')\n@environment(vars=E)\n@catch\n@resources(memory=N)",
            "%%step b\n@retry(times='4', minutes_between_retries=0.5)\n@timeout(seconds=0, hours=1)\n@environment\n"
            "@resources(cpu=None, gpu=1)\n@catch(var='', print_exception=False)\nx = 1",
        ),
    ),
    ("FN028", ("%%flow F\nimport re\nN = 1\nD = {'a': re.compile('x')}\n_lock = open", "%%step a\npass")),
    (
        "FN029",
        (
            "%%shared\nfrom metaflow import FlowSpec\nclass Base(FlowSpec):\n    pass\nclass M:\n    pass",
            "%%flow F(M, Base)",
            "%%step a\npass",
        ),
    ),
    ("FN029", ("%%shared\nfrom metaflow import FlowSpec, step", "%%step a\npass")),
]
