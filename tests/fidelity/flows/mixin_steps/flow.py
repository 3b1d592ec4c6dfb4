from metaflow import FlowSpec, step

from stepmixins import CheckMixin, PublishMixin


class MixinStepsFlow(CheckMixin, PublishMixin, FlowSpec):
    """Steps of two mix-ins, which are not flows themselves."""

    @step
    def start(self):
        self.rows = [3, None, 5]
        self.next(self.check)

    @step
    def transform(self):
        self.rows = [row * self.factor for row in self.rows]
        self.next(self.publish)

    @step
    def end(self):
        print(self.published)


if __name__ == "__main__":
    MixinStepsFlow()
