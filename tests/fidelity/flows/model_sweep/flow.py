import numpy as np
import pandas as pd
from metaflow import FlowSpec, Parameter, card, current, step


class ModelSweepFlow(FlowSpec):
    """Fits trees of several depths and keeps the best."""

    seed = Parameter("seed", default=7)

    @card
    @step
    def start(self):
        from sklearn.datasets import make_regression

        X, y = make_regression(n_samples=60, n_features=4, noise=3.0, random_state=self.seed)
        self.frame = pd.DataFrame(X, columns=list("abcd")).assign(y=y)
        self.depths = np.array([1, 2, 4])
        self.next(self.fit, foreach="depths")

    @step
    def fit(self):
        from sklearn.model_selection import cross_val_score
        from sklearn.tree import DecisionTreeRegressor

        self.depth = int(self.input)
        self.model = DecisionTreeRegressor(max_depth=self.depth, random_state=self.seed)
        features = self.frame.drop(columns="y")
        self.score = float(np.mean(cross_val_score(self.model, features, self.frame["y"], cv=3)))
        self.model.fit(features, self.frame["y"])
        self.next(self.choose)

    @step
    def choose(self, models):
        best = max(models, key=lambda one: one.score)
        self.model, self.depth = best.model, best.depth
        self.scores = {one.depth: round(one.score, 9) for one in models}
        self.merge_artifacts(models, include=["frame"])
        self.next(self.end)

    @step
    def end(self):
        self.predictions = self.model.predict(self.frame.drop(columns="y"))[:5]
        print("best depth", self.depth, "of", current.flow_name)


if __name__ == "__main__":
    ModelSweepFlow()
