"""``%%flow`` and ``%flow``: the flow as a whole, and a run of it below the cell that begins it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class

from flownb.errors import NotFound, ParameterError, nearest
from flownb.magics.frontend import Frontend, with_help

if TYPE_CHECKING:
    from flownb.session.logs import StepLog
    from flownb.session.progress import Progress
    from flownb.session.run import FlowRun

__all__ = ["RunMagics"]


# A widget lives in the kernel that made it; elsewhere its text is what can be shown.
WIDGET = "application/vnd.jupyter.widget-view+json"
# Steps that a note lists by name.
NAMED = 8


@magics_class
class RunMagics(Magics):
    """Magics on the whole flow."""

    def __init__(self, shell: Any, frontend: Frontend) -> None:
        super().__init__(shell)
        self.frontend = frontend
        self._said_missing: set[str] = set()

    @with_help()
    @line_cell_magic
    def flow(self, line: str, cell: str | None = None) -> None:
        """Name the flow (``%%flow NAME``), show it (``%flow``), or do something with all of it."""
        from flownb.session.commands import COMMANDS, asks_for_help
        from flownb.session.parser import words

        if cell is not None:
            if asks_for_help(line.split()):
                self._help([])
            else:
                self._define(line, cell)
            return
        command, *rest = words(line) or [""]
        if command in ("help", "--help", "-h") or asks_for_help(rest):
            self._help(rest if command in ("help", "--help", "-h") else [command])
            return
        if not command:
            self._show()
            return
        names = [one.name for one in COMMANDS if one.notebook == f"%flow {one.name}"]
        if command not in names:
            raise ParameterError(
                f"`%flow {command}` is not a command.{nearest(command, names)}",
                f"There are {', '.join(names)}, help, and %flow alone.",
                "Correct it. To name the flow, write %%flow NAME on a cell's first line.",
            )
        getattr(self, f"_{command}")(rest)

    def _help(self, words: list[str]) -> None:
        """Say which commands there are, or what one of them does."""
        from flownb.session.commands import asks_for_help, command_help, overview

        if surplus := [word for word in words[1:] if not asks_for_help([word])]:
            raise ParameterError(
                f"`{surplus[0]}` is one command too many.",
                f"help takes one command, here `{words[0]}`.",
                "Remove one of them.",
            )
        if not words:
            print(overview())
        elif words[0] == "run" and self.frontend.views.has_session:
            from flownb.runtime.program import module_kept
            from flownb.session.completion import parameter_options

            session = self.frontend.session
            with module_kept(session.flow.name):
                options = parameter_options(session.program(False))
            print(command_help("run", options))
        else:
            print(command_help(words[0]))

    def _define(self, line: str, cell: str) -> None:
        """Take over the flow's header and say what it declares."""
        from flownb.session.step import run_shared_cell

        frontend = self.frontend
        defined = frontend.define(line, cell, "flow")
        with frontend.in_kernel():
            run_shared_cell(frontend.session, defined)

    def _show(self) -> None:
        """Display the DAG."""
        session = self.frontend.session
        session.checks.find(only="")
        self._say_what_is_left_out()
        used = session.working.used(session.flow.name)
        session.mark_noted(used)
        self.frontend.say_notes()
        if used:
            print(used)
        self.frontend.views.show_flow()

    def _run(self, words: list[str]) -> None:
        """Run the whole flow and show what became of each step."""
        from flownb.session.checks import not_applied
        from flownb.session.options import parse_run
        from flownb.session.run import begin_run

        frontend = self.frontend
        try:
            options = parse_run(words)
            self._say_what_is_missing()
            for note in not_applied(frontend.session.program(False), added=options.decorators):
                print(f"note: {note}")
            run = begin_run(frontend.session, options, kernel_names=frontend.kernel_names())
        except Exception as error:
            frontend.raise_for_user(error)
        _drive(frontend, run, "run", words, background=options.background)

    def _resume(self, words: list[str]) -> None:
        """Run again what is not valid any more of an earlier run, and say why each step ran or did not."""
        from flownb.session.checks import not_applied
        from flownb.session.options import parse_resume
        from flownb.session.resume import Resume

        frontend = self.frontend
        try:
            options = parse_resume(words)
            self._say_what_is_missing()
            for note in not_applied(frontend.session.program(False), added=options.run.decorators):
                print(f"note: {note}")
            plan = Resume(frontend.session, options, kernel_names=frontend.kernel_names())
            run = plan.begin(frontend.kernel_names())
        except Exception as error:
            frontend.raise_for_user(error)
        _drive(frontend, run, "resume", words, background=options.run.background, lines=lambda: plan.lines)

    def _status(self, words: list[str]) -> None:
        """Show what is stale and why, and what a resume would take over."""
        from IPython.display import display

        from flownb.session.commands import read
        from flownb.session.status import flow_status

        frontend = self.frontend
        try:
            origin = read("status", words)["origin"]
            self._say_what_is_missing()
            self._say_what_is_left_out()
            status = flow_status(frontend.session, origin)
            frontend.say_notes()
            display(status)  # type: ignore[no-untyped-call]  # IPython leaves it untyped
        except Exception as error:
            frontend.raise_for_user(error)

    def _use(self, words: list[str]) -> None:
        """Take the results of another run where this notebook has nothing newer."""
        from flownb.session.commands import read
        from flownb.session.runs import use_run

        print(use_run(self.frontend.session, **read("use", words)))

    def _stop(self, words: list[str]) -> None:
        """Stop runs that continue in the background."""
        from flownb.session.commands import read

        given = read("stop", words)["runs"]
        names = {word if "/" in word else f"{self.frontend.session.flow.name}/{word}" for word in given}
        running = [run for run in self.frontend.session.runs if run.running]
        chosen = [run for run in running if not names or run.pathspec in names]
        if not chosen:
            known = ", ".join(run.pathspec for run in running) or "none"
            raise NotFound(
                f"No run{' ' + ', '.join(sorted(names)) if names else ''} continues in the background.",
                f"Runs of this kernel that continue: {known}.",
                "Name one of these." if running else "Start one with `%flow run --background`.",
            )
        for run in chosen:
            run.stop()
        for run in chosen:
            run.join(10)
        print(f"stopped {len(chosen)} run{'s' if len(chosen) > 1 else ''}")

    def _say_what_is_left_out(self) -> None:
        """Say which cells are not part of the flow, where no check does."""
        from flownb.session.checks import left_out_cells

        for note in left_out_cells(self.frontend.session.flow):
            print(f"note: {note}")

    def _say_what_is_missing(self) -> None:
        """Say once of each step that was not executed here that its cell's text is used as the notebook has it."""
        names = [name for name in self.frontend.session.cells.unexecuted() if name not in self._said_missing]
        self._said_missing.update(names)
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            listed = ", ".join(names[:NAMED])
            print(f"note: not executed in this kernel, so the text of their cells is used: {listed}{more}")

    def _check(self, words: list[str]) -> None:
        """Print what the checks find, or that they find nothing."""
        from flownb.flow.lint import counted
        from flownb.session.checks import left_out_magics
        from flownb.session.commands import read

        read("check", words)
        frontend = self.frontend

        self._say_what_is_missing()
        found = frontend.session.checks.find(kernel_names=frontend.kernel_names())
        for diagnostic in found:
            print(diagnostic)
        for note in left_out_magics(frontend.session.flow):
            print(f"note: {note}")
        flow = frontend.session.flow
        print(f"{flow.name}: {len(flow.all_steps)} steps, {counted(found)}")

    def _logs(self, words: list[str]) -> None:
        """Show again what a step's tasks wrote and displayed."""
        from flownb.session.logs import parse_logs, step_log

        _show_logs(step_log(self.frontend.session, parse_logs(words)))

    def _runs(self, words: list[str]) -> None:
        """List the flow's runs."""
        from IPython.display import display

        from flownb.session.runs import list_runs, parse_runs

        display(list_runs(self.frontend.session, parse_runs(words)))  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def _diff(self, words: list[str]) -> None:
        """Print what differs between this notebook and a run, or between two sides."""
        from flownb.diff.compare import SECTIONS, compare
        from flownb.diff.sides import kernel_sources, read_sides
        from flownb.diff.text import diff_lines
        from flownb.session.commands import read

        values = read("diff", words)
        session = self.frontend.session
        sides = read_sides(values["sides"], kernel_sources(session))
        print("\n".join(diff_lines(compare(*sides, values["sections"] or SECTIONS), brief=values["stat"])))

    def _report(self, words: list[str]) -> None:
        """Show again the report of a step, with its details."""
        from IPython.display import display

        from flownb.session.commands import read

        report = self.frontend.session.reports.find(read("report", words)["step"])
        display(report.whole())  # type: ignore[no-untyped-call]  # IPython leaves it untyped

    def _load(self, words: list[str]) -> None:
        """Set a task's artifacts as variables of the notebook."""
        _load_into(self.frontend, words)

    def _convert(self, words: list[str]) -> None:
        """Convert the notebook in which this is executed, as it was saved, to a flow in a new file."""
        from flownb.magics.conversion import convert_notebook

        print("\n".join(convert_notebook(self.frontend, words)))

    def _export(self, words: list[str]) -> None:
        """Write flow.py."""
        from flownb.session.checks import left_out_magics
        from flownb.session.commands import read
        from flownb.session.export import export_flow, found_at_export
        from flownb.session.exported_file import compared, print_check, print_export, print_requirements

        values = read("export", words)
        path, frontend = values["output"], self.frontend
        self._say_what_is_missing()
        text = export_flow(frontend.session, path, strict=values["strict"], kernel_names=frontend.kernel_names())
        export = compared(frontend.session, path, text)
        if values["check"]:
            print_check(export, path)
            return
        for found in found_at_export(frontend.session):
            print(f"warning: {found}")
        for note in left_out_magics(frontend.session.flow):
            print(f"note: {note}")
        said: dict[str, bool] = {"force": values["force"], "is_headless": frontend.is_headless}
        print_export(frontend.session, export, path, **said)
        if values["requirements"]:
            print_requirements(frontend.session, path, **said)

    def _sync(self, words: list[str]) -> None:
        """Show which edits of flow.py the notebook does not have; the document in the front end cannot be edited."""
        from flownb.errors import NotFound
        from flownb.session.commands import read
        from flownb.session.sync import conflict_lines, plan_sync

        file, notebook = read("sync", words)["file"], self.frontend.session.notebook
        if notebook is None:
            raise NotFound(
                "The notebook's file is not known.",
                "The front end does not say which file this kernel executes.",
                f"Run this in a terminal: flownb sync NOTEBOOK {file}",
            )
        plan = plan_sync(notebook.absolute(), file.absolute())
        print("\n".join(conflict_lines(plan)), end="\n" if plan.conflicts else "")
        if plan.changes_notebook:
            print(plan.diff(), end="")
        elif not plan.conflicts:
            print(f"{notebook.name}, as it was saved, has all of {file}")
            return
        print(
            f"To take the edits, save the notebook, run `flownb sync {notebook.name} {file}` in a terminal, and reload "
            "the notebook from disk."
        )


