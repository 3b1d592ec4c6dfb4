"""A JupyterLab server for the tests alone: without any user's configuration, and with no extension but flownb's."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic, sleep
from urllib.error import URLError
from urllib.request import Request, urlopen

__all__ = ["LabServer", "lab_server"]

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTER_DATA_DIR",
    "IPYTHONDIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
)
# Nothing is fetched or asked for, and nothing is saved that no test saved.
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
}
START_SECONDS = 120


class LabServer:
    """A server that runs.

    Attributes
    ----------
    url : str
        Without a slash at its end.
    folder : Path
        What the server serves.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder

    def sessions(self) -> list[str]:
        """Ids of the sessions."""
        with urlopen(f"{self.url}/api/sessions") as answer:
            return [session["id"] for session in json.load(answer)]

    def end_sessions(self) -> None:
        """Shut all kernels down."""
        for session in self.sessions():
            with urlopen(Request(f"{self.url}/api/sessions/{session}", method="DELETE")):
                pass


@contextlib.contextmanager
def lab_server(home: Path) -> Iterator[LabServer]:
    """Start a server and stop it.

    Parameters
    ----------
    home : Path
        An empty folder for all that the server writes. Its log is ``server.log`` there.

    Raises
    ------
    RuntimeError
        If the server did not start; with the end of its log.
    """
    folder = home / "notebooks"
    folder.mkdir(parents=True)
    log = home / "server.log"
    port = _free_port()
    server = LabServer(f"http://127.0.0.1:{port}", folder)
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.disable_check_xsrf": True,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": "",
        "LabApp.expose_app_in_browser": True,
    }
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", *(f"--{k}={v}" for k, v in options.items())]
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=folder, env=_environment(home), stdout=file, stderr=file)
    try:
        _wait_for(server.url, process, log)
        yield server
    finally:
        if process.poll() is None:
            with contextlib.suppress(URLError, http.client.HTTPException, OSError):
                server.end_sessions()
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(home: Path) -> dict[str, str]:
    """The server's environment, with its settings and flownb's extension in place."""
    dropped = ("FLOWNB_DATASTORE", "JPY_SESSION_NAME", "MPLBACKEND", "PYTHONWARNINGS")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    for name in FOLDERS:
        path = home / name.lower()
        path.mkdir()
        environment[name] = str(path)
    settings = Path(environment["JUPYTERLAB_SETTINGS_DIR"])
    for plugin, values in SETTINGS.items():
        file = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")
    built = ROOT / "flownb" / "labextension"
    if built.exists():  # an editable install puts no extension in place; a wheel does
        extensions = Path(environment["JUPYTER_DATA_DIR"], "labextensions")
        extensions.mkdir()
        (extensions / "flownb").symlink_to(built)
    return {
        **environment,
        "JUPYTER_PLATFORM_DIRS": "1",
        "METAFLOW_USER": "tester",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the server answers."""
    until = monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(f"{url}/api", timeout=5):
                return
        except OSError:
            if process.poll() is not None or monotonic() > until:
                end = log.read_text(encoding="utf-8")[-3000:]
                raise RuntimeError(f"JupyterLab did not start. Its log ends:\n{end}") from None
            sleep(0.1)
