"""The header of a marked cell: the ``%%step`` or ``%%flow`` line, or the cell tags that mean the same."""

from __future__ import annotations

import ast
import contextlib
import keyword
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flownb.errors import CellError, nearest

__all__ = [
    "INPUTS",
    "FlowHeader",
    "StepHeader",
    "header_from_tags",
    "header_tags",
    "parse_flow_line",
    "parse_step_line",
    "split_names",
]

Value = str | int | float | bool
OPTIONS = ("--after", "--foreach", "--join", "--signature", "--when")
# A word ends at a blank outside of quotes; outside of quotes, `->` is always a word of its own.
WORD = re.compile(r"""->|(?:(?!->)[^\s'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")+|['"]""")
FLOW_LINE = re.compile(r"(?P<name>[^\s(]+)\s*(?:\((?P<bases>[^()]*)\)\s*:?)?")
USAGE = "%%step NAME [--after A,B] [--foreach ARTIFACT] [--join [PARAMETER]] [--when ARTIFACT=VALUE] [-> name, name]"
TAG_USAGE = "step:train, after:clean, foreach:xs, join, when:kind=big, out:model,score"
# How a join calls the tasks it brings together, unless its header names them.
INPUTS = "inputs"


@dataclass(frozen=True)
class StepHeader:
    """What the header of a step cell says.

    Attributes
    ----------
    name : str
        The step's name.
    after : tuple of str
        Parents named with ``--after``; empty means "the step cell above".
    foreach : str or None
        The parent's artifact over whose items the step runs.
    join : bool
        Whether the step sees ``inputs``.
    inputs : str
        The name that a join has for its inputs, the method's second parameter.
    when : tuple of (str, value) or None
        The parent's artifact and the value for which a switch takes this step.
    captures : tuple of str
        Names after ``->``, in order.
    signature : str
        The parameters of the method with their annotations, and what it returns: ``"(self, inputs: Tasks) -> None"``.
        Empty if there are no annotations.
    """

    name: str
    after: tuple[str, ...] = ()
    foreach: str | None = None
    join: bool = False
    when: tuple[str, Value] | None = None
    captures: tuple[str, ...] = ()
    inputs: str = INPUTS
    signature: str = ""

    @property
    def line(self) -> str:
        """The header as it is written after ``%%step``."""
        words = [self.name]
        if self.after:
            words += ["--after", ",".join(self.after)]
        if self.foreach:
            words += ["--foreach", self.foreach]
        if self.join:
            words += ["--join", self.inputs] if self.inputs != INPUTS else ["--join"]
        if self.when:
            artifact, value = self.when
            words += ["--when", f"{artifact}={_value_text(value)}"]
        if self.signature:
            words += ["--signature", _quoted(self.signature)]
        if self.captures:
            words += ["->", ", ".join(self.captures)]
        return " ".join(words)


def header_tags(header: StepHeader) -> tuple[str, ...]:
    """The cell tags that mean what a header says.

    Examples
    --------
    >>> header_tags(parse_step_line("train --after a,b -> model, score"))
    ('step:train', 'after:a,b', 'out:model,score')
    """
    tags = [f"step:{header.name}"]
    if header.after:
        tags.append(f"after:{','.join(header.after)}")
    if header.foreach:
        tags.append(f"foreach:{header.foreach}")
    if header.join:
        tags.append(f"join:{header.inputs}" if header.inputs != INPUTS else "join")
    if header.when:
        tags.append(f"when:{header.when[0]}={_value_text(header.when[1])}")
    if header.signature:
        tags.append(f"signature:{header.signature}")
    if header.captures:
        tags.append(f"out:{','.join(header.captures)}")
    return tuple(tags)


def split_names(text: str) -> tuple[str, ...]:
    """Split ``"a, b"`` into ``("a", "b")``, keeping the first of repeated names.

    Names are written as Python knows them (NFKC), so that `µ` and `μ` are one.
    """
    return tuple(dict.fromkeys(unicodedata.normalize("NFKC", text).replace(",", " ").split()))


def _is_name(text: str) -> bool:
    """Whether Python takes `text` as a variable's name."""
    return text.isidentifier() and not keyword.iskeyword(text)


def _refuse(what: str, why: str, fix: str = "") -> CellError:
    """An error that ends with the grammar of the line."""
    return CellError(what, why, fix or f"Write {USAGE}.")


