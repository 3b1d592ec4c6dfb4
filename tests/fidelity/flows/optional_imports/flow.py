from metaflow import FlowSpec, step

try:
    import fancy_plots as plots
except ImportError:
    plots = None

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

from extras import HAS_GPU, load_engine


class OptionalImportsFlow(FlowSpec):
    @step
    def start(self):
        self.config = tomllib.loads('title = "demo"\n[run]\nrounds = 3\n')
        self.engine = load_engine()
        self.next(self.fit)

    @step
    def fit(self):
        try:
            import xgboost_of_the_future as xgb

            self.backend = xgb.__name__
        except ImportError:
            self.backend = "plain"
        if HAS_GPU:
            from gpu_tools import train

            train()
        self.rounds = self.config["run"]["rounds"]
        self.next(self.end)

    @step
    def end(self):
        if plots is not None:
            plots.show(self.rounds)
        self.plotted = plots is not None


if __name__ == "__main__":
    OptionalImportsFlow()
