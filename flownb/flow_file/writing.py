"""Export a flow as a Metaflow file, ``flow.py``, which contains exactly the source that the runtime executes.

It adds what does not change a result: the notebook's text as docstrings and comments, and the order of the imports that
the file begins with.
"""

from __future__ import annotations

import pickle
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from flownb.cells.body import unindentable_lines
from flownb.errors import UnpicklableArtifact
from flownb.flow.definition import FlowDefinition
from flownb.flow.module import (
    class_source,
    exported_shared,
    future_features,
    hoisted_source,
    metaflow_imports,
    module_docstring,
)
from flownb.flow_file.documentation import Documentation, comment, docstring, plain_text, sees_documentation
from flownb.flow_file.header import opening_line, with_hash
from flownb.flow_file.imports import LINE_LENGTH, import_from, leading_imports, sorted_imports
from flownb.flow_file.methods import has_docstring, written_method
from flownb.runtime.parameters.config import ConfigParameter
from flownb.runtime.program import Program

__all__ = ["flow_code", "flow_file"]

# Files of a folder that Metaflow packages by default (`metaflow/metaflow_config.py`, 2.19.39).
PACKAGED = (".py", ".R", ".RDS")


def flow_file(
    program: Program,
    *,
    notebook: str = "",
    filename: str = "flow.py",
    needs: Sequence[str] = (),
    documentation: Documentation | None = None,
    folder: Path | None = None,
) -> str:
    """Write the flow as one Python file.

    Parameters
    ----------
    program : Program
        With a complete graph.
    notebook : str
        The notebook's path relative to the file, named in the header comment.
    filename : str
        Name of the file to be written, for the same comment.
    needs : sequence of str
        Requirements that the notebook's ``%pip install`` lines name.
    documentation : Documentation, optional
        The notebook's text between the cells.
    folder : Path, optional
        The notebook's folder, in which own modules are found.

    Returns
    -------
    str
        The file's text, ending in a newline.

    Raises
    ------
    UnpicklableArtifact
        If a constant of the flow's class cannot be persisted by Metaflow.
    """
    _require_constants(program)
    opening = _opening(program, notebook, filename, needs)
    return with_hash("\n".join([*opening, "", flow_code(program, documentation or Documentation(), folder)]))


def flow_code(program: Program, documentation: Documentation, folder: Path | None) -> str:
    """The same file without its header, made without executing the flow's code.

    Parameters
    ----------
    program, documentation, folder
        See `flow_file`.
    """
    flow = program.flow
    hidden = sees_documentation(flow)
    about = plain_text(documentation.module, LINE_LENGTH - 3)
    own = module_docstring(flow) if hidden or not about else ""
    opening = [*(comment(about, 0) if hidden else docstring(about, 0)), ""] if about else []
    opening += [*own.split("\n"), ""] if own else []
    blocks = ["\n".join([*opening, *_imports_and(flow, documentation, folder, bool(own))])]
    blocks.append("\n\n".join(_class(program, documentation, hidden)))
    blocks.append(f'if __name__ == "__main__":\n    {flow.name}()')
    return "\n\n\n".join(blocks) + "\n"


def _imports_and(flow: FlowDefinition, text: Documentation, folder: Path | None, without_docstring: bool) -> list[str]:
    """The lines of the imports that the file begins with and of the shared code."""
    names = metaflow_imports(flow)
    features = future_features(flow)
    hoisted = "\n".join(line.text for line in hoisted_source(flow))
    shared = [
        exported_shared(cell, without_docstring=without_docstring and place == 0)
        for place, cell in enumerate(flow.shared)
    ]
    leading = leading_imports([*shared, hoisted])
    lines = sorted_imports(leading, names, features, lambda name: _is_own(folder, name))
    if lines is not None:
        *shared, hoisted = leading.rests
    else:
        lines = import_from("__future__", features)
        lines += [""] * bool(lines and names) + import_from("metaflow", names)
    about = [plain_text(text.of(cell), LINE_LENGTH - 2) for cell in flow.shared]
    blocks = [
        "\n".join([*comment(said, 0), *_without_gaps(code)])
        for said, code in zip((*about, ""), (*shared, hoisted), strict=True)
        if code.strip()
    ]
    if not blocks:
        return lines
    # As isort: one blank line, two above a function or class.
    begun = next((line for line in blocks[0].split("\n") if line and not line.startswith("#")), "")
    gap = [""] * (2 if re.match(r"@|(?:async\s+)?def\b|class\b", begun) or not begun else 1) if lines else []
    return [*lines, *gap, "\n\n\n".join(blocks)]


