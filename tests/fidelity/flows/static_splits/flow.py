from metaflow import FlowSpec, step


class StaticSplitsFlow(FlowSpec):
    """A split within a split, joined from the inside out."""

    @step
    def start(self):
        self.data = [4, 8, 15, 16, 23, 42]
        self.shared = {"unit": "m"}
        self.next(self.central, self.spread)

    @step
    def central(self):
        self.next(self.mean, self.median)

    @step
    def mean(self):
        self.value = sum(self.data) / len(self.data)
        self.next(self.central_join)

    @step
    def median(self):
        ordered = sorted(self.data)
        self.value = (ordered[2] + ordered[3]) / 2
        self.next(self.central_join)

    @step
    def central_join(self, inputs):
        self.center = {"mean": inputs.mean.value, "median": inputs.median.value}
        self.merge_artifacts(inputs, exclude=["value"])
        self.next(self.join)

    @step
    def spread(self):
        self.range = max(self.data) - min(self.data)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.end)

    @step
    def end(self):
        self.report = {**self.center, "range": self.range, **self.shared}


if __name__ == "__main__":
    StaticSplitsFlow()
