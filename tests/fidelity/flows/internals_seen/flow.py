from metaflow import FlowSpec, Parameter, current, step


class InternalsSeenFlow(FlowSpec):
    """Looks at what the runtime gives every task."""

    alpha = Parameter("alpha", default=0.5)
    beta = Parameter("beta", default="b")

    @step
    def start(self):
        self.here = [current.get("step_name"), current.get("nowhere", "none")]
        self.inside = "flow_name" in current
        self.running = current.is_running_flow
        self.origin = current.origin_run_id
        self.items = ["p", "q"]
        self.next(self.each, foreach="items")

    @step
    def each(self):
        self.at = [self.index, self.input]
        self.stack = [tuple(frame) for frame in self.foreach_stack()]
        self.path = current.pathspec.split("/")[0::2]
        self.next(self.join)

    @step
    def join(self, inputs):
        self.ats = [i.at for i in inputs]
        self.class_name = self.__class__.__name__
        self.next(self.end)

    @step
    def end(self):
        self.has = [hasattr(self, name) for name in ("alpha", "items", "nothing")]
        self.flow_name = self.name if isinstance(self.name, str) else None
        self.got = getattr(self, "nothing", "default")


if __name__ == "__main__":
    InternalsSeenFlow()
