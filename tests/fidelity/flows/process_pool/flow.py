import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

from metaflow import FlowSpec, Parameter, step


def power(exponent, base):
    return base**exponent


def collatz(n):
    length = 0
    while n != 1:
        n = 3 * n + 1 if n % 2 else n // 2
        length += 1
    return length


class ProcessPoolFlow(FlowSpec):
    workers = Parameter("workers", default=2)

    @step
    def start(self):
        with multiprocessing.Pool(self.workers) as pool:
            self.lengths = pool.map(collatz, range(1, 8))
        self.next(self.powers)

    @step
    def powers(self):
        with ProcessPoolExecutor(max_workers=self.workers) as pool:
            self.cubes = list(pool.map(partial(power, 3), self.lengths))
        with ThreadPoolExecutor(2) as threads:
            self.squares = list(threads.map(lambda x: x * x, self.lengths))
        self.next(self.end)

    @step
    def end(self):
        self.sums = (sum(self.cubes), sum(self.squares))


if __name__ == "__main__":
    ProcessPoolFlow()
