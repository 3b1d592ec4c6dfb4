from __future__ import annotations

import dataclasses
from collections import namedtuple
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from metaflow import FlowSpec, step

if TYPE_CHECKING:
    import pandas as pd


class Level(Enum):
    LOW = 1
    HIGH = 2


@dataclasses.dataclass
class Reading:
    sensor: str
    value: float
    level: Level = Level.LOW
    history: list[float] = dataclasses.field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int = 0


Pair = namedtuple("Pair", "left right")


class Box:
    def __init__(self, content):
        self.content = content

    def __eq__(self, other):
        return isinstance(other, Box) and self.content == other.content


class DataclassArtifactsFlow(FlowSpec):
    @step
    def start(self):
        self.readings: list[Reading] = [Reading("a", 1.5), Reading("b", 8.0, Level.HIGH)]
        self.frame: pd.DataFrame | None = None
        self.point = Point(3)
        self.next(self.work)

    @step
    def work(self):
        for one in self.readings:
            one.history.append(one.value)
        self.readings = [dataclasses.replace(one, value=one.value * 2) for one in self.readings]
        self.pair = Pair(self.point._replace(y=4), Box({"level": Level.HIGH}))
        self.next(self.end)

    @step
    def end(self):
        self.high = [one.sensor for one in self.readings if one.level is Level.HIGH]
        self.same = self.pair.right == Box({"level": Level.HIGH})


if __name__ == "__main__":
    DataclassArtifactsFlow()
