from metaflow import FlowSpec, Parameter, step


class TrainingBase(FlowSpec):
    """Loads data, calls `train` and reports."""

    rate = Parameter("rate", default=0.5, help="How fast to learn")
    target = 3

    @step
    def start(self):
        """Load the data."""
        self.data = [1.0, 2.0, 3.0]
        self.next(self.train)

    @step
    def end(self):
        self.report = f"{type(self).__name__}: error {self.error:.3f}"
        print(self.report)
