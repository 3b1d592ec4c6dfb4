import os

from metaflow import Config, FlowSpec, StepMutator, current, environment, retry, step


class resilient(StepMutator):
    """Adds a retry and variables."""

    def init(self, *args, **kwargs):
        self.times = kwargs.get("times", 1)

    def mutate(self, mutable_step):
        mutable_step.add_decorator("retry", deco_kwargs={"times": self.times, "minutes_between_retries": 0})
        mutable_step.add_decorator(environment, deco_kwargs={"vars": {"STEP_LABEL": mutable_step.flow.settings.label}})


class StepMutatorFlow(FlowSpec):
    settings = Config("settings", default_value={"label": "blue", "times": 2})

    @resilient(times=2)
    @step
    def start(self):
        self.tries = current.retry_count
        if current.retry_count < 2:
            raise RuntimeError("again")
        self.label = os.environ["STEP_LABEL"]
        self.next(self.end)

    @resilient
    @step
    def end(self):
        self.both = [self.label, os.environ.get("STEP_LABEL"), self.tries]


if __name__ == "__main__":
    StepMutatorFlow()
