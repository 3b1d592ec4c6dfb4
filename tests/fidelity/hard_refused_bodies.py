"""Hard cells that flownb refuses: text that cannot be a step's body.

Every case would fail, or silently differ, in real Metaflow, so flownb must refuse it.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell
from tests.fidelity.hard_refusal import START, alone, refused, warned, warned_alone

__all__ = ["REFUSED_BODIES"]

REFUSED_BODIES = (
    HardCell(
        "top_level_return",
        "A return in the last step leaves nothing out, so nothing is said.",
        (START, "%%step end\nif x:\n    return\ny = 2\n"),
        "equal",
    ),
    warned_alone(
        "top_level_yield",
        "top-level yield",
        "A yield turns the last step into a generator, whose code never runs; that is said.",
        "yield x\n",
    ),
    warned_alone(
        "top_level_yield_in_an_expression",
        "top-level yield",
        "A yield deep in an expression is found too.",
        "y = [1, (yield x)]\n",
    ),
    warned_alone(
        "top_level_yield_from",
        "top-level yield",
        "yield from is a yield.",
        "yield from [x]\n",
    ),
    alone(
        "top_level_await",
        "top-level await",
        "Notebooks allow await at the top level, a step does not.",
        "import asyncio\nawait asyncio.sleep(0)\n",
    ),
    alone(
        "top_level_async_with",
        "top-level async with",
        "async with needs an async function.",
        "import asyncio\nasync with asyncio.timeout(1):\n    y = x\n",
    ),
    alone(
        "top_level_async_for",
        "top-level async for",
        "async for needs an async function.",
        "async for v in x:\n    y = v\n",
    ),
    alone(
        "top_level_async_comprehension",
        "top-level async comprehension",
        "An async comprehension needs an async function.",
        "y = [v async for v in x]\n",
    ),
    alone(
        "break_outside_a_loop",
        "break outside loop",
        "What the compiler refuses, not the parser, is refused too.",
        "if x:\n    break\n",
    ),
    alone(
        "line_magic",
        "magic in step",
        "A line magic is no Python.",
        "%matplotlib inline\ny = x\n",
    ),
    alone(
        "shell_line",
        "magic in step",
        "A shell line is no Python.",
        "!ls\ny = x\n",
    ),
    alone(
        "assigned_shell_line",
        "magic in step",
        "An assignment from a shell line is no Python.",
        "files = !ls\n",
    ),
    alone(
        "assigned_magic_inside_a_block",
        "magic in step",
        "A magic is found inside a block too.",
        "if x:\n    t = %timeit -o -n1 x\n",
    ),
    alone(
        "help_line",
        "magic in step",
        "A help request is no Python.",
        "x?\n",
    ),
    alone(
        "cell_magic_inside",
        "magic in step",
        "A second cell magic inside a step is no Python.",
        "%%time\ny = x\n",
    ),
    alone(
        "syntax_error",
        "syntax error",
        "Text that is no Python is refused where it stands.",
        "y = (x +\n",
    ),
    alone(
        "syntax_error_in_indentation",
        "syntax error",
        "A body whose blocks do not line up is refused.",
        "if x:\n        y = 1\n    y = 2\n",
    ),
    alone(
        "unterminated_string",
        "syntax error",
        "A string that does not end may not swallow what follows the cell.",
        'y = """abc\n',
    ),
    alone(
        "backslash_at_the_end",
        "syntax error",
        "A body that ends in a continuation may not swallow the line added after it.",
        "y = x \\\n",
    ),
    alone(
        "block_without_a_body",
        "syntax error",
        "A block that the cell leaves empty may not take in the lines added after it.",
        "if x:\n",
    ),
    alone(
        "top_level_nonlocal",
        "nonlocal statement",
        "nonlocal has no meaning outside a nested function.",
        "nonlocal x\nx = 2\n",
    ),
    warned_alone(
        "self_rebound",
        "self rebound",
        "self may be rebound where nothing comes after it.",
        "for self in range(3):\n    y = x\n",
    ),
    alone(
        "from_star_import",
        "star import in a step",
        "A star import is allowed at module level only.",
        "from math import *\ny = x\n",
    ),
    alone(
        "future_import",
        "__future__ import in a step",
        "A __future__ import belongs into shared code.",
        "from __future__ import annotations\ny = x\n",
    ),
    alone(
        "import_of_something_missing",
        "import of something missing",
        "An import that the kernel cannot satisfy is named before the run.",
        "import flownb_has_no_such_module\ny = x\n",
    ),
    refused(
        "self_next_in_the_middle",
        "self.next not last",
        "Code after self.next is refused.",
        START,
        "%%step middle\nself.next(self.end)\ny = 2\n",
        "%%step end\npass\n",
    ),
    warned(
        "self_next_inside_if",
        "self.next not last",
        "self.next inside a condition is said, but it fails only where it is called.",
        START,
        "%%step middle\nif x > 1:\n    self.next(self.end)\n",
        "%%step end\npass\n",
    ),
    refused(
        "self_next_twice",
        "self.next not last",
        "A body has one transition.",
        "%%step start\nself.next(self.a)\nself.next(self.end)\n",
        "%%step a\nself.next(self.end)\n",
        "%%step end\npass\n",
    ),
)
