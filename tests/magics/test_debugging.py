"""Debuggers in a real kernel whose client answers what they ask, as JupyterLab does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

ANSI = re.compile(r"\x1b\[[0-9;]*m")
FAILING = "%%step train --foreach xs -> y\nfacts = 10 * self.input\ny = 1 / (self.input - 1)"
JOIN = "%%step pick --join -> best\nbest = max(one.y for one in inputs)"


class Kernel:
    """A kernel, and somebody who answers its prompts."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        # Prompts of the last cell; they come on a channel of their own, and thus not in order with the output.
        self.asked: list[str] = []

    def run(self, code: str, *answers: str, allow_stdin: bool = True) -> str:
        """Execute a cell and answer what it asks; give all that it shows, without colours."""
        seen: list[str] = []
        waiting = list(answers)
        self.asked = []

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    seen.append(content["text"])
                case "display_data" | "execute_result":
                    seen.append(content["data"]["text/plain"] + "\n")
                case "error":
                    seen.append("\n".join(content["traceback"]) + "\n")

        def answer(message: dict[str, Any]) -> None:
            self.asked.append(message["content"]["prompt"])
            self.client.input(waiting.pop(0) if waiting else "q")

        self.client.execute_interactive(
            code, allow_stdin=allow_stdin, output_hook=output, stdin_hook=answer, timeout=120
        )
        assert waiting == []
        return ANSI.sub("", "".join(seen))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A fresh kernel in the test's folder, with the extension loaded."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        made = Kernel(client)
        made.run("%load_ext flownb")
        yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("call", ["breakpoint()", "import pdb; pdb.set_trace()"])
@pytest.mark.parametrize("magic", ["%%step load -> x", "%%spin load"])
def test_a_step_stops_at_its_next_line(kernel: Kernel, call: str, magic: str) -> None:
    """A breakpoint opens IPython's debugger at the cell's next line, with the step's names and the user's frames."""
    kernel.run("%%step load -> x\nx = 0")
    seen = kernel.run(f"{magic}\nx = 20\n{call}\nx = x + 1", "p x + 1", "where", "up", "ll", "n", "p x + 2", "c")
    assert "----> 4 x = x + 1" in seen
    assert ("21\n" in seen, "23\n" in seen, "Oldest frame" in seen) == (True, True, True)
    assert "flownb/" not in seen
    assert "✓ load" in seen


def test_a_breakpoint_in_a_last_line_stops_before_the_step_ends(kernel: Kernel) -> None:
    """It shows the step's own names, and stepping on ends the step instead of entering the code that called it."""
    seen = kernel.run("%%step load\nx = 41\nbreakpoint()", "p x + 1", "n")
    assert ("42\n" in seen, "✓ load" in seen, "flownb/" in seen) == (True, True, False)


def test_leaving_the_debugger_stops_the_step(kernel: Kernel) -> None:
    """Quitting is an interrupt: no other attempt is made, and @catch does not take it."""
    seen = kernel.run("%%step load -> x\n@retry(times=2)\n@catch(var='e')\nbreakpoint()\nx = 1", "q")
    assert "KeyboardInterrupt: the debugger was left" in seen
    assert "bdb.py" not in seen
    assert "interrupted" in kernel.run("import flownb\nflownb.Flow('NotebookFlow').latest_run\n%flow")


@pytest.mark.parametrize("call", ["breakpoint()", "__import__('pdb').set_trace()"])
def test_a_breakpoint_that_nobody_can_answer_is_an_error(kernel: Kernel, call: str) -> None:
    """Where a notebook is executed from its file, a breakpoint is neither skipped nor waited for."""
    seen = kernel.run(f"%%step load -> x\n{call}\nx = 1", allow_stdin=False)
    assert f"----> 2 {call}" in seen
    assert "this front end takes no input, so nobody could answer the debugger." in seen
    assert kernel.run(f"{'breakpoint()' if call == 'breakpoint()' else ''}\n5", allow_stdin=False).strip() == "5"


def test_a_timeout_does_not_count_while_a_step_is_debugged(kernel: Kernel) -> None:
    """A step whose @timeout passes while its user looks around continues."""
    body = "breakpoint()\nimport time\ntime.sleep(1.2)\nx = 1"
    assert "✓ load" in kernel.run(f"%%step load -> x\n@timeout(seconds=1)\n{body}", "c")


def test_debug_after_a_step_shows_the_users_frames(kernel: Kernel) -> None:
    """%debug after a failed cell or spin is in the step's frame, its callers are the user's, causes can be entered."""
    body = (
        "def f(y):\n    try:\n        return y / 0\n    except Exception as e:\n        raise ValueError('bad') from e"
    )
    for cell in (f"%%step load -> x\nx = 7\n{body}\nf(x)", "%spin load"):
        assert "ValueError: " in kernel.run(cell)
        seen = kernel.run("%debug", "p y + 1", "up", "p x + 2", "up", "exceptions 0", "where", "q")
        assert ("8\n" in seen, "9\n" in seen, "Oldest frame" in seen) == (True, True, True)
        assert "----> 5         return y / 0" in seen
        assert "flownb/" not in seen
        assert "ValueError: " in kernel.run("%tb")
    assert "----> 8 f(x)" in kernel.run("%tb Plain\n%xmode Verbose\n%spin load")