def _load_into(frontend: Frontend, words: list[str]) -> None:
    """Load a task's state into the notebook's namespace and say what was set."""
    from flownb.session.load import load_task, parse_load
    from flownb.session.report import value_kind

    options = parse_load(words)
    loaded = load_task(frontend.session, options, frontend.users_names())
    frontend.place(loaded.values)
    parts = [f"✓ loaded {loaded.pathspec}"]
    if loaded.values:
        parts.append("set " + ", ".join(f"{name}: {value_kind(one)}" for name, one in loaded.values.items()))
    print("\n".join([" · ".join(parts), *(f"  note: {note}" for note in loaded.notes)]))


def _show_logs(log: StepLog) -> None:
    """Write text to where it was written, and display what was displayed."""
    from IPython.display import display

    for task in log.tasks:
        if task.heading:
            print(f"{task.heading}:")
        open_lines: set[str] = set()
        for piece in task.pieces:
            if piece.kind == "display":
                data = {kind: content for kind, content in piece.data.items() if kind != WIDGET}
                display(data, raw=True, metadata=dict(piece.metadata))  # type: ignore[no-untyped-call]  # IPython leaves it untyped
            else:
                stream = "stderr" if piece.kind == "stderr" else "stdout"
                print(piece.text, end="", file=getattr(sys, stream))
                (open_lines.discard if piece.text.endswith("\n") else open_lines.add)(stream)
        for stream in sorted(open_lines):
            print(file=getattr(sys, stream))
    if log.note:
        print(f"note: {log.note}")


