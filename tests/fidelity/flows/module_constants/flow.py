from metaflow import FlowSpec, step
import json
from pathlib import Path

HERE = Path(__file__).parent
SETTINGS = json.loads((HERE / "data" / "settings.json").read_text())
STOP_WORDS = frozenset(SETTINGS["stop_words"])


def is_kept(word, minimum=SETTINGS["minimum"]):
    return len(word) >= minimum and word not in STOP_WORDS


class WordCountFlow(FlowSpec):
    @step
    def start(self):
        self.texts = sorted(path.name for path in (HERE / "data").glob("*.txt"))
        self.next(self.count, foreach="texts")

    @step
    def count(self):
        self.text = self.input
        self.counts = {}
        for word in (HERE / "data" / self.text).read_text().lower().split():
            word = word.strip(".,;!?")
            if is_kept(word):
                self.counts[word] = self.counts.get(word, 0) + 1
        self.next(self.join)

    @step
    def join(self, inputs):
        self.totals = {}
        for each in inputs:
            for word, count in each.counts.items():
                self.totals[word] = self.totals.get(word, 0) + count
        self.by_text = {each.text: sum(each.counts.values()) for each in inputs}
        self.next(self.end)

    @step
    def end(self):
        self.top = sorted(self.totals.items(), key=lambda kv: (-kv[1], kv[0]))[:3]


if __name__ == "__main__":
    WordCountFlow()