def _is_own(folder: Path | None, name: str) -> bool:
    """Whether a top-level name is a module or package in the notebook's folder."""
    if folder is None:
        return False
    return (folder / f"{name}.py").is_file() or any((folder / name).glob("*.py"))


def _without_gaps(code: str) -> list[str]:
    """The lines of shared code, with no more than two blank lines in a row at module level."""
    inside = unindentable_lines(code)
    kept: list[str] = []
    blank = 0
    for number, line in enumerate(code.strip("\n").split("\n"), 1):
        if line or number in inside:
            if blank > 2 and number not in inside and not line.startswith(" "):
                del kept[2 - blank :]
            blank = 0
        else:
            blank += 1
        kept.append(line)
    return kept


def _class(program: Program, text: Documentation, hidden: bool) -> list[str]:
    """The class line with its body, and the methods."""
    flow = program.flow
    lines = [line.text for line in class_source(flow)]
    place = next(place for place, line in enumerate(lines) if line.startswith(f"class {flow.name}("))
    about = plain_text(text.of(flow.header), LINE_LENGTH - 7) if flow.header is not None else ""
    has_own = flow.header is not None and has_docstring(flow.header.parsed.tree)
    above = comment(about, 0) if hidden or has_own else []
    inside = docstring(about, 4) if not above else []
    content = lines[place + 1 :]
    head = [*above, *lines[: place + 1], *inside, *[""] * bool(inside and content), *content]
    cells = {step.name: step.cell for step in flow.steps}
    methods = [
        "\n".join(written_method(program.methods[name], cells.get(name), text, hidden=hidden))
        for name in program.graph.nodes
        if name not in flow.inherited
    ]
    if content or inside:
        return ["\n".join(head), *methods]
    return ["\n".join([*head, methods[0] if methods else "    pass"]), *methods[1:]]


def _require_constants(program: Program) -> None:
    """Refuse a class-level value that Metaflow cannot persist, since not even the first step would run there."""
    for name, value in program.constants.items():
        try:
            pickle.dumps(value)
        except Exception as error:  # whatever the value's own class raises
            raise UnpicklableArtifact(
                f"The constant `{name}` of the %%flow cell cannot be pickled.",
                f"Metaflow persists it before the first step runs ({type(error).__name__}: {error}).",
                f"Create it in a %%shared cell or in a step, or call it `_{name}`: such names are not persisted.",
                artifact=name,
            ) from error


def _opening(program: Program, notebook: str, filename: str, needs: Sequence[str]) -> list[str]:
    """The header comment, without the line that has its hash."""
    flow = program.flow
    needed = [one for one in program.declared.values() if not (one.has_default or one.reads)]
    configs = "".join(f" --config {one.name} FILE" for one in needed if isinstance(one, ConfigParameter))
    options = "".join(f" --{one.name} VALUE" for one in needed if not isinstance(one, ConfigParameter))
    lines = [
        opening_line(flow.name, re.sub(r"[\x00-\x1f\x7f]", "?", notebook)),
        "#",
        f"#   python {shlex.quote(filename)}{configs} show",
        f"#   python {shlex.quote(filename)}{configs} run{options}",
        f"#   python {shlex.quote(filename)}{configs} run{options} --with kubernetes",
    ]
    if flow.default_files:
        lines += ["#", f"# It reads {', '.join(dict.fromkeys(flow.default_files))} from the folder it is started in."]
        suffixes = sorted({Path(file).suffix for file in flow.default_files} - {"", *PACKAGED})
        if suffixes:
            lines.append(
                f"# Deploying to Airflow needs METAFLOW_DEFAULT_PACKAGE_SUFFIXES={','.join([*PACKAGED, *suffixes])}."
            )
    if needs:
        lines += ["#", f"# It needs: {', '.join(needs)}."]
    return lines
