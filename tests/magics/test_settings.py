"""`%config Flownb` in a real kernel."""

from __future__ import annotations

from pathlib import Path

from tests.magics.test_magics import Kernel, kernel

__all__ = ["kernel"]


def test_settings_are_shown_and_changed(kernel: Kernel, tmp_path: Path) -> None:
    """`%config Flownb` lists them; what it changes holds at once, and a value that is not accepted is refused."""
    assert "Flownb.max_workers=<Int>" in kernel.run("%config Flownb").text
    assert kernel.run(f"%config Flownb.datastore = {str(tmp_path / 'elsewhere')!r}").error == ""
    assert kernel.run("%%step a -> x\nx = 1\ny = 2").plain == ["✓ a · set x: int · local: y"]
    assert (tmp_path / "elsewhere").is_dir()
    assert "expected any of ['none', 'lz4', 'zstd']" in kernel.run("%config Flownb.s3_compression = 'zip'").text
    said = kernel.run("%config Flownb.datastore = 'third'").text
    assert said == f"note: this notebook keeps using {tmp_path / 'elsewhere'} until its kernel is restarted\n"
    assert kernel.run("import os\nprint(os.environ['FLOWNB_DATASTORE'])").text == f"{tmp_path / 'elsewhere'}\n"
    assert kernel.run("%config Flownb.report_details = True").error == ""
    (shown,) = kernel.run("%%step a -> x\nx = 1\nz = 2").displays
    assert "to keep: %%step a -&gt; x, z" in shown["text/html"]
    assert "<details" not in shown["text/html"]


def test_help_of_run_lists_the_parameters_of_the_notebook(kernel: Kernel) -> None:
    """`%flow run --help` has them once a cell of the flow was executed."""
    assert "  --PARAMETER VALUE " in kernel.run("%flow run --help").text
    assert kernel.run("%%flow F\nalpha = Parameter('alpha', default=3, help='How much.')").error == ""
    assert "  --alpha INTEGER  How much. [default: 3]" in kernel.run("%flow run --help").text
