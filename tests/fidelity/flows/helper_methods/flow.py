from metaflow import FlowSpec, Parameter, step


class HelperMethodsFlow(FlowSpec):
    """Methods that are not steps set and read artifacts."""

    SIZES = [1, 2, 4]
    LABELS = {"low": 0, "high": 1}
    factor = Parameter("factor", default=3)

    def prepare(self):
        self.numbers = [n * self.factor for n in self.SIZES]
        self._count(len(self.numbers))

    def _count(self, amount):
        self.counted = amount

    @property
    def total(self):
        return sum(self.numbers)

    @staticmethod
    def double(value):
        return 2 * value

    @classmethod
    def label(cls, value):
        return f"{cls.__name__}:{value}"

    @step
    def start(self):
        self.prepare()
        self.next(self.use)

    @step
    def use(self):
        self.doubled = [self.double(n) for n in self.numbers]
        self.summary = {"total": self.total, "n": self.counted}
        self.named = self.label(min(self.LABELS, key=lambda one: abs(self.LABELS[one] - 0.8)))
        self.next(self.end)

    @step
    def end(self):
        self.finish(note="done")

    def finish(self, note):
        self.note = f"{note}: {self.summary['total']}"
        print(self.note)


if __name__ == "__main__":
    HelperMethodsFlow()