def test_debug_after_a_mistake_is_in_the_notebooks_cell(kernel: Kernel) -> None:
    """What flownb refuses has no frame of a step; the debugger is then in the notebook's cell, and not in our code."""
    kernel.run("mine = 5")
    assert "Checks failed" in kernel.run("%%step load -> x\nx = nowhere")
    seen = kernel.run("%debug", "p mine + 1", "where", "q")
    assert ("6\n" in seen, "flownb/" in seen) == (True, False)


def test_pdb_on_opens_by_itself(kernel: Kernel) -> None:
    """%pdb on opens the debugger in the step's frame right below its traceback."""
    kernel.run("%pdb on")
    seen = kernel.run("%%step load -> x\nx = 7\nx / 0", "p x + 1", "up", "q")
    assert ("ZeroDivisionError" in seen, "8\n" in seen, "Oldest frame" in seen) == (True, True, True)


def test_a_failed_task_of_a_run_is_debugged_as_it_ran(kernel: Kernel) -> None:
    """The run names the command, which runs the task in the kernel with its item, attempt, ids, tags and parameters."""
    kernel.run('%%flow F\nimport os\nfrom flownb import current\nk = Parameter("k", default=1)')
    kernel.run("%%step load -> xs\nxs = [3, 1]")
    body = "seen = (current.pathspec, current.retry_count, sorted(current.tags), k, self.index, os.environ['A'])"
    cell = f"%%step train --foreach xs -> y\n@retry(times=1)\n{body}\ny = 1 / (self.input - 1)"
    assert "KeyError: 'A'" in kernel.run(cell)
    kernel.run(JOIN)
    options = '--k 5 --tag mine --max-workers 1 --with \'environment:vars={"A": "7"}\''
    assert "`%spin train --from 2/train/4 --pdb` runs it on the same inputs" in kernel.run(f"%flow run {options}")
    expected = "('F/2/train/4', 1, ['mine'], 5, 1, '7')\n"
    # %debug asks first, for a task may take hours.
    assert "opens the debugger" in kernel.run("%debug", allow_stdin=False)
    assert expected not in kernel.run("%debug", "n")
    assert "(`%spin train --from 2/train/4 --pdb`)" in kernel.asked[0]
    inside = ("p seen", "p os.environ['A'] + current.run_id", "p self.xs", "up", "q")
    for command in ("%debug", "%spin train --from 2/train/4 --pdb", "%spin train --from 2 --pdb"):
        seen = kernel.run(command, *(["y"] if command == "%debug" else []), *inside)
        assert (expected in seen, "'72'\n" in seen, "[3, 1]\n" in seen, "Oldest frame" in seen) == (True,) * 4
        assert "----> 4 y = 1 / (self.input - 1)" in seen
        assert "flownb/" not in seen
    assert "nobody" in kernel.run("%spin train --from 2 --pdb", allow_stdin=False).lower()
    edited = "The code of train was edited since 2/train/4 ran; this is what the cells have now."
    assert edited not in seen
    kernel.run(cell.replace("self.input - 1", "1 - self.input"))
    assert edited in kernel.run("%spin train --from 2 --pdb")
    kernel.run(cell.replace("self.input - 1", "self.input"))
    assert "note: 2/train/4 failed in its run, and does not fail here" in kernel.run("%spin train --from 2 --pdb")


def test_what_catch_takes_is_debugged(kernel: Kernel) -> None:
    """--pdb opens where a step fails though @catch takes the failure, also in a join, and in a resumed run."""
    kernel.run("%%shared\nfrom flownb import current")
    kernel.run("%%step load -> xs\nxs = [3, 1]")
    kernel.run(FAILING.replace("facts", "@catch(var='e')\nfacts"))
    kernel.run("%%step pick --join -> best\nbest = [one.y for one in inputs]")
    assert "step pick failed" in kernel.run("%flow run")
    assert "step pick failed" in kernel.run("%flow resume")
    seen = kernel.run("%spin train --from 3 --pdb", "p facts", "q")
    assert ("10\n" in seen, "✓ train (spin, nothing recorded)" in seen) == (True, True)
    assert "----> 4 y = 1 / (self.input - 1)" in kernel.run("%debug")
    looks = ("up", "p [one.xs for one in inputs]", "p current.origin_run_id", "q")
    seen = kernel.run("%spin pick --from 3 --pdb", *looks)
    assert ("[[3, 1], [3, 1]]\n" in seen, "'2'\n" in seen) == (True, True)


