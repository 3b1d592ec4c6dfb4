#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Numbers in words."""
from metaflow import FlowSpec, step

__version__ = "1.0"


class FunctionsBelowClassFlow(FlowSpec):
    """Uses functions that are written below it.

    The text of this docstring
      keeps its indentation.
    """

    TEMPLATE = """\
    {word}:
      {number}
"""

    @step
    def start(self): self.numbers = [1, 3]; self.next(self.spell)

    # what follows is the work
    @step
    def spell(self):
        # a comment first
        self.words = [in_words(number) for number in self.numbers]
        self.texts = [
            self.TEMPLATE.format(word=word, number=number)  # one each
            for word, number in zip(self.words, self.numbers)
        ]
        self.block = """
        kept
    as it is"""
        if (count := len(self.words)) > 1:
            self.count: int = count
        self.next(self.end)
        # a comment last

    @step
    def end(self):
        pass


def in_words(number):
    return NAMES.get(number, "many")


NAMES = {1: "one", 2: "two"}




if __name__ == "__main__":
    print("version", __version__)
    FunctionsBelowClassFlow()
