from metaflow import FlowSpec, step


class BranchInSwitchFlow(FlowSpec):
    """One side of a switch is a split of its own."""

    @step
    def start(self):
        self.mode = "both"
        self.next({"both": self.fan, "single": self.alone}, condition="mode")

    @step
    def fan(self):
        self.next(self.one, self.two)

    @step
    def one(self):
        self.part = 1
        self.next(self.merge)

    @step
    def two(self):
        self.part = 2
        self.next(self.merge)

    @step
    def merge(self, inputs):
        self.parts = sorted(i.part for i in inputs)
        self.merge_artifacts(inputs, include=["mode"])
        self.next(self.finish)

    @step
    def alone(self):
        self.only = 7
        self.next(self.finish)

    @step
    def finish(self):
        if self.mode == "both":
            self.result = sum(self.parts)
        elif self.mode == "single":
            self.result = self.only
        self.next(self.end)

    @step
    def end(self):
        print(self.result)


if __name__ == "__main__":
    BranchInSwitchFlow()
