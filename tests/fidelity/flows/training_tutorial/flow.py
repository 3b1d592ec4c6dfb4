from metaflow import FlowSpec, Parameter, step, resources, card, current
from metaflow.cards import Artifact, Image, Markdown, ProgressBar, VegaChart


class TrainingLoop:
    """A tiny gradient descent, with a callback for each epoch."""

    def __init__(self, rate):
        self.rate, self.weight, self.losses = rate, 0.0, []

    def fit(self, xs, ys, epochs, on_epoch=lambda epoch, loss: None):
        for epoch in range(epochs):
            errors = [self.weight * x - y for x, y in zip(xs, ys)]
            loss = sum(e * e for e in errors) / len(xs)
            self.weight -= self.rate * 2 * sum(e * x for e, x in zip(errors, xs)) / len(xs)
            self.losses.append(loss)
            on_epoch(epoch, loss)
        return self

    def __getstate__(self):
        return {"rate": self.rate, "weight": self.weight, "losses": self.losses[-2:]}


class TrainingTutorialFlow(FlowSpec):
    epochs = Parameter("epochs", default=4)
    rates = Parameter("rates", default="0.01,0.05", separator=",")

    @step
    def start(self):
        self.xs = [1.0, 2.0, 3.0]
        self.ys = [2.0, 4.0, 6.0]
        self.learning_rates = [float(rate) for rate in self.rates]
        self.next(self.train, foreach="learning_rates")

    @resources(memory=128)
    @card(type="blank", id="progress")
    @card(type="blank", id="losses")
    @step
    def train(self):
        bar = ProgressBar(max=self.epochs, label="epochs")
        current.card["progress"].append(bar)

        def on_epoch(epoch, loss):
            bar.update(epoch + 1)
            current.card["progress"].refresh()

        self.loop = TrainingLoop(self.input).fit(self.xs, self.ys, self.epochs, on_epoch)
        self.loss = self.loop.losses[-1]
        current.card["losses"].extend([Markdown(f"**{self.loss:.4f}**"), Artifact(self.loop.losses, "losses")])
        self.next(self.select)

    @step
    def select(self, trained):
        self.best = min(trained, key=lambda one: one.loss).loop
        self.losses = {one.loop.rate: round(one.loss, 8) for one in trained}
        self.next(self.end)

    @step
    def end(self):
        self.kept = len(self.best.losses)


if __name__ == "__main__":
    TrainingTutorialFlow()
