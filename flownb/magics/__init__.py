"""The faces a notebook sees: ``%%flow``, ``%%shared``, ``%%step``, ``%flow`` and ``%spin``."""

from __future__ import annotations

from typing import Any

__all__ = ["register"]


def register(shell: Any) -> None:
    """Register all magics on an IPython shell, once; a second load keeps the session."""
    from flownb.magics.frontend import Frontend, tags_to_magic
    from flownb.magics.run import RunMagics
    from flownb.magics.spin import SpinMagics
    from flownb.magics.step import StepMagics

    if any(isinstance(magics, StepMagics) for magics in shell.magics_manager.registry.values()):
        return
    frontend = Frontend(shell)
    for magics in (StepMagics, RunMagics, SpinMagics):
        shell.register_magics(magics(shell, frontend))
    shell.input_transformers_cleanup.append(tags_to_magic(shell))
    shell.events.register("pre_run_cell", frontend.before_cell)
