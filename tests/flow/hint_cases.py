"""Hints that once led into the next error: what is said now, and the cells that it is said of."""

# ruff: noqa: E501  # cells are on one line here, so that they can be searched for

from __future__ import annotations

__all__ = ["HINTED", "TAGGED"]

SPLIT = ("%%step s -> k\nk = 1", "%%step a --after s\ndf = 1", "%%step b --after s\npass")

HINTED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Write `import pandas as pd` in a %%shared cell.", ("%%step a\nimport pandas as pd", "%%step b\ny = pd")),
    (
        "Write `from json import dumps` in a %%shared cell.",
        ("%%step a\nfrom json import dumps, loads", "%%step b\ndumps"),
    ),
    ("Move `f` to a %%shared cell.", ("%%step a\ndef f(x):\n    return x", "%%step b\ny = f(1)")),
    ("Write `%%step a -> n, df`.", ("%%step a -> n\nn = df = 1", "%%step b\ny = df")),
    (
        "Write `%%step a --after s --foreach xs -> n, df`.",
        (
            "%%step s -> xs\nxs = [1]",
            "%%step a --after s --foreach xs -> n\nn = df = 1",
            "%%step b\ny = df",
            "%%step j --join",
        ),
    ),
    ("Write `%%step a -> n, x`.", ("%%step a -> n\nn = x = 1", "%%step b\ny = x\nx = 1")),
    (
        "Give it another name in `a`, for example `b_value`, and capture and read that.",
        ("%%step a\nb = 1", "%%step b\ny = b"),
    ),
    ("Do not delete `x` in the body of `a`, and capture it.", ("%%step a\nx = 1\ndel x", "%%step b\ny = x")),
    (
        'Write `%%step a --after s -> df`, and `self.merge_artifacts(inputs, include=["df"])` in j.',
        (*SPLIT, "%%step j --after a,b --join", "%%step e\ny = df"),
    ),
    (
        "Write `%%step b --foreach items`.",
        ("%%step a -> items\nitems = [1]", "%%step b --foreach item", "%%step j --join"),
    ),
    (
        "Write `%%step b --foreach items`, and write `%%step a -> items`.",
        ("%%step a\nitems = [1]", "%%step b --foreach item", "%%step j --join"),
    ),
    (
        'Write "items" instead.',
        ("%%step a -> items\nitems = [1]\nself.next(self.b, foreach='item')", "%%step b", "%%step j --join"),
    ),
    (
        "Write `%%step b --when kind=x` and `%%step c --after a --when kind=y`.",
        (
            "%%step a -> kind\nkind = 'x'",
            "%%step b --when kid=x",
            "%%step c --after a --when kid=y",
            "%%step d --after b,c",
        ),
    ),
    (
        "Write `Parameter`, or define `Paramter` in a %%shared cell, or pass it as an argument.",
        ("%%flow F\nalpha = Paramter('alpha', default=1)", "%%step a"),
    ),
    (
        "Write `alpha`, or define `alhpa` in a %%shared cell, or assign and capture it in an earlier step (`-> alhpa`).",
        ("%%flow F\nalpha = Parameter('alpha', default=1)", "%%step a\ny = alhpa"),
    ),
    ("Write `current`, with `from flownb import current` in a %%shared cell.", ("%%step a\ny = curent.run_id",)),
    (
        'Read inputs.a.x, or call self.merge_artifacts(inputs, include=["x"]) first and read self.x.',
        (
            "%%step s",
            "%%step a --after s -> x\nx = 1",
            "%%step b --after s",
            "%%step j --after a,b --join\nfor i in [1]:\n    y = x + x",
        ),
    ),
    (
        "Write `%%step b --after s -> x`.",
        ("%%step s", "%%step a --after s", "%%step b --after s\nx = 1", "%%step j --after a,b --join\ny = inputs.b.x"),
    ),
    (
        "Assign `x` in b and capture it, or correct the name.",
        ("%%step s", "%%step a --after s", "%%step b --after s", "%%step j --after a,b --join\ny = inputs.b.x"),
    ),
    ("Write `%%step a -> score, n`.", ("%%step a -> scores, n\nscore = n = 1",)),
    ("Assign `zz`, or remove it from the header: write `%%step a -> n`.", ("%%step a -> zz, n\nn = 1",)),
    ("Call it `start_step`, or remove --after and move the cell to the top.", ("%%step a", "%%step start --after a")),
    ("Call it `train_model`.", ("%%step a", "%%step train-model", "%%step c --after train-model")),
    ("Call it `train_step`.", ("%%step train", "%%step Train", "%%step c --after Train")),
    (
        "Add a cell `%%step collect_2 --after a,collect --join` that reads `inputs`.",
        ("%%step s", "%%step a --after s", "%%step collect --after s"),
    ),
    (
        "Write `%%step j --after a,b --join -> n`, and read `inputs` in its body.",
        ("%%step s", "%%step a --after s", "%%step b --after s", "%%step j --after a,b -> n\nn = 1"),
    ),
    (
        "Return `x` from the function, and assign what it returns.",
        ("%%step a\ndef f():\n    global x\n    x = 1\nf()",),
    ),
    ("Write `nonlocal x`.", ("%%step a\nx = 0\ndef f():\n    global x\n    x = 1\nf()",)),
    (
        "Write @retry(times=4, minutes_between_retries=1).",
        ("%%step a\n@retry(times=9, minutes_between_retries=1)\nx = 1",),
    ),
    ("Move `%%time` above the line that marks the cell.", ("%%step a\n%%time\nx = 1",)),
    ("Move it, and all lines below it, to a cell of its own.", ("%%step a\nx = 1\n%%step b\ny = 1",)),
    ("Write `x = f()`.", ("%%shared\ndef f(): return 1", "%%step a -> x\n%time x = f()")),
    (
        "Write %%flow F(Base), or define or import `Bas` in a %%shared cell.",
        ("%%shared\nfrom metaflow import FlowSpec\nclass Base(FlowSpec):\n    pass", "%%flow F(Bas)", "%%step a"),
    ),
    (
        "Move `%%step` to the first line of its cell; the comment can be below it.",
        ("# one\n\n%%step a\nx = 1", "%%step b"),
    ),
    (
        "Move `%%step` to the first line of its cell, and give the code above it a cell of its own.",
        ("import os\n%%step a\nx = 1", "%%step b"),
    ),
    ("Write `%%step` without anything before it, and without a blank after `%%`.", ("  %%step a\nx = 1", "%%step b")),
)

TAGGED: tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...] = (
    (
        "Give cell 1 (step a) the tags step:a out:n,df.",
        (("n = df = 1", ("step:a", "out:n", "slow")), ("y = df", ("step:b",))),
    ),
    (
        "Give cell 2 (step b) the tags step:b foreach:items.",
        (("items = [1]", ("step:a", "out:items")), ("pass", ("step:b", "foreach:item")), ("pass", ("step:j", "join"))),
    ),
    (
        "Give cell 2 (step b) the tags step:b after:train.",
        (("pass", ("step:train",)), ("pass", ("step:b", "prev:trian"))),
    ),
    ("Call it `train_model`.", (("pass", ("step:train-model",)), ("pass", ("step:b", "after:train-model")))),
)
