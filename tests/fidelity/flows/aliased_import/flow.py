import metaflow as mf
from metaflow import Parameter as Param


class AliasedImportFlow(mf.FlowSpec):
    size = Param("size", default=4)
    seed = mf.Parameter("seed", default=3)

    @mf.step
    def start(self):
        import random

        source = random.Random(self.seed)
        self.numbers = [source.randrange(100) for _ in range(self.size)]
        self.next(self.end)

    @mf.retry(times=1)
    @mf.step
    def end(self):
        self.place = (mf.current.flow_name, mf.current.step_name)
        self.largest = max(self.numbers)


if __name__ == "__main__":
    AliasedImportFlow()
