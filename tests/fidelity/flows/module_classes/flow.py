from __future__ import annotations

import abc
import enum
from dataclasses import dataclass, field
from functools import cached_property, partial, reduce, total_ordering

from metaflow import FlowSpec, step


class Unit(str, enum.Enum):
    METER = "m"
    MILE = "mi"


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


@total_ordering
@dataclass(frozen=True, eq=False)
class Version:
    major: int
    minor: int = 0

    def __eq__(self, other):
        return (self.major, self.minor) == (other.major, other.minor)

    def __lt__(self, other):
        return (self.major, self.minor) < (other.major, other.minor)

    def __hash__(self):
        return hash((self.major, self.minor))


class Shape(abc.ABC):
    def __init__(self, name):
        self.name = name

    @abc.abstractmethod
    def area(self): ...


class Square(Shape):
    def __init__(self, side):
        super().__init__("square")
        self.side = side

    def area(self):
        return self.side**2

    @cached_property
    def diagonal(self):
        return round(self.side * 2**0.5, 6)


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list)

    def total(self):
        return self.value + sum(child.total() for child in self.children)


def scale(factor, value):
    return factor * value


class ModuleClassesFlow(FlowSpec):
    @step
    def start(self):
        self.unit = Unit.MILE
        self.access = Access.READ | Access.WRITE
        self.versions = [Version(1, 2), Version(0, 9), Version(1)]
        self.shapes: list[Shape] = [Square(2), Square(3.5)]
        self.tree = Node(1, [Node(2), Node(3, [Node(4)])])
        self.tree.children[0].children.append(self.tree.children[1])
        self.double = partial(scale, 2)
        self.next(self.use)

    @step
    def use(self):
        self.newest = max(self.versions)
        self.areas = [shape.area() for shape in self.shapes]
        self.diagonals = [shape.diagonal for shape in self.shapes]
        self.doubled = [*map(self.double, self.areas)]
        self.total = self.tree.total()
        self.product = reduce(lambda a, b: a * b, [shape.side for shape in self.shapes])
        self.next(self.end)

    @step
    def end(self):
        self.same = (self.unit is Unit.MILE, self.unit == "mi", Access.WRITE in self.access)
        self.kinds = [type(shape).__name__ for shape in self.shapes]


if __name__ == "__main__":
    ModuleClassesFlow()
