from metaflow import FlowSpec, Parameter, step

from stages import evaluate, load


def configure(flow, **settings):
    for name, value in settings.items():
        setattr(flow, name, value)


class FunctionsSetArtifactsFlow(FlowSpec):
    """Functions get the flow and set artifacts on it."""

    size = Parameter("size", default=4)

    @step
    def start(self):
        configure(self, rate=0.5, kind="mean")
        load(self)
        self.next(self.work)

    @step
    def work(self):
        evaluate(self)
        for name in ("low", "high"):
            setattr(self, f"{name}_value", min(self.rows) if name == "low" else max(self.rows))
        self.extremes = (self.low_value, self.high_value)
        self.next(self.end)

    @step
    def end(self):
        self.text = f"{self.kind}={self.score} at {self.rate}"


if __name__ == "__main__":
    FunctionsSetArtifactsFlow()
