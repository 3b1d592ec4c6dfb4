from metaflow import FlowSpec, current, step


class NestedForeachFlow(FlowSpec):
    """A grid: for each fold, for each depth."""

    @step
    def start(self):
        self.folds = range(2)
        self.grid = {"shallow": 1, "deep": 3}
        self.next(self.fold, foreach="folds")

    @step
    def fold(self):
        self.fold_id = self.input
        self.settings = list(self.grid.items())
        self.next(self.fit, foreach="settings")

    @step
    def fit(self):
        self.label, self.depth = self.input
        self.score = self.depth * 10 + self.fold_id
        self.stack = [(frame[0], frame[1]) for frame in self.foreach_stack()]
        self.at = self.index
        self.next(self.best)

    @step
    def best(self, inputs):
        self.winner = max(inputs, key=lambda one: one.score).label
        self.scores = {one.label: one.score for one in inputs}
        self.merge_artifacts(inputs, include=["fold_id"])
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.table = {one.fold_id: one.scores for one in inputs}
        self.winners = [one.winner for one in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.table)


if __name__ == "__main__":
    NestedForeachFlow()
