"""What a flow is called when no cell names it.

Takes the notebook's file; gives the name of a class. Metaflow takes any Python class's name for the flow's, and the
datastore makes it a folder's, so it is made of ASCII letters, digits and `_`.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from flownb.cells.cell import DEFAULT_FLOW_NAME

__all__ = ["default_flow_name"]

# A file's name may be as long as a flow's folder can be; a class is called something shorter.
LONGEST = 60


def default_flow_name(notebook: Path | None) -> str:
    """Name a flow after its notebook's file.

    Parameters
    ----------
    notebook : Path or None
        None if it is not known.

    Returns
    -------
    str
        ``NotebookFlow`` where the file's name has no letters or digits of ASCII, not even below their accents.

    Examples
    --------
    >>> default_flow_name(Path("train model-2.ipynb"))
    'TrainModel2Flow'
    >>> default_flow_name(Path("2024 übung.ipynb"))
    'Notebook2024UbungFlow'
    """
    if notebook is None:
        return DEFAULT_FLOW_NAME
    plain = unicodedata.normalize("NFKD", notebook.stem).encode("ascii", "ignore").decode()
    words = re.findall(r"[A-Za-z0-9]+", plain)
    name = "".join(word[0].upper() + word[1:] for word in words)[:LONGEST].removesuffix("Flow")
    if not name:
        return DEFAULT_FLOW_NAME
    return f"Notebook{name}Flow" if name[0].isdigit() else f"{name}Flow"
