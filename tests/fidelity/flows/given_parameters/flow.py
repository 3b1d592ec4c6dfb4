from metaflow import FlowSpec, IncludeFile, JSONType, Parameter, step


class GivenParametersFlow(FlowSpec):
    """Run with values on the command line."""

    alpha = Parameter("alpha", type=float, required=True)
    rows = Parameter("rows", type=JSONType, default="[]")
    learning_rate = Parameter("learning-rate", default=0.1)
    dry = Parameter("dry", type=bool, default=False)
    table = IncludeFile("table", required=True, help="A table")

    @step
    def start(self):
        self.scaled = [self.alpha * row for row in self.rows]
        self.lines = self.table.splitlines()
        self.next(self.end)

    @step
    def end(self):
        self.summary = {"rate": self.learning_rate, "dry": self.dry, "n": len(self.lines)}


if __name__ == "__main__":
    GivenParametersFlow()
