"""The DAG under a cell: live while the cell blocks, and all there in the saved notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.browser.flows import chain, waits_for
from tests.browser.lab import Lab, code

DAG = "application/vnd.flownb.dag+json"
ENDED = "one => one.metadata?.flownb && !one.metadata.flownb.dag"
WIDGET = "application/vnd.jupyter.widget-view+json"


def run_cell_output(notebook: Any) -> Any:
    """The one DAG of a saved notebook's run cell."""
    outputs = next(cell for cell in notebook.cells if cell.id == "run").outputs
    displays = [output for output in outputs if DAG in output.get("data", {})]
    assert len(displays) == 1
    return displays[0]


def test_the_dag_shows_a_run_while_its_cell_blocks(lab: Lab, tmp_path: Path) -> None:
    """Nodes change in place from never over running to fresh; the final state is saved, as JSON, SVG and text."""
    go = tmp_path / "go"
    cells = chain()
    cells[3] = code(f"%%step b -> y\n{waits_for(go)}y = x + 1", id="b")
    lab.open(lab.write("dag_live", cells))
    lab.run("ext", "flow")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.start("run")
    lab.wait_dag("run", {"a": "fresh", "b": "running", "c": "never"})
    lab.wait_states({"a": "fresh", "b": "running", "c": "never"})
    lab.browser.evaluate("() => { window.drawn = document.querySelector('[data-flownb-node=\"b\"]'); }")
    go.touch()
    lab.wait("() => window.drawn.dataset.flownbState === 'fresh'")
    lab.wait_dag("run", {"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.wait_idle()
    lab.save()
    output = run_cell_output(lab.saved())
    assert set(output.data) == {DAG, "image/svg+xml", "text/plain"}
    assert {n["name"]: n["state"] for n in output.data[DAG]["nodes"]} == {"a": "fresh", "b": "fresh", "c": "fresh"}
    assert "dag" not in output.metadata.get("flownb", {})
    assert "3 steps · 3 fresh" in output.data["image/svg+xml"]


def waiting_run(lab: Lab, name: str, go: Path) -> None:
    """A run whose second step waits for a file."""
    cells = chain()
    cells[3] = code(f"%%step b -> y\n{waits_for(go)}y = x + 1", id="b")
    lab.open(lab.write(name, cells))
    lab.run("ext", "flow")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.start("run")
    lab.wait_dag("run", {"a": "fresh", "b": "running", "c": "never"})


@pytest.mark.parametrize("during", [True, False])
def test_a_reloaded_page_shows_how_a_run_ends(lab: Lab, tmp_path: Path, during: bool) -> None:
    """A reload during a run shows what runs, and the end, which is saved; also if it came before the page."""
    go = tmp_path / "go"
    waiting_run(lab, f"dag_reload_{during}", go)
    lab.save()
    if during:
        lab.reload(wait=False)
        lab.wait_dag("run", {"a": "fresh", "b": "running", "c": "never"})
        go.touch()
    else:
        lab.browser.goto("about:blank")
        go.touch()
        lab.reload()
    lab.wait_dag("run", {"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.wait_idle()
    lab.wait(f"() => window.lab.outputs('run').some({ENDED})")
    lab.save()
    output = run_cell_output(lab.saved())
    assert {n["name"]: n["state"] for n in output.data[DAG]["nodes"]} == {"a": "fresh", "b": "fresh", "c": "fresh"}
    assert "3 steps · 3 fresh" in output.data["image/svg+xml"]
    assert "dag" not in output.metadata["flownb"]


def test_an_output_that_is_not_drawn_ends_too(lab: Lab, tmp_path: Path) -> None:
    """The file is right also if the run's cell was collapsed while the page was reloaded."""
    go = tmp_path / "go"
    waiting_run(lab, "dag_reload_collapsed", go)
    lab.browser.evaluate("() => { window.lab.cell('run').outputHidden = true; }")
    lab.save()
    lab.reload(wait=False)
    lab.wait_states({"a": "fresh", "b": "running", "c": "never"})
    assert lab.dag("run") is None
    go.touch()
    lab.wait(f"() => window.lab.outputs('run').some({ENDED})")
    nodes = next(one["data"][DAG]["nodes"] for one in lab.outputs("run") if one["output_type"] == "display_data")
    assert {node["name"]: node["state"] for node in nodes} == {"a": "fresh", "b": "fresh", "c": "fresh"}
    lab.browser.evaluate("() => { window.lab.cell('run').outputHidden = false; }")
    lab.wait_dag("run", {"a": "fresh", "b": "fresh", "c": "fresh"})


def test_a_kernel_that_is_restarted_leaves_nothing_running(lab: Lab, tmp_path: Path) -> None:
    """The step that ran has failed because the kernel stopped, in the page and in the file."""
    waiting_run(lab, "dag_restart", tmp_path / "never")
    lab.restart()
    lab.wait_dag("run", {"a": "fresh", "b": "failed", "c": "never"})
    lab.save()
    output = run_cell_output(lab.saved())
    nodes = {node["name"]: node for node in output.data[DAG]["nodes"]}
    assert {name: node["state"] for name, node in nodes.items()} == {"a": "fresh", "b": "failed", "c": "never"}
    assert nodes["b"]["title"] == "b: failed, kernel stopped"
    assert output.data[DAG]["summary"] == "3 steps · 1 failed · 1 fresh · 1 never run"
    assert "b: failed, kernel stopped" in output.data["text/plain"]
    assert "image/svg+xml" not in output.data
    assert "dag" not in output.metadata["flownb"]


def test_a_run_by_shortcut_shows_that_the_kernel_stopped(lab: Lab, tmp_path: Path) -> None:
    """A DAG that is not part of the notebook does not keep saying that a step runs either."""
    cells = chain()
    cells[3] = code(f"%%step b -> y\n{waits_for(tmp_path / 'never')}y = x + 1", id="b")
    lab.open(lab.write("dag_restart_shortcut", cells))
    lab.run("ext", "flow")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.select("c")
    lab.press("Control+Alt+r")
    shown = "() => document.querySelector('.flownb-result [data-flownb-node=\"b\"]')?.dataset.flownbState"
    lab.wait(f"() => ({shown})() === 'running'")
    lab.restart()
    lab.wait(f"() => ({shown})() === 'failed'")


def test_a_run_that_fails_shows_where(lab: Lab) -> None:
    """The failed step is marked in the DAG, the steps behind it never ran, and the error is shown below."""
    cells = chain()
    cells[3] = code("%%step b -> y\ny = x / 0", id="b")
    lab.open(lab.write("dag_failed", cells))
    lab.run("ext", "flow", "run")
    lab.wait_dag("run", {"a": "fresh", "b": "failed", "c": "never"})
    assert "ZeroDivisionError" in lab.failed()["run"]
    lab.wait_states({"a": "fresh", "b": "failed", "c": "never"})


def test_a_run_that_is_interrupted_leaves_nothing_running(lab: Lab, tmp_path: Path) -> None:
    """After an interrupt neither the DAG nor a badge says that a step runs."""
    cells = chain()
    cells[3] = code(f"%%step b -> y\n{waits_for(tmp_path / 'never')}y = x + 1", id="b")
    lab.open(lab.write("dag_interrupted", cells))
    lab.run("ext", "flow")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    lab.start("run")
    lab.wait_dag("run", {"a": "fresh", "b": "running", "c": "never"})
    lab.browser.evaluate("() => window.lab.kernel.interrupt()")
    lab.wait_dag("run", {"a": "fresh", "b": "failed", "c": "never"})
    lab.wait_states({"a": "fresh", "b": "failed", "c": "never"})


def test_a_saved_notebook_shows_its_dag_untrusted_and_without_a_kernel(lab: Lab) -> None:
    """Who is sent a notebook sees the flow at once."""
    lab.open(lab.write("dag_saved", chain()))
    lab.run("ext", "flow", "a", "b", "c", "run")
    lab.save()
    sent = lab.saved()
    lab.close()
    # Trust is by content: one more cell, and nobody has signed this notebook.
    sent.cells.append(nbformat.v4.new_markdown_cell("From a stranger", id="stranger"))
    lab.open(lab.write("dag_sent", sent.cells), kernel=False)
    lab.wait_dag("run", {"a": "fresh", "b": "fresh", "c": "fresh"})
    assert not lab.browser.evaluate("() => window.lab.cell('run').model.trusted")
    assert lab.server.sessions() == []


def test_text_in_a_dag_is_text(lab: Lab) -> None:
    """A payload that was tampered with draws its markup as letters."""
    lab.open(lab.write("dag_markup", chain()))
    lab.run("ext", "flow", "a", "b", "c", "dag")
    lab.save()
    notebook = lab.saved()
    lab.close()
    output = next(cell for cell in notebook.cells if cell.id == "dag").outputs[0]
    evil = "<img src=x onerror='window.evil = 1'><script>window.evil = 1</script>"
    for node in output.data[DAG]["nodes"]:
        node.update(label=evil, title=evil, detail=[[evil, True]])
    for edge in output.data[DAG]["edges"]:
        edge.update(label=evil, title=evil, label_at=[10, 10, 50])
    output.data[DAG].update(summary=evil, description=evil)
    lab.open(lab.write("dag_markup_sent", notebook.cells), kernel=False)
    lab.wait_dag("dag", {"a": "fresh", "b": "fresh", "c": "fresh"})
    assert lab.browser.evaluate("() => document.querySelectorAll('svg.flownb-dag-live :is(img, script)').length") == 0
    assert lab.browser.evaluate("() => window.evil === undefined")


def test_flownb_dag_is_drawn_now_and_later(lab: Lab) -> None:
    """`flownb.dag()` follows its flow, and is there in a notebook that is opened again, where no widget is."""
    cells = chain()
    cells[5] = code("import flownb\nflownb.dag()", id="dag")
    lab.open(lab.write("dag_call", cells))
    lab.run("ext", "flow", "a", "b", "dag")
    assert lab.failed() == {}
    assert set(lab.outputs("dag")[0]["data"]) == {DAG, WIDGET, "image/svg+xml", "text/plain"}
    lab.wait_dag("dag", {"a": "fresh", "b": "fresh", "c": "never"})
    drawn = "() => window.lab.cell('dag').node.querySelectorAll('.flownb-dag-output svg.flownb-dag-live').length"
    assert lab.browser.evaluate(drawn) == 1
    lab.run("c")
    lab.wait_dag("dag", {"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.save()
    lab.close()
    lab.open(lab.path, kernel=False)
    lab.wait_dag("dag", {"a": "fresh", "b": "fresh", "c": "never"})
    assert lab.browser.evaluate(drawn) == 1
    assert "widget" not in lab.output("dag")


def test_the_widget_draws_the_same_dag(lab: Lab) -> None:
    """`flownb.dag()` is drawn by anywidget alone, for front ends that do not know flownb's MIME type."""
    cells = chain()
    cells[5] = code(
        "import flownb\n"
        "from IPython.display import display\n"
        "drawn = flownb.dag()\n"
        "data = drawn._repr_mimebundle_()\n"
        "data = data[0] if isinstance(data, tuple) else data\n"
        f"display({{{WIDGET!r}: data[{WIDGET!r}]}}, raw=True)",
        id="dag",
    )
    lab.open(lab.write("dag_widget", cells))
    lab.run("ext", "flow", "a", "b", "dag")
    assert lab.failed() == {}
    lab.wait(
        """() => {
             const nodes = window.lab.cell('dag').node.querySelectorAll('.jp-Cell-outputArea g[data-flownb-node]');
             const shown = [...nodes].map(node => `${node.dataset.flownbNode} ${node.dataset.flownbState}`).sort();
             return shown.join() === 'a fresh,b fresh,c never';
           }"""
    )
    lab.run("c")
    lab.wait(
        """() => window.lab.cell('dag').node
             .querySelector('g[data-flownb-node="c"][data-flownb-state="fresh"]')"""
    )
