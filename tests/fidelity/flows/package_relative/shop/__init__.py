"""A small shop."""
from .basket import Basket
from .prices import TAX

__all__ = ["TAX", "Basket"]
