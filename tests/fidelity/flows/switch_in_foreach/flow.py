from metaflow import FlowSpec, step


class SwitchInForeachFlow(FlowSpec):
    @step
    def start(self):
        self.documents = ["1;2;3", '{"a": 4}', "5;6"]
        self.next(self.sniff, foreach="documents")

    @step
    def sniff(self):
        self.format = "json" if self.input.startswith("{") else "csv"
        self.next({"json": self.read_json, "csv": self.read_csv}, condition="format")

    @step
    def read_json(self):
        import json

        self.values = list(json.loads(self.input).values())
        self.next(self.add)

    @step
    def read_csv(self):
        self.values = [int(value) for value in self.input.split(";")]
        self.next(self.add)

    @step
    def add(self):
        self.sum = sum(self.values)
        self.next(self.join)

    @step
    def join(self, results):
        self.sums = [(r.format, r.sum) for r in results]
        self.next(self.end)

    @step
    def end(self):
        self.total = sum(value for _, value in self.sums)


if __name__ == "__main__":
    SwitchInForeachFlow()
