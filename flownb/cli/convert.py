"""``flownb convert NOTEBOOK``: turn a plain notebook into a flow, and prove that it gives the same values."""

from __future__ import annotations

import json
from pathlib import Path

from flownb.convert.files import ConvertOptions, convert_file
from flownb.session.status_line import status_line

__all__ = ["convert"]


def convert(
    notebook: Path,
    output: Path | None,
    parameters: tuple[str, ...],
    flow_name: str | None,
    no_verify: bool,
    force: bool,
    as_json: bool,
) -> int:
    """``flownb convert NOTEBOOK [-o FILE] [--parameter NAME …] [--name FLOW] [--no-verify] [--force] [--json]``."""
    options = ConvertOptions(output, parameters, flow_name, verify=not no_verify, force=force)
    with status_line() as notify:
        converted = convert_file(notebook, options, notify=notify)
    if as_json:
        print(json.dumps(converted.to_json(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(converted.lines))
    return 0 if converted.is_good else 1
