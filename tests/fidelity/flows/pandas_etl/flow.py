from io import StringIO
from pathlib import Path

import pandas as pd
from metaflow import FlowSpec, IncludeFile, Parameter, step

FOLDER = Path(__file__).absolute().parent


class PandasEtlFlow(FlowSpec):
    orders = IncludeFile("orders", default=str(FOLDER / "orders.csv"))
    threshold = Parameter("threshold", default=10.0)

    @step
    def start(self):
        self.raw = pd.read_csv(StringIO(self.orders), parse_dates=["day"])
        self.customers = pd.read_csv(FOLDER / "customers.csv", index_col="id")
        self.next(self.clean, self.quality)

    @step
    def clean(self):
        frame = self.raw.dropna(subset=["amount"])
        limit = self.threshold
        self.frame = frame.query("amount >= @limit").assign(month=lambda one: one["day"].dt.month)
        self.next(self.combine)

    @step
    def quality(self):
        self.missing = self.raw.isna().sum().to_dict()
        self.next(self.combine)

    @step
    def combine(self, inputs):
        self.merge_artifacts(inputs, exclude=["raw"])
        self.joined = self.frame.join(self.customers, on="customer")
        self.pivot = self.joined.pivot_table(index="name", columns="month", values="amount", aggfunc="sum")
        self.next(self.end)

    @step
    def end(self):
        self.markdown = self.pivot.fillna(0).to_csv()
        print(self.markdown)


if __name__ == "__main__":
    PandasEtlFlow()
