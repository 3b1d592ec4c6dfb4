from metaflow import FlowSpec, Parameter, step

from history import artifacts_of, earlier_runs, step_artifact


class ClientHelpersFlow(FlowSpec):
    bonus = Parameter("bonus", default=1.5)

    @step
    def start(self):
        self.runs_before = len(earlier_runs())
        self.scores = {"a": 1, "b": 2}
        self.next(self.compare)

    @step
    def compare(self):
        self.first_scores = step_artifact("start", "scores")
        self.names = artifacts_of("start")
        self.missing = step_artifact("start", "no_such", default="missing")
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(self.first_scores.values()) + self.bonus


if __name__ == "__main__":
    ClientHelpersFlow()
