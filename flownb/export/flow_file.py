"""The exporter: a flow as a Metaflow file.

Takes a `Program` with a complete graph; gives the text of ``flow.py``, which holds exactly the source that the runtime
executes, and runs unmodified on Metaflow.
"""

from __future__ import annotations

from flownb.flow.module import class_source, future_features, metaflow_imports, requirements, shared_source
from flownb.runtime.program import Program

__all__ = ["flow_file"]


def flow_file(program: Program, *, notebook: str = "") -> str:
    """Write the flow as one Python file.

    Parameters
    ----------
    program : Program
    notebook : str
        File name of the notebook, named in the header comment.

    Returns
    -------
    str
        Ending in a newline.
    """
    flow = program.flow
    blocks = ["\n".join(_opening(program, notebook))]
    for cell in flow.shared:
        text = "\n".join(line.text.rstrip() if not line.text.strip() else line.text for line in shared_source(cell))
        text = _without_future(text).strip("\n")
        if text.strip():
            blocks.append(text)
    class_lines = [line.text for line in class_source(flow)]
    methods = [program.methods[name].text.rstrip("\n") for name in program.graph.nodes]
    head = "\n".join(class_lines)
    body = "\n\n".join(methods)
    blocks.append(f"{head}\n\n{body}" if len(class_lines) > 1 else f"{head}\n{body}")
    blocks.append(f'if __name__ == "__main__":\n    {flow.name}()')
    return "\n\n\n".join(blocks) + "\n"


def _opening(program: Program, notebook: str) -> list[str]:
    """The header comment and the imports the file begins with."""
    flow = program.flow
    source = f" from {notebook}" if notebook else ""
    options = "".join(f" --{p.name} VALUE" for p in program.parameters.values() if p.required and p.default is None)
    lines = [
        f"# {flow.name}: exported{source} by flownb. The notebook is the source; export again to change this file.",
        "#",
        f"#   python flow.py run{options}          run it here",
        "#   python flow.py run --with kubernetes   run every step on Kubernetes",
        "#   python flow.py show                    print its steps",
    ]
    needs = requirements((*flow.shared,))
    if needs:
        lines += ["#", f"# It needs: {', '.join(needs)}."]
    features = future_features(flow)
    if features:
        lines.append(f"from __future__ import {', '.join(features)}")
        lines.append("")
    lines.append(f"from metaflow import {', '.join(metaflow_imports(flow))}")
    return lines


def _without_future(text: str) -> str:
    """Leave out ``from __future__`` lines, which stand at the top of the file."""
    return "\n".join(line for line in text.split("\n") if not line.startswith("from __future__ import"))
