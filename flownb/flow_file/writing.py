"""Export a flow as a Metaflow file, ``flow.py``, which contains exactly the source that the runtime executes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

from flownb.errors import UnpicklableArtifact
from flownb.flow.module import class_source, exported_shared, future_features, hoisted_source, metaflow_imports
from flownb.runtime.parameters.config import ConfigParameter
from flownb.runtime.program import Program

__all__ = ["flow_file"]

# Files of a folder that Metaflow packages by default (`metaflow/metaflow_config.py`, 2.19.39).
PACKAGED = (".py", ".R", ".RDS")
LINE_LENGTH = 88  # ruff's and black's default, so that formatting the file changes none of our lines


def flow_file(program: Program, *, notebook: str = "", filename: str = "flow.py", needs: Sequence[str] = ()) -> str:
    """Write the flow as one Python file.

    Parameters
    ----------
    program : Program
        With a complete graph.
    notebook : str
        File name of the notebook, named in the header comment.
    filename : str
        Name of the file to be written, for the same comment.
    needs : sequence of str
        Requirements that the notebook's ``%pip install`` lines name.

    Returns
    -------
    str
        The file's text, ending in a newline.

    Raises
    ------
    UnpicklableArtifact
        If a constant of the flow's class cannot be persisted by Metaflow.
    """
    flow = program.flow
    _require_constants(program)
    blocks = ["\n".join(_opening(program, notebook, filename, needs)).rstrip("\n")]
    blocks += [text for text in map(exported_shared, flow.shared) if text.strip()]
    if hoisted := hoisted_source(flow):
        blocks.append("\n".join(line.text for line in hoisted))
    class_lines = [line.text for line in class_source(flow)]
    inherited = flow.inherited.keys()
    methods = [program.methods[name].text.rstrip("\n") for name in program.graph.nodes if name not in inherited]
    if not methods and class_lines[-1].startswith("class "):
        methods = ["    pass"]
    head = "\n".join(class_lines)
    body = "\n\n".join(methods)
    blocks.append(f"{head}\n{body}" if class_lines[-1].startswith("class ") else f"{head}\n\n{body}".rstrip("\n"))
    blocks.append(f'if __name__ == "__main__":\n    {flow.name}()')
    return "\n\n\n".join(blocks) + "\n"


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
    """The header comment and the imports the file begins with."""
    flow = program.flow
    source = f" from {notebook}" if notebook else ""
    needed = [one for one in program.declared.values() if not (one.has_default or one.reads)]
    configs = "".join(f" --config {one.name} FILE" for one in needed if isinstance(one, ConfigParameter))
    options = "".join(f" --{one.name} VALUE" for one in needed if not isinstance(one, ConfigParameter))
    lines = [
        f"# {flow.name}: exported{source} by flownb. The notebook is the source; export again to change this file.",
        "#",
        f"#   python {filename}{configs} show",
        f"#   python {filename}{configs} run{options}",
        f"#   python {filename}{configs} run{options} --with kubernetes",
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
    lines.append("")
    features = future_features(flow)
    if features:
        lines += [f"from __future__ import {', '.join(features)}", ""]
    names = metaflow_imports(flow)
    if not names:  # shared code imports all of them
        return lines
    line = f"from metaflow import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return [*lines, line]
    return [*lines, "from metaflow import (", *(f"    {name}," for name in names), ")"]
