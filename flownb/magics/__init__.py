"""The faces a notebook sees: ``%%flow``, ``%%shared``, ``%%step``, ``%flow`` and ``%spin``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flownb.magics.frontend import Frontend

__all__ = ["frontend_of", "register"]


def register(shell: Any) -> None:
    """Register all magics on an IPython shell, once; a second load keeps the session."""
    from flownb.magics.flow import RunMagics
    from flownb.magics.frontend import Frontend, tags_to_magic
    from flownb.magics.step import CardMagics, SpinMagics, StepMagics, register_debug

    if frontend_of(shell) is not None:
        return
    frontend = Frontend(shell)
    for magics in (StepMagics, RunMagics, SpinMagics, CardMagics):
        shell.register_magics(magics(shell, frontend))
    register_debug(shell, frontend)
    shell.configurables.append(frontend.settings)
    frontend.post_mortem.watch()
    shell.input_transformers_cleanup.append(tags_to_magic(shell))
    shell.events.register("pre_run_cell", frontend.before_cell)
    shell.events.register("post_run_cell", frontend.after_cell)
    if getattr(shell, "kernel", None) is not None:
        frontend.views.connect()


def frontend_of(shell: Any) -> Frontend | None:
    """What serves the magics of an IPython shell; None if the extension is not loaded."""
    from flownb.magics.step import StepMagics

    found = (magics for magics in shell.magics_manager.registry.values() if isinstance(magics, StepMagics))
    return next((magics.frontend for magics in found), None)
