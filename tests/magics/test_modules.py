"""Modules beside the notebook in a real kernel: scratch cells keep theirs, and steps have what the files say."""

from __future__ import annotations

from pathlib import Path

from tests.magics.test_magics import Kernel, kernel

__all__ = ["kernel"]

MODELS = """
SEEN = []
class Model:
    scale = {}
    def predict(self):
        SEEN.append(1)
        return self.scale
"""
STEPS = (
    "%%step make -> m\nm = Model()",
    "%%step use -> p, n\nimport models\np = m.predict()\nn = len(models.SEEN)",
)
SAME = (
    "import pickle, models\n(isinstance(m, Model), Model is models.Model, type(pickle.loads(pickle.dumps(m))) is Model)"
)


def shown(kernel: Kernel, code: str) -> str:
    """What a cell displays."""
    reply = kernel.run(code)
    assert reply.error == ""
    return reply.plain[-1] if reply.plain else ""


def test_scratch_cells_and_steps(kernel: Kernel, tmp_path: Path) -> None:
    """Values of steps, imports of scratch cells, reloads and %autoreload go together."""
    (tmp_path / "models.py").write_text(MODELS.format(1))
    shown(kernel, f"import sys\nsys.path.insert(0, {str(tmp_path)!r})")
    shown(kernel, "%load_ext autoreload\n%autoreload 2")
    shown(kernel, "%%shared\nfrom models import Model")
    for cell in STEPS:
        shown(kernel, cell)
    assert shown(kernel, SAME) == "(True, True, True)"
    assert shown(kernel, "p, n, len(models.SEEN)") == "(1, 1, 0)"
    shown(kernel, "models.Model.scale = 5\nmodels.SEEN.append(0)")
    for cell in STEPS:
        shown(kernel, cell)
    assert shown(kernel, "p, n, len(models.SEEN), Model.scale") == "(1, 1, 1, 5)"
    assert shown(kernel, SAME) == "(True, True, True)"
    (tmp_path / "models.py").write_text(MODELS.format(20))
    assert [line.partition(",")[0] for line in shown(kernel, "%flow status").split("\n") if "stale:" in line] == [
        "  make  stale: module `models` changed",
        "  use   stale: module `models` changed",
    ]
    for cell in STEPS:
        shown(kernel, cell)
    assert shown(kernel, "p, n") == "(20, 1)"
    assert shown(kernel, SAME) == "(True, True, True)"
    assert shown(kernel, "import importlib\nimportlib.reload(models)\n[models.Model.scale, p, n]") == "[20, 20, 1]"
