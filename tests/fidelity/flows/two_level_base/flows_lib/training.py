from metaflow import Parameter, step

from .core import CoreFlow


class SklearnTraining(CoreFlow):
    title = Parameter("title", default="training")

    def features(self):
        return [[x] for x in self.rows]

    def before_train(self):
        self.shape = (len(self.X), len(self.X[0]))

    @step
    def prepare(self):
        self.X = self.features()
        self.next(self.train)

    @step
    def train(self):
        self.weights = None
        self.next(self.report)

    @step
    def report(self):
        self.summary = f"{self.title}: {self.shape} -> {self.weights}"
        self.next(self.end)
