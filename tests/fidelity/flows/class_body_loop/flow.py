from metaflow import FlowSpec, Parameter, step

DEFAULTS = {"alpha": 0.1, "beta": 2, "gamma": "auto"}


class ClassBodyLoopFlow(FlowSpec):
    for _name, _default in DEFAULTS.items():
        locals()[_name] = Parameter(_name, default=_default, help="Hyperparameter " + _name)

    @step
    def start(self):
        self.chosen = {name: getattr(self, name) for name in DEFAULTS}
        self.scaled = self.alpha * self.beta
        self.next(self.end)

    @step
    def end(self):
        self.text = f"{self.gamma}:{self.scaled:.2f}"


if __name__ == "__main__":
    ClassBodyLoopFlow()
