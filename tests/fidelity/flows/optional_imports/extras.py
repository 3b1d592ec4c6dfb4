try:
    import cupy_of_the_future  # noqa

    HAS_GPU = True
except ImportError:
    HAS_GPU = False


def load_engine():
    import importlib

    for name in ("engine_two_of_the_future", "json"):
        try:
            return importlib.import_module(name).__name__
        except ImportError:
            continue
