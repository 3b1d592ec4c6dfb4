from metaflow import FlowSpec, current, step, user_step_decorator


@user_step_decorator
def traced(step_name, flow, inputs=None, attributes=None):
    print("before", step_name)
    flow.trace = getattr(flow, "trace", []) + ["before " + step_name]
    yield
    flow.trace = flow.trace + ["after " + step_name]
    print("after", step_name)


@user_step_decorator
def swallow(step_name, flow, inputs=None, attributes=None):
    try:
        yield
    except ZeroDivisionError as error:
        flow.swallowed = str(error)


class UserStepDecoratorFlow(FlowSpec):
    @traced
    @step
    def start(self):
        self.x = 1
        self.next(self.work)

    @traced
    @step
    def work(self):
        self.y = self.x + len(self.trace)
        self.next(self.end)

    @step
    def end(self):
        self.said = list(self.trace)


if __name__ == "__main__":
    UserStepDecoratorFlow()
