"""What a flow adds to the help and to the completion of commands: its parameters, steps and runs.

A shell asks at each press of Tab, so nothing of the notebook is executed then, and if anything goes wrong, nothing is
completed. The help of ``run`` may execute the flow's class, as ``python flow.py run --help`` does.
"""

from __future__ import annotations

import ast
import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.session.parser import GIVEN
from flownb.settings import datastore_root

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from flownb.flow.definition import FlowDefinition
    from flownb.runtime.parameters.parameter import Parameter
    from flownb.runtime.program import Program

__all__ = [
    "COMPLETE",
    "completed_config_file",
    "completed_files",
    "completed_folders",
    "completed_runs",
    "completed_steps",
    "parameter_options",
    "source_parameters",
]

# The variable with which a shell asks for the words that complete a line.
COMPLETE = "_FLOWNB_COMPLETE"
# Runs that are proposed.
RUNS = 20


def completed_steps(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The steps of the notebook that is named, as far as they begin with what is typed."""
    found: list[str] = []
    with contextlib.suppress(Exception):
        found = [step.name for step in _flow(ctx).all_steps]
    return [name for name in found if name.startswith(incomplete)]


def completed_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The newest runs of the notebook that is named, as far as their ids begin with what is typed.

    A context's ``obj``, if there is one, takes over the user's settings, of which the datastore's place is one.
    """
    found: list[str] = []
    # A configuration is code: what it prints is not for the shell that completes.
    with (
        contextlib.suppress(Exception, SystemExit),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        from flownb.store.datastore import Datastore

        if ctx.obj is not None:
            ctx.obj()
        datastore = Datastore(datastore_root(Path(ctx.params["notebook"]).absolute().parent))
        if datastore.storage.exists("store.json"):
            found = [row.run for row in datastore.index.runs(_flow(ctx).name, limit=RUNS)]
    return [name for name in found if name.startswith(incomplete)]


def completed_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """That the shell completes the name of a file."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def completed_folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """That the shell completes the name of a folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def completed_config_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """That the shell completes the name of a file, which is the second word of ``--config NAME FILE``."""
    given = ctx.meta.get(GIVEN, [])
    return [] if given and given[-1] in param.opts else completed_files(ctx, param, incomplete)


def source_parameters(notebook: Path) -> list[tuple[str, str]]:
    """The options that are parameters of a notebook's flow, by the text of its cells alone."""
    found: list[str] = []
    with contextlib.suppress(Exception):
        header = _read(notebook).header
        tree = header.parsed.tree if header is not None else None
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)] if tree is not None else []
        found = [name for call in calls if (name := _declared(call)) is not None]
    return [(f"--{name}", "") for name in found]


def _declared(call: ast.Call) -> str | None:
    """The name of the parameter that a call declares; None if it declares none."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "name")]
    if function not in ("Parameter", "IncludeFile") or not named or not isinstance(named[0], ast.Constant):
        return None
    return str(named[0].value)


def parameter_options(program: Program) -> list[tuple[str, str]]:
    """The options that are parameters of a flow: with their types, and with their meaning and defaults.

    Configs are left out, for they have options of their own. Where the flow's class cannot be executed, the names that
    its source says are all that is known.
    """
    try:
        declared = program.declared
    except (Exception, SystemExit):  # code of the user's, which may raise anything
        return [(f"--{name} VALUE", "") for name in sorted(program.flow.parameters)]
    return [_described(one) for one in declared.values() if one.kind_name != "Config"]


def _described(parameter: Parameter) -> tuple[str, str]:
    """The option of a parameter, and what it means."""
    facts = [str(parameter.help)] if parameter.help else []
    if parameter.reads:
        facts.append("[default: taken from a config]")
    elif callable(parameter.default):
        facts.append("[default: computed when a run begins]")
    elif parameter.default is not None:
        facts.append(f"[default: {parameter.default}]")
    elif parameter.required:
        facts.append("[required]")
    return f"--{parameter.name} {_type(parameter)}", " ".join(facts)


def _type(parameter: Parameter) -> str:
    """What the value of a parameter is, in a word."""
    if parameter.kind_name == "IncludeFile":
        return "FILE"
    kind: Any = parameter.kind
    known = {str: "TEXT", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN"}
    name = known.get(kind) if isinstance(kind, type) else None
    return str(name or getattr(kind, "name", None) or getattr(kind, "__name__", "VALUE")).upper()


def _flow(ctx: click.Context) -> FlowDefinition:
    """The flow of the notebook that a command names."""
    return _read(Path(ctx.params["notebook"]))


def _read(notebook: Path) -> FlowDefinition:
    """The flow of a notebook."""
    from flownb.cells.notebook import read_notebook
    from flownb.flow.definition import define_flow
    from flownb.flow.names import default_flow_name

    return define_flow(read_notebook(notebook).cells, default_name=default_flow_name(notebook))
