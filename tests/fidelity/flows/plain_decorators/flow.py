from functools import wraps

from metaflow import FlowSpec, step
from wrappers import log_calls


def with_defaults(**values):
    def decorator(function):
        @wraps(function)
        def wrapper(self):
            for name, value in values.items():
                setattr(self, name, value)
            function(self)

        return wrapper

    return decorator


class PlainDecoratorsFlow(FlowSpec):
    """Decorators that are functions and know nothing of Metaflow."""

    @step
    @with_defaults(alpha=0.5, names=["a"])
    def start(self):
        self.names = self.names + ["b"]
        self.next(self.middle)

    @step
    @log_calls
    def middle(self):
        self.beta = self.alpha * 2
        self.next(self.end)

    @step
    @log_calls
    def end(self):
        self.text = ",".join(self.names * int(self.beta))


if __name__ == "__main__":
    PlainDecoratorsFlow()
