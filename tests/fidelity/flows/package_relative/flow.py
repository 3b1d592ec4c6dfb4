from metaflow import FlowSpec, step

from shop import TAX, Basket, pipeline
from shop.prices import price_of


class PackageRelativeFlow(FlowSpec):
    @step
    def start(self):
        self.basket = Basket(["tea", "cake", "tea"])
        self.next(self.total)

    @step
    def total(self):
        self.gross = pipeline.gross(self.basket)
        self.unit = price_of("cake")
        self.next(self.end)

    @step
    def end(self):
        self.receipt = pipeline.receipt(self.basket, self.gross)
        self.tax = TAX


if __name__ == "__main__":
    PackageRelativeFlow()
