"""Configs and included files from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.test_main import flownb

CELLS = (
    "%%flow F\ncfg = Config('cfg', default='cfg.json')\ntext = IncludeFile('text', default='text.txt')\n"
    "config = Parameter('config', default='none')",
    "%%step load -> x\nx = [self.cfg.a, self.text, self.config]\nprint(x)",
)


def test_paths_start_where_the_command_is_given(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """Files of options are looked for in the shell's folder, defaults beside the notebook."""
    write_notebook(*CELLS)
    shell = tmp_path / "shell"
    shell.mkdir()
    for folder, letter in ((tmp_path, "d"), (shell, "s")):
        (folder / "cfg.json").write_text(f'{{"a": "{letter}"}}')
        (folder / "text.txt").write_text(f"{letter} text")
    status, out, err = flownb("run", "../nb.ipynb", cwd=shell)
    assert (status, err, out.split("\n")[0]) == (0, "", "[load] ['d', 'd text', 'none']")
    options = ("--config", "cfg", "cfg.json", "--text", "text.txt", "--config=mine")
    status, out, err = flownb("run", *options, "../nb.ipynb", cwd=shell)
    assert (status, err, out.split("\n")[0]) == (0, "", "[load] ['s', 's text', 'mine']")
    status, out, err = flownb("run", "../nb.ipynb", "--config-value", "cfg", '{"a": [1, 2]}', cwd=shell)
    assert (status, err, out.split("\n")[0]) == (0, "", "[load] [[1, 2], 'd text', 'none']")


def test_wrong_calls(write_notebook: Callable[..., Path], tmp_path: Path) -> None:
    """An unknown config, and an option without its two words, are refused with exit status 2, and nothing runs."""
    write_notebook(*CELLS)
    (tmp_path / "cfg.json").write_text("{}")
    (tmp_path / "text.txt").write_text("")
    for options, message in (
        (("--config", "cgf", "cfg.json"), "Flow F has no config `cgf`. Did you mean `cfg`?"),
        (("--config-value", "cfg"), "`--config-value` needs two words."),
        (("--config", "cfg", "missing.json"), "the file `missing.json` cannot be read."),
    ):
        status, _, err = flownb("run", "nb.ipynb", *options, cwd=tmp_path)
        assert (status, message in err) == (2, True)
    assert not (tmp_path / ".flownb").exists()
