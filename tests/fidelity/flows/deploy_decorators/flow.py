import os

from metaflow import FlowSpec, pypi, resources, schedule, step, trigger

REMOTE = os.environ.get("TRAIN_REMOTELY") == "1"


def when(flag, decorator):
    """Decorate only if asked, as many flows do for the cloud."""
    return decorator if flag else lambda function: function


@trigger(event="new_data")
@schedule(weekly=True)
class DeployDecoratorsFlow(FlowSpec):
    @step
    def start(self):
        try:
            import a_package_that_is_not_here as fancy
        except ImportError:
            fancy = None
        self.fancy = fancy is not None
        self.next(self.train)

    @when(REMOTE, pypi(packages={"scikit-learn": "1.5.0"}))
    @resources(cpu=1)
    @step
    def train(self):
        import numpy as np

        try:
            from some_gpu_library import fit
        except ModuleNotFoundError:

            def fit(values):
                return float(np.mean(values))

        self.mean = fit([1, 2, 6])
        self.next(self.end)

    @step
    def end(self):
        print(self.mean)


if __name__ == "__main__":
    DeployDecoratorsFlow()
