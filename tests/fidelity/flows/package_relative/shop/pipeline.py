from metaflow import current

from . import prices
from .basket import Basket


def gross(basket: Basket) -> float:
    return sum(prices.price_of(item) for item in basket.items) * (1 + prices.TAX)


def receipt(basket, total):
    return f"{current.step_name}: {len(basket)} items, {total:.2f}"
