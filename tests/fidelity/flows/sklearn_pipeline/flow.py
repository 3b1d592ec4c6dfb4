import numpy as np
from metaflow import FlowSpec, JSONType, Parameter, card, current, step
from metaflow.cards import Markdown, Table

from features import AddRatio, column_names


class SklearnPipelineFlow(FlowSpec):
    """Trains two pipelines with a transformer of a module, and keeps the better one."""

    grid = Parameter("grid", type=JSONType, default='[{"C": 0.1}, {"C": 10.0}]')

    @step
    def start(self):
        from sklearn.datasets import make_classification
        from sklearn.model_selection import train_test_split

        X, y = make_classification(n_samples=80, n_features=4, random_state=0)
        self.train_X, self.test_X, self.train_y, self.test_y = train_test_split(X, y, random_state=0)
        self.next(self.fit, foreach="grid")

    @step
    def fit(self):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self.C = self.input["C"]
        self.pipe = make_pipeline(AddRatio(), StandardScaler(), LogisticRegression(C=self.C))
        self.pipe.fit(self.train_X, self.train_y)
        self.accuracy = float(self.pipe.score(self.test_X, self.test_y))
        self.next(self.pick)

    @card(type="blank")
    @step
    def pick(self, candidates):
        best = max(candidates, key=lambda c: (c.accuracy, c.C))
        self.pipe, self.C = best.pipe, best.C
        self.test_X = best.test_X
        current.card.append(Markdown("## Candidates"))
        current.card.append(Table([[c.C, c.accuracy] for c in candidates], headers=["C", "accuracy"]))
        self.next(self.end)

    @step
    def end(self):
        self.probabilities = np.round(self.pipe.predict_proba(self.test_X[:3]), 8)
        self.columns = column_names(self.pipe)


if __name__ == "__main__":
    SklearnPipelineFlow()
