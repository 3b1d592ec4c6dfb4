from metaflow import FlowSpec, catch, retry, step, user_step_decorator


@user_step_decorator
def summed(step_name, flow, inputs=None, attributes=None):
    if inputs is not None:
        flow.n_inputs = len(list(inputs))
        flow.total = sum(each.value for each in inputs)
    yield
    flow.half = flow.total / 2


@user_step_decorator
def needs(step_name, flow, inputs=None, attributes=None):
    missing = [name for name in attributes["names"] if not hasattr(flow, name)]
    if missing:
        raise AttributeError("missing: " + ", ".join(missing))
    yield


class DecoratedJoinFlow(FlowSpec):
    @step
    def start(self):
        self.parts = [3, 5, 8]
        self.next(self.work, foreach="parts")

    @needs(names=["parts"])
    @retry(times=1, minutes_between_retries=0)
    @step
    def work(self):
        self.value = self.input * 2
        self.next(self.join)

    @summed
    @step
    def join(self, inputs):
        self.largest = max(each.value for each in inputs)
        self.next(self.broken)

    @catch(var="why", print_exception=False)
    @needs(names=["largest", "smallest"])
    @step
    def broken(self):
        self.reached = True
        self.next(self.end)

    @step
    def end(self):
        self.reason = self.why.type, hasattr(self, "reached")


if __name__ == "__main__":
    DecoratedJoinFlow()
