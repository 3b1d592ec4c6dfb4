"""One notebook's flow, with everything that can be done with it: what every face (magic, command line) works with."""

from __future__ import annotations

from collections.abc import Iterable

from flownb.errors import UnpicklableArtifact
from flownb.flow.module import requirements
from flownb.runtime.attempt import Debug
from flownb.session.only_here import found_at_export, refuse_at_export
from flownb.session.options import ResumeOptions, RunOptions, SpinOptions
from flownb.session.resume import Resume
from flownb.session.run import FlowRun, RunOutcome, begin_run, run_flow
from flownb.session.spin import SpinOutcome, spin_step
from flownb.session.state import Display, SessionState
from flownb.session.step import StepOutcome, run_step

__all__ = ["RunOutcome", "Session", "SpinOutcome", "StepOutcome"]


class Session(SessionState):
    """What a notebook's flow is, and what can be done with it; one belongs to one kernel or one command.

    ``kernel_names`` are names in the notebook's namespace, with which checks say when a name exists only there;
    ``display`` shows the value of a body's last expression.
    """

    def run_step(self, name: str, *, display: Display | None = None, kernel_names: Iterable[str] = ()) -> StepOutcome:
        """Run one step in the working run; see `flownb.session.step.run_step`."""
        return run_step(self, name, display=display, kernel_names=kernel_names)

    def spin(
        self,
        options: SpinOptions,
        *,
        body: str | None = None,
        source: str | None = None,
        filename: str | None = None,
        display: Display | None = None,
        kernel_names: Iterable[str] = (),
        debug: Debug | None = None,
    ) -> SpinOutcome:
        """Run one step on persisted parents, recording nothing; see `flownb.session.spin.spin_step`."""
        return spin_step(
            self,
            options,
            body=body,
            source=source,
            filename=filename,
            display=display,
            kernel_names=kernel_names,
            debug=debug,
        )

    def begin(self, options: RunOptions, *, kernel_names: Iterable[str] = ()) -> FlowRun:
        """Begin a new run of the whole flow, to be driven; see `flownb.session.run.begin_run`."""
        return begin_run(self, options, kernel_names=kernel_names)

    def run(self, options: RunOptions, *, kernel_names: Iterable[str] = ()) -> RunOutcome:
        """Run the whole flow as a new run; see `flownb.session.run.run_flow`."""
        return run_flow(self, options, kernel_names=kernel_names)

    def resume(self, options: ResumeOptions, *, kernel_names: Iterable[str] = ()) -> Resume:
        """Look at what a new run can take over of an earlier one; see `flownb.session.resume.Resume`."""
        return Resume(self, options, kernel_names=kernel_names)

    def found_at_export(self) -> list[UnpicklableArtifact]:
        """What the latest results tell of the exported flow; see `flownb.session.only_here.found_at_export`."""
        return found_at_export(self)

    def export(self, filename: str = "flow.py", *, strict: bool = False, kernel_names: Iterable[str] = ()) -> str:
        """The flow as the text of a Metaflow file called `filename`.

        Parameters
        ----------
        filename : str
        strict : bool, default False
            Whether to refuse a flow whose latest results have artifacts that Metaflow cannot store.
        kernel_names : iterable of str
            For the checks' messages.

        Raises
        ------
        CheckFailed
            If the flow has errors.
        UnpicklableArtifact
            If it is strict, and there is such an artifact.
        """
        from flownb.export import flow_file

        self.require_checked(None, kernel_names, again=True, elsewhere=True)
        if strict:
            refuse_at_export(self.found_at_export())
        needs = requirements(self.all_cells())
        return flow_file(self.program(True), notebook=self.notebook_name, filename=filename, needs=needs)
