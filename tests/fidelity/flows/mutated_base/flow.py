from metaflow import FlowMutator, FlowSpec, Parameter, StepMutator, current, project, step, user_step_decorator


@user_step_decorator
def stamp(step_name, flow, inputs=None, attributes=None):
    yield
    flow.stamps = getattr(flow, "stamps", []) + [f"{attributes.get('mark', '-')}{step_name}"]


class stamped(StepMutator):
    def init(self, mark="?"):
        self.mark = mark

    def mutate(self, mutable_step):
        mutable_step.add_decorator(stamp, deco_kwargs={"mark": self.mark})


class TeamDefaults(FlowMutator):
    def pre_mutate(self, mutable_flow):
        names = [name for name, _ in mutable_flow.parameters]
        mutable_flow.add_parameter("declared", Parameter("declared", default=",".join(sorted(names))))

    def mutate(self, mutable_flow):
        for name, one in mutable_flow.steps:
            decorators = [spec[0] for spec in one.decorator_specs]
            if "retry" in decorators:
                one.remove_decorator("retry")
            if name == "work":
                one.add_decorator("retry", deco_kwargs={"times": 2, "minutes_between_retries": 0})


@TeamDefaults
@project(name="team_demo")
class TeamFlow(FlowSpec):
    owner = Parameter("owner", default="team")


class MutatedBaseFlow(TeamFlow):
    size = Parameter("size", default=2)

    @stamped
    @step
    def start(self):
        self.project = current.project_name
        self.next(self.work)

    @stamped(mark="*")
    @step
    def work(self):
        self.tries = current.retry_count
        if self.tries < 2:
            raise RuntimeError("again")
        self.next(self.end)

    @step
    def end(self):
        self.said = f"{self.owner} {self.declared} {self.stamps}"


if __name__ == "__main__":
    MutatedBaseFlow()
