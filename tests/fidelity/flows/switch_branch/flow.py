from metaflow import FlowSpec, Parameter, step


class SwitchBranchFlow(FlowSpec):
    size = Parameter("size", default=120)

    @step
    def start(self):
        self.kind = "large" if self.size > 100 else "small"
        self.next({"large": self.sample, "small": self.keep, "none": self.end}, condition="kind")

    @step
    def sample(self):
        self.rows = list(range(0, self.size, 25))
        self.sampled = True
        self.next(self.report)

    @step
    def keep(self):
        self.rows = list(range(self.size))
        self.next(self.report)

    @step
    def report(self):
        if self.kind == "large":
            self.note = f"sampled={self.sampled}"
        else:
            self.note = "complete"
        self.total = sum(self.rows)
        self.next(self.end)

    @step
    def end(self):
        print(self.kind, getattr(self, "note", "nothing"))


if __name__ == "__main__":
    SwitchBranchFlow()
