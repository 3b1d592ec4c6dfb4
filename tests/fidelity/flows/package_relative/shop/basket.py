from dataclasses import dataclass


@dataclass
class Basket:
    items: list

    def __len__(self):
        return len(self.items)
