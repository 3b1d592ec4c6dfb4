"""Totals of a shop's sales, read from the file beside this one."""
import csv
import os

from metaflow import FlowSpec, IncludeFile, Parameter, step


def script_path(filename):
    """
    A convenience function to get the absolute path to a file in this
    flow's directory. This allows the flow to be launched from any
    directory.

    """
    filepath = os.path.join(os.path.dirname(__file__))
    return os.path.join(filepath, filename)


class CsvReportFlow(FlowSpec):
    """
    Reads sales.csv, sums them by region and prints the best region.
    """

    sales = IncludeFile("sales", help="The sales to sum.", default=script_path("sales.csv"))
    top = Parameter("top", default=2)

    @step
    def start(self):
        rows = list(csv.DictReader(self.sales.splitlines()))
        self.columns = list(rows[0])
        self.amounts = [(row["region"], int(row["units"]) * float(row["price"])) for row in rows]
        self.next(self.regions)

    @step
    def regions(self):
        with open(script_path("regions.txt")) as file:
            self.titles = dict(line.strip().split("=") for line in file if "=" in line)
        self.totals = {}
        for region, amount in self.amounts:
            self.totals[region] = self.totals.get(region, 0.0) + amount
        self.next(self.end)

    @step
    def end(self):
        ranked = sorted(self.totals.items(), key=lambda pair: -pair[1])
        self.best = [f"{self.titles[region]}: {total:.2f}" for region, total in ranked[: self.top]]
        print("\n".join(self.best))


if __name__ == "__main__":
    CsvReportFlow()
