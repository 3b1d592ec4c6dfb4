from metaflow import FlowSpec, step
from params import flag, number, SEED


class HelperParametersFlow(FlowSpec):
    """Parameters are made by functions of a module."""

    rate = number("rate", 0.25, "Learning rate")
    rounds = number("rounds", 3)
    verbose = flag("verbose")
    seed = SEED

    @step
    def start(self):
        import random

        random.seed(self.seed)
        self.draws = [random.randint(1, 6) for _ in range(self.rounds)]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.draws) * self.rate
        if self.verbose:
            print(self.total)


if __name__ == "__main__":
    HelperParametersFlow()
