"""From sending a change of one step's state to its paint in JupyterLab, while the cell blocks.

The peer is what one would do without an extension: ``update_display`` of the whole SVG, in the same notebook. Times of
sending are the kernel's clock, times of painting the page's, on the same machine.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from benchmarks.table import Row
from tests.browser.chromium import chromium
from tests.browser.lab import INIT_SCRIPT, Lab, code
from tests.browser.server import lab_server

__all__ = ["measure"]

# How many changes of a DAG of N steps, and seconds between two: longer than a paint takes, so that each has its own.
ROUNDS = {10: 40, 100: 40, 1000: 20}
PAUSE_SECONDS = {10: 0.2, 100: 0.3, 1000: 1.0}
GOAL = 0.060

PREPARE = """
import json, time
from IPython.display import display
from flownb.picture.model import Dag, DagEdge, DagNode
from flownb.picture.payload import dag_payload
from flownb.picture.svg import dag_svg
from flownb.widgets.messages import DagChanged, NodeStatus

frontend = get_ipython().magics_manager.registry["RunMagics"].frontend

def make(n, running=-1, round=0):
    nodes = [DagNode(f"s{i}", state="running" if i == running else "never", detail=str(round) if i == running else "")
             for i in range(n)]
    return Dag("Bench", tuple(nodes), tuple(DagEdge(f"s{i}", f"s{i + 1}") for i in range(n - 1)))
"""
OURS = """
dag = make({size})
bundle = {{"application/vnd.flownb.dag+json": dag_payload(dag), "image/svg+xml": dag_svg(dag), "text/plain": ""}}
display(bundle, raw=True, metadata={{"flownb": {{"dag": "bench"}}}})
time.sleep(2)
sent = []
for i in range({rounds}):
    node = NodeStatus(f"s{{i % {size}}}", "running", (("running", False), (f" {{i}}", False)), f"Round {{i}}.")
    sent.append(time.time() * 1000)
    frontend.views.push(DagChanged("bench", (node,)))
    time.sleep({pause})
time.sleep(1)
print(json.dumps(sent))
"""
THEIRS = """
shown = display({{"image/svg+xml": dag_svg(make({size})), "text/plain": ""}}, raw=True, display_id=True)
time.sleep(2)
sent = []
for i in range({rounds}):
    dag = make({size}, i % {size}, i)
    sent.append(time.time() * 1000)
    shown.update({{"image/svg+xml": dag_svg(dag), "text/plain": ""}}, raw=True)
    time.sleep({pause})
time.sleep(1)
print(json.dumps(sent))
"""
# What changed is there when it is decoded, if it is an image, and two frames have passed.
WATCH = """([cell, patched]) => {
  window.paints = [];
  const node = window.lab.cell(cell).node;
  const find = () => node.querySelector('.jp-Cell-outputArea :is(img, svg)');
  const seen = new WeakSet();
  const look = async records => {
    const drawn = find();
    if (!drawn) {
      return;
    }
    if (patched) {
      // One batch of changes inside a step of the picture is one update.
      if (!records.some(record => record.target.closest?.('[data-flownb-node]'))) {
        return;
      }
    } else if (seen.has(drawn)) {
      return;
    }
    seen.add(drawn);
    await drawn.decode?.();
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    window.paints.push(performance.timeOrigin + performance.now());
  };
  const what = {attributes: patched, childList: true, subtree: true};
  new MutationObserver(look).observe(node, what);
}"""


def measure() -> list[Row]:
    """Median and 95th percentile at each size."""
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="flownb-bench-", ignore_cleanup_errors=True) as name,
        lab_server(Path(name) / "lab") as server,
        chromium(init_script=INIT_SCRIPT) as browser,
    ):
        for size, pause in PAUSE_SECONDS.items():
            lab = Lab(server, browser)
            values = {"size": size, "rounds": ROUNDS[size], "pause": pause}
            cells = [
                code("%load_ext flownb", id="ext"),
                code(PREPARE, id="prepare"),
                code(OURS.format(**values), id="ours"),
                code(THEIRS.format(**values), id="theirs"),
            ]
            lab.open(lab.write(f"paint_{size}", cells))
            lab.run("ext", "prepare")
            seconds = []
            for cell, patched in (("ours", True), ("theirs", False)):
                browser.evaluate(WATCH, [cell, patched])
                lab.run(cell)
                seconds.append(_seconds(lab, cell))
            ours, theirs = seconds
            lab.close()
            for quantile, goal in ((50, GOAL), (95, None)):
                a, b = _quantile(ours, quantile), _quantile(theirs, quantile)
                text = "" if goal is None else f"<= {goal * 1e3:.0f} ms"
                what = f"send to paint of a DAG of {size:,} steps, p{quantile}"
                rows.append(Row(what, a, "whole SVG again", b, text, goal is None or a <= goal))
    return rows


def _seconds(lab: Lab, cell: str) -> list[float]:
    """From each sending to its paint."""
    sent = json.loads(next(out["text"] for out in lab.outputs(cell) if out["output_type"] == "stream"))
    paints = sorted(paint for paint in lab.browser.evaluate("() => window.paints") if paint >= sent[0])
    if len(paints) != len(sent):
        raise RuntimeError(f"{len(sent)} changes were sent, {len(paints)} were painted")
    return [(paint - moment) / 1000 for paint, moment in zip(paints, sent, strict=True)]


def _quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
