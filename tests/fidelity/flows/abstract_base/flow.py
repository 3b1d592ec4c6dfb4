from metaflow import FlowSpec, Parameter, catch, retry, step


class ExperimentBase(FlowSpec):
    """What every experiment does; subclasses say how."""

    trials = Parameter("trials", default=2, help="How many")
    name_of_metric = "score"

    def build(self, trial):
        raise NotImplementedError

    @step
    def start(self):
        self.trial_ids = list(range(self.trials))
        self.next(self.trial, foreach="trial_ids")

    @retry(times=1, minutes_between_retries=0)
    @catch(var="failed", print_exception=False)
    @step
    def trial(self):
        self.id = self.input
        self.metric = self.build(self.input)
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.metrics = {i.id: getattr(i, "metric", None) for i in inputs}
        self.failures = [i.id for i in inputs if i.failed]
        self.next(self.end)

    @step
    def end(self):
        self.summary = f"{self.name_of_metric}: {self.metrics}"


class AbstractBaseFlow(ExperimentBase):
    trials = Parameter("trials", default=3, help="How many, more here")
    name_of_metric = "accuracy"

    def build(self, trial):
        if trial == 1:
            raise ValueError("diverged")
        return 1 - 0.1 * trial


if __name__ == "__main__":
    AbstractBaseFlow()
