import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "src"))

from metaflow import FlowSpec, Parameter, step

from scoring import Scorer, normalize


class SysPathSourceFlow(FlowSpec):
    """The code is in a folder that the flow puts on the path itself."""

    words = Parameter("words", separator=" ", default="aa bbb c")

    @step
    def start(self):
        self.scorer = Scorer(weight=2)
        self.next(self.score)

    @step
    def score(self):
        from scoring import rank

        self.scores = {word: self.scorer.score(word) for word in self.words}
        self.ranked = rank(self.scores)
        self.next(self.end)

    @step
    def end(self):
        self.normalized = normalize(self.scores)


if __name__ == "__main__":
    SysPathSourceFlow()
