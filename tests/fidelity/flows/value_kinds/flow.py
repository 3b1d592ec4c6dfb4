import datetime as dt
import decimal
import fractions
import pathlib
import re
import uuid
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque

import numpy as np
import pandas as pd
from metaflow import FlowSpec, step


class ValueKindsFlow(FlowSpec):
    """Keeps and changes values of many types."""

    PATTERN = re.compile(r"(\d+)-(\w+)")
    ORIGIN = dt.date(2024, 2, 28)

    @step
    def start(self):
        self.counter = Counter("banana")
        self.lists = defaultdict(list)
        self.lists["a"].append(1)
        self.queue = deque([1, 2, 3], maxlen=3)
        self.money = decimal.Decimal("12.30")
        self.third = fractions.Fraction(1, 3)
        self.days = [self.ORIGIN + dt.timedelta(days=n) for n in range(3)]
        self.moment = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
        self.path = pathlib.PurePosixPath("data") / "x.csv"
        self.array = np.arange(6, dtype="float32").reshape(2, 3)
        self.frame = pd.DataFrame({"when": pd.to_datetime(["2024-01-01", "2024-01-02"]), "n": [1, 2]})
        self.ident = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
        self.raw = b"\x00\xff"
        self.next(self.change)

    @step
    def change(self):
        self.counter.update("nab")
        self.lists["b"].append(2)
        self.queue.append(4)
        self.money *= 3
        self.array[0] *= 2
        self.frame.loc[2] = [pd.Timestamp("2024-01-05"), 9]
        self.ordered = OrderedDict(sorted(self.counter.items()))
        self.found = self.PATTERN.match("17-x").groups()
        self.layers = ChainMap({"a": 1}, {"a": 2, "b": 3})
        self.next(self.end)

    @step
    def end(self):
        self.summary = {
            "common": self.counter.most_common(1),
            "queue": list(self.queue),
            "money": str(self.money),
            "b": self.layers["b"],
            "span": (self.days[-1] - self.days[0]).days,
        }
        self.weekday = self.frame.groupby(self.frame["when"].dt.day_name())["n"].sum()


if __name__ == "__main__":
    ValueKindsFlow()