def parse_when(text: str) -> tuple[str, Value]:
    """Read ``kind=big``; numbers, True and False become values, quotes force a string.

    Raises
    ------
    CellError
        If there is no artifact's name, no value, or a value that Metaflow's switch does not take.
    """
    artifact, equals, value = text.partition("=")
    artifact, value = unicodedata.normalize("NFKC", artifact.strip()), value.strip()
    if not (equals and _is_name(artifact) and value):
        raise _refuse(f"`--when {text}` has no condition.", "A switch compares one artifact with one value.")
    literal = _literal(value)
    if not isinstance(literal, str) and str(literal).startswith("-"):
        # `metaflow/graph.py`, _parse_switch_dict (2.19.39): a negative number is no ast.Constant.
        raise _refuse(
            f"`--when {text}` has a negative number.",
            "The cases of Metaflow's switch are strings, numbers that are not negative, True and False.",
            f'Let the step above set `{artifact}` to a word, for example "low", and write --when {artifact}=low.',
        )
    return artifact, literal


def _literal(text: str) -> Value:
    """The number, truth value or quoted text that `text` writes, else `text` itself."""
    try:
        literal = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return literal if isinstance(literal, str | int | float) and literal != math.inf else text


def _value_text(value: Value) -> str:
    """How a value of ``--when`` is written so that `parse_when` reads the same value."""
    if not isinstance(value, str):
        return str(value)
    return value if value and not re.search(r"""[\s'",]|->""", value) and _literal(value) == value else repr(value)


def _quoted(text: str) -> str:
    """A text as one word of a header line."""
    return f'"{text}"' if not re.search(r'["\\]', text) else repr(text)


def _signature(text: str, join: bool, inputs: str) -> str:
    """The signature of a step's method, which has to fit the rest of its header."""
    if text[:1] in "'\"":
        with contextlib.suppress(ValueError, SyntaxError):
            text = str(ast.literal_eval(text))
    try:
        (node,) = ast.parse(f"def step{text}: pass").body
    except (SyntaxError, ValueError) as error:
        raise _refuse(
            f"`--signature {text}` is not a signature.", "It is what follows the name of a method."
        ) from error
    assert isinstance(node, ast.FunctionDef)
    names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    if names != ["self", *[inputs] * join]:
        listed = f"self, {inputs}" if join else "self"
        raise _refuse(
            f"`--signature {text}` does not fit the step.",
            f"The parameters of its method are ({listed}).",
            f'Write --signature "({listed})" with annotations, or leave it out.',
        )
    return text


def _words(line: str) -> list[str]:
    """The words of a header line; blanks around a comma join words, so `--after a, b` is one option."""
    words: list[str] = []
    for word in WORD.findall(line):
        if words and "->" not in (word, words[-1]) and (words[-1].endswith(",") or word.startswith(",")):
            words[-1] += word
        else:
            words.append(word)
    return words


def parse_step_line(line: str) -> StepHeader:
    """Parse what follows ``%%step`` on its line.

    Parameters
    ----------
    line : str
        For example ``"train --after clean -> model, score"``.

    Returns
    -------
    StepHeader

    Raises
    ------
    CellError
        If the line does not follow the grammar; the message shows the grammar and the nearest option.

    Examples
    --------
    >>> parse_step_line("train --after clean -> model, score").captures
    ('model', 'score')
    """
    words = _words(line)
    captures: tuple[str, ...] = ()
    if "->" in words:
        arrow = words.index("->")
        captures = split_names(" ".join(words[arrow + 1 :]))
        words = words[:arrow]
        if not captures:
            raise _refuse(f"`%%step {line.strip()}` captures nothing.", "No name follows `->`.")
    if "'" in words or '"' in words:
        raise _refuse(f"`%%step {line.strip()}` cannot be split into words.", "A quotation is not closed.")
    name: str | None = None
    given: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            if name is not None:
                raise _refuse(
                    f"`%%step {line.strip()}` names two steps, `{name}` and `{word}`.",
                    "A cell is one step.",
                )
            name = word
            continue
        if option not in OPTIONS:
            raise _refuse(
                f"`%%step` has no option `{option}`.{nearest(option, OPTIONS)}",
                f"It takes {', '.join(OPTIONS)}.",
            )
        if option in given:
            raise _refuse(f"`{option}` is given twice.", "Each option is given once.")
        if option == "--join":
            # Its value is optional; a word after it is its value only if the step has its name already.
            if not equals and name is not None and rest and not rest[0].startswith("-"):
                value = rest.pop(0)
            given[option] = value or INPUTS
            continue
        if not equals:
            value = rest.pop(0) if rest else ""
        if not value or value.startswith("--"):
            raise _refuse(f"`{option}` has no value.", "It needs a value.")
        given[option] = value
    if name is None:
        raise _refuse("`%%step` has no step name.", "Every step cell names its step.")
    return _header(name, given, captures)


