import json
from pathlib import Path

TAX = 0.2
_PRICES = json.loads(Path(__file__).with_name("prices.json").read_text())


def price_of(item):
    return _PRICES[item]
