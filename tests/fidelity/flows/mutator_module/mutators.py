from metaflow import FlowMutator, user_step_decorator


@user_step_decorator
def traced(step_name, flow, inputs=None, attributes=None):
    flow.entered = step_name
    yield
    flow.left = step_name


@user_step_decorator
def marked(step_name, flow, inputs=None, attributes=None):
    yield
    flow.mark = attributes["mark"] * (flow.input + 1)


class ApplyPlan(FlowMutator):
    def init(self, *args, **kwargs):
        self.name = args[0]

    def mutate(self, mutable_flow):
        plan = dict(mutable_flow.configs)[self.name]
        for name, one in mutable_flow.steps:
            if name in plan["steps"]:
                one.add_decorator(marked, deco_kwargs=dict(plan["steps"][name]))
            one.add_decorator("environment", deco_kwargs={"vars": dict(plan["variables"])})
