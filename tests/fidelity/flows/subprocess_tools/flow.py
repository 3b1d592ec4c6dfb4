import os
import shutil
import subprocess
import sys
import tempfile

from metaflow import FlowSpec, step

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tools", "shout.py")


def run(*words, **kwargs):
    return subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True, **kwargs).stdout


class SubprocessToolsFlow(FlowSpec):
    @step
    def start(self):
        self.shouted = run(TOOL, "hello", "world").split()
        self.next(self.files)

    @step
    def files(self):
        folder = tempfile.mkdtemp()
        try:
            with open(os.path.join(folder, "numbers.txt"), "w") as file:
                print(*range(5), sep="\n", file=file)
            code = "print(sum(int(line) for line in open('numbers.txt')))"
            self.sum = int(run("-c", code, cwd=folder))
        finally:
            shutil.rmtree(folder)
        self.gone = not os.path.exists(folder)
        self.next(self.end)

    @step
    def end(self):
        try:
            run("-c", "raise SystemExit(3)")
        except subprocess.CalledProcessError as error:
            self.status = error.returncode


if __name__ == "__main__":
    SubprocessToolsFlow()
