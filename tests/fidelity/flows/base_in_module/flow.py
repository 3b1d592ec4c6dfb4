from metaflow import step

from base import TrainingBase


class BaseInModuleFlow(TrainingBase):
    """The base has start and end; what comes between is ours."""

    @step
    def train(self):
        self.weights = [self.rate * x for x in self.data]
        self.next(self.evaluate)

    @step
    def evaluate(self):
        self.error = abs(sum(self.weights) - self.target)
        self.next(self.end)


if __name__ == "__main__":
    BaseInModuleFlow()
