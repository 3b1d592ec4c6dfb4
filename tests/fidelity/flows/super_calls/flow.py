from metaflow import FlowSpec, Parameter, step


class ReportingFlow(FlowSpec):
    """A base in the same file, with steps and helpers."""

    depth = Parameter("depth", default=2)

    def options(self):
        return {"depth": self.depth}

    def summarize(self, values):
        self.summary = sum(values)

    @step
    def start(self):
        self.values = [1, 2, 3]
        self.next(self.middle)

    @step
    def middle(self):
        self.next(self.end)

    @step
    def end(self):
        self.summarize(self.values)


class SuperCallsFlow(ReportingFlow):
    def options(self):
        return {**super().options(), "width": 4}

    def summarize(self, values):
        super().summarize(values)
        self.summary *= 10

    @step
    def middle(self):
        chosen = self.options()
        self.values = [value * chosen["width"] ** chosen["depth"] for value in self.values]
        self.next(self.end)


if __name__ == "__main__":
    SuperCallsFlow()
