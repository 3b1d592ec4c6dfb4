"""JupyterLab's debugger: breakpoints that are set beside the lines of a step cell, over the control channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

TIMEOUT_SECONDS = 120


class Debugger:
    """A front end that debugs as JupyterLab does: it sends the cell's text, and breakpoints at its lines."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self._sent = 0

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request of the debug adapter protocol; give the body of its answer."""
        self._sent += 1
        content = {"seq": self._sent, "type": "request", "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = self.client.get_control_msg(timeout=TIMEOUT_SECONDS)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["success"], reply["content"]
                return dict(reply["content"].get("body") or {})

    def attach(self) -> None:
        """Switch the debugger on."""
        self.ask("initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True)
        self.ask("attach")

    def set_breakpoint(self, code: str, line: int) -> str:
        """Set a breakpoint at a line of a cell; give the path that the cell has for the debugger."""
        path = str(self.ask("dumpCell", code=code)["sourcePath"])
        self.ask("setBreakpoints", source={"path": path}, breakpoints=[{"line": line}], sourceModified=False)
        self.ask("configurationDone")
        return path

    def stops(self, code: str) -> list[tuple[str, int, dict[str, str]]]:
        """Execute a cell; give the path, the line and the local names of each place where it stops, and continue."""
        message_id = self.client.execute(code)
        found = []
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT_SECONDS)
            content = message["content"]
            if message["msg_type"] == "debug_event" and content["event"] == "stopped":
                thread = content["body"]["threadId"]
                frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]
                scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
                names = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
                seen = {one["name"]: one["value"] for one in names if one["name"] in ("x", "y")}
                found.append((frame["source"]["path"], frame["line"], seen))
                self.ask("continue", threadId=thread)
            elif content.get("execution_state") == "idle" and message["parent_header"].get("msg_id") == message_id:
                return found


@pytest.fixture
def debugger(tmp_path: Path) -> Iterator[Debugger]:
    """A debugger on a fresh kernel with the extension loaded."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        made = Debugger(client)
        made.stops("%load_ext flownb")
        made.attach()
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_breakpoints_in_a_step_cell_are_hit(debugger: Debugger) -> None:
    """A step that runs, and one that is spun, stop at a breakpoint's line with the step's names."""
    code = "%%step load -> x\n@retry(times=0)\nx = 20\nx = x + 1\nx = x * 2"
    path = debugger.set_breakpoint(code, 4)
    assert debugger.stops(code) == [(path, 4, {"x": "20"})]
    assert debugger.stops("%spin load") == [(path, 4, {"x": "20"})]


def test_breakpoint_calls_stop_in_the_visual_debugger(debugger: Debugger) -> None:
    """While JupyterLab's debugger is switched on, breakpoint() in a step stops there and asks nothing on stdin."""
    path = debugger.set_breakpoint("1 + 1", 1).rpartition("/")[0]
    stops = debugger.stops("%%step load -> x\nx = 20\nbreakpoint()\nx = x + 1")
    assert [(place.rpartition("/")[0], line, names) for place, line, names in stops] == [(path, 4, {"x": "20"})]
