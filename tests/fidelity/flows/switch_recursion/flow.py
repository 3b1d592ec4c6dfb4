import random

from metaflow import FlowSpec, Parameter, step


class SwitchRecursionFlow(FlowSpec):
    """Improves a guess until it is good enough."""

    target = Parameter("target", default=2.0)
    tolerance = Parameter("tolerance", default=0.01)

    @step
    def start(self):
        random.seed(5)
        self.guess, self.rounds, self.trail = 1.0, 0, []
        self.next(self.improve)

    @step
    def improve(self):
        self.guess = (self.guess + self.target / self.guess) / 2
        self.rounds += 1
        self.trail.append(round(self.guess, 6))
        self.state = "good" if abs(self.guess**2 - self.target) < self.tolerance else "again"
        self.next({"again": self.improve, "good": self.end}, condition="state")

    @step
    def end(self):
        print(self.rounds, self.trail)


if __name__ == "__main__":
    SwitchRecursionFlow()