def _drive(
    frontend: Frontend,
    run: FlowRun,
    verb: str,
    words: list[str],
    *,
    background: bool,
    lines: Callable[[], list[str]] = list,
) -> None:
    """Drive a run and show what happens.

    Parameters
    ----------
    frontend : Frontend
    run : FlowRun
    verb : {"run", "resume"}
    words : list of str
        What it was asked for, repeated in the summary.
    background : bool
        Whether to return at once.
    lines : callable, optional
        Gives what is said of the run when it has ended, however it did.

    Raises
    ------
    BaseException
        What ended the run, with the user's own frames.
    """
    from flownb.magics.debugging import breakpoints

    session = frontend.session
    flow = session.flow.name

    def said_at_end() -> list[str]:
        return [*lines(), *(f"note: {note}" for note in run.notes)]

    subscriptions: list[Callable[[], None]] = []
    try:
        watched = frontend.is_watched and not background
        progress = _progress(frontend, run, background=background, watched=watched)
        live = frontend.views.live_dag(progress, watched=watched)
        subscriptions += [session.events.subscribe(one) for one in (progress, live)]
    except BaseException as error:
        run.abandon(error)
        raise

    def end() -> None:
        for unsubscribe in subscriptions:
            unsubscribe()

    # A notebook that is executed from its file shows the same each time: no ids, no times.
    name = f"{verb} of {flow}" if frontend.is_headless else f"{verb} {run.pathspec}"

    def end_aside() -> None:
        """What another thread says; it is shown below the cell that began the run."""
        end()
        live.finish({"run": run.pathspec}, aside=True)
        became = f"ended: {_counted(run, frontend)}" if run.error is None else f"stopped: {run.error}"
        print("\n".join([*said_at_end(), f"{name} {became}"]))

    said = f" ({' '.join(words)})" if words else ""
    if background:
        print(f"{name} continues in the background{said}; `%flow stop` stops it")
        session.runs[:] = [*(one for one in session.runs if one.running), run]
        run.start(end_aside)
        return
    try:
        with breakpoints(frontend.shell, lambda: frontend.can_ask):  # for tasks that run in the kernel
            outcome = run.drive()
    except BaseException as error:  # a step's own, KeyboardInterrupt too
        live.finish({"run": run.pathspec})
        for line in said_at_end():
            print(line)
        frontend.raise_for_user(error, again=run.debugs)
    finally:
        end()
    live.finish({"run": outcome.pathspec, "tasks": outcome.tasks, "seconds": round(outcome.seconds, 3)})
    print("\n".join([*said_at_end(), f"{name}: {_counted(run, frontend)}{said}"]))


def _progress(frontend: Frontend, run: FlowRun, *, background: bool, watched: bool) -> Progress:
    """The run's states, and what shows the output of its tasks where this front end can."""
    from flownb.session.progress import Progress
    from flownb.widgets.run_output import HeldOutput, UpdatedOutput, terminal_output

    if background:
        return Progress(run.pathspec)
    order = frontend.session.program(True).graph.order
    if frontend.is_terminal:
        return Progress(run.pathspec, terminal_output())
    if frontend.views.live or watched:
        return Progress(run.pathspec, UpdatedOutput(order))
    return Progress(run.pathspec, HeldOutput(order))


def _counted(run: FlowRun, frontend: Frontend) -> str:
    """How many tasks a run had, and how long it took where that may be said."""
    from flownb.session.progress import duration

    counted = f"{run.tasks} task{'' if run.tasks == 1 else 's'}"
    if frontend.is_headless or run.outcome is None:
        return counted
    return f"{counted} in {duration(run.outcome.seconds)}"
