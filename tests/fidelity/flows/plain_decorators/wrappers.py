import functools


def log_calls(method):
    @functools.wraps(method)
    def inner(self):
        self.called = getattr(self, "called", ()) + (method.__name__,)
        try:
            return method(self)
        finally:
            print("left", method.__name__)

    return inner
