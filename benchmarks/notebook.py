"""A notebook file made of cell texts, for commands that read one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["write_notebook"]


def write_notebook(path: Path, cells: Sequence[str]) -> None:
    """Write code cells that were never executed, as JupyterLab writes them."""
    code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    listed = [
        {**code, "id": f"c{number}", "source": text.splitlines(keepends=True)} for number, text in enumerate(cells)
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook = {"cells": listed, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
