from metaflow import FlowSpec as Flow, step, current as now
from metaflow import JSONType, Parameter


class RenamedFlowspecFlow(Flow):
    options = Parameter("options", type=JSONType, default='{"depth": 2, "names": ["a", "b"]}')

    @step
    def start(self):
        self.depth = self.options["depth"]
        self.next(self.a, self.b)

    @step
    def a(self):
        self.mine = now.step_name * self.depth
        self.next(self.join)

    @step
    def b(self):
        self.mine = now.step_name * self.depth
        self.next(self.join)

    @step
    def join(self, inputs):
        self.both = inputs.a.mine + inputs.b.mine
        self.merge_artifacts(inputs, exclude=["mine"])
        self.next(self.end)

    @step
    def end(self):
        print(self.both)


if __name__ == "__main__":
    RenamedFlowspecFlow()
