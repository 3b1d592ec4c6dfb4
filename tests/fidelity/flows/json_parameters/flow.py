import json

from metaflow import FlowSpec, JSONType, Parameter, step


def default_filters(context):
    return json.dumps({"country": "fi", "flow": context.flow_name})


class JsonParametersFlow(FlowSpec):
    filters = Parameter("filters", type=JSONType, default=default_filters)
    weights = Parameter("weights", type=JSONType, default={"a": 1.5, "b": [1, 2]})
    columns = Parameter("columns", separator=",", default="x,y")
    threshold = Parameter("threshold", type=float, default=1)
    maybe = Parameter("maybe", default=None)
    flag = Parameter("flag", type=bool, default=True)

    @step
    def start(self):
        self.kinds = [type(value).__name__ for value in (self.filters, self.weights, self.columns, self.threshold)]
        self.next(self.end)

    @step
    def end(self):
        self.weighted = {name: self.weights["a"] * len(name) for name in self.columns}
        try:
            self.threshold = 2
        except AttributeError as error:
            self.refused = type(error).__name__


if __name__ == "__main__":
    JsonParametersFlow()
