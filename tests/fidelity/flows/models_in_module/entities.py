import enum
from dataclasses import dataclass, field


class Status(enum.Enum):
    OPEN = "open"
    SHIPPED = "shipped"


@dataclass
class Customer:
    id: int
    name: str
    tags: set = field(default_factory=set)


@dataclass
class Order:
    customer: Customer
    amount: float
    status: Status = Status.OPEN
