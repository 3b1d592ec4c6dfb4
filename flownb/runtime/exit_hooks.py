"""Functions that ``@exit_hook`` calls when a run has ended, each in a process of its own.

As on Metaflow (``metaflow/plugins/exit_hook``, 2.19.39) a hook runs once the run is recorded, gets the run where its
argument is called ``run``, and cannot change how the run ended.
"""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flownb.client_access import client
from flownb.errors import DecoratorError
from flownb.runtime.program import Program
from flownb.runtime.shipping import PROGRAM, load_program, module_folder
from flownb.settings import DATASTORE_VARIABLE

__all__ = ["exit_hooks", "run_hook"]

MAIN = "import sys; sys.path[:] = {path!r}; from flownb.runtime.exit_hooks import main; main(*sys.argv[1:])"


def exit_hooks(program: Program, *, successful: bool) -> tuple[str, ...]:
    """Names of the functions to call at the end of a run, in their order.

    Raises
    ------
    DecoratorError
        If an ``@exit_hook`` names nothing, or something that is not a function.
    """
    found: list[str] = []
    for name, settings in program.flow_decorators:
        if name != "exit_hook":
            continue
        chosen = {option: list(settings.get(option) or ()) for option in ("on_success", "on_error")}
        if not any(chosen.values()):
            raise DecoratorError(
                "@exit_hook calls nothing.",
                "It has neither on_success nor on_error.",
                "Write @exit_hook(on_error=[report]), with a function of a %%shared cell.",
            )
        for function in (*chosen["on_success"], *chosen["on_error"]):
            if not (isinstance(function, str) or (callable(function) and hasattr(function, "__name__"))):
                raise DecoratorError(
                    f"@exit_hook cannot call {function!r}.",
                    "That is not a function, nor the name of one.",
                    "Name a function of a %%shared cell.",
                )
        for function in chosen["on_success" if successful else "on_error"]:
            found.append(function if isinstance(function, str) else function.__name__)
    return tuple(found)


def run_hook(program: Program, name: str, pathspec: str, location: str) -> str:
    """Call one hook and return what it printed, or how it failed.

    Parameters
    ----------
    program : Program
    name : str
        A function of the flow's module, or the dotted name of one of another module.
    pathspec : str
        The run that has ended.
    location : str
        Of the datastore that it is recorded in.
    """
    path = [entry for entry in sys.path if isinstance(entry, str)]
    ended = subprocess.run(
        [sys.executable, "-c", MAIN.format(path=path), str(Path(module_folder(program), PROGRAM)), name, pathspec],
        env={**os.environ, DATASTORE_VARIABLE: location},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    failed = f"[exit_hook] Hook '{name}' failed with exit status {ended.returncode}" if ended.returncode else ""
    return "\n".join(part for part in (ended.stdout.strip(), failed) if part)


def main(program_file: str, name: str, pathspec: str) -> None:
    """Call a hook, in the process that was started for it."""
    module = sys.modules[load_program(Path(program_file).read_bytes()).flow_class().__module__]
    function = getattr(module, name, None)
    if function is None:
        place, _, attribute = name.rpartition(".")
        function = getattr(importlib.import_module(place), attribute) if place else None
    if function is None:
        sys.exit(f"[exit_hook] Could not load function '{name}'")
    arguments: Sequence[str] = inspect.getfullargspec(function).args
    if "run" in arguments or inspect.getfullargspec(function).varkw is not None:
        function(run=client().Run(pathspec))
    else:
        function()
