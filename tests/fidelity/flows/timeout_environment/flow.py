import os
import time

from metaflow import FlowSpec, catch, environment, resources, step, timeout

OTHER = os.environ.get("FLOW_MODE", "unset")


class TimeoutEnvironmentFlow(FlowSpec):
    @environment(vars={"FLOW_MODE": "fast", "FLOW_LIMIT": "3"})
    @step
    def start(self):
        self.mode = os.environ["FLOW_MODE"]
        self.limit = int(os.getenv("FLOW_LIMIT", 0))
        self.next(self.slow)

    @catch(var="too_slow", print_exception=False)
    @timeout(seconds=1)
    @step
    def slow(self):
        self.begun = True
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            sum(range(1000))
        self.done = True
        self.next(self.quick)

    @timeout(minutes=2)
    @resources(cpu=1, memory=256)
    @step
    def quick(self):
        self.kind = self.too_slow.type.split(".")[-1]
        self.finished = hasattr(self, "done")
        self.next(self.end)

    @environment(vars=dict(FLOW_MODE="end"))
    @step
    def end(self):
        self.modes = [self.mode, os.environ.get("FLOW_MODE"), os.environ.get("FLOW_LIMIT")]


if __name__ == "__main__":
    TimeoutEnvironmentFlow()
