"""Ctrl+Alt+S spins the step under the cursor, Ctrl+Alt+R runs the flow; both show what came out under the cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.flows import chain, waits_for
from tests.browser.lab import Lab, Mode

MODES: tuple[Mode, ...] = ("command", "edit")


@pytest.mark.parametrize("mode", MODES)
def test_a_step_is_spun_as_the_page_shows_it(lab: Lab, mode: Mode) -> None:
    """Spinning an edited cell saves it, runs the new text under it, and leaves its outputs and its result alone."""
    lab.open(lab.write(f"spin_{mode}", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    before = lab.outputs("c")
    lab.edit("c", "%%step c -> z\nz = y * 1000\nprint('spun', z)")
    lab.select("c", mode)
    lab.press("Control+Alt+s")
    lab.wait_result("c", "spun 2000")
    assert lab.outputs("c") == before
    saved = {cell.id: cell for cell in lab.saved().cells}
    assert "y * 1000" in saved["c"].source
    assert "spun" not in str(saved["c"].outputs)
    assert "y * 1000" in lab.source("c")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "stale"})


@pytest.mark.parametrize("mode", MODES)
def test_the_flow_is_run(lab: Lab, mode: Mode) -> None:
    """The run is shown under the active cell, with the DAG as it ended, and the badges show the run's states."""
    lab.open(lab.write(f"run_{mode}", chain()))
    lab.run("ext", "flow", "a")
    lab.edit("c", "%%step c -> z\nz = y * 7\nprint('z is', z)")
    lab.select("b", mode)
    lab.press("Control+Alt+r")
    shown = lab.wait_result("b", "run Chain/")
    assert "z is 14" in shown
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.wait(
        "id => window.lab.cell(id).node.querySelectorAll('.flownb-result svg g[data-flownb-node]').length === 3", "b"
    )
    assert lab.outputs("b") == []
    saved = {cell.id: cell for cell in lab.saved().cells}
    assert "y * 7" in saved["c"].source
    assert saved["b"].outputs == []


def test_an_error_is_shown_under_the_cell(lab: Lab) -> None:
    """A spin that fails shows the user's line and the error; the next spin replaces it."""
    lab.open(lab.write("spin_error", chain()))
    lab.run("ext", "flow", "a", "b")
    lab.edit("c", "%%step c -> z\nz = y / 0")
    lab.select("c", "edit")
    lab.press("Control+Alt+s")
    shown = lab.wait_result("c", "ZeroDivisionError")
    assert "z = y / 0" in shown
    assert lab.outputs("c") == []
    lab.edit("c", "%%step c -> z\nz = y / 2\nprint('half', z)")
    lab.press("Control+Alt+s")
    shown = lab.wait_result("c", "half 1.0")
    assert "ZeroDivisionError" not in shown


def test_a_cell_that_is_not_a_step_is_not_spun(lab: Lab) -> None:
    """Ctrl+Alt+S says what to do instead, and nothing runs."""
    lab.open(lab.write("spin_scratch", chain()))
    lab.run("ext", "flow", "a")
    scratch = lab.insert_below("a", "made_by_scratch = 1")
    lab.select(scratch, "edit")
    lab.press("Control+Alt+s")
    lab.wait_result(scratch, "not a step")
    assert lab.outputs(scratch) == []


def test_a_result_is_gone_when_its_cell_runs(lab: Lab) -> None:
    """What a shortcut showed does not stay beside newer outputs of the same cell."""
    lab.open(lab.write("spin_then_run", chain()))
    lab.run("ext", "flow", "a", "b")
    lab.select("c", "command")
    lab.press("Control+Alt+s")
    lab.wait_result("c", "z is 20")
    lab.run("c")
    lab.wait("() => window.lab.result('c') === null")
    assert "z is 20" in lab.output("c")


def test_a_spin_waits_for_the_cell_that_runs(lab: Lab, tmp_path: Path) -> None:
    """A shortcut pressed while a cell blocks spins the step, as it was edited, when the kernel is free."""
    go = tmp_path / "go"
    lab.open(lab.write("spin_busy", chain()))
    lab.run("ext", "flow", "a", "b")
    block = lab.insert_below("dag", waits_for(go))
    lab.start(block)
    lab.wait("() => window.lab.kernel.status === 'busy'")
    lab.edit("c", "%%step c -> z\nz = y * 3\nprint('three times', z)")
    lab.select("c", "edit")
    lab.press("Control+Alt+s")
    lab.wait("() => window.lab.result('c') !== null")
    go.touch()
    lab.wait_result("c", "three times 6")


def test_a_restarted_kernel_can_spin_at_once(lab: Lab) -> None:
    """The shortcut loads flownb where the kernel has not, and finds the results of the kernel before."""
    lab.open(lab.write("spin_restart", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    lab.browser.evaluate("() => window.lab.panel.sessionContext.session.kernel.restart()")
    lab.wait_idle()
    lab.select("c", "edit")
    lab.press("Control+Alt+s")
    lab.wait_result("c", "z is 20")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})


def test_a_restarted_kernel_spins_what_is_seen(lab: Lab) -> None:
    """Also where the notebook cannot be saved, the text in the page is spun, not the one in the file."""
    lab.open(lab.write("spin_unsaved", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    lab.save()
    lab.restart()
    lab.browser.evaluate(
        "() => { window.lab.panel.context.save = () => Promise.reject(new Error('the file is read-only')); }"
    )
    lab.edit("c", "%%step c -> z\nz = y * 500\nprint('spun', z)")
    lab.select("c", "edit")
    lab.press("Control+Alt+s")
    lab.wait_result("c", "spun 1000")
    assert "y * 500" not in lab.path.read_text()
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "stale"})
