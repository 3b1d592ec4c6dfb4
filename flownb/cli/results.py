"""``flownb status | use | runs | show | card NOTEBOOK``: what is recorded of a notebook's flow, and what is stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flownb.cli.messages import in_terminal
from flownb.cli.notebook import open_notebook, print_notes, say_what_is_left_out
from flownb.errors import ParameterError
from flownb.settings import is_notebook_name

__all__ = ["card", "runs", "show", "status", "use"]


def status(notebook: Path, origin: str | None) -> int:
    """``flownb status NOTEBOOK [--origin-run-id 7]``."""
    from flownb.session.status import flow_status

    session = open_notebook(notebook)
    found = flow_status(session, origin)
    print_notes(session)
    say_what_is_left_out(session)
    print(in_terminal("\n".join(found.lines())))
    return 0


def use(notebook: Path, run: str | None, none: bool) -> int:
    """``flownb use NOTEBOOK [RUN | --none]``."""
    from flownb.session.runs import use_run

    print(in_terminal(use_run(open_notebook(notebook), run, none)))
    return 0


def runs(flow: str, **filters: Any) -> int:
    """``flownb runs NOTEBOOK``, with the runs' parameters, or ``flownb runs FLOW``, of the datastore here."""
    from flownb.cli.datastore import run_filters
    from flownb.cli.datastore import runs as runs_of_flow

    if not is_notebook_name(flow):
        return runs_of_flow(flow, **filters)
    from flownb.session.runs import list_runs

    if filters.pop("datastore") is not None:
        raise ParameterError(
            "`--datastore` is for a flow's name.",
            "A notebook's runs are where the notebook records them.",
            "Set FLOWNB_DATASTORE for another place, or name the flow instead of the notebook.",
        )
    print("\n".join(list_runs(open_notebook(Path(flow)), run_filters(**filters)).lines()))
    return 0


def show(notebook: Path) -> int:
    """``flownb show NOTEBOOK``."""
    from flownb.picture.text import dag_text
    from flownb.session.drawing import picture

    session = open_notebook(notebook)
    session.checks.find()  # says so when there are no steps
    print_notes(session)
    say_what_is_left_out(session)
    print(dag_text(picture(session)))
    return 0


def card(notebook: Path, output: Path | None, **values: Any) -> int:
    """``flownb card NOTEBOOK STEP [-o card.html]``."""
    from flownb.session.cards import card_view
    from flownb.session.options import card_options, write_output

    place = output.resolve() if output is not None and str(output) != "-" else None
    view = card_view(open_notebook(notebook), card_options(values))
    if output is None:
        print(view.bundle()["text/plain"])
    elif place is None:
        print(view.page())
    else:
        write_output(place, view.page())
        print(f"wrote {output}")
    return 0
