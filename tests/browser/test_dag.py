"""The DAG under a cell: live while the cell blocks, and all there in the saved notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

from tests.browser.flows import chain, waits_for
from tests.browser.lab import Lab, code

DAG = "application/vnd.flownb.dag+json"
WIDGET = "application/vnd.jupyter.widget-view+json"


def run_cell_output(notebook: Any) -> Any:
    """The one display of a saved notebook's run cell."""
    outputs = next(cell for cell in notebook.cells if cell.id == "run").outputs
    displays = [output for output in outputs if output.output_type == "display_data"]
    assert 1 == len(displays)
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
    assert {DAG, "image/svg+xml", "text/plain"} == set(output.data)
    assert {"a": "fresh", "b": "fresh", "c": "fresh"} == {n["name"]: n["state"] for n in output.data[DAG]["nodes"]}
    assert "dag" not in output.metadata.get("flownb", {})
    assert "3 steps · 3 fresh" in output.data["image/svg+xml"]


def test_a_run_that_fails_shows_where(lab: Lab) -> None:
    """The failed step is marked in the DAG, the steps behind it never ran, and the error stands below."""
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
    assert [] == lab.server.sessions()


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
    assert 0 == lab.browser.evaluate("() => document.querySelectorAll('svg.flownb-dag-live :is(img, script)').length")
    assert lab.browser.evaluate("() => window.evil === undefined")


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
    assert {} == lab.failed()
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
