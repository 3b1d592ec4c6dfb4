from metaflow import FlowSpec, step


class NamedStartEndFlow(FlowSpec):
    @step(start=True)
    def extract(self):
        self.raw = ["3", "1", "x", "2"]
        self.next(self.transform)

    @step
    def transform(self):
        self.clean = sorted(int(value) for value in self.raw if value.isdigit())
        self.next(self.load)

    @step(end=True)
    def load(self):
        self.loaded = {value: value**2 for value in self.clean}


if __name__ == "__main__":
    NamedStartEndFlow()
