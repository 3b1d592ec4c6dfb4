from metaflow import FlowMutator, FlowSpec, Parameter, current, step


class WithDefaults(FlowMutator):
    """Gives every step a retry, and the flow two parameters."""

    def pre_mutate(self, mutable_flow):
        mutable_flow.add_parameter("extra", Parameter("extra", default=5, type=int))
        for name in ("left", "right"):
            mutable_flow.add_parameter(name, Parameter(name, default=len(name)))

    def mutate(self, mutable_flow):
        for name, one in mutable_flow.steps:
            if name != "end":
                one.add_decorator("retry", deco_kwargs={"times": 1, "minutes_between_retries": 0})


@WithDefaults
class FlowMutatorFlow(FlowSpec):
    base = Parameter("base", default=2)

    @step
    def start(self):
        if current.retry_count == 0:
            raise OSError("first attempt")
        self.total = self.base + self.extra
        self.next(self.end)

    @step
    def end(self):
        self.sides = (self.left, self.right, self.total)


if __name__ == "__main__":
    FlowMutatorFlow()
