import os

from metaflow import Config, FlowSpec, Parameter, config_expr, environment, retry, step


class ConfigValuesFlow(FlowSpec):
    """Settings come from a file beside the flow."""

    config = Config("settings", default="settings.json")
    depth = Parameter("depth", default=config.model.depth, type=int)
    label = Parameter("label", default=config_expr("settings.label"))

    @retry(times=config.retries)
    @environment(vars={"RUN_LABEL": config_expr("str(settings.label).upper()")})
    @step
    def start(self):
        self.label_there = os.environ["RUN_LABEL"]
        self.layers = list(range(self.depth))
        self.names = [*self.config.model.names]
        self.next(self.end)

    @step
    def end(self):
        self.model = {name: self.config["model"]["depth"] * place for place, name in enumerate(self.names)}
        self.plain = self.config.get("missing", "none")


if __name__ == "__main__":
    ConfigValuesFlow()
