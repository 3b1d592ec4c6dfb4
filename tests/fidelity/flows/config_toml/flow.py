import tomllib

from metaflow import Config, FlowSpec, IncludeFile, Parameter, config_expr, resources, retry, step


def parse_lines(text):
    return {"lines": [line for line in text.splitlines() if line]}


class ConfigTomlFlow(FlowSpec):
    cfg = Config("cfg", default="flow.toml", parser="tomllib.loads")
    names = Config("names", default="names.txt", parser=parse_lines)
    inline = Config("inline", default_value='{"a": [1, {"b": 2}]}')

    rounds = Parameter("rounds", default=cfg.train.rounds)
    notes = IncludeFile("notes", is_text=False, default=config_expr("cfg.notes"))

    @resources(**cfg.resources)
    @retry(times=config_expr("cfg.train.rounds - 1"))
    @step
    def start(self):
        self.history = [self.cfg.train.rate * n for n in range(self.rounds)]
        self.who = [name.title() for name in self.names.lines]
        self.next(self.end)

    @step
    def end(self):
        self.b = self.inline.a[1]["b"]
        self.first = self.notes[:4]
        self.rate = dict(self.cfg.train)["rate"]
        self.keys = sorted(self.cfg.keys())
        self.parsed = tomllib.loads("x = 1")


if __name__ == "__main__":
    ConfigTomlFlow()
