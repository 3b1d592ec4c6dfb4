import numpy as np
import pandas as pd
from metaflow import FlowSpec, step


def batches(values, size):
    for begin in range(0, len(values), size):
        yield values[begin : begin + size]


class ForeachKindsFlow(FlowSpec):
    """Foreach over an array, over a text, over rows and over what a generator made."""

    @step
    def start(self):
        self.grid = np.linspace(0, 1, 3)
        self.next(self.point, foreach="grid")

    @step
    def point(self):
        self.y = float(np.round(self.input**2, 4))
        self.next(self.joined)

    @step
    def joined(self, inputs):
        self.ys = [i.y for i in inputs]
        self.frame = pd.DataFrame({"name": ["x", "y"], "value": [1.5, 2.5]})
        self.next(self.to_rows)

    @step
    def to_rows(self):
        self.rows = [row for _, row in self.frame.iterrows()]
        self.next(self.row, foreach="rows")

    @step
    def row(self):
        self.text = f"{self.input['name']}={self.input['value']}"
        self.next(self.texts)

    @step
    def texts(self, rows):
        self.lines = [each.text for each in rows]
        self.merge_artifacts(rows, include=["ys"])
        self.next(self.to_batches)

    @step
    def to_batches(self):
        self.parts = list(batches(self.ys, 2))
        self.word = "ab"
        self.next(self.batch, foreach="parts")

    @step
    def batch(self):
        self.mean = sum(self.input) / len(self.input)
        self.letters = self.word
        self.next(self.letter, foreach="letters")

    @step
    def letter(self):
        self.key = f"{self.input}{self.mean:.2f}"
        self.next(self.keys)

    @step
    def keys(self, inputs):
        self.found = [i.key for i in inputs]
        self.next(self.all_keys)

    @step
    def all_keys(self, inputs):
        self.found = sorted(key for i in inputs for key in i.found)
        self.next(self.end)

    @step
    def end(self):
        print(self.found)


if __name__ == "__main__":
    ForeachKindsFlow()