def test_a_spin_in_another_process_is_debugged_in_this_one(kernel: Kernel) -> None:
    """%debug after %spin --isolate process offers the same spin in the kernel."""
    kernel.run("%%step load -> x\nx = 7\nx / 0")
    assert "ZeroDivisionError" in kernel.run("%spin load --isolate process")
    seen = kernel.run("%debug", "y", "p x + 1", "q")
    assert ("`%spin load --pdb`" in kernel.asked[0], "8\n" in seen) == (True, True)
    assert "cannot be given together" in kernel.run("%spin load --isolate process --pdb")


def test_a_run_in_the_kernel_stops_too(kernel: Kernel) -> None:
    """With --executor inline, breakpoints stop and %debug is in the step's own frame."""
    kernel.run("%%step load -> x\nx = 7")
    kernel.run("%%step divide -> y\nz = 40\nbreakpoint()\ny = z / 0", "q")
    assert "ZeroDivisionError" in kernel.run("%flow run --executor inline", "p z + 1", "c")
    seen = kernel.run("%debug", "p z + 2", "up", "q")
    assert ("42\n" in seen, "Oldest frame" in seen) == (True, True)


def test_a_breakpoint_in_a_run_says_where_it_works(kernel: Kernel) -> None:
    """The task fails, and its message has the command that stops at the line."""
    kernel.run("%%step load -> x\nx = 1")
    kernel.run("%%step more -> y\nbreakpoint()\ny = x", "c")
    assert "`%spin more --from 2/more/3` runs it in the notebook" in kernel.run("%flow run")
    assert "----> 3 y = x" in kernel.run("%spin more --from 2/more/3", "c")


def test_an_arrow_is_at_the_right_line_below_decorators(kernel: Kernel) -> None:
    """Decorators and comments above a body do not shift the lines that a traceback shows."""
    for above in ("", "@retry(times=0)\n", "# why\n@retry(times=0)\n@resources(cpu=1)\n"):
        line = above.count("\n") + 2
        seen = kernel.run(f"%%step load -> x\n{above}x = 1 / 0\ny = 2")
        assert (above, f"----> {line} x = 1 / 0\n" in seen) == (above, True)


def test_a_step_of_a_base_class_is_debugged_too(kernel: Kernel, tmp_path: Path) -> None:
    """Errors and breakpoints in a module beside the notebook show the frames of its steps, and none of ours."""
    body = "z = 40\n        breakpoint()\n        z / 0\n        self.next(self.more)\n"
    module = "from metaflow import FlowSpec, step\nclass Base(FlowSpec):\n    @step\n    def start(self):\n        "
    (tmp_path / "base_flow.py").write_text(module + body)
    kernel.run("%%shared\nfrom base_flow import Base")
    kernel.run("%%flow F(Base)")
    seen = kernel.run("%%step more -> y\ny = 1", "p z + 1", "up", "c")
    assert ("41\n" in seen, "Oldest frame" in seen, "ZeroDivisionError" in seen) == (True, True, True)
    assert "flownb/" not in seen
    seen = kernel.run("%debug", "p z + 2", "up", "q")
    assert ("42\n" in seen, "Oldest frame" in seen) == (True, True)


@pytest.mark.parametrize("line", ["exec('1 +')", "raise ExceptionGroup('two', [ValueError('a'), ValueError('b')])"])
def test_errors_that_ipython_shows_in_its_own_way(kernel: Kernel, line: str) -> None:
    """A SyntaxError that a step causes, and a group of exceptions, show the user's frames alone, too."""
    seen = kernel.run(f"%%step load\nx = 7\n{line}")
    assert (line in seen, "flownb/" in seen, "run_cell_magic" in seen) == (True, False, False)
    seen = kernel.run("%debug", "p x + 1", "up", "q")
    assert ("8\n" in seen, "Oldest frame" in seen) == (True, True)


def test_a_debugger_that_the_user_chose_is_kept(kernel: Kernel) -> None:
    """PYTHONBREAKPOINT and a hook of the user's own count in a step as they do elsewhere, and afterwards."""
    kernel.run("%env PYTHONBREAKPOINT=0")
    assert "✓ load" in kernel.run("%%step load -> x\nbreakpoint()\nx = 1", allow_stdin=False)
    kernel.run("%env PYTHONBREAKPOINT=builtins.print")
    assert "5\n" in kernel.run("%%step load -> x\nbreakpoint(5)\nx = 1")
    kernel.run("%env PYTHONBREAKPOINT=\nimport sys\nsys.breakpointhook = lambda: print('own')")
    assert "own\n" in kernel.run("%%step load -> x\nbreakpoint()\nx = 1")
    assert kernel.run("breakpoint()") == "own\n"