def _header(name: str, given: dict[str, str], captures: tuple[str, ...]) -> StepHeader:
    """Build a header from option texts and check the options against each other."""
    foreach = unicodedata.normalize("NFKC", given["--foreach"]) if "--foreach" in given else None
    header = StepHeader(
        name=unicodedata.normalize("NFKC", name),
        after=split_names(given.get("--after", "")),
        foreach=foreach,
        join="--join" in given,
        when=parse_when(given["--when"]) if "--when" in given else None,
        captures=captures,
        inputs=unicodedata.normalize("NFKC", given.get("--join", INPUTS)),
    )
    if "--signature" in given:
        header = replace(header, signature=_signature(given["--signature"], header.join, header.inputs))
    if not _is_name(header.inputs) or header.inputs == "self":
        raise _refuse(
            f"`--join {header.inputs}` does not name a parameter.",
            "After --join comes the name that the step's body has for its inputs.",
        )
    for captured in captures:
        if not _is_name(captured):
            raise _refuse(f"Step `{name}` captures `{captured}`.", "Only plain names can be captured.")
    if foreach is not None and not _is_name(foreach):
        raise _refuse(
            f"`--foreach {foreach}` is not an artifact's name.", "A foreach names one artifact of the parent."
        )
    if header.join and foreach:
        raise _refuse(
            f"Step `{name}` has both --join and --foreach.",
            "A join ends parallel tasks and a foreach starts them.",
            "Write two steps: first the join, then the foreach.",
        )
    if header.when and foreach:
        raise _refuse(
            f"Step `{name}` has both --when and --foreach.",
            "One transition is either a switch or a foreach.",
            "Write two steps: first the branch of the switch, then the foreach.",
        )
    return header


@dataclass(frozen=True)
class FlowHeader:
    """What the header of a flow cell says.

    Attributes
    ----------
    name : str
        Name of the flow's class.
    bases : tuple of str
        Its base classes as written, such as ``"settings.Mixin"``; empty means Metaflow's ``FlowSpec`` alone.
    """

    name: str
    bases: tuple[str, ...] = ()


def parse_flow_line(line: str) -> FlowHeader:
    """Read the flow's name, and its base classes, from what follows ``%%flow``.

    Raises
    ------
    CellError
        If there is not exactly one valid class name, or the parentheses behind it hold anything but names of classes.

    Examples
    --------
    >>> parse_flow_line("Train(BaseFlow, settings.Mixin)").bases
    ('BaseFlow', 'settings.Mixin')
    """
    found = FLOW_LINE.fullmatch(line.strip())
    name = found["name"] if found else ""
    if found is None or not _is_name(name) or not name.isascii():
        raise CellError(
            f"`%%flow {line.strip()}` does not name a flow.",
            "The name becomes the name of the flow's class.",
            "Write %%flow TrainingFlow.",
        )
    bases = [base.strip() for base in (found["bases"] or "").split(",")]
    if bases[-1] == "":  # `()`, or a comma behind the last one
        bases.pop()
    for base in bases:
        if not all(map(_is_name, base.split("."))):
            raise CellError(
                f"`%%flow {line.strip()}` has the base class `{base}`.",
                "A base class is a name, or a name in a module: BaseFlow, settings.Mixin.",
                "Define or import the class in a %%shared cell, and write its name here.",
            )
    return FlowHeader(name, tuple(bases))


def header_from_tags(tags: Sequence[str]) -> StepHeader | None:
    """Read a step header from cell tags.

    Parameters
    ----------
    tags : sequence of str
        ``step:train``, ``after:clean``, ``foreach:xs``, ``join`` or ``join:models``, ``when:kind=big``,
        ``signature:(self) -> None``, ``out:model,score``, and Kale's ``prev:clean``
        (https://github.com/kubeflow-kale/kale, notebook annotations). Repeated ``after:``, ``prev:`` and ``out:``
        add up.

    Returns
    -------
    StepHeader or None
        None when no tag begins with ``step:``.
    """
    values: dict[str, list[str]] = {}
    for tag in tags:
        key, _, value = tag.partition(":")
        values.setdefault(key.strip(), []).append(value.strip())
    if "step" not in values:
        return None
    name = values["step"][0]
    if not name:
        raise _refuse(
            "The tag `step:` has no step name.", "Every step cell names its step.", "Write the tag step:train."
        )
    given: dict[str, str] = {}
    parents = values.get("after", []) + values.get("prev", [])
    if parents:
        given["--after"] = ",".join(parents)
    for key in ("foreach", "signature", "when"):
        if key in values:
            given[f"--{key}"] = values[key][0]
    if "join" in values:
        given["--join"] = values["join"][0] or INPUTS
    try:
        return _header(name, given, split_names(",".join(values.get("out", []))))
    except CellError as error:
        if error.fix != f"Write {USAGE}.":
            raise
        raise CellError(error.what, error.why, f"Write tags such as {TAG_USAGE}.") from error
