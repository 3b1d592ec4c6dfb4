"""A plain notebook becomes a flow from the file browser or from the notebook, and the report is shown beside it."""

from __future__ import annotations

from tests.browser.lab import Lab, code


def test_a_notebook_without_a_kernel_is_converted(lab: Lab) -> None:
    """What is seen is saved and converted; a file that exists is kept; the kernel that converts is ended."""
    path = lab.write("plain", [code("xs = [3, 1, 2]", id="a"), code("ys = sorted(xs)", id="b")])
    taken = path.with_name("plain_flow.ipynb")
    taken.write_text("mine")
    lab.open(path, kernel=False)
    lab.edit("b", "ys = sorted(xs)\nprint('sorted', ys)")
    lab.browser.evaluate("() => { void window.jupyterapp.commands.execute('flownb:convert-notebook'); }")
    lab.wait("() => document.querySelector('.jp-Dialog input')?.value === 'plain_2_flow.ipynb'")
    lab.press("Enter")
    lab.wait("() => document.querySelector('.flownb-report-summary')")
    summary, *tables = lab.browser.evaluate(
        "() => [...document.querySelectorAll('.flownb-report-summary, .flownb-report table')].map(one => one.innerText)"
    )
    assert summary == "Verified: 2 equal."
    assert tables == [
        "Step\tCells\tCaptures\nmake_ys\t2\tys",
        "Step\tValue\tType\tResult\nmake_ys\tys\tlist 3 items\tequal\nmake_ys\tprinted lines\t1 line\tequal",
    ]
    lab.wait("() => window.lab.path() === 'plain/plain_2_flow.ipynb'")
    lab.wait_idle()
    assert "sorted" in lab.saved().cells[1].source
    assert "print('sorted', ys)" in path.with_name("plain_2_flow.ipynb").read_text()
    assert taken.read_text() == "mine"
    lab.wait(
        """async () => {
             const sessions = await (await fetch('/api/sessions')).json();
             return sessions.every(session => session.type === 'notebook');
           }"""
    )
