"""Each step cell shows its name and state beside it, whatever happens to the notebook."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.browser.flows import chain, waits_for
from tests.browser.lab import Lab, code

TIME_KEYS = """async () => {
  const editor = window.lab.panel.content.activeCell.editor;
  editor.setCursorPosition(editor.getPositionAt(editor.model.sharedModel.getSource().length));
  const times = [];
  for (let i = 0; i < 20; i++) {
    const started = performance.now();
    document.execCommand('insertText', false, 'k');
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - started);
  }
  return times;
}"""


def test_steps_have_badges_as_soon_as_the_extension_is_loaded(lab: Lab) -> None:
    """Loading flownb is enough for every step cell to say that it never ran; other cells have no badge."""
    lab.open(lab.write("badges_never", chain()))
    assert lab.badges() == {}
    lab.run("ext")
    lab.wait_states({"a": "never", "b": "never", "c": "never"})
    assert list(lab.badges()) == ["a", "b", "c"]


def test_a_badge_has_its_state_in_words(lab: Lab) -> None:
    """Name and state are text, for screen readers too, and not only a colour."""
    lab.open(lab.write("badges_text", chain()))
    lab.run("ext", "a")
    lab.wait_states({"a": "fresh", "b": "never", "c": "never"})
    for badge, word in zip(lab.badges().values(), ("fresh", "never", "never"), strict=True):
        assert badge.step in badge.text
        assert word in badge.text
        assert badge.title.startswith(f"Step {badge.step} ")
        assert word in badge.title
    assert lab.browser.evaluate(
        "() => document.querySelector('.flownb-badge').getAttribute('aria-label').includes('fresh')"
    )


def test_badges_follow_the_states_of_steps(lab: Lab, tmp_path: Path) -> None:
    """A step is running while its cell blocks, then fresh; a change makes its children stale; an error fails it."""
    go = tmp_path / "go"
    lab.open(lab.write("badges_states", chain()))
    lab.run("ext", "flow", "a")
    lab.edit("b", f"%%step b -> y\n{waits_for(go)}y = x + 1")
    lab.start("b")
    lab.wait_states({"a": "fresh", "b": "running", "c": "never"})
    go.touch()
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})
    lab.run("c")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.edit("a", "%%step a -> x\nx = 2")
    lab.run("a")
    lab.wait_states({"a": "fresh", "b": "stale", "c": "stale"})
    lab.edit("b", "%%step b -> y\ny = x / 0")
    lab.run("b")
    lab.wait_states({"a": "fresh", "b": "failed", "c": "stale"})


def test_an_edited_cell_is_stale_before_it_is_run(lab: Lab) -> None:
    """A step whose text differs from what was executed shows so by itself, and shows when it is put back."""
    lab.open(lab.write("badges_edited", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.edit("b", "%%step b -> y\ny = x + 2")
    lab.wait_states({"a": "fresh", "b": "stale", "c": "stale"})
    lab.edit("b", "%%step b -> y\ny = x + 1")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})


def test_badges_are_back_after_a_reload(lab: Lab) -> None:
    """A page that is reloaded shows the states without a cell being run."""
    lab.open(lab.write("badges_reload", chain()))
    lab.run("ext", "flow", "a", "b")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})
    lab.save()
    lab.reload()
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})
    lab.run("c")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})


def test_a_badge_moves_with_its_cell(lab: Lab) -> None:
    """A moved cell has its badge, once, at its new place."""
    lab.open(lab.write("badges_move", chain()))
    lab.run("ext", "flow", "a", "b")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})
    lab.move("c", "up")
    lab.wait("() => Object.values(window.lab.badges()).map(badge => badge.step).join() === 'a,c,b'")
    assert lab.browser.evaluate("() => document.querySelectorAll('.jp-Notebook .flownb-badge').length") == 3
    lab.move("c", "down")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})


def test_a_badge_is_back_when_a_deletion_is_undone(lab: Lab) -> None:
    """A step that was deleted and brought back has the state that it had."""
    lab.open(lab.write("badges_undo", chain()))
    lab.run("ext", "flow", "a", "b", "c")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})
    lab.delete("c")
    lab.wait_states({"a": "fresh", "b": "fresh"})
    lab.browser.evaluate("() => window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})


def test_badges_go_with_the_kernel_that_spoke(lab: Lab) -> None:
    """A restarted kernel knows no steps until flownb is loaded again."""
    lab.open(lab.write("badges_restart", chain()))
    lab.run("ext", "a")
    lab.wait_states({"a": "fresh", "b": "never", "c": "never"})
    lab.browser.evaluate("() => window.lab.panel.sessionContext.session.kernel.restart()")
    lab.wait_states({})
    lab.wait_idle()
    lab.run("ext")
    lab.wait_states({"a": "fresh", "b": "never", "c": "never"})


def test_two_hundred_steps_stay_fluid(lab: Lab) -> None:
    """All of 200 step cells have their badge, and a key is painted about as soon as in the same notebook without."""
    steps = [code(f"%%step s{n} -> x\nx = {n}", id=f"s{n}") for n in range(200)]
    lab.open(lab.write("badges_many", [code("%load_ext flownb", id="ext"), *steps]))
    lab.select("s5", "edit")
    without = lab.browser.evaluate(TIME_KEYS)
    lab.run("ext")
    lab.wait("() => Object.keys(window.lab.badges()).length === 200")
    lab.select("s6", "edit")
    with_badges = lab.browser.evaluate(TIME_KEYS)
    assert median(with_badges) < 4 * median(without)


def test_steps_to_come_have_badges_while_the_first_one_runs(lab: Lab, tmp_path: Path) -> None:
    """Run All in a fresh kernel shows the steps that wait behind one that blocks."""
    go = tmp_path / "go"
    cells = chain()
    cells[2] = code(f"%%step a -> x\n{waits_for(go)}x = 1", id="a")
    lab.open(lab.write("badges_run_all", cells))
    lab.browser.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    lab.wait_states({"a": "running", "b": "never", "c": "never"})
    go.touch()
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "fresh"})


def test_badges_come_back_while_a_cell_runs(lab: Lab, tmp_path: Path) -> None:
    """A page that is reloaded shows the states at once, also those that change, though the kernel is busy."""
    go = tmp_path / "go"
    cells = chain()
    cells[3] = code(f"%%step b -> y\n{waits_for(go)}y = x + 1", id="b")
    lab.open(lab.write("badges_reload_busy", cells))
    lab.run("ext", "flow", "a")
    lab.save()
    lab.start("b")
    lab.wait_states({"a": "fresh", "b": "running", "c": "never"})
    lab.reload(wait=False)
    lab.wait_states({"a": "fresh", "b": "running", "c": "never"})
    go.touch()
    lab.wait_states({"a": "fresh", "b": "fresh", "c": "never"})
