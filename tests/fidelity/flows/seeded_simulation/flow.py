import math
import random

import numpy as np
from metaflow import FlowSpec, Parameter, step

N_SHARDS = 3


def shards(n=N_SHARDS):
    return [{"shard": i, "seed": 100 + i} for i in range(n)]


class SeededSimulationFlow(FlowSpec):
    """Estimates pi and a random walk, one seed for each shard."""

    points = Parameter("points", default=500)
    seed = Parameter("seed", default=1)

    @step
    def start(self):
        np.random.seed(self.seed)
        random.seed(self.seed)
        self.offset = (float(np.random.rand()), random.random())
        self.shards = shards()
        self.next(self.simulate, foreach="shards")

    @step
    def simulate(self):
        rng = np.random.default_rng(self.input["seed"])
        xy = rng.random((self.points, 2))
        self.estimate = 4 * float(np.mean((xy**2).sum(axis=1) < 1))
        source = random.Random(self.input["seed"])
        self.walk = [sum(source.choice([-1, 1]) for _ in range(10)) for _ in range(5)]
        self.shard = self.input["shard"]
        self.next(self.gather)

    @step
    def gather(self, shards):
        self.estimates = np.array([one.estimate for one in shards])
        self.walks = {one.shard: one.walk for one in shards}
        self.merge_artifacts(shards, include=["offset"])
        self.next(self.end)

    @step
    def end(self):
        self.pi = float(self.estimates.mean())
        self.close = math.isclose(self.pi, math.pi, rel_tol=0.1)


if __name__ == "__main__":
    SeededSimulationFlow()
