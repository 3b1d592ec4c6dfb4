"""``flownb import FILE``: a Metaflow file, or a notebook with Kale's tags, becomes a notebook; nothing is executed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flownb.cells.notebook import document_text, read_document
from flownb.errors import ParameterError
from flownb.session.options import write_output

__all__ = ["import_"]


def import_(file: Path, output: Path | None, flow: str | None, force: bool) -> int:
    """``flownb import FILE [-o FILE] [--flow NAME] [--force]``."""
    if output is not None and output.suffix != ".ipynb" and str(output) != "-" and not output.is_dir():
        raise ParameterError(
            f"`{output}` is neither an .ipynb file nor a folder.",
            "An import writes a notebook.",
            "Give a name that ends in .ipynb, or make the folder first.",
        )
    made = (_of_kale if file.suffix == ".ipynb" else _of_flow_file)(file, output, flow)
    places = [_absolute(place) for place, _, _ in made]
    for place in places:
        _require_new(place, file, force=force)
    for place, (shown, document, notes) in zip(places, made, strict=True):
        _write(place, shown, document, notes)
    return 0


def _of_kale(file: Path, output: Path | None, flow: str | None) -> list[tuple[Path, dict[str, Any], list[str]]]:
    """The notebook of a notebook with Kale's tags."""
    from flownb.convert.kale_notebook import kale_notebook

    document, notes = kale_notebook(read_document(file), file, flow=flow)
    place = output or file.with_name(f"{file.stem}_flow.ipynb")
    if place.is_dir():
        place /= f"{file.stem}_flow.ipynb"
    return [(place, document, [f"note: {note}" for note in notes])]


def _of_flow_file(file: Path, output: Path | None, flow: str | None) -> list[tuple[Path, dict[str, Any], list[str]]]:
    """The notebooks of a Metaflow file, each with its path and what is to be said about it."""
    from flownb.flow_file.notebook import notebook_of, separate_flows
    from flownb.flow_file.reading import read_flow_path

    read = read_flow_path(file)
    folder = output if output is not None and output.is_dir() and str(output) != "-" else None
    names: Sequence[str | None] = [flow]
    if folder is not None and flow is None and len(separate_flows(read)) > 1:
        names = separate_flows(read)
    made = []
    for name in names:
        document, notes = notebook_of(read, flow=name)
        place = output or file.with_suffix(".ipynb")
        if folder is not None:
            place = folder / f"{name or file.stem}.ipynb"
        made.append((place, document, [f"note: {file}, {note}" for note in notes]))
    return made


def _absolute(place: Path) -> Path:
    """A path that stays the same when the working folder changes; `-` is standard output."""
    return place if str(place) == "-" else place.absolute()


def _require_new(place: Path, file: Path, *, force: bool) -> None:
    """Refuse to replace the file that is imported, or another one unless that was asked for."""
    if str(place) == "-" or not place.exists():
        return
    if place.samefile(file):
        raise ParameterError(
            f"`{place.name}` is the file that is imported.",
            "An import does not modify its input.",
            "Name another file with -o.",
        )
    if not force:
        raise ParameterError(
            f"`{place.name}` exists.",
            "An import replaces a notebook only if it is asked to, with its outputs and edits.",
            "Name another file with -o, or replace it with --force.",
        )


def _write(place: Path, shown: Path, document: dict[str, Any], notes: list[str]) -> None:
    """Write a notebook, and say what it does not have and what the checks find."""
    from flownb.cli.notebook import open_notebook
    from flownb.flow.lint import counted

    text = document_text(document, place)
    for note in notes:
        print(note, file=sys.stderr)
    if str(place) == "-":
        print(text, end="")
        return
    write_output(place, text)
    session = open_notebook(place, executes=False)
    found = session.checks.find()
    for diagnostic in found:
        print(diagnostic, file=sys.stderr)
    print(f"wrote {shown}: {session.flow.name}, {len(session.flow.all_steps)} steps, {counted(found)}")
