"""Hard cells about text: layout, strings and characters that a body must keep to the letter.

Real Metaflow and flownb must agree on every case.
"""

from __future__ import annotations

from tests.fidelity.hard_cell import HardCell

__all__ = ["TEXT"]

TEXT = (
    HardCell(
        name="f_string_with_equals",
        promise='f"{a=}" shows the name the user wrote.',
        cells=(
            '%%step start -> a, s\na = 3\ns = f"{a=} {a * 2 = :>4}"\n',
            '%%step end -> t\nt = f"{a = !r} {s!s:.3}"\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="f_string_nesting",
        promise="Inherited names are found in nested quotes, format specs and lambdas of f-strings.",
        cells=(
            "%%step start -> d, w\nd = {'k': 1.5}\nw = 8\n",
            "%%step end -> s, t, u\n"
            """s = f"{d['k']:>{w}.{len(d)}f}|{{w}}|{'w'}"\n"""
            """t = f'{d["k"]!r:*^{w}}' 'w' f"{w}" rf"\\{w}"\n"""
            """u = f'''{(lambda v: v + w)(1)}\n  {d\n["k"]}'''\n""",
        ),
        outcome="equal",
    ),
    HardCell(
        name="triple_quoted_strings",
        promise="No character of a triple-quoted string changes, however oddly it is indented.",
        cells=(
            '%%step start -> a, b\na = """first\n  two\n\tthree\n        eight\\\n joined\n\\ttab\n"""\n'
            "if a:\n    b = '''x\n y\n\"\"\"\nz'''\n",
            '%%step end -> n, raw\nn = [len(line) for line in a.split("\\n")] + [len(b)]\nraw = r"""\n\\n\\\n"""\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="triple_quoted_f_string",
        promise="Lines of a triple-quoted f-string keep their indentation.",
        cells=(
            "%%step start -> n\nn = 2\n",
            '%%step end -> s\nfor _ in range(1):\n    s = f"""a\n{n}\n  b {n + 1}\n   """\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="bytes_over_lines",
        promise="Multi-line bytes keep their line starts.",
        cells=(
            "%%step start -> b\nb = b'''x\n y\n''' rb'\\n' B\"\"\"\nz\"\"\"\n",
            "%%step end -> n\nn = len(b)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="string_continued_by_a_backslash",
        promise="A quoted string continued at column 0 gets no spaces put into it.",
        cells=(
            "%%step start -> s\ns = 'abc\\\ndef\\\n  ghi'\n",
            "%%step end -> n\nn = len(s)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="line_continuations",
        promise="Lines continued by a backslash or inside brackets may start anywhere.",
        cells=(
            "%%step start -> x, y\nx = 1 + \\\n2 + \\\n        3\ny = [\n1,\n        2,\n  # note\n]\n",
            "%%step end -> z\nif x and \\\n  y:\n    z = (x\n+ len(\ny)\n    )\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="lines_that_look_like_magics",
        promise="A line that starts with % or ! is no magic inside an expression or a string.",
        cells=(
            '%%step start -> x, s\nx = (17\n% 5)\nx = x + 17 \\\n% 4\ns = """\n%matplotlib inline\n'
            '!ls\n%%step other\n?help\n"""\n',
            "%%step end -> y\ny = [\n    x\n    !=\n    3, len(s)]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="text_that_looks_like_a_transition",
        promise="self.next in a string, a comment or a nested function's docstring is no transition.",
        cells=(
            '%%step start -> s\ns = "self.next(self.nowhere)"\n# self.next(self.nowhere)\n',
            '%%step end -> t\ndef f():\n    """self.next(self.nowhere)"""\n    return s\n'
            't = f() + """\nself.next(self.nowhere)\n"""\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="form_feeds",
        promise="Form feeds between and before statements change nothing.",
        cells=(
            "%%step start -> x\nx = 1\n\f\nx = x + 1\n\fx = x + 1\n",
            "%%step end -> y\nif x:\n\f    y = 'a\fb'\n    \f\n    y = y + 'c'\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="other_line_separators_in_strings",
        promise="Characters that str.splitlines splits at, and Python does not, stay in their line.",
        cells=(
            "%%step start -> s\ns = 'a\x0bb\x1cc\x85d\u2028e\u2029f'  # \u2028 and \x0c\n",
            '%%step end -> n\nt = """x\u2028  y\n\x85z"""\nn = [len(s), len(t)]\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="carriage_returns",
        promise="A cell with Windows line ends means the same, inside strings too.",
        cells=(
            "%%step start -> x, s\r\nx = 1\r\nif x:\r\n    s = '''a\r\n b'''\r\n",
            "%%step end -> n\r\nn = len(s) + \\\r\nx\r\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="tabs",
        promise="Blocks indented by tabs stay blocks.",
        cells=(
            "%%step start -> x\nfor i in range(3):\n\tif i:\n\t\tx = i\n\telse:\n\t\tx =\t'\t'\n",
            "%%step end -> y\nif x:\n\ty = 1\nelse:\n        y = 2\nif y:\n \ty = y + 1\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="odd_indentation",
        promise="Blocks may be indented by any width, and comments by none.",
        cells=(
            "%%step start -> x\nif True:\n  x = 1\n# at column 0\n      # deeper\n  if x:\n         x = 2\n",
            "%%step end -> y\nfor y in [x]:\n # one\n pass\n# the end",
        ),
        outcome="equal",
    ),
    HardCell(
        name="semicolons",
        promise="Statements joined by semicolons are all run, a trailing one is harmless.",
        cells=(
            "%%step start -> x, y\nx = 1; y = 2; x = x + y;\nif x: y = 5; y = y + 1\n",
            "%%step end -> z\nclass A: k = 1; j = 2\nz = x + y + A.j; z;\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="no_newline_at_the_end",
        promise="A body may end without a newline, in a comment or inside a block.",
        cells=(
            "%%step start -> x\nx = 1 # one",
            "%%step middle -> y\nwith open('/dev/null') as f:\n    y = x\n    # still in the block",
            "%%step end -> z\nfor z in [y]: pass",
        ),
        outcome="equal",
    ),
    HardCell(
        name="blank_lines_and_spaces",
        promise="Blank lines and trailing spaces around a body are harmless.",
        cells=(
            "%%step start -> x\n\n   \n\nx = 1   \n\t\n\n",
            "%%step end -> y\n\n\n# first\n\ny = x\n    \n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="empty_body",
        promise="A step may be its header alone.",
        cells=(
            "%%step start -> x\nx = 1\n",
            "%%step middle",
            "%%step last\n\n",
            "%%step end -> y\ny = x\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="comments_only_body",
        promise="A body of comments alone is an empty step.",
        cells=(
            "%%step start\n# nothing yet\n",
            "%%step middle\n    # indented\n\n# and not",
            "%%step end -> x\nx = 1\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="pass_and_ellipsis_bodies",
        promise="pass, ... and a lone string are bodies.",
        cells=(
            "%%step start\npass\n",
            "%%step middle\n...\n",
            '%%step last\n"""Only says\n  what it is."""\n',
            "%%step end -> x\nx = 1\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="docstring_then_inherited_name",
        promise="A body may begin with a docstring and still read inherited names.",
        cells=(
            '%%step start -> x\n"""Load.\n\n   Indented as written.\n"""\nx = 1\n',
            '%%step end -> y\nr"""Docs \\n."""; y = x\n',
        ),
        outcome="equal",
    ),
    HardCell(
        name="last_expression",
        promise="A value left at the end of a body is shown, never stored.",
        cells=(
            "%%step start -> x\nx = 1\nx\n",
            "%%step end -> y\ny = x\n(\n  x,\n  y)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="nested_quotes",
        promise="Quotes of one kind inside the other survive, escaped or not.",
        cells=(
            '%%step start -> a, b\na = "it\'s \\"x\\"" \'say "hi"\' """a"b""c\\""""\nb = \'\\\\\'\n',
            "%%step end -> n\nn = [len(a), len(b), len('''\"\"\"''')]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="characters_beyond_ascii",
        promise="Emoji, combining marks, escapes and lone surrogates arrive unchanged.",
        cells=(
            "%%step start -> s, t\ns = '🙂 e\u0301 é \ufeff\u200b'\nt = '\\ud800 \\N{BULLET} \\x00'\n",
            "%%step end -> n\nn = [len(s), len(t)]\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="coding_comment",
        promise="A coding comment of a cell does not change how flow.py is read.",
        cells=(
            "%%shared\n# -*- coding: latin-1 -*-\nNAME = 'größe'\n",
            "%%step start -> s\n# -*- coding: ascii -*-\ns = NAME + 'ß'\n",
            "%%step end -> n\nn = len(s)\n",
        ),
        outcome="equal",
    ),
    HardCell(
        name="magics_in_a_shared_cell",
        promise="Magics of a shared cell are left out of flow.py; its code stays.",
        cells=(
            "%%shared\n%matplotlib inline\nimport math\n%config x.y = 1\nE = math.floor(math.e)\n",
            "%%step start -> x\nx = E\n",
            "%%step end -> y\ny = x + E\n",
        ),
        outcome="equal",
    ),
)
