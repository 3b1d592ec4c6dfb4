"""``%%flow`` and ``%flow``: the flow as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from flownb.errors import NotFound, ParameterError, nearest
from flownb.magics.frontend import Frontend

if TYPE_CHECKING:
    from collections.abc import Callable

    from flownb.session.run import FlowRun

__all__ = ["RunMagics"]


# Steps that a note lists by name.
NAMED = 8


@magics_class
class RunMagics(Magics):
    """Magics on the whole flow."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend

    @line_cell_magic
    def flow(self, line: str, cell: str | None = None) -> None:
        """Name the flow (``%%flow NAME``), show it (``%flow``), or do something with all of it.

        ::

            %%flow NAME              the cell is the class body: Parameter(...), Config(...), constants
            %flow                    the DAG with each step's state
            %flow run [--alpha 0.2] [--tag NAME] [--max-num-splits N] [--max-workers N] [--background]
                      [--config NAME FILE] [--config-value NAME JSON]
                      [--with DECORATOR] [--branch NAME] [--production]
                      [--executor process|inline|dask|dask=tcp://HOST:PORT] [-- --alpha 0.2]
            %flow resume [STEP] [--origin-run-id RUN] [--tag NAME] …
                                     run again what is not valid any more of the newest run
            %flow status             what is stale and why, and what a resume would do
            %flow use RUN            take that run's results where this notebook has nothing newer, also if it is of
                                     another notebook; %flow use says what is used, %flow use --none ends that
            %flow stop [RUN]         stop what goes on in the background
            %flow logs STEP [--from RUN[/STEP/TASK]] [--index N] [--attempt N]
            %flow check              list what the static checks find
            %flow export flow.py     write a Metaflow file; --strict refuses artifacts that Metaflow cannot store
        """
        if cell is not None:
            self._define(line, cell)
            return
        from flownb.session.option_words import words

        command, *rest = words(line) or [""]
        commands = {
            "": self._show,
            "run": self._run,
            "resume": self._resume,
            "status": self._status,
            "use": self._use,
            "stop": self._stop,
            "logs": self._logs,
            "check": self._check,
            "export": self._export,
        }
        if command not in commands:
            names = [name for name in commands if name]
            raise ParameterError(
                f"`%flow {command}` is no command.{nearest(command, names)}",
                f"There are {', '.join(names)}, and %flow alone.",
                "Correct it. To name the flow, write %%flow NAME on a cell's first line.",
            )
        commands[command](rest)

    def _define(self, line: str, cell: str) -> None:
        """Take over the flow's header and say what it declares."""
        frontend = self.frontend
        defined = frontend.define(line, cell, "flow")
        try:
            frontend.session.run_shared(defined)
        except Exception as error:
            frontend.raise_for_user(error)

    def _show(self, words: list[str]) -> None:
        """Display the DAG."""
        from flownb.widgets.live import show_dag

        session = self.frontend.session
        session.check(only="")
        used = session.working.used(session.flow.name)
        session.mark_noted(used)
        self.frontend.say_notes()
        if used:
            print(used)
        show_dag(self.frontend.session.picture(), {})

    def _run(self, words: list[str]) -> None:
        """Run the whole flow and show what became of each step."""
        from flownb.session.options import parse_run

        frontend = self.frontend
        try:
            options = parse_run(words)
            self._say_what_is_missing()
            for note in frontend.session.not_applied(added=options.decorators):
                print(f"note: {note}")
            run = frontend.session.begin(options, kernel_names=frontend.kernel_names())
        except Exception as error:
            frontend.raise_for_user(error)
        self._drive(run, "run", words, background=options.background)

    def _resume(self, words: list[str]) -> None:
        """Run again what is not valid any more of an earlier run, and say why each step ran or did not."""
        from flownb.session.options import parse_resume

        frontend = self.frontend
        try:
            options = parse_resume(words)
            self._say_what_is_missing()
            for note in frontend.session.not_applied(added=options.run.decorators):
                print(f"note: {note}")
            plan = frontend.session.resume(options, kernel_names=frontend.kernel_names())
            run = plan.begin(frontend.kernel_names())
        except Exception as error:
            frontend.raise_for_user(error)
        self._drive(run, "resume", words, background=options.run.background, lines=lambda: plan.lines)

    def _status(self, words: list[str]) -> None:
        """Show what is stale and why, and what a resume would take over."""
        from IPython.display import display

        from flownb.session.options import parse_status
        from flownb.session.status import flow_status

        frontend = self.frontend
        try:
            origin = parse_status(words)
            self._say_what_is_missing()
            status = flow_status(frontend.session, origin)
            frontend.say_notes()
            display(status)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        except Exception as error:
            frontend.raise_for_user(error)

    def _use(self, words: list[str]) -> None:
        """Take the results of another run where this notebook has nothing newer."""
        from flownb.session.use import use_run

        print(use_run(self.frontend.session, words))

    def _drive(
        self,
        run: FlowRun,
        verb: str,
        words: list[str],
        *,
        background: bool,
        lines: Callable[[], list[str]] = list,
    ) -> None:
        """Drive a run and show what happens; `lines` are said when it has ended, however it did."""
        from flownb.session.progress import Progress

        frontend = self.frontend
        session = frontend.session

        def said_at_end() -> list[str]:
            return [*lines(), *(f"note: {note}" for note in run.notes)]

        subscriptions: list[Callable[[], None]] = []
        try:
            order = session.program(True).graph.order
            watched = frontend.is_watched and not background
            held = background or not (frontend.views.live or watched)
            progress = Progress(run.pathspec, order, held=held, silent=background)
            live = frontend.views.live_dag(progress, watched=watched)
            subscriptions += [session.events.subscribe(one) for one in (progress, live)]
        except BaseException as error:
            run.abandon(error)
            raise

        def end() -> None:
            for unsubscribe in subscriptions:
                unsubscribe()

        def end_aside() -> None:
            """What another thread says; it stands below the cell that began the run."""
            end()
            live.finish({"run": run.pathspec}, aside=True)
            became = f"ended: {run.tasks} tasks" if run.error is None else f"stopped: {run.error}"
            print("\n".join([f"{verb} of {session.flow.name} {became}", *said_at_end()]))

        said = f" ({' '.join(words)})" if words else ""
        if background:
            print(f"{verb} of {session.flow.name} goes on in the background{said}; `%flow stop` stops it")
            session.runs[:] = [*(one for one in session.runs if one.running), run]
            run.start(end_aside)
            return
        try:
            outcome = run.drive()
        except BaseException as error:  # a step's own, KeyboardInterrupt too
            live.finish({"run": run.pathspec})
            for line in said_at_end():
                print(line)
            frontend.raise_for_user(error)
        finally:
            end()
        print("\n".join([f"{verb} of {session.flow.name}: {outcome.tasks} tasks{said}", *said_at_end()]))
        live.finish({"run": outcome.pathspec, "tasks": outcome.tasks, "seconds": round(outcome.seconds, 3)})

    def _stop(self, words: list[str]) -> None:
        """Stop runs that go on in the background."""
        names = {word if "/" in word else f"{self.frontend.session.flow.name}/{word}" for word in words}
        running = [run for run in self.frontend.session.runs if run.running]
        chosen = [run for run in running if not names or run.pathspec in names]
        if not chosen:
            known = ", ".join(run.pathspec for run in running) or "none"
            raise NotFound(
                f"No run{' ' + ', '.join(sorted(names)) if names else ''} goes on in the background.",
                f"Runs of this kernel that go on: {known}.",
                "Name one of these." if running else "Start one with `%flow run --background`.",
            )
        for run in chosen:
            run.stop()
        for run in chosen:
            run.join(10)
        print(f"stopped {len(chosen)} run{'s' if len(chosen) > 1 else ''}")

    def _say_what_is_missing(self) -> None:
        """Say which steps are taken as the notebook has them, for they were not executed like that in this kernel."""
        names = self.frontend.session.not_executed()
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            print(f"note: not executed in this kernel, so taken as they stand: {', '.join(names[:NAMED])}{more}")

    def _check(self, words: list[str]) -> None:
        """Print what the checks find, or that they find nothing."""
        frontend = self.frontend
        if words:
            raise ParameterError(
                f"`%flow check` does not take `{words[0]}`.", "It checks the whole flow.", "Leave it out."
            )
        from flownb.flow.lint import counted

        self._say_what_is_missing()
        found = frontend.session.check(kernel_names=frontend.kernel_names())
        for diagnostic in found:
            print(diagnostic)
        flow = frontend.session.flow
        print(f"{flow.name}: {len(flow.all_steps)} steps, {counted(found)}")

    def _logs(self, words: list[str]) -> None:
        """Show again what a step's tasks wrote and displayed."""
        from flownb.magics.logs import show_logs
        from flownb.session.logs import parse_logs, step_log

        show_logs(step_log(self.frontend.session, parse_logs(words)))

    def _export(self, words: list[str]) -> None:
        """Write flow.py."""
        from flownb.session.output import write_output

        strict = "--strict" in words
        words = [word for word in words if word != "--strict"]
        if len(words) > 1:
            raise ParameterError(
                "`%flow export` takes one file.", f"It was given {len(words)}.", "Write %flow export flow.py."
            )
        path = Path(words[0] if words else "flow.py")
        frontend = self.frontend
        self._say_what_is_missing()
        text = frontend.session.export(path.name, strict=strict, kernel_names=frontend.kernel_names())
        for found in frontend.session.found_at_export():
            print(f"warning: {found}")
        write_output(path, text)
        print(f"wrote {path} ({len(text.splitlines())} lines); run it with: python {path} run")
