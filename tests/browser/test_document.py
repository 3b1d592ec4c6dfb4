"""The kernel knows the notebook as the page shows it: order, names and texts of cells, saved or not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.flows import chain
from tests.browser.lab import Lab, code

DAG = "application/vnd.flownb.dag+json"


def drawn(lab: Lab, cell: str = "dag") -> tuple[list[str], list[tuple[str, str]]]:
    """Run `%flow`; gives names of nodes, and edges, sorted."""
    lab.run(cell)
    payload: Any = lab.outputs(cell)[-1]["data"][DAG]
    names = [node["name"] for node in payload["nodes"]]
    return sorted(names), sorted((edge["source"], edge["target"]) for edge in payload["edges"])


VIEWS = """
from flownb.magics import frontend_of
print("views:", len(frontend_of(get_ipython()).views._channel._views))
"""


def test_of_two_tabs_the_one_that_runs_counts(lab: Lab) -> None:
    """What a tab runs is the notebook as that tab shows it, whatever another tab's looks like."""
    path = lab.write("document_tabs", [*chain(), code(VIEWS, id="views")])
    lab.open(path)
    lab.run("ext", "flow")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    with lab.browser.tab() as page:
        other = Lab(lab.server, page, "second")
        other.open(path)
        other.wait_states({"a": "never", "b": "never", "c": "never"})
        lab.edit("b", "%%step b -> y\ny = x + 5")
        lab.run("run")
        assert "z is 60" in lab.output("run")
        other.run("run")
        assert "z is 20" in other.output("run")
        lab.run("run", "views")
        assert "z is 60" in lab.output("run")
        assert "views: 2" in lab.output("views")


@pytest.mark.parametrize("leave", ["close the notebook", "load the page anew"])
def test_a_view_that_goes_says_so(lab: Lab, leave: str) -> None:
    """The kernel stops counting a view that is closed, while no other is open."""
    lab.open(lab.write(f"document_gone_{leave[:4]}", [*chain(), code(VIEWS, id="views")]))
    lab.run("ext")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.run("views")
    assert "views: 1" in lab.output("views")
    lab.save()
    if leave == "close the notebook":
        lab.browser.evaluate("() => window.lab.panel.dispose()")
        lab.open(lab.path)
    else:
        lab.reload()
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.run("views")
    assert "views: 1" in lab.output("views")


def test_an_inserted_cell_is_a_step_between_its_neighbours(lab: Lab) -> None:
    """A step cell that was inserted and run, and never saved, is between the steps above and below it."""
    lab.open(lab.write("document_insert", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    new = lab.insert_below("a", "%%step between -> x\nx = x * 100")
    lab.run(new)
    assert drawn(lab) == (["a", "b", "between", "c"], [("a", "between"), ("b", "c"), ("between", "b")])
    lab.run("b", "c")
    assert "z is 1010" in lab.output("c")
    assert "between" not in lab.path.read_text()


def test_a_moved_cell_has_a_new_parent(lab: Lab) -> None:
    """After a move, the step above is the parent, without any step being run again."""
    cells = [code(f"%%step {name} -> x\nx = 1", id=name) for name in "pqr"]
    lab.open(lab.write("document_move", [code("%load_ext flownb", id="ext"), *cells, code("%flow", id="dag")]))
    lab.run("ext", "p", "q", "r")
    lab.move("r", "up")
    assert drawn(lab) == (["p", "q", "r"], [("p", "r"), ("r", "q")])


def test_a_notebook_gets_an_id_with_its_first_step(lab: Lab) -> None:
    """The id is in the open document's metadata once a step ran, and in the file after the next save."""
    lab.open(lab.write("document_id", chain()))
    lab.run("ext", "flow")
    assert "flownb" not in lab.saved().metadata
    lab.run("a")
    lab.browser.wait_for("() => window.lab.panel.model.sharedModel.getMetadata('flownb')")
    lab.save()
    assert len(lab.saved().metadata["flownb"]["id"]) == 20
    lab.restart()
    lab.run("ext")
    lab.wait_states({"a": "fresh", "b": "never", "c": "never"})


def test_a_renamed_step_is_renamed(lab: Lab) -> None:
    """A cell with another name in its first line is that step; the old name no longer exists."""
    lab.open(lab.write("document_rename", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    lab.edit("b", "%%step middle -> y\ny = x + 1")
    lab.run("b")
    assert drawn(lab) == (["a", "c", "middle"], [("a", "middle"), ("middle", "c")])
    assert [badge.step for badge in lab.badges().values()] == ["a", "middle", "c"]


def test_a_deleted_step_is_gone(lab: Lab) -> None:
    """The DAG is without a step whose cell was deleted; its children come after the step above it."""
    cells = [code(f"%%step {name} -> x\nx = 1", id=name) for name in "pqr"]
    lab.open(lab.write("document_delete", [code("%load_ext flownb", id="ext"), *cells, code("%flow", id="dag")]))
    lab.run("ext", "p", "q", "r")
    lab.delete("q")
    assert drawn(lab) == (["p", "r"], [("p", "r")])
    assert [badge.step for badge in lab.badges().values()] == ["p", "r"]


def test_a_cell_that_lost_its_mark_is_not_a_step(lab: Lab) -> None:
    """Without its %%step line a cell is scratch, and has no badge."""
    lab.open(lab.write("document_unmark", chain()))
    lab.run("ext", "flow", "a", "b")
    lab.edit("c", "print('scratch')")
    lab.run("c")
    lab.wait_states({"a": "fresh", "b": "fresh"})
    assert drawn(lab) == (["a", "b"], [("a", "b")])


def test_tags_are_a_steps_header(lab: Lab) -> None:
    """Cells that are marked by tags alone are steps, with badges, and run as such."""
    cells = [
        code("%load_ext flownb", id="ext"),
        code("rows = [1, 2, 3]", id="one", tags=["step:load", "out:rows"]),
        code("total = sum(rows)\nprint('total', total)", id="two", tags=["step:add", "out:total"]),
        code("%flow", id="dag"),
    ]
    lab.open(lab.write("document_tags", cells))
    lab.run("ext")
    lab.wait_states({"load": "never", "add": "never"})
    lab.run("one", "two")
    lab.wait_states({"load": "fresh", "add": "fresh"})
    assert "total 6" in lab.output("two")
    assert drawn(lab) == (["add", "load"], [("load", "add")])
