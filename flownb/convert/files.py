"""Convert the file of a plain notebook into the file of a flow: what the command and the magic share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flownb.cells.notebook import document_text, read_document
from flownb.convert.conversion import convert_document
from flownb.convert.proposal import Proposal
from flownb.convert.report import as_json, is_good, report_lines
from flownb.errors import ParameterError
from flownb.flow.names import default_flow_name

if TYPE_CHECKING:
    from flownb.convert.verify.report import Verification

__all__ = ["ConvertOptions", "Converted", "convert_file", "default_output"]


@dataclass(frozen=True)
class ConvertOptions:
    """What ``convert`` was asked for.

    Attributes
    ----------
    output : Path or None
        None means a file beside the notebook, with ``_flow`` behind its name.
    parameters : tuple of str
        Constants that become parameters.
    flow_name : str or None
        The flow's name; None means one after the output's file.
    verify : bool
    force : bool
        Whether to replace a file that exists.
    """

    output: Path | None = None
    parameters: tuple[str, ...] = ()
    flow_name: str | None = None
    verify: bool = True
    force: bool = False


@dataclass(frozen=True)
class Converted:
    """A conversion, and where it was written."""

    notebook: Path
    output: Path
    proposal: Proposal
    verification: Verification | None
    written: bool

    @property
    def lines(self) -> list[str]:
        """What is said of it."""
        if not self.proposal.changed:
            said = f"{_shown(self.notebook)} is a flow already"
            return [f"{said}; {_shown(self.output)} is a copy" if self.written else f"{said}; nothing was written"]
        return [*report_lines(self.proposal, self.verification), "", *self._next]

    @property
    def _next(self) -> list[str]:
        """What was written, and what to do with it."""
        if self.written:
            output = _shown(self.output)
            return [f"wrote {output}; open it, or run it with: flownb run {output}"]
        if any(finding.kind == "refused" for finding in self.proposal.findings):
            return ["nothing was written: change what the errors name, then convert again"]
        return ["nothing was written, as the flow is not proved; --no-verify writes it without a proof"]

    @property
    def is_good(self) -> bool:
        """Whether there is a flow, and no proof against it."""
        return is_good(self.proposal, self.verification)

    def to_json(self) -> dict[str, Any]:
        """What is said of it, for tools."""
        places = {"notebook": self.notebook, "output": self.output}
        return as_json(self.proposal, self.verification, **places, written=self.written)


def default_output(notebook: Path) -> Path:
    """The file that a conversion writes if no other one is named."""
    return notebook.with_name(f"{notebook.stem}_flow.ipynb")


def convert_file(
    notebook: Path,
    options: ConvertOptions,
    *,
    without: Callable[[str], bool] = lambda source: False,
    notify: Callable[[str], None] = lambda text: None,
) -> Converted:
    """Convert a notebook file; it is not modified.

    Parameters
    ----------
    notebook : Path
    options : ConvertOptions
    without : callable
        Whether a code cell of that text is left out: the one that converts the notebook in which it is.
    notify : callable
        Called with what is executed now.

    Raises
    ------
    NotFound
        If the notebook cannot be read.
    ParameterError
        If the output exists already, or cannot be written.
    """
    output = options.output or default_output(notebook)
    document = read_document(notebook)
    _refuse_to_overwrite(notebook, output, force=options.force)
    document["cells"] = [
        cell for cell in document["cells"] if cell.get("cell_type") != "code" or not without(cell["source"])
    ]
    name = options.flow_name or default_flow_name(output)
    proposal, verification = _converted(document, notebook.resolve().parent, name, options, notify)
    written = False
    if not proposal.changed:
        if options.output is not None:
            _write(output, notebook.read_text(encoding="utf-8"))
            written = True
    elif is_good(proposal, verification):
        _write(output, document_text(proposal.document))
        written = True
    return Converted(notebook, output, proposal, verification, written)


def _shown(path: Path) -> Path:
    """A path as a user in this folder would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _converted(
    document: dict[str, Any], folder: Path, name: str, options: ConvertOptions, notify: Callable[[str], None]
) -> tuple[Proposal, Verification | None]:
    """The proposal, and its proof if one is wanted."""
    done = convert_document(
        document,
        folder=folder,
        parameters=options.parameters,
        flow_name=name,
        verify=options.verify,
        notify=notify,
    )
    return done.proposal, done.verification


def _refuse_to_overwrite(notebook: Path, output: Path, *, force: bool) -> None:
    """Refuse to replace the notebook itself, or another file unless that was asked for."""
    if not output.exists():
        return
    if output.samefile(notebook):
        raise ParameterError(
            f"`{output}` is the notebook that is converted.",
            "A conversion does not modify its input.",
            "Give another file with -o.",
        )
    if not force:
        raise ParameterError(
            f"`{output}` exists already.",
            "A conversion replaces no file unless it is asked to.",
            "Give another file with -o, or replace this one with --force.",
        )


def _write(path: Path, text: str) -> None:
    """Write the file of a notebook."""
    from flownb.session.options import write_output

    write_output(path, text)
