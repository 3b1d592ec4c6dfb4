"""Make the pictures of the README anew: ``python -m scripts.screenshots``, with the extension built.

Takes names of pictures (none means all); gives PNG files in ``docs/images``, of a real JupyterLab.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat

from tests.browser.chromium import Chromium, chromium
from tests.browser.lab import INIT_SCRIPT, Lab, code
from tests.browser.server import lab_server

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH, SCALE = 1240, 2
MAX_KILOBYTES = 400

# Holds up the tutorial's `train` until a file is there, so that the picture is of a run in its middle. Workers are
# processes of their own, forked from one that Python starts with what is on PYTHONPATH.
HOLD = """
import os, pathlib
folder = pathlib.Path("held").absolute()
folder.mkdir()
(folder / "sitecustomize.py").write_text('''
import pathlib, time
from sklearn.neighbors import KNeighborsClassifier
def _held(self, *args, fit=KNeighborsClassifier.fit, **kwargs):
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
    return fit(self, *args, **kwargs)
KNeighborsClassifier.fit = _held
''')
os.environ["PYTHONPATH"] = str(folder)
"""
CARD = """%%step report -> means
@card
figure, axes = plt.subplots(figsize=(8, 2.5), layout="constrained")
for grower, some in wines.groupby("grower"):
    axes.scatter(some["alcohol"], some["proline"], s=14, label=f"grower {grower}")
axes.set(xlabel="alcohol, %", ylabel="proline, mg/l")
axes.legend(frameon=False)
means = wines.groupby("grower")[["alcohol", "proline"]].mean().round(2)
current.card.append(Markdown("# Three growers\\nTwo of thirteen measurements tell most of 178 wines apart."))
current.card.append(Image.from_matplotlib(figure))
current.card.append(Table.from_dataframe(means))"""


def notebook(lab: Lab) -> None:
    """The tutorial's steps with their badges, and the DAG in the middle of a run."""
    cells = {cell.id: cell for cell in nbformat.read(ROOT / "notebooks" / "first_flow.ipynb", as_version=4).cells}
    shown = ("load-extension", "shared", "flow", "load", "split", "train", "report", "run")
    lab.open(lab.write("first_flow", [_empty(cells[name]) for name in shown]))
    lab.run(*shown[:-2])
    _execute(lab, HOLD)
    lab.start("run")
    lab.wait_dag("run", {"load": "fresh", "split": "fresh", "train": "running", "report": "never"})
    lab.wait("() => window.lab.badge('train').state === 'running'")
    _scroll_to_end(lab)


def card(lab: Lab) -> None:
    """A step that fills its card, and the card."""
    cells = [
        code("%load_ext flownb", id="ext"),
        code(
            "%%shared\nimport matplotlib.pyplot as plt\nfrom flownb import card, current\n"
            "from flownb.cards import Image, Markdown, Table\nfrom sklearn.datasets import load_wine",
            id="shared",
        ),
        code(
            '%%step load -> wines\nwines = load_wine(as_frame=True).frame.rename(columns={"target": "grower"})',
            id="load",
        ),
        code(CARD, id="report"),
        code("%card report", id="card"),
    ]
    lab.open(lab.write("wines", cells))
    lab.run(*(cell.id for cell in cells))
    lab.wait(
        """() => {
             const frame = document.querySelector('.jp-Cell-outputArea iframe');
             const page = frame?.contentDocument;
             const isDrawn = [...(page?.images ?? [])].some(image => image.complete && image.naturalWidth > 0);
             return isDrawn && Math.abs(frame.clientHeight - page.body.getBoundingClientRect().height) <= 2;
           }"""
    )
    _scroll_to_end(lab)


# Each picture with the height of its page, in CSS pixels.
PICTURES: dict[str, tuple[Callable[[Lab], None], int]] = {"notebook": (notebook, 1110), "card": (card, 1240)}


def main(names: Sequence[str]) -> int:
    """Make pictures.

    Returns
    -------
    int
        Exit status: 1 when a file is too large for a README.
    """
    status = 0
    for name in names or PICTURES:
        prepare, height = PICTURES[name]
        with (
            tempfile.TemporaryDirectory(prefix="flownb-pictures-", ignore_cleanup_errors=True) as folder,
            lab_server(Path(folder) / "lab") as server,
            chromium(width=WIDTH, height=height, scale=SCALE, init_script=INIT_SCRIPT) as browser,
        ):
            lab = Lab(server, browser)
            prepare(lab)
            _only_the_notebook(browser)
            path = IMAGES / f"{name}.png"
            browser.screenshot(path)
            _shrink(path)
            kilobytes = path.stat().st_size / 1000
            print(f"{path.relative_to(ROOT)}: {kilobytes:.0f} KB")
            if kilobytes > MAX_KILOBYTES:
                print(f"{path.name} is larger than {MAX_KILOBYTES} KB", file=sys.stderr)
                status = 1
    return status


def _empty(cell: Any) -> Any:
    cell.outputs, cell.execution_count = [], None
    return cell


def _shrink(path: Path) -> None:
    """Keep 256 colours, which is all that such a page has to the eye."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(path, optimize=True)


def _execute(lab: Lab, source: str) -> None:
    """Execute code in the kernel without a cell."""
    lab.browser.evaluate("code => window.lab.kernel.requestExecute({code, store_history: false}).done", source)


def _only_the_notebook(browser: Chromium) -> None:
    """Hide the side bars and let two frames be painted."""
    browser.evaluate(
        """async () => {
             const app = window.jupyterapp;
             app.shell.collapseLeft();
             app.shell.collapseRight();
             await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
           }"""
    )


def _scroll_to_end(lab: Lab) -> None:
    """Bring the last cell's output into view, with no cell looking selected for editing."""
    last = lab.ids()[-1]
    lab.select(last)
    lab.browser.evaluate("id => window.lab.cell(id).node.scrollIntoView({block: 'end'})", last)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
