from metaflow import Config, FlowSpec, Parameter, step

from mutators import ApplyPlan, traced


@ApplyPlan("plan")
class MutatorModuleFlow(FlowSpec):
    """What is added to which step is said in a config."""

    plan = Config("plan", default="plan.json")
    size = Parameter("size", default=3)

    @step
    def start(self):
        self.items = list(range(self.size))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.square = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.squares = [i.square for i in inputs]
        self.marks = [getattr(i, "mark", None) for i in inputs]
        self.next(self.end)

    @traced
    @step
    def end(self):
        self.total = sum(self.squares)


if __name__ == "__main__":
    MutatorModuleFlow()
