from metaflow import USER_SKIP_STEP, UserStepDecorator, current, user_step_decorator


class Counted(UserStepDecorator):
    """Counts what it decorates."""

    def init(self, *args, **kwargs):
        self.label = kwargs.get("label", "plain")

    def pre_step(self, step_name, flow, inputs=None):
        flow.counted = getattr(flow, "counted", 0) + 1

    def post_step(self, step_name, flow, exception=None):
        flow.labels = getattr(flow, "labels", []) + [f"{self.label}:{step_name}:{current.step_name}"]


@user_step_decorator
def fallback(step_name, flow, inputs=None, attributes=None):
    try:
        yield
    except ZeroDivisionError as error:
        print("caught", error)
        flow.result = attributes["value"]
        flow.problem = type(error).__name__


@user_step_decorator
def skip_when(step_name, flow, inputs=None, attributes=None):
    if getattr(flow, attributes["name"]):
        flow.skipped = step_name
        yield {}
    else:
        yield


@user_step_decorator
def once(step_name, flow, inputs=None, attributes=None):
    flow.before = sorted(flow.labels)
    yield
    flow.after = flow.sum * 2
