import collections
import re
import string

from metaflow import FlowSpec, step

TRAINING = [
    ("spam", "Win money now"),
    ("spam", "now win a big prize, win!"),
    ("ham", "Lunch at noon?"),
    ("ham", "See you at the office at noon"),
]
PUNCTUATION = re.compile("[%s]" % re.escape(string.punctuation))


def tokens(text):
    return PUNCTUATION.sub(" ", text.lower()).split()


class TextClassifierFlow(FlowSpec):
    @step
    def start(self):
        self.labels = sorted({label for label, _ in TRAINING})
        self.next(self.count, foreach="labels")

    @step
    def count(self):
        self.label = self.input
        words = collections.Counter()
        for label, text in TRAINING:
            if label == self.label:
                words.update(tokens(text))
        self.words = words
        self.next(self.merge)

    @step
    def merge(self, inputs):
        self.model = {each.label: each.words for each in inputs}
        self.vocabulary = sorted(set().union(*(each.words for each in inputs)))
        self.next(self.classify)

    @step
    def classify(self):
        def score(label, text):
            counts, total = self.model[label], sum(self.model[label].values())
            result = 1.0
            for word in tokens(text):
                result *= (counts[word] + 1) / (total + len(self.vocabulary))
            return result

        self.texts = ["win lunch money", "office at noon"]
        self.predicted = [max(self.labels_seen(), key=lambda label: score(label, text)) for text in self.texts]
        self.next(self.end)

    def labels_seen(self):
        return list(self.model)

    @step
    def end(self):
        for text, label in zip(self.texts, self.predicted):
            print(f"{label:>5}: {text}")


if __name__ == "__main__":
    TextClassifierFlow()
